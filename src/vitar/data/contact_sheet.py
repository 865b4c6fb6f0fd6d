"""A page of small images with their true boxes, for looking at a data set before it is used."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import Example, ImageRef, Region, open_image
from vitar.imaging.geometry import Frame
from vitar.imaging.mark import mark_region

PAD_PX = 10
FONT_PX = 15
LINE_PX = 20
_INK, _PAPER, _ANSWER = (30, 30, 30), (255, 255, 255), (0, 95, 60)
_LABEL_COLOURS = ((214, 39, 40), (31, 119, 180), (44, 160, 44), (255, 127, 14), (148, 103, 189), (140, 86, 75))
_TINT = 0.25  # share of its label's colour in a pixel of a mask
_Line = tuple[str, tuple[int, int, int]]  # text and its colour


def contact_sheet(examples: Sequence[Example], columns: int = 4, cell_px: int = 320) -> Image.Image:
    """Draws ``examples`` row by row: their first image at ``cell_px`` wide with its regions outlined, and a caption.

    Raises:
        ValueError: there is nothing to draw, or no column to draw it in.
    """
    letters = int(cell_px / (FONT_PX * 0.5))
    return _sheet([(_thumbnail(e, cell_px), _caption(e, letters)) for e in examples], columns, cell_px)


def annotated_sheet(images: Sequence[AnnotatedImage], columns: int = 4, cell_px: int = 320) -> Image.Image:
    """Draws annotated images row by row: boxes and masks in one colour per label, over id and labels.

    Raises:
        ValueError: there is nothing to draw, or no column to draw it in.
        ImageError: an image cannot be read.
    """
    letters = int(cell_px / (FONT_PX * 0.5))
    labels = sorted({region.label for image in images for region in image.regions})
    colours = {label: _LABEL_COLOURS[place % len(_LABEL_COLOURS)] for place, label in enumerate(labels)}
    cells = []
    for image in images:
        here = [region.label for region in image.regions]
        lines = [(line, _INK) for line in textwrap.wrap(image.id, letters)]
        about = ", ".join(filter(None, (image.modality, image.anatomy, f"{image.width} x {image.height}", image.split)))
        lines += [(line, _INK) for line in textwrap.wrap(about, letters)]
        lines += [(f"{label}: {here.count(label)}", colours[label]) for label in dict.fromkeys(here)]
        cells.append((_coloured(image.image, image.regions, colours, cell_px), lines))
    return _sheet(cells, columns, cell_px)


def _sheet(cells: Sequence[tuple[Image.Image, Sequence[_Line]]], columns: int, cell_px: int) -> Image.Image:
    """Pictures that fit ``cell_px`` each way, each over its lines."""
    if not cells or columns < 1:
        raise ValueError(f"a contact sheet needs images and columns, got {len(cells)} and {columns}")
    picture_px = max(picture.height for picture, _ in cells)
    cell_height = picture_px + max(len(lines) for _, lines in cells) * LINE_PX + 2 * PAD_PX
    rows = -(-len(cells) // columns)
    columns = min(columns, len(cells))
    size = (columns * (cell_px + PAD_PX) + PAD_PX, rows * cell_height + PAD_PX)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_PX)
    for place, (picture, lines) in enumerate(cells):
        row, column = divmod(place, columns)
        x, y = PAD_PX + column * (cell_px + PAD_PX), PAD_PX + row * cell_height
        sheet.paste(picture, (x, y))
        y += picture_px + PAD_PX // 2
        for line, ink in lines:
            draw.text((x, y), line, ink, font)
            y += LINE_PX
    return sheet


def _coloured(
    ref: ImageRef, regions: Sequence[Region], colours: dict[str, tuple[int, int, int]], side_px: int
) -> Image.Image:
    """An image with its regions in the colours of their labels, shrunk to fit a square of ``side_px``."""
    image = open_image(ref).convert("RGB")
    pixels = np.array(image)
    for region in regions:
        mask_hw = region.mask_hw(*image.size)
        if mask_hw is not None:
            tinted = (1 - _TINT) * pixels[mask_hw] + _TINT * np.array(colours[region.label])
            pixels[mask_hw] = np.rint(tinted).astype(np.uint8)
    small = Image.fromarray(pixels)
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    draw = ImageDraw.Draw(small)
    for region in regions:
        x0, y0, x1, y1 = region.box(*image.size).to(Frame.original(*image.size).grid(*small.size)).pixels()
        draw.rectangle((x0, y0, x1 - 1, y1 - 1), outline=colours[region.label], width=2)
    return small


def _thumbnail(example: Example, side_px: int) -> Image.Image:
    """The first image with its regions, shrunk to fit a square of ``side_px``."""
    image = open_image(example.images[0]).convert("RGB")
    boxes = [region.box(*image.size) for region in example.regions]
    marked = mark_region(image, boxes)
    marked.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return marked


def _caption(example: Example, letters: int) -> list[_Line]:
    """Lines of about ``letters``, each with its colour: id, question, options, kind and answer."""
    stick = "\N{NO-BREAK SPACE}"  # keeps a letter and its option on one line; the font has no glyph for it
    options = [f"{chr(ord('A') + i)}. {option}".replace(" ", stick) for i, option in enumerate(example.options)]
    answer = f"{example.kind or example.answer_type}: {example.answer}"
    texts = ((example.id, _INK), (example.question, _INK), (" ".join(options), _INK), (answer, _ANSWER))
    return [
        (line.replace(stick, " "), ink)
        for text, ink in texts
        for line in textwrap.wrap(text, letters, break_on_hyphens=False)
    ]
