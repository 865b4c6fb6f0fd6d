"""ISIC 2018, task 1: outlines of skin lesions on dermoscopic images (arXiv 1902.03368).

    DIR/ISIC2018_Task1-2_Training_Input/ISIC_0000000.jpg
    DIR/ISIC2018_Task1_Training_GroundTruth/ISIC_0000000_segmentation.png

Validation and Test lie in folders of the same pattern. One lesion per image; its kind is no part of the task. The
terms of use were not verified: the challenge's page states them.
"""

from __future__ import annotations

from pathlib import Path

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef
from vitar.data.sources.masks import mask_region, read_mask
from vitar.data.sources.source import AnnotatedSource, Issues, SourceError, size_of

LICENCE = "terms of the ISIC 2018 challenge"
SPLITS = {"Training": "train", "Validation": "validation", "Test": "test"}


def open_source(path: Path) -> AnnotatedSource:
    """The images of task 1 that are there, by split and name.

    Raises:
        SourceError: the layout is another one.
    """
    issues = Issues()
    files = [(split, file) for split in SPLITS for file in sorted((path / _images(split)).glob("ISIC_*.jpg"))]
    if not files:
        raise SourceError(f"{path}: no ISIC_*.jpg in {_images('Training')}. Expected the folders of ISIC 2018, task 1.")

    def make(item: tuple[str, Path]) -> AnnotatedImage:
        split, file = item
        name, size = f"isic2018/{file.stem}", size_of(file)
        mask = path / f"ISIC2018_Task1_{split}_GroundTruth" / f"{file.stem}_segmentation.png"
        region = mask_region("skin lesion", read_mask(mask, size), name, issues)
        return AnnotatedImage(
            id=name,
            image=ImageRef(str(file)),
            width=size[0],
            height=size[1],
            regions=() if region is None else (region,),
            modality="dermoscopy",
            anatomy="skin",
            source="isic2018",
            split=SPLITS[split],
            licence=LICENCE,
            group=name,
        )

    return AnnotatedSource(files, make, issues)


def _images(split: str) -> str:
    return f"ISIC2018_Task1-2_{split}_Input"
