"""RSNA Pneumonia Detection Challenge 2018: boxes of lung opacities on 26,684 chest radiographs (Kaggle).

    DIR/stage_2_train_labels.csv   DIR/stage_2_train_images/{patientId}.dcm

    patientId,x,y,width,height,Target
    0004cfab-14fd-4e49-80ba-63a80b6bddd6,,,,,0
    00436515-870c-4b36-a041-de91049b9ab4,264.0,152.0,213.0,379.0,1

A row per box; blanks and Target 0 where there is none. Boxes are x, y, width, height in pixels of the 1024 x 1024 DICOM
image, and mark opacities suspicious of pneumonia. The challenge calls them by no name; here they are ``lung opacity``.
The images are a part of ChestX-ray14's, under other names: do not test on one what trained on the other. Use needs
the acceptance of the competition's rules.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef
from vitar.data.sources.boxes import box_region, xyxy_of_xywh
from vitar.data.sources.source import AnnotatedSource, Issues, SourceError, size_of, with_image_files
from vitar.data.sources.tables import numbers, read_table

LICENCE = "rules of the RSNA Pneumonia Detection Challenge (Kaggle)"
LABEL = "lung opacity"
SIZE = (1024, 1024)
_BOX = ("x", "y", "width", "height")


def open_source(path: Path) -> AnnotatedSource:
    """The labelled images of the challenge; those without an opacity have no regions.

    Raises:
        SourceError: the layout is another one, or no image is there.
    """
    table, issues = path / "stage_2_train_labels.csv", Issues()
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    for row in read_table(table, ("patientId", *_BOX, "Target")):
        if row["Target"] not in ("0", "1") or (row["Target"] == "1") != any(row[column] for column in _BOX):
            raise SourceError(f"{table}: {row}. Expected a box with Target 1, or blanks with Target 0.")
        rows[row["patientId"]].append(row)
    files = with_image_files({id: path / "stage_2_train_images" / f"{id}.dcm" for id in rows}, issues)

    def make(id: str) -> AnnotatedImage:
        name, size = f"rsna-pneumonia/{id}", size_of(files[id], SIZE)
        regions = []
        for row in rows[id]:
            if row["Target"] == "1":
                x, y, width, height = numbers((row[column] for column in _BOX), name)
                box_xyxy = xyxy_of_xywh(x, y, width, height)
                regions.append(box_region(LABEL, box_xyxy, size, f"{name}: box at {x:g}, {y:g}", issues))
        return AnnotatedImage(
            id=name,
            image=ImageRef(str(files[id])),
            width=size[0],
            height=size[1],
            regions=tuple(region for region in regions if region is not None),
            modality="chest radiograph",
            anatomy="chest",
            source="rsna-pneumonia",
            split="train",
            licence=LICENCE,
            group=name,
        )

    return AnnotatedSource(list(files), make, issues)
