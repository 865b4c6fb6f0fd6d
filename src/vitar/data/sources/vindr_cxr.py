"""VinDr-CXR: 22 local findings on 18,000 chest radiographs (PhysioNet, credentialed; doi 10.13026/3akn-b287).

    DIR/{train,test}/{image_id}.dicom   DIR/annotations/annotations_{train,test}.csv

    image_id,rad_id,class_name,x_min,y_min,x_max,y_max
    50a418190bc3fb1ef1633bf9678929b3,R11,No finding,,,,
    9a5094b2563a1ef3ff50dc5c7ff71345,R10,Cardiomegaly,691.0,1375.0,1653.0,1831.0

Boxes are left, top, right, bottom in pixels of the original DICOM image. The 3,000 test images carry a consensus. The
15,000 training images were read by three radiologists each, apart from each other; a finding is kept where at least two
of them boxed it (same class, IoU of at least 0.5), as the mean of their boxes. What one alone boxed is counted as
`SINGLE_READER`. The rule is this project's; the set has none. The agreement forbids sharing the data.
"""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import numpy as np

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef, Region
from vitar.data.sources.boxes import box_region
from vitar.data.sources.source import AnnotatedSource, Issues, existing, size_of, with_image_files
from vitar.data.sources.tables import numbers, read_table

LICENCE = "PhysioNet Credentialed Health Data License 1.5.0"
SINGLE_READER = "finding that one reader of three boxed, left out"
NO_FINDING = "No finding"
AGREEMENT_IOU = 0.5
READERS = 2
_CORNERS = ("x_min", "y_min", "x_max", "y_max")


def open_source(path: Path) -> AnnotatedSource:
    """The images of VinDr-CXR, training images first; images without a finding have no regions.

    Raises:
        SourceError: the layout is another one, or no image is there.
    """
    folder = existing(path / "annotations", "the folder annotations of VinDr-CXR")
    tables = {split: folder / f"annotations_{split}.csv" for split in ("train", "test")}
    issues = Issues()
    rows: dict[str, list[dict[str, str]]] = defaultdict(list)
    splits, images = {}, {}
    for split, table in tables.items():
        for row in read_table(table, ("image_id", "class_name", *_CORNERS)) if table.is_file() else ():
            id = row["image_id"]
            rows[id].append(row)
            splits[id], images[id] = split, path / split / f"{id}.dicom"
    files = with_image_files(images, issues)

    def make(id: str) -> AnnotatedImage:
        name, size = f"vindr-cxr/{id}", size_of(files[id])
        findings = _findings(name, rows[id], size, issues)
        if splits[id] == "train":
            regions, uncertain = _agreed(name, findings, size, issues)
        else:
            regions, uncertain = [region for _, region in findings], frozenset[str]()
        return AnnotatedImage(
            id=name,
            image=ImageRef(str(files[id])),
            width=size[0],
            height=size[1],
            regions=tuple(regions),
            modality="chest radiograph",
            anatomy="chest",
            source="vindr-cxr",
            split=splits[id],
            licence=LICENCE,
            group=name,
            uncertain=uncertain,
        )

    return AnnotatedSource(list(files), make, issues)


def _findings(name: str, rows: list[dict[str, str]], size: tuple[int, int], issues: Issues) -> list[tuple[str, Region]]:
    """Reader (all the same for a consensus) and region of every box of an image."""
    found = []
    for row in rows:
        if row["class_name"] == NO_FINDING:
            continue
        reader, label = row.get("rad_id", ""), row["class_name"]
        item = f"{name}: {label}" + (f" by {reader}" if reader else "")
        x0, y0, x1, y1 = numbers((row[corner] for corner in _CORNERS), item)
        region = box_region(label, (x0, y0, x1, y1), size, f"{item} at {x0:g}, {y0:g}", issues)
        found += [(reader, region)] if region is not None else []
    return found


def _agreed(
    name: str, findings: list[tuple[str, Region]], size: tuple[int, int], issues: Issues
) -> tuple[list[Region], frozenset[str]]:
    """The findings of at least `READERS` readers, each as the mean of their boxes, and the labels of the others."""
    groups: list[dict[str, Region]] = []  # reader -> region
    for reader, region in findings:
        box = region.box(*size)
        overlaps = [
            min(box.iou(other.box(*size)) if other.label == region.label else 0.0 for other in group.values())
            for group in groups
            if reader not in group
        ]
        others = [group for group in groups if reader not in group]
        best = max(range(len(others)), key=overlaps.__getitem__, default=None)
        if best is not None and overlaps[best] >= AGREEMENT_IOU:
            others[best][reader] = region
        else:
            groups.append({reader: region})
    agreed, uncertain = [], set()
    for group in groups:
        first = next(iter(group.values()))
        if len(group) < READERS:
            issues.add(SINGLE_READER, f"{name}: {first.label} at {first.box_xyxy[0]:g}, {first.box_xyxy[1]:g}")
            uncertain.add(first.label)
            continue
        x0, y0, x1, y1 = np.mean([region.box_xyxy for region in group.values()], axis=0).tolist()
        agreed.append(Region(first.label, (x0, y0, x1, y1)))
    return agreed, frozenset(uncertain)
