"""Masks: a folder of images, and for each a file per object or one label map.

    DIR/images/NAME.png   DIR/masks/NAME/nodule_1.png, nodule_2.png, rib.png ...    one object per file
    DIR/images/NAME.png   DIR/masks/NAME.png   DIR/labels.json {"1": "liver", ...}  one label map per image

A file of one object is named by its label, with a number if there are several: ``nodule_1`` is a nodule. A label map
holds a number per pixel, 0 where there is nothing; ``labels.json`` names the others, and all pixels of one number are
one region. An image with neither is one in which nothing is marked. (This layout is the project's own.)
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef, Region
from vitar.data.sources.masks import mask_region, read_label_map, read_mask
from vitar.data.sources.source import (
    IMAGE_SUFFIXES,
    NO_ANNOTATION,
    About,
    AnnotatedSource,
    Issues,
    SourceError,
    existing,
    size_of,
)

_NUMBER = re.compile(r"[ _-]\(?\d+\)?$")


def open_source(path: Path, about: About) -> AnnotatedSource:
    """The images of a folder with masks, by name.

    Raises:
        SourceError: the layout is another one.
    """
    folder = existing(path / "images", "the folder images beside a folder masks")
    masks = existing(path / "masks", "the folder masks beside a folder images")
    source, issues = about.source or path.name, Issues()
    files = sorted(file for file in folder.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES)
    names = _names(path / "labels.json") if any(masks.glob("*.png")) else {}

    def make(file: Path) -> AnnotatedImage:
        name, size = f"{source}/{file.stem}", size_of(file)
        objects, label_map = masks / file.stem, masks / f"{file.stem}.png"
        regions: list[Region | None] = []
        if objects.is_dir():
            for object in sorted(objects.glob("*.png")):
                label = _NUMBER.sub("", object.stem).replace("_", " ")
                regions.append(mask_region(label, read_mask(object, size), f"{name}: {object.name}", issues))
        elif label_map.is_file():
            regions += _labelled(label_map, names, size)
        else:
            issues.add(NO_ANNOTATION, name)
        return AnnotatedImage(
            id=name,
            image=ImageRef(str(file)),
            width=size[0],
            height=size[1],
            regions=tuple(region for region in regions if region is not None),
            modality=about.modality,
            anatomy=about.anatomy,
            source=source,
            split=about.split,
            licence=about.licence,
            group=name,
        )

    return AnnotatedSource(files, make, issues)


def _labelled(path: Path, names: dict[int, str], size: tuple[int, int]) -> list[Region]:
    labels_hw = read_label_map(path, size)
    found = [int(value) for value in np.unique(labels_hw) if value != 0]
    if strange := [value for value in found if value not in names]:
        raise SourceError(f"{path}: the values {strange} are not in labels.json, which names {sorted(names)}.")
    return [Region.of_mask(names[value], labels_hw == value) for value in found]


def _names(path: Path) -> dict[int, str]:
    try:
        return {int(value): str(name) for value, name in json.loads(path.read_text(encoding="utf-8")).items()}
    except FileNotFoundError as error:
        raise SourceError(f"{path}: not found. Expected what the values of the label maps mean.") from error
    except (ValueError, AttributeError) as error:
        raise SourceError(f'{path}: {error}. Expected names by value, as in {{"1": "liver"}}.') from error
