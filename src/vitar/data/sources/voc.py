"""Pascal VOC: a folder of images, an XML file of boxes for each (VOC2012 development kit, section 5).

    DIR/JPEGImages/NAME.jpg   DIR/Annotations/NAME.xml   DIR/ImageSets[/Main]/{train,val,test}.txt

    <annotation><filename>NAME.jpg</filename><size><width>640</width><height>480</height>...</size>
      <object><name>RBC</name>...<bndbox><xmin>1</xmin><ymin>78</ymin><xmax>245</xmax><ymax>162</ymax></bndbox></object>

``xmin`` and ``xmax`` are the first and the last column inside, counted from 1, and rows likewise. A box of the whole
image is 1, 1, width, height. So a box whose first and last column are the same is one pixel wide by the letter; in
practice it is a click without a drag, and it is left out as one of zero area.
"""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef, Region
from vitar.data.sources.boxes import box_region, xyxy_of_pixels
from vitar.data.sources.source import (
    ZERO_AREA,
    About,
    AnnotatedSource,
    Issues,
    SourceError,
    existing,
    listed_splits,
    size_of,
    with_image_files,
)


def open_source(path: Path, about: About) -> AnnotatedSource:
    """The images of a folder in Pascal VOC's layout that have an annotation file, by name.

    Raises:
        SourceError: the layout is another one, or no image is there.
    """
    annotations = sorted(existing(path / "Annotations", "the folder Annotations of Pascal VOC").glob("*.xml"))
    source, issues = about.source or path.name, Issues()
    trees = {file.stem: _parse(file) for file in annotations}
    named = {name: path / "JPEGImages" / _text(tree, "filename", name) for name, tree in trees.items()}
    files = with_image_files(named, issues)
    splits = listed_splits([*path.glob("ImageSets/*.txt"), *path.glob("ImageSets/Main/*.txt")])

    def make(name: str) -> AnnotatedImage:
        tree, file = trees[name], files[name]
        size = size_of(file, (_pixels(tree, "size/width", name), _pixels(tree, "size/height", name)))
        objects = enumerate(tree.iterfind("object"), start=1)
        regions = (_region(mark, size, f"{source}/{name}: object {i}", issues) for i, mark in objects)
        return AnnotatedImage(
            id=f"{source}/{name}",
            image=ImageRef(str(file)),
            width=size[0],
            height=size[1],
            regions=tuple(region for region in regions if region is not None),
            modality=about.modality,
            anatomy=about.anatomy,
            source=source,
            split=splits.get(name, about.split),
            licence=about.licence,
            group=f"{source}/{name}",
        )

    return AnnotatedSource(list(files), make, issues)


def _region(mark: ElementTree.Element, size: tuple[int, int], item: str, issues: Issues) -> Region | None:
    label = _text(mark, "name", item)
    first_x, first_y, last_x, last_y = (
        _number(mark, f"bndbox/{corner}", item) for corner in ("xmin", "ymin", "xmax", "ymax")
    )
    item = f"{item}, {label}"
    if first_x == last_x or first_y == last_y:
        issues.add(ZERO_AREA, f"{item} at {first_x:g}, {first_y:g}")
        return None
    return box_region(label, xyxy_of_pixels(first_x, first_y, last_x, last_y), size, item, issues)


def _parse(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise SourceError(f"{path}: no XML ({error}). Expected a Pascal VOC annotation; fetch it again.") from error


def _text(element: ElementTree.Element, place: str, item: str) -> str:
    text = (element.findtext(place) or "").strip()
    if not text:
        raise SourceError(f"{item}: no <{place}>. Expected a Pascal VOC annotation; repair the file.")
    return text


def _number(element: ElementTree.Element, place: str, item: str) -> float:
    text = _text(element, place, item)
    try:
        return float(text)
    except ValueError as error:
        raise SourceError(f"{item}: <{place}> is {text!r}. Expected a number; repair the file.") from error


def _pixels(tree: ElementTree.Element, place: str, item: str) -> int:
    return int(_number(tree, place, item))
