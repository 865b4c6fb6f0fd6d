"""Kvasir-SEG, the segmented part of HyperKvasir, and Kvasir-Instrument: boxes on endoscopic images.

    DIR/images/NAME.jpg   DIR/kavsir_bboxes.json (Kvasir-SEG), bounding-boxes.json (HyperKvasir's segmented-images)
                          or bboxes.json (Kvasir-Instrument)

    {"cju0qkwl35piu0993l0dewei2": {"height": 529, "width": 622,
        "bbox": [{"label": "polyp", "xmin": 38, "ymin": 5, "xmax": 430, "ymax": 338}]}, ...}

Boxes are left, top, right, bottom in pixels. The masks beside the images are not read: one mask holds all the polyps
of an image, and the boxes tell them apart. That bboxes.json has the form of the other two is assumed. Kvasir-VQA asks
about images of the same parents, and has no boxes of its own. Licence of HyperKvasir CC BY 4.0; Kvasir-SEG is for
research and education; that of Kvasir-Instrument was not verified.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef
from vitar.data.sources.boxes import box_region
from vitar.data.sources.source import AnnotatedSource, Issues, SourceError, size_of, with_image_files
from vitar.data.sources.tables import numbers

FILES = {
    "kavsir_bboxes.json": ("kvasir-seg", "research and education only"),  # the spelling is the data set's
    "bounding-boxes.json": ("hyper-kvasir", "CC BY 4.0"),
    "bboxes.json": ("kvasir-instrument", "not verified"),
}
"""File of boxes -> the set, and its licence."""
_CORNERS = ("xmin", "ymin", "xmax", "ymax")


def open_source(path: Path) -> AnnotatedSource:
    """The images that the file of boxes in ``path`` lists.

    Raises:
        SourceError: the layout is another one, or no image is there.
    """
    file = next((path / name for name in FILES if (path / name).is_file()), None)
    if file is None:
        raise SourceError(f"{path}: none of {', '.join(FILES)}. Expected a folder with one of them, and images.")
    source, licence = FILES[file.name]
    records, issues = _read(file), Issues()
    files = with_image_files({name: path / "images" / f"{name}.jpg" for name in records}, issues)

    def make(name: str) -> AnnotatedImage:
        record = records[name]
        size = size_of(files[name], (int(record["width"]), int(record["height"])))
        regions = []
        for i, mark in enumerate(record["bbox"], start=1):
            item = f"{source}/{name}: {i}, {mark['label']}"
            x0, y0, x1, y1 = numbers((mark[corner] for corner in _CORNERS), item)
            regions.append(box_region(mark["label"], (x0, y0, x1, y1), size, item, issues))
        return AnnotatedImage(
            id=f"{source}/{name}",
            image=ImageRef(str(files[name])),
            width=size[0],
            height=size[1],
            regions=tuple(region for region in regions if region is not None),
            modality="endoscopy",
            anatomy="gastrointestinal tract",
            source=source,
            split="",
            licence=licence,
            group=f"{source}/{name}",
        )

    return AnnotatedSource(list(files), make, issues)


def _read(path: Path) -> dict[str, dict[str, Any]]:
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        complete = all(
            {"width", "height"} <= record.keys() and all({"label", *_CORNERS} <= mark.keys() for mark in record["bbox"])
            for record in records.values()
        )
    except (ValueError, AttributeError, TypeError, KeyError) as error:
        raise SourceError(f"{path}: {error}. Expected width, height and bbox by image name.") from error
    if not complete:
        raise SourceError(f"{path}: a record without width, height, or label and corners of a box. Fetch it again.")
    return records
