"""ChestX-ray14: 984 boxes of 8 findings on 880 chest radiographs (NIH Clinical Center, arXiv 1705.02315).

    DIR/BBox_List_2017.csv   DIR/images/*.png or DIR/images_001/images/*.png ... images_012

    Image Index,Finding Label,Bbox [x,y,w,h],,,
    00013118_008.png,Atelectasis,225.084745762712,547.019216763771,86.7796610169491,79.1864406779661,,,

The header breaks off inside the brackets, so columns are read by position. Boxes are x, y, width, height in pixels of
the PNG of 1024 x 1024; copies of the images at another size are refused. ``Infiltrate`` is called ``Infiltration`` in
the image labels of the set. Only boxed images are here, all of them in its ``test_list.txt``; not everything in them
is boxed. No restrictions on use; the NIH Clinical Center is to be named.
"""

from __future__ import annotations

import csv
from collections import defaultdict
from pathlib import Path

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef
from vitar.data.sources.boxes import box_region, xyxy_of_xywh
from vitar.data.sources.source import AnnotatedSource, Issues, SourceError, existing, size_of, with_image_files
from vitar.data.sources.tables import numbers

LICENCE = "no restrictions, attribution to the NIH Clinical Center"
SIZE = (1024, 1024)


def open_source(path: Path) -> AnnotatedSource:
    """The boxed images of ChestX-ray14, in the order of the table.

    Raises:
        SourceError: the layout is another one, or no image is there.
    """
    table = existing(path / "BBox_List_2017.csv", "the box table of ChestX-ray14")
    boxes: dict[str, list[tuple[str, list[str]]]] = defaultdict(list)
    with table.open(encoding="utf-8-sig", newline="") as file:
        for number, row in enumerate(csv.reader(file), start=1):
            if number == 1 or not any(row):
                continue
            if len(row) < 6:
                raise SourceError(f"{table}:{number}: {len(row)} columns. Expected image, finding and four numbers.")
            boxes[row[0].strip()].append((row[1].strip(), row[2:6]))
    issues = Issues()
    found = {file.name: file for folder in sorted(path.glob("images*")) for file in folder.rglob("*.png")}
    files = with_image_files({name: found.get(name, path / "images" / name) for name in boxes}, issues)

    def make(name: str) -> AnnotatedImage:
        id, size = f"chestxray14/{name}", size_of(files[name], SIZE)
        regions = []
        for label, texts in boxes[name]:
            x, y, width, height = numbers(texts, f"{id}: {label}")
            box_xyxy = xyxy_of_xywh(x, y, width, height)
            regions.append(box_region(label, box_xyxy, size, f"{id}: {label} at {x:g}, {y:g}", issues))
        return AnnotatedImage(
            id=id,
            image=ImageRef(str(files[name])),
            width=size[0],
            height=size[1],
            regions=tuple(region for region in regions if region is not None),
            modality="chest radiograph",
            anatomy="chest",
            source="chestxray14",
            split="test",
            licence=LICENCE,
            group=f"chestxray14/{name.partition('_')[0]}",  # the patient's number begins the name
        )

    return AnnotatedSource(list(files), make, issues)
