"""The images of a page as data URLs, each stored once, shrunk until the page has a reasonable size."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from vitar.analysis.attention.record import PICTURES_FOLDER
from vitar.protocol.trace import ImageStore
from vitar.reports.load import ReportError
from vitar.reports.run import Run
from vitar.reports.viewer import ShownItem

SIDES_PX = (512, 384, 288, 208)
"""Longer sides to try, the finest first."""
MAP_SIDE_PX = 960
"""Longer side of a row of heat maps."""
JPEG_QUALITY = 82


@dataclass(frozen=True)
class Picture:
    """An image of the page: its size in original pixels, and its file as a data URL."""

    name: str
    width: int
    height: int
    data_url: str


@dataclass(frozen=True)
class HeatMap:
    """One row of heat maps: its size in pixels, its file as a data URL, and the item that it is of."""

    caption: str
    alt: str
    width: int
    height: int
    data_url: str


def heat_maps(run: Run, names: Sequence[str]) -> tuple[HeatMap, ...]:
    """The pictures of an attention analysis, made a little smaller.

    Args:
        names: as `vitar.analysis.attention` records them; only files in the run's folder of pictures are read.

    Raises:
        ReportError: a picture is missing or damaged.
    """
    maps = []
    for name in names:
        path = run.folder / PICTURES_FOLDER / Path(name).name
        try:
            with Image.open(path) as file:
                image = file.convert("RGB")
        except OSError as error:
            raise ReportError(
                f"The heat map {path} cannot be read: {error}. vitar attention draws it again."
            ) from error
        caption = _item_of(run, path.stem)
        alt = f"Heat maps of attention over each image at each look, true regions outlined: {caption}"
        maps.append(HeatMap(caption, alt, *image.size, encoded(image, MAP_SIDE_PX)))
    return tuple(maps)


def _item_of(run: Run, stem: str) -> str:
    """The question that a picture is about, known by the letters and digits of its id; else the name of the picture."""
    for example in run.examples:
        if stem.endswith(f"-{re.sub(r'[^A-Za-z0-9]+', '-', example.id).strip('-')[:60]}"):
            return f"{example.question} True answer: {example.answer}."
    return stem


def fit(items: Sequence[tuple[Run, ShownItem]], budget: int) -> tuple[list[ShownItem], dict[str, Picture]]:
    """As many items from the front as fit ``budget`` characters, with their images as fine as fits.

    Raises:
        ReportError: an image of the run is missing or damaged.
    """
    coarsest = SIDES_PX[-1]
    kept: list[ShownItem] = []
    stores: dict[str, ImageStore] = {}
    small: dict[str, Picture] = {}
    text = images = 0
    for run, item in items:
        new = {name: _picture(run.images, name, coarsest) for name in sorted(item.images - small.keys())}
        text += _text_length(item)
        images += sum(len(picture.data_url) for picture in new.values())
        if text + images > budget:
            text -= _text_length(item)
            break
        kept.append(item)
        small |= new
        stores |= dict.fromkeys(new, run.images)
    for side in SIDES_PX[:-1]:
        pictures: dict[str, Picture] = {}
        size = text
        for name, store in stores.items():
            pictures[name] = _picture(store, name, side)
            size += len(pictures[name].data_url)
            if size > budget:
                break
        else:
            return kept, pictures
    return kept, small


def encoded(image: Image.Image, side_px: int) -> str:
    """A data URL of the image, its longer side at most ``side_px``: JPEG, or PNG where that is smaller."""
    small = image.copy()
    small.thumbnail((side_px, side_px), Image.Resampling.LANCZOS)
    files = []
    for name, options in (("JPEG", {"quality": JPEG_QUALITY, "subsampling": 0}), ("PNG", {})):
        buffer = io.BytesIO()
        small.save(buffer, format=name, optimize=True, **options)
        files.append((len(buffer.getvalue()), name.lower(), buffer.getvalue()))
    _, kind, content = min(files)
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _picture(store: ImageStore, name: str, side_px: int) -> Picture:
    try:
        image = store.open(name)
    except (OSError, ValueError) as error:  # no such file, not an image, or no name of a stored image
        raise ReportError(f"The image {store.folder / name} of a trace cannot be read: {error}.") from error
    return Picture(name.removesuffix(".png"), *image.size, encoded(image, side_px))


def _text_length(item: ShownItem) -> int:
    """About how much of the page an item's words take, escaped and with their tags."""
    words = sum(len(part) for t in item.traces for r in t.rounds for part in (r.thought, r.observation, *r.raw))
    return 2 * (words + len(item.example.question)) + 2_000 * len(item.traces)
