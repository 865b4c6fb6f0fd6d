"""BUSI: outlines of breast lesions on 780 ultrasound images (doi 10.1016/j.dib.2019.104863).

    DIR/{benign,malignant,normal}/benign (4).png, benign (4)_mask.png, benign (4)_mask_1.png

437 benign, 210 malignant, 133 normal. Several masks of one image are joined: an image has one region, also the 17 with
more than one focus. The set holds many duplicates, and 8 lesions in both classes; nothing tells patients apart, so
each image is its own group, and near-duplicates have to be found by their pixels. Its card states the licence
``other``.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef, Region
from vitar.data.sources.masks import mask_region, read_mask
from vitar.data.sources.source import AnnotatedSource, Issues, SourceError, size_of

LICENCE = "other (see the dataset's card)"
LABELS = {"benign": "benign lesion", "malignant": "malignant lesion", "normal": ""}
"""Folder -> label of the region; a normal image has none."""
_IMAGE = re.compile(r"\w+ \((\d+)\)\.png")


def open_source(path: Path) -> AnnotatedSource:
    """The images of BUSI, by class and number.

    Args:
        path: the folder ``Dataset_BUSI_with_GT``.

    Raises:
        SourceError: the layout is another one.
    """
    issues = Issues()
    found = [(kind, file) for kind in LABELS for file in (path / kind).glob("*.png") if _IMAGE.fullmatch(file.name)]
    if not found:
        raise SourceError(f"{path}: no images such as benign/benign (1).png. Expected the folder Dataset_BUSI_with_GT.")

    def place(item: tuple[str, Path]) -> tuple[str, int]:
        match = _IMAGE.fullmatch(item[1].name)
        assert match is not None
        return item[0], int(match[1])

    def make(item: tuple[str, Path]) -> AnnotatedImage:
        kind, file = item
        name, size = f"busi/{file.stem}", size_of(file)
        masks = sorted(file.parent.glob(f"{file.stem}_mask*.png"))
        region: Region | None = None
        if LABELS[kind]:
            if not masks:
                raise SourceError(f"{file}: no {file.stem}_mask.png beside it. Expected its outline; unpack it again.")
            joined_hw = np.logical_or.reduce([read_mask(mask, size) for mask in masks])
            region = mask_region(LABELS[kind], joined_hw, name, issues)
        return AnnotatedImage(
            id=name,
            image=ImageRef(str(file)),
            width=size[0],
            height=size[1],
            regions=() if region is None else (region,),
            modality="ultrasound",
            anatomy="breast",
            source="busi",
            split="",
            licence=LICENCE,
            group=name,
        )

    return AnnotatedSource(sorted(found, key=place), make, issues)
