"""A page of small images with their true boxes, each over its question and answer, for looking at a data set."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFont

from vitar.data.example import Example, open_image
from vitar.imaging.mark import mark_region

PAD_PX = 10
FONT_PX = 15
LINE_PX = 20
_INK, _PAPER, _ANSWER = (30, 30, 30), (255, 255, 255), (0, 95, 60)


def contact_sheet(examples: Sequence[Example], columns: int = 4, cell_px: int = 320) -> Image.Image:
    """Draws ``examples`` row by row: their first image at ``cell_px`` wide with its regions outlined, and a caption.

    Raises:
        ValueError: there is nothing to draw, or no column to draw it in.
    """
    if not examples or columns < 1:
        raise ValueError(f"a contact sheet needs examples and columns, got {len(examples)} and {columns}")
    captions = [_caption(example, letters=int(cell_px / (FONT_PX * 0.5))) for example in examples]
    cell_height = cell_px + max(map(len, captions)) * LINE_PX + 2 * PAD_PX
    rows = -(-len(examples) // columns)
    columns = min(columns, len(examples))
    size = (columns * (cell_px + PAD_PX) + PAD_PX, rows * cell_height + PAD_PX)
    sheet = Image.new("RGB", size, _PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(FONT_PX)
    for place, (example, caption) in enumerate(zip(examples, captions, strict=True)):
        row, column = divmod(place, columns)
        x, y = PAD_PX + column * (cell_px + PAD_PX), PAD_PX + row * cell_height
        sheet.paste(_thumbnail(example, cell_px), (x, y))
        y += cell_px + PAD_PX // 2
        for line, ink in caption:
            draw.text((x, y), line, ink, font)
            y += LINE_PX
    return sheet


def _thumbnail(example: Example, side_px: int) -> Image.Image:
    """The first image with its regions, shrunk to fit a square of ``side_px``."""
    image = open_image(example.images[0]).convert("RGB")
    boxes = [region.box(*image.size) for region in example.regions]
    marked = mark_region(image, boxes)
    marked.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    return marked


def _caption(example: Example, letters: int) -> list[tuple[str, tuple[int, int, int]]]:
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
