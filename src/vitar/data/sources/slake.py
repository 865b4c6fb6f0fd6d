"""SLAKE: boxes of organs and lesions on 642 CT, MRI and X-ray images (arXiv 2102.09542; ``BoKelvin/SLAKE``).

    DIR/imgs/xmlab102/{source.jpg, mask.png, detection.json}   DIR/{train,validation,test}.json

    detection.json   [{"Liver": [58.0, 81.0, 197.0, 176.0]}, {"Spleen": [...]}]

Boxes are x, y, width, height in pixels. That order was not documented, it rests on how others draw them; so it is
checked: if boxes leave their images when they are read so, and none does when they are read as corners, the source is
refused. The splits are those of the English questions. Their images are also asked about in the other language, in
other splits: 72 of the 96 English test images occur among the Chinese training questions. Licence CC BY 4.0.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef
from vitar.data.sources.boxes import box_region, xyxy_of_xywh
from vitar.data.sources.source import SPLIT_NAMES, AnnotatedSource, Issues, SourceError, existing, size_of

LICENCE = "CC BY 4.0"
_SLACK_PX = 2.0
# The original release calls the file validate.json, the copy on the Hub validation.json.
_QUESTIONS = {"train.json": "train", "validate.json": "val", "validation.json": "val", "test.json": "test"}


def open_source(path: Path) -> AnnotatedSource:
    """The images of SLAKE that have boxes, by the number of their folder.

    Raises:
        SourceError: the layout is another one, or the boxes are in another order.
    """
    folders = sorted(existing(path / "imgs", "the folder imgs of SLAKE").glob("xmlab*"), key=_number)
    marks = {folder: _read(folder / "detection.json") for folder in folders if (folder / "detection.json").is_file()}
    if not marks:
        raise SourceError(f"{path}: no detection.json below imgs. Expected SLAKE's imgs.zip, unpacked.")
    sizes = {folder: size_of(folder / "source.jpg") for folder in marks}
    _check_order(path, marks, sizes)
    questions, issues = _english_questions(path), Issues()

    def make(folder: Path) -> AnnotatedImage:
        name, size, asked = f"slake/{folder.name}", sizes[folder], questions.get(folder.name, {})
        boxes = enumerate(marks[folder], start=1)
        regions = (
            box_region(label, xyxy_of_xywh(*box), size, f"{name}: {i}, {label}", issues) for i, (label, box) in boxes
        )
        return AnnotatedImage(
            id=name,
            image=ImageRef(str(folder / "source.jpg")),
            width=size[0],
            height=size[1],
            regions=tuple(region for region in regions if region is not None),
            modality=asked.get("modality", ""),
            anatomy=asked.get("location", ""),
            source="slake",
            split=asked.get("split", ""),
            licence=LICENCE,
            group=name,
        )

    return AnnotatedSource(list(marks), make, issues)


def _number(folder: Path) -> tuple[int, str]:
    digits = folder.name.removeprefix("xmlab")
    return (int(digits) if digits.isdecimal() else 0, folder.name)


def _read(path: Path) -> list[tuple[str, list[float]]]:
    try:
        marks = [(str(label), list(map(float, box))) for mark in _json(path) for label, box in mark.items()]
    except (AttributeError, TypeError, ValueError) as error:
        raise SourceError(f"{path}: {error}. Expected a list of records like {{'Liver': [x, y, w, h]}}.") from error
    if any(len(box) != 4 for _, box in marks):
        raise SourceError(f"{path}: a box without four numbers. Expected x, y, width, height.")
    return marks


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise SourceError(f"{path}: no JSON ({error}). Fetch it again.") from error


def _check_order(path: Path, marks: dict[Path, Any], sizes: dict[Path, tuple[int, int]]) -> None:
    """Refuses boxes that only make sense as corners."""
    as_extents, as_corners = 0, 0
    for folder, boxes in marks.items():
        width, height = sizes[folder]
        for _, (a, b, c, d) in boxes:
            as_extents += a + c > width + _SLACK_PX or b + d > height + _SLACK_PX
            as_corners += c <= a or d <= b or c > width + _SLACK_PX or d > height + _SLACK_PX
    if as_extents and not as_corners:
        raise SourceError(
            f"{path}: {as_extents} boxes leave their images as x, y, width, height, and none as left, top, right, "
            "bottom. Expected the former; these boxes are corners. Convert them, or change vitar.data.sources.slake."
        )


def _english_questions(path: Path) -> dict[str, dict[str, str]]:
    """Folder of an image -> modality, location and split, from the questions in English."""
    found: dict[str, dict[str, str]] = {}
    for file, split in _QUESTIONS.items():
        for row in _json(path / file) if (path / file).is_file() else ():
            if row["q_lang"] == "en":
                about = {"modality": row["modality"], "location": row["location"], "split": SPLIT_NAMES[split]}
                found[row["img_name"].split("/")[0]] = about
    return found
