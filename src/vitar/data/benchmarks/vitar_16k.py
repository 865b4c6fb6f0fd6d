"""ViTAR-16K: the authors' training questions with the region that answers each; not a test set.

A row of ``train-*.parquet``, which lie at the root or in ``data/``::

    {"image": {"bytes": b"..."}, "question": "<image>What is the type of tumor at image coordinates (0.4, 0.55)?
     A) Glioma B) Meningioma C) Pituitary D) Other normal area", "answer": "C", "bbox": [[0.33, 0.50, 0.45, 0.62]]}

Boxes are left, top, right, bottom as shares of width and height (the example's box surrounds the point of its
question); ViTAR's own tool draws absolute pixels, so they are multiplied by the image's size here. Options stand in
the question.

Traps: a question may name the place that it asks the model to find ("at image coordinates (0.4, 0.55)"), which leaks
the region; ``vitar-16k-unplaced`` leaves those out. ``<image>`` may or may not begin the question and is taken off.

Licence: CC BY-NC; see the card. Revision: none is pinned. Items: about 16,000; the exact number is not known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image, UnidentifiedImageError

from vitar.data.benchmarks.answers import lettered_answer
from vitar.data.benchmarks.files import content_group, embedded, table_rows
from vitar.data.benchmarks.prompts import VITAR
from vitar.data.benchmarks.record import Benchmark, LeftOut, Row
from vitar.data.example import Region
from vitar.protocol.prompts import OPTION_LETTERS

REGION_LABEL = "evidence"
"""What the boxes are called; the rows say no more."""

_OPTION = re.compile(r"\s([A-Z])\)\s")
_PLACE = re.compile(r"\bcoordinates?\b|\(\s*[01]?\.\d+\s*,\s*[01]?\.\d+\s*\)", re.IGNORECASE)
_TRANSPOSING = (5, 6, 7, 8)  # EXIF orientations that swap width and height


def names_a_place(question: str) -> bool:
    """Whether a question tells where to look by coordinates."""
    return _PLACE.search(question) is not None


def _rows(folder: Path, *, unplaced: bool = False) -> Iterator[Row | LeftOut]:
    for place, record in enumerate(table_rows(folder, "*train-*.parquet", ("image", "question", "answer", "bbox"))):
        row = _row(f"row-{place}", record)
        if isinstance(row, LeftOut) or not (unplaced and names_a_place(row.question)):
            yield row


def _row(name: str, record: dict[str, Any]) -> Row | LeftOut:
    question, options = _split(record["question"].replace("<image>", "").strip())
    if not options:
        return LeftOut(name, "no_inline_options", f"expected options A) ... B) ... in {record['question']!r}")
    images = (embedded(record["image"], f"image of {name}"),)
    regions: tuple[Region, ...] = ()
    if images[0].encoded:
        try:
            width, height = _upright_size(images[0].encoded)
        except UnidentifiedImageError as error:
            return LeftOut(name, "no_image", f"its image cannot be read ({error})")
        for box in record["bbox"]:
            if len(box) != 4 or not all(0 <= share <= 1 for share in box):
                return LeftOut(name, "bad_box", f"its box {box} is not four shares of the image, 0 to 1")
        regions = tuple(_region(box, width, height) for box in record["bbox"])
    return Row(
        id=name,
        images=images,
        question=question,
        answer=lettered_answer(options, record["answer"]),
        answer_type="choice",
        options=options,
        regions=regions,
        group=content_group(images),
    )


def _split(text: str) -> tuple[str, tuple[str, ...]]:
    """A question and the options that follow it as ``A) ... B) ...``; none if the letters do not run from A on."""
    found = list(_OPTION.finditer(text))
    letters = "".join(match[1] for match in found)
    if len(found) < 2 or letters != OPTION_LETTERS[: len(found)]:
        return text, ()
    ends = [match.start() for match in found[1:]] + [len(text)]
    options = tuple(text[match.end() : end].strip() for match, end in zip(found, ends, strict=True))
    return text[: found[0].start()].strip(), options


def _upright_size(encoded: bytes) -> tuple[int, int]:
    """Width and height of the image as it is shown, read from its header."""
    with Image.open(BytesIO(encoded)) as image:
        width, height = image.size
        turned = image.getexif().get(ExifTags.Base.Orientation) in _TRANSPOSING
    return (height, width) if turned else (width, height)


def _region(box: list[float], width: int, height: int) -> Region:
    x0, y0, x1, y1 = box
    return Region(REGION_LABEL, (x0 * width, y0 * height, x1 * width, y1 * height))


def _benchmark(name: str, about: str, unplaced: bool) -> Benchmark:
    return Benchmark(
        name=name,
        family="vitar-16k",
        about=about,
        items=None,
        hub_id="jline/ViTAR-16K",
        files=("*train-*.parquet",),
        split="train",
        licence="CC-BY-NC",
        access="see the card",
        rows=partial(_rows, unplaced=unplaced),
        prompts=(VITAR,),
    )


VARIANTS = (
    _benchmark("vitar-16k", "ViTAR's training questions with boxes", unplaced=False),
    _benchmark("vitar-16k-unplaced", "those that do not tell where to look", unplaced=True),
)
