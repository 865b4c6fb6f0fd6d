"""YOLO: a text file of boxes for each image (https://docs.ultralytics.com/datasets/detect/).

    DIR/images/[SPLIT/]NAME.jpg   DIR/labels/[SPLIT/]NAME.txt   DIR/data.yaml (``names``), or DIR/classes.txt

    0 0.48 0.63 0.69 0.71

A line is the class and the box: x and y of the centre, width and height, as shares of the image's width and height.
Classes are counted from 0. An image without a text file is one in which nothing is marked.
"""

from __future__ import annotations

from pathlib import Path

import yaml

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef, Region
from vitar.data.sources.boxes import box_region, xyxy_of_cxcywh
from vitar.data.sources.source import (
    IMAGE_SUFFIXES,
    NO_ANNOTATION,
    SPLIT_NAMES,
    About,
    AnnotatedSource,
    Issues,
    SourceError,
    existing,
    size_of,
)

_SLACK = 1e-3  # labels are rounded to a few digits


def open_source(path: Path, about: About) -> AnnotatedSource:
    """The images of a folder in YOLO's layout, by name.

    Raises:
        SourceError: the layout is another one, or the classes have no names.
    """
    folder = existing(path / "images", "the folder images of a YOLO data set")
    existing(path / "labels", "the folder labels of a YOLO data set")
    names, source, issues = _class_names(path), about.source or path.name, Issues()
    files = sorted(file for file in folder.rglob("*") if file.suffix.lower() in IMAGE_SUFFIXES)

    def make(file: Path) -> AnnotatedImage:
        place = file.relative_to(folder)
        labels, name = path / "labels" / place.with_suffix(".txt"), f"{source}/{place.as_posix()}"
        size = size_of(file)
        regions: tuple[Region, ...] = ()
        if labels.is_file():
            regions = _regions(labels, names, size, issues)
        else:
            issues.add(NO_ANNOTATION, name)
        return AnnotatedImage(
            id=name,
            image=ImageRef(str(file)),
            width=size[0],
            height=size[1],
            regions=regions,
            modality=about.modality,
            anatomy=about.anatomy,
            source=source,
            split=SPLIT_NAMES.get(place.parts[0], about.split),
            licence=about.licence,
            group=name,
        )

    return AnnotatedSource(files, make, issues)


def _regions(path: Path, names: dict[int, str], size: tuple[int, int], issues: Issues) -> tuple[Region, ...]:
    width, height = size
    found = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        item = f"{path}:{number}"
        if not line.strip():
            continue
        try:
            kind, *box = line.split()
            label = names[int(kind)]
            x, y, w, h = map(float, box)
        except (ValueError, KeyError) as error:
            raise SourceError(
                f"{item}: {line!r}. Expected a class from 0 to {len(names) - 1} and four numbers: a box, no polygon "
                "and no confidence."
            ) from error
        if not all(-_SLACK <= value <= 1 + _SLACK for value in (x, y, w, h)):
            raise SourceError(
                f"{item}: {line!r} goes beyond 1. Expected the centre and extent of a box as shares of the image, "
                "not pixels; convert them."
            )
        box_xyxy = xyxy_of_cxcywh(x * width, y * height, w * width, h * height)
        region = box_region(label, box_xyxy, size, f"{item}, {label}", issues)
        found += [region] if region is not None else []
    return tuple(found)


def _class_names(path: Path) -> dict[int, str]:
    described, listed = path / "data.yaml", path / "classes.txt"
    if described.is_file():
        data = yaml.safe_load(described.read_text(encoding="utf-8"))
        names = data.get("names") if isinstance(data, dict) else None
        if isinstance(names, list):
            return dict(enumerate(map(str, names)))
        if isinstance(names, dict):
            return {int(kind): str(name) for kind, name in names.items()}
        raise SourceError(f"{described}: no names. Expected names: with a list of class names.")
    if listed.is_file():
        return dict(enumerate(filter(None, map(str.strip, listed.read_text(encoding="utf-8").splitlines()))))
    raise SourceError(f"{path}: neither data.yaml nor classes.txt. Expected one that names the classes.")
