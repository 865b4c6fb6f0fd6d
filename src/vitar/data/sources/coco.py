"""COCO detection: one JSON file with the images and their boxes (https://cocodataset.org/#format-data).

    {"images": [{"id": 153, "file_name": "a.jpg", "width": 1600, "height": 1600, "license": 1, ...}, ...],
     "annotations": [{"image_id": 153, "category_id": 1, "bbox": [136, 36, 617, 1389], "iscrowd": 0, ...}, ...],
     "categories": [{"id": 1, "name": "Right Lung", ...}, ...],
     "licenses": [{"id": 1, "name": "CC BY 4.0", ...}, ...]}

Boxes are x, y, width, height in pixels from the upper left corner. An annotation may have ``attributes``, as CVAT
exports them, ``{"margin": "spiculated", "occluded": false}``: those that are texts are kept; flags and numbers say
nothing that a question could ask for in words. ``segmentation`` is not read: the region is the box. A ``file_name``
may name a slice of a scan (`vitar.imaging.reference`).
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef, Region
from vitar.data.sources.boxes import box_region, xyxy_of_xywh
from vitar.data.sources.source import (
    About,
    AnnotatedSource,
    Issues,
    SourceError,
    existing,
    is_there,
    size_of,
    with_image_files,
)

CROWD = "annotation of a crowd and not of one object, left out"
NO_BOX = "annotation without a box, left out"
STRAY = "annotation of an image that is not listed, left out"


def open_source(path: Path, about: About, images: str = "", group: str = "") -> AnnotatedSource:
    """The images of a COCO file.

    Args:
        images: folder of the image files; by default the first of the JSON file's folder and ``images`` in it that
            holds the first image.
        group: which value of an image's record names the patient, with a dot from level to level, as in
            ``metadata.patientid``; by default each image is its own group.

    Raises:
        SourceError: the file is no COCO detection file, or no image is there.
    """
    data = _read(path)
    categories = {category["id"]: category["name"] for category in data["categories"]}
    licences = {licence["id"]: licence["name"] for licence in data.get("licenses") or ()}
    source = about.source or path.parent.name
    issues = Issues()
    records = {record["id"]: record for record in data["images"]}
    if len(records) < len(data["images"]):
        raise SourceError(f"{path}: two images with the same id. Expected each once; repair the file.")
    marks: dict[Any, list[tuple[str, dict[str, Any]]]] = defaultdict(list)
    for mark in data["annotations"]:
        item = f"annotation {mark.get('id')} of image {mark['image_id']}"
        if mark["category_id"] not in categories:
            raise SourceError(f"{path}: {item} has the category {mark['category_id']}, which is not listed.")
        reason = _unusable(mark, records)
        if reason:
            issues.add(reason, f"{source}: {item}")
        else:
            marks[mark["image_id"]].append((f"{source}: {item}, {categories[mark['category_id']]}", mark))
    folder = Path(images) if images else _image_folder(path, data["images"])
    files = with_image_files({id: folder / record["file_name"] for id, record in records.items()}, issues)

    def make(id: Any) -> AnnotatedImage:
        record, file = records[id], files[id]
        size = size_of(file, (record["width"], record["height"]))
        read = [(_region(mark, categories, size, item, issues), _attributes(mark)) for item, mark in marks[id]]
        found = [(region, attributes) for region, attributes in read if region is not None]
        name = f"{source}/{record['file_name']}"
        return AnnotatedImage(
            id=name,
            image=ImageRef(str(file)),
            width=size[0],
            height=size[1],
            regions=tuple(region for region, _ in found),
            modality=about.modality,
            anatomy=about.anatomy,
            source=source,
            split=about.split,
            licence=licences.get(record.get("license"), about.licence),
            group=f"{source}/{_value(path, record, group)}" if group else name,
            attributes=tuple(attributes for _, attributes in found) if any(each for _, each in found) else (),
        )

    return AnnotatedSource(list(files), make, issues)


def _region(
    mark: dict[str, Any], categories: dict[Any, str], size: tuple[int, int], item: str, issues: Issues
) -> Region | None:
    return box_region(categories[mark["category_id"]], xyxy_of_xywh(*mark["bbox"]), size, item, issues)


def _attributes(mark: dict[str, Any]) -> dict[str, str]:
    return {name: value for name, value in (mark.get("attributes") or {}).items() if isinstance(value, str) and value}


def _unusable(mark: dict[str, Any], records: dict[Any, dict[str, Any]]) -> str:
    """Why an annotation is left out, or ""."""
    if mark["image_id"] not in records:
        return STRAY
    if mark.get("iscrowd"):
        return CROWD
    return "" if len(mark.get("bbox") or ()) == 4 else NO_BOX


def _read(path: Path) -> dict[str, Any]:
    existing(path, "a COCO JSON file")
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SourceError(f"{path}: cannot be read as JSON ({error}). Expected a COCO file; fetch it again.") from error
    if not isinstance(data, dict) or not {"images", "annotations", "categories"} <= data.keys():
        raise SourceError(f"{path}: not a COCO detection file. Expected lists of images, annotations and categories.")
    return data


def _image_folder(path: Path, records: list[dict[str, Any]]) -> Path:
    beside = [path.parent, path.parent / "images"]
    return next((folder for folder in beside if records and is_there(folder / records[0]["file_name"])), beside[1])


def _value(path: Path, record: dict[str, Any], key: str) -> str:
    value: Any = record
    for level in key.split("."):
        if not isinstance(value, dict) or value.get(level) in (None, ""):
            raise SourceError(f"{path}: image {record['file_name']!r} has no {key!r} to group it by. Name another key.")
        value = value[level]
    return str(value)
