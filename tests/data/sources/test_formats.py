"""COCO, Pascal VOC, YOLO and masks, each with a box whose numbers mean another place in any other order or frame."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitar.data.sources import SourceError, open_annotated
from vitar.data.sources.coco import CROWD, NO_BOX, STRAY
from vitar.data.sources.source import (
    CLIPPED,
    EMPTY_MASK,
    NO_ANNOTATION,
    NO_IMAGE_FILE,
    OUTSIDE,
    REVERSED,
    ZERO_AREA,
)

BOX_XYXY = (3.0, 5.0, 15.0, 13.0)  # in 30 x 20 pixels: 12 wide, 8 high, centre 9, 9


def coco(**changes: Any) -> dict[str, Any]:
    data = {
        "images": [{"id": 7, "file_name": "a.png", "width": 30, "height": 20}],
        "annotations": [{"id": 1, "image_id": 7, "category_id": 2, "bbox": [3, 5, 12, 8], "iscrowd": 0}],
        "categories": [{"id": 1, "name": "lung"}, {"id": 2, "name": "nodule"}],
    }
    return data | changes


def voc(name: str = "a", size: tuple[int, int] = (30, 20), boxes: tuple = ((4, 6, 15, 13),)) -> str:
    objects = "".join(
        f"<object><name>cell</name><bndbox><xmin>{x0}</xmin><ymin>{y0}</ymin><xmax>{x1}</xmax><ymax>{y1}</ymax></bndbox>"
        "</object>"
        for x0, y0, x1, y1 in boxes
    )
    extent = f"<size><width>{size[0]}</width><height>{size[1]}</height><depth>1</depth></size>"
    return f"<annotation><filename>{name}.png</filename>{extent}{objects}</annotation>"


# COCO


def test_coco_boxes_are_corner_and_extent(layout) -> None:
    layout.image("a.png")
    source = open_annotated(f"coco:{layout.json('boxes.json', coco())}?modality=radiograph&anatomy=chest&licence=CC0")
    (image,) = source
    (region,) = image.regions
    # As corners the box would be 3, 5, 12, 8; around a centre -3, 1, 9, 9; with y first 5, 3, 13, 15.
    assert (region.label, region.box_xyxy) == ("nodule", BOX_XYXY)
    assert (image.id, image.group, image.source) == ("set/a.png", "set/a.png", "set")
    assert (image.modality, image.anatomy, image.licence, image.split) == ("radiograph", "chest", "CC0", "")
    assert source.issues.counts == {}


def test_coco_attributes_that_are_texts_are_kept_with_their_region(layout) -> None:
    """As CVAT exports them; the box of zero area between the two is left out with its attributes."""
    layout.image("a.png")
    first = {"id": 1, "image_id": 7, "category_id": 2, "bbox": [3, 5, 12, 8], "attributes": {"margin": "smooth"}}
    empty = {**first, "id": 2, "bbox": [1, 1, 0, 3], "attributes": {"margin": "lobulated"}}
    flags = {"occluded": False, "malignancy": 4, "texture": ""}
    last = {**first, "id": 3, "attributes": {"margin": "spiculated", **flags}}
    (image,) = open_annotated(f"coco:{layout.json('boxes.json', coco(annotations=[first, empty, last]))}")
    assert image.attributes == ({"margin": "smooth"}, {"margin": "spiculated"})
    (plain,) = open_annotated(f"coco:{layout.json('boxes.json', coco())}")
    assert plain.attributes == ()


def test_coco_licences_patients_and_folders(layout) -> None:
    layout.image("pictures/a.png")
    record = {"id": 7, "file_name": "a.png", "width": 30, "height": 20, "license": 3, "metadata": {"patient": 12}}
    path = layout.json("boxes.json", coco(images=[record], licenses=[{"id": 3, "name": "CC BY 4.0"}]))
    folder = layout.folder / "pictures"
    (image,) = open_annotated(f"coco:{path}?source=lungs&images={folder}&group=metadata.patient&licence=other")
    assert (image.id, image.group, image.licence) == ("lungs/a.png", "lungs/12", "CC BY 4.0")
    with pytest.raises(SourceError, match=r"image 'a.png' has no 'metadata.name' to group it by"):
        open_annotated(f"coco:{path}?images={folder}&group=metadata.name")[0]


def test_coco_boxes_for_another_size_are_refused(layout) -> None:
    layout.image("a.png", size=(15, 10))
    source = open_annotated(f"coco:{layout.json('boxes.json', coco())}")
    with pytest.raises(SourceError, match=r"a\.png: 15 x 10 pixels \(upright\), but it was annotated at 30 x 20"):
        source[0]


def test_coco_boxes_drawn_before_a_photograph_was_turned_are_refused(layout) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # stored 30 x 20, to be shown 20 x 30
    Image.new("L", (30, 20)).save(layout.folder / "a.png", exif=exif)
    with pytest.raises(SourceError, match=r"20 x 30 pixels \(upright\), but it was annotated at 30 x 20"):
        open_annotated(f"coco:{layout.json('boxes.json', coco())}")[0]


def test_everything_that_is_left_out_is_counted_by_name(layout, caplog: pytest.LogCaptureFixture) -> None:
    layout.image("images/a.png")
    images = [*coco()["images"], {"id": 8, "file_name": "gone.png", "width": 30, "height": 20}]
    marks = [
        {"id": 1, "image_id": 7, "bbox": [3, 5, 0, 8]},
        {"id": 2, "image_id": 7, "bbox": [3, 5, 12, 0]},
        {"id": 3, "image_id": 7, "bbox": [3, 5, -2, 8]},
        {"id": 4, "image_id": 7, "bbox": [30, 5, 12, 8]},
        {"id": 5, "image_id": 7, "bbox": [25, 15, 12, 8]},
        {"id": 6, "image_id": 7, "bbox": [3, 5, 12, 8], "iscrowd": 1},
        {"id": 7, "image_id": 7},
        {"id": 8, "image_id": 99, "bbox": [3, 5, 12, 8]},
    ]
    data = coco(images=images, annotations=[{"category_id": 2, **mark} for mark in marks])
    with caplog.at_level(logging.WARNING):
        source = open_annotated(f"coco:{layout.json('boxes.json', data)}")
        (image,) = source
    assert [region.box_xyxy for region in image.regions] == [(25.0, 15.0, 30.0, 20.0)]
    source[0]  # read again, counted once
    assert source.issues.counts == {
        CROWD: 1, NO_BOX: 1, STRAY: 1, NO_IMAGE_FILE: 1, ZERO_AREA: 2, REVERSED: 1, OUTSIDE: 1, CLIPPED: 1,
    }  # fmt: skip
    assert source.issues.items(ZERO_AREA)[0] == "set: annotation 1 of image 7, nodule at [3, 5, 3, 13] in 30 x 20"
    assert len(caplog.records) == 8  # a reason is told once


@pytest.mark.parametrize(
    ("data", "problem"),
    [
        ({"images": []}, "not a COCO detection file"),
        ([], "not a COCO detection file"),
        (coco(images=[*coco()["images"]] * 2), "two images with the same id"),
        (coco(categories=[]), "has the category 2, which is not listed"),
        (coco(annotations=[{"image_id": 7, "category_id": 2, "bbox": [1, 2, float("nan"), 4]}]), "finite numbers"),
    ],
)
def test_files_that_are_no_coco_are_refused(data: object, problem: str, layout) -> None:
    layout.image("a.png")
    with pytest.raises(SourceError, match=problem):
        list(open_annotated(f"coco:{layout.json('boxes.json', data)}"))


def test_a_source_without_any_image_is_refused(layout) -> None:
    with pytest.raises(SourceError, match=r"images/a\.png: no such file, and none of the 1 images"):
        open_annotated(f"coco:{layout.json('boxes.json', coco())}")
    with pytest.raises(SourceError, match="cannot be read as JSON"):
        open_annotated(f"coco:{layout.text('no.json', '{')}")


def test_coco_images_may_be_slices_of_scans(layout) -> None:
    nibabel = pytest.importorskip("nibabel", reason="the extra medical is not installed")
    nibabel.save(nibabel.Nifti1Image(np.zeros((30, 20, 2), dtype=np.int16), np.eye(4)), layout.folder / "scan.nii.gz")
    record = {"id": 7, "file_name": "scan.nii.gz#slice=1", "width": 30, "height": 20}
    (image,) = open_annotated(f"coco:{layout.json('boxes.json', coco(images=[record]))}")
    assert image.image.uri.endswith("scan.nii.gz#slice=1")
    assert (image.width, image.height) == (30, 20)


# Pascal VOC


def test_voc_boxes_are_first_and_last_pixel_from_one(layout) -> None:
    layout.image("JPEGImages/a.png")
    layout.text("Annotations/a.xml", voc(boxes=((4, 6, 15, 13), (1, 1, 30, 20))))
    layout.text("ImageSets/Main/val.txt", "a\n")
    (image,) = open_annotated(f"voc:{layout.folder}?split=train")
    # As corner and extent the first box would be 3, 5, 18, 18; the second covers the image exactly.
    assert [region.box_xyxy for region in image.regions] == [BOX_XYXY, (0.0, 0.0, 30.0, 20.0)]
    assert (image.id, image.split) == ("set/a", "validation")


def test_voc_splits_may_lie_beside_the_lists_of_classes(layout) -> None:
    for name in "abc":
        layout.image(f"JPEGImages/{name}.png")
        layout.text(f"Annotations/{name}.xml", voc(name))
    layout.text("ImageSets/train.txt", "a\n\n")
    layout.text("ImageSets/test.txt", "b 1\n")
    layout.text("ImageSets/cell_train.txt", "c\n")
    assert [image.split for image in open_annotated(f"voc:{layout.folder}")] == ["train", "test", ""]


def test_a_voc_box_of_zero_area_is_counted_and_one_pixel_too_far_is_cut(layout) -> None:
    layout.image("JPEGImages/a.png")
    layout.text("Annotations/a.xml", voc(boxes=((4, 6, 4, 6), (4, 6, 15, 6), (0, 1, 31, 20))))
    source = open_annotated(f"voc:{layout.folder}")
    assert [region.box_xyxy for region in source[0].regions] == [(0.0, 0.0, 30.0, 20.0)]
    assert source.issues.counts == {ZERO_AREA: 2, CLIPPED: 1}
    assert source.issues.items(ZERO_AREA) == ("set/a: object 1, cell at 4, 6", "set/a: object 2, cell at 4, 6")


def test_bad_voc_files_are_refused_by_name(layout) -> None:
    layout.image("JPEGImages/a.png", size=(20, 30))
    layout.text("Annotations/a.xml", voc())
    with pytest.raises(SourceError, match="annotated at 30 x 20"):
        open_annotated(f"voc:{layout.folder}")[0]
    layout.text(
        "Annotations/a.xml", voc(boxes=(("four", 6, 15, 13),)).replace("30", "20").replace("<height>20", "<height>30")
    )
    with pytest.raises(SourceError, match=r"set/a: object 1: <bndbox/xmin> is 'four'"):
        open_annotated(f"voc:{layout.folder}")[0]
    layout.text("Annotations/a.xml", "<annotation>")
    with pytest.raises(SourceError, match=r"a\.xml: no XML"):
        open_annotated(f"voc:{layout.folder}")
    with pytest.raises(SourceError, match="Annotations: not found"):
        open_annotated(f"voc:{layout.folder / 'JPEGImages'}")


# YOLO


@pytest.mark.parametrize("names", ["names: [lung, nodule]\n", "names:\n  0: lung\n  1: nodule\n", None])
def test_yolo_boxes_are_centre_and_extent_as_shares(names: str | None, layout) -> None:
    layout.image("images/val/a.png")
    layout.text("labels/val/a.txt", "1 0.3 0.45 0.4 0.4\n\n")
    if names is None:
        layout.text("classes.txt", "lung\nnodule\n")
    else:
        layout.text("data.yaml", names)
    (image,) = open_annotated(f"yolo:{layout.folder}")
    (region,) = image.regions
    # From a corner it would begin at 9, 9; with width and height of the image swapped at 2, 7.5.
    assert region.label == "nodule"
    assert region.box_xyxy == pytest.approx(BOX_XYXY)
    assert (image.id, image.split) == ("set/val/a.png", "validation")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("1 9 9 12 8", "goes beyond 1.*not pixels"),
        ("2 0.3 0.45 0.4 0.4", "Expected a class from 0 to 1"),
        ("1 0.3 0.45 0.4", "four numbers"),
        ("1 0.3 0.45 0.4 0.4 0.9", "no polygon and no confidence"),
        ("nodule 0.3 0.45 0.4 0.4", "Expected a class"),
    ],
)
def test_yolo_lines_in_another_form_are_refused_by_number(line: str, problem: str, layout) -> None:
    layout.image("images/a.png")
    layout.text("labels/a.txt", f"0 0.5 0.5 1 1\n{line}\n")
    layout.text("classes.txt", "lung\nnodule\n")
    with pytest.raises(SourceError, match=rf"labels/a\.txt:2: .*{problem}"):
        open_annotated(f"yolo:{layout.folder}")[0]


def test_a_yolo_image_without_a_file_of_boxes_has_none_and_is_counted(layout) -> None:
    layout.image("images/a.png")
    layout.text("labels/b.txt", "")
    with pytest.raises(SourceError, match=r"neither data.yaml nor classes.txt"):
        open_annotated(f"yolo:{layout.folder}")
    layout.text("classes.txt", "lung\n")
    source = open_annotated(f"yolo:{layout.folder}")
    assert source[0].regions == ()
    assert source.issues.counts == {NO_ANNOTATION: 1}


# Masks


def test_masks_one_object_per_file(layout) -> None:
    layout.image("images/a.png")
    layout.mask("masks/a/lung_nodule_1.png", (3, 5, 15, 13))
    layout.mask("masks/a/lung_nodule_2.png", (20, 0, 30, 20), value=1)  # 0 and 1 in place of 0 and 255
    layout.mask("masks/a/T1 (2).png", None)
    source = open_annotated(f"masks:{layout.folder}")
    (image,) = source
    assert [(region.label, region.box_xyxy) for region in image.regions] == [
        ("lung nodule", BOX_XYXY),
        ("lung nodule", (20.0, 0.0, 30.0, 20.0)),
    ]
    mask_hw = image.regions[0].mask_hw(30, 20)
    assert mask_hw is not None
    assert mask_hw.sum() == 12 * 8
    assert source.issues.counts == {EMPTY_MASK: 1}


def test_masks_as_label_maps(layout) -> None:
    layout.image("images/a.png")
    labels_hw = np.zeros((20, 30), dtype=np.uint8)
    labels_hw[5:13, 3:15] = 2
    labels_hw[0, 29] = 1
    Image.fromarray(labels_hw).save(layout.mask("masks/a.png", None))
    with pytest.raises(SourceError, match=r"labels\.json: not found"):
        open_annotated(f"masks:{layout.folder}")
    layout.json("labels.json", {"1": "cyst", "2": "liver"})
    (image,) = open_annotated(f"masks:{layout.folder}")
    assert [(r.label, r.box_xyxy) for r in image.regions] == [("cyst", (29.0, 0.0, 30.0, 1.0)), ("liver", BOX_XYXY)]
    layout.json("labels.json", {"2": "liver"})
    with pytest.raises(SourceError, match=r"the values \[1\] are not in labels.json, which names \[2\]"):
        open_annotated(f"masks:{layout.folder}")[0]
    layout.json("labels.json", ["liver"])
    with pytest.raises(SourceError, match="Expected names by value"):
        open_annotated(f"masks:{layout.folder}")


def test_a_label_map_with_a_palette_is_read_by_its_indices(layout) -> None:
    layout.image("images/a.png")
    layout.json("labels.json", {"1": "liver"})
    indices = Image.fromarray(np.asarray(Image.open(layout.mask("m.png", (3, 5, 15, 13), value=1)))).convert("P")
    indices.putpalette([0, 0, 0, 128, 0, 0])  # dark red, which as gray would be below half
    indices.save(layout.mask("masks/a.png", None))
    (image,) = open_annotated(f"masks:{layout.folder}")
    assert image.regions[0].box_xyxy == BOX_XYXY
    layout.image("masks/a.png", mode="RGB")
    with pytest.raises(SourceError, match=r"a mask of mode RGB\. Expected one number per pixel"):
        open_annotated(f"masks:{layout.folder}")[0]


def test_a_mask_of_another_size_is_refused(layout) -> None:
    layout.image("images/a.png", size=(20, 30))
    layout.mask("masks/a/liver.png", (3, 5, 15, 13))
    with pytest.raises(SourceError, match=r"a mask of 30 x 20 for an image of 20 x 30 pixels"):
        open_annotated(f"masks:{layout.folder}")[0]


def test_an_image_without_a_mask_has_no_region_and_is_counted(layout) -> None:
    layout.image("images/a.png")
    (layout.folder / "masks").mkdir()
    source = open_annotated(f"masks:{layout.folder}")
    assert source[0].regions == ()
    assert source.issues.counts == {NO_ANNOTATION: 1}
