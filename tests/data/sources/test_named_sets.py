"""Each named data set, in a small copy of its layout, with the traps that are known of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from PIL import Image

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import open_image
from vitar.data.sources import SourceError, open_annotated
from vitar.data.sources.deeplesion import NOISY
from vitar.data.sources.sa_med2d import UNION
from vitar.data.sources.source import CLIPPED, EMPTY_MASK, NO_IMAGE_FILE
from vitar.data.sources.vindr_cxr import SINGLE_READER

BOX_XYXY = (3.0, 5.0, 15.0, 13.0)
LABEL_AND_BOX = tuple[str, tuple[float, float, float, float]]


def marked(images: Sequence[AnnotatedImage]) -> dict[str, list[LABEL_AND_BOX]]:
    return {image.id: [(region.label, region.box_xyxy) for region in image.regions] for image in images}


def write_dicom(layout, name: str, size: tuple[int, int]) -> None:
    pydicom = pytest.importorskip("pydicom", reason="the extra medical is not installed")
    from pydicom.uid import ExplicitVRLittleEndian, SecondaryCaptureImageStorage

    dataset = pydicom.Dataset()
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID = dataset.SOPClassUID = SecondaryCaptureImageStorage
    dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID = "1.2.3"
    dataset.Columns, dataset.Rows = size
    dataset.SamplesPerPixel, dataset.PhotometricInterpretation = 1, "MONOCHROME2"
    dataset.BitsAllocated = dataset.BitsStored = 8
    dataset.HighBit, dataset.PixelRepresentation = 7, 0
    dataset.PixelData = bytes(size[0] * size[1])
    path = layout.text(name, "")
    dataset.save_as(path, enforce_file_format=True)


# SLAKE


def slake(layout, boxes: list, number: int = 7) -> None:
    layout.image(f"imgs/xmlab{number}/source.jpg")
    layout.json(f"imgs/xmlab{number}/detection.json", boxes)


def question(number: int, language: str, **more: str) -> dict[str, str]:
    return {
        "img_name": f"xmlab{number}/source.jpg",
        "q_lang": language,
        "modality": "CT",
        "location": "Abdomen",
        **more,
    }


def test_slake_boxes_are_corner_and_extent(layout) -> None:
    slake(layout, [{"Liver": [3, 5, 12, 8]}, {"Liver": [20.0, 0.0, 10.5, 20.0]}])
    source = open_annotated(f"slake:{layout.folder}")
    assert marked(source) == {"slake/xmlab7": [("Liver", BOX_XYXY), ("Liver", (20.0, 0.0, 30.0, 20.0))]}
    assert source.issues.counts == {CLIPPED: 1}


def test_slake_boxes_that_only_make_sense_as_corners_are_refused(layout) -> None:
    slake(layout, [{"Liver": [3, 5, 15, 13]}, {"Spleen": [20, 2, 28, 18]}])
    with pytest.raises(SourceError, match="1 boxes leave their images as x, y, width, height, and none as left, top"):
        open_annotated(f"slake:{layout.folder}")


def test_slake_splits_are_those_of_the_english_questions(layout) -> None:
    """A test image of the English part is asked about in Chinese in training; it must not become a training image."""
    for number in (2, 10, 3):
        slake(layout, [{"Liver": [3, 5, 12, 8]}], number)
    layout.json("train.json", [question(10, "zh"), question(2, "en")])
    layout.json("validate.json", [question(10, "zh")])
    layout.json("test.json", [question(10, "en", modality="MRI"), question(2, "zh")])
    images = {image.id: image for image in open_annotated(f"slake:{layout.folder}")}
    assert list(images) == ["slake/xmlab2", "slake/xmlab3", "slake/xmlab10"]
    assert [image.split for image in images.values()] == ["train", "", "test"]
    assert (images["slake/xmlab10"].modality, images["slake/xmlab10"].anatomy) == ("MRI", "Abdomen")
    assert images["slake/xmlab10"].group == "slake/xmlab10"


@pytest.mark.parametrize("boxes", [{"Liver": [1, 2, 3, 4]}, [{"Liver": [1, 2, 3]}], [{"Liver": ["a", 1, 2, 3]}]])
def test_slake_files_in_another_form_are_refused(boxes: object, layout) -> None:
    layout.image("imgs/xmlab7/source.jpg")
    layout.json("imgs/xmlab7/detection.json", boxes)
    with pytest.raises(SourceError, match=r"xmlab7/detection\.json"):
        open_annotated(f"slake:{layout.folder}")


# VinDr-CXR

VINDR_HEADER = "image_id,rad_id,class_name,x_min,y_min,x_max,y_max\n"


def test_vindr_boxes_are_corners_and_its_test_images_a_consensus(layout) -> None:
    write_dicom(layout, "test/a.dicom", (30, 20))
    write_dicom(layout, "test/b.dicom", (30, 20))
    layout.text(
        "annotations/annotations_test.csv",
        "image_id,class_name,x_min,y_min,x_max,y_max\na,Cardiomegaly,3.0,5.0,15.0,13.0\nb,No finding,,,,\n",
    )
    images = open_annotated(f"vindr-cxr:{layout.folder}")
    assert marked(images) == {"vindr-cxr/a": [("Cardiomegaly", BOX_XYXY)], "vindr-cxr/b": []}
    assert [image.split for image in images] == ["test", "test"]


def test_vindr_keeps_what_two_of_three_readers_boxed(layout) -> None:
    write_dicom(layout, "train/a.dicom", (30, 20))
    rows = [
        "a,R1,Nodule/Mass,2,5,14,13",
        "a,R1,Nodule/Mass,20,0,26,6",
        "a,R2,Nodule/Mass,4,5,16,13",  # IoU with the first 10/14
        "a,R2,Cardiomegaly,4,5,16,13",  # the same place, but another finding
        "a,R2,Nodule/Mass,3,5,15,13",  # the same reader again is no agreement
        "a,R3,No finding,,,,",
    ]
    layout.text("annotations/annotations_train.csv", VINDR_HEADER + "\n".join(rows) + "\n")
    source = open_annotated(f"vindr-cxr:{layout.folder}")
    assert marked(source) == {"vindr-cxr/a": [("Nodule/Mass", BOX_XYXY)]}
    assert [image.uncertain for image in source] == [{"Nodule/Mass", "Cardiomegaly"}]
    assert source.issues.counts == {SINGLE_READER: 3}
    assert "vindr-cxr/a: Cardiomegaly at 4, 5" in source.issues.items(SINGLE_READER)


# ChestX-ray14 and RSNA

NIH_HEADER = "Image Index,Finding Label,Bbox [x,y,w,h],,,\n"


def test_chestxray14_columns_are_read_by_position(layout) -> None:
    layout.image("images_003/images/00013118_008.png", size=(1024, 1024))
    row = "00013118_008.png,Infiltrate,225.084745762712,547.019216763771,86.7796610169491,79.1864406779661,,,\n"
    layout.text("BBox_List_2017.csv", NIH_HEADER + row + "00000001_000.png,Mass,1,2,3,4,,,\n")
    source = open_annotated(f"chestxray14:{layout.folder}")
    (image,) = source
    (region,) = image.regions
    assert region.label == "Infiltrate"
    assert region.box_xyxy == pytest.approx((225.084746, 547.019217, 311.864407, 626.205657))
    assert (image.split, image.group) == ("test", "chestxray14/00013118")
    assert source.issues.counts == {NO_IMAGE_FILE: 1}


def test_chestxray14_in_a_smaller_copy_is_refused(layout) -> None:
    layout.image("images/00013118_008.png", size=(224, 224))
    layout.text("BBox_List_2017.csv", f"{NIH_HEADER}00013118_008.png,Mass,1,2,3,4,,,\n")
    with pytest.raises(SourceError, match=r"224 x 224 pixels .* annotated at 1024 x 1024"):
        open_annotated(f"chestxray14:{layout.folder}")[0]
    layout.text("BBox_List_2017.csv", f"{NIH_HEADER}00013118_008.png,Mass,1,2\n")
    with pytest.raises(SourceError, match=r"BBox_List_2017\.csv:2: 4 columns"):
        open_annotated(f"chestxray14:{layout.folder}")


def test_rsna_has_a_row_per_box_and_blanks_where_there_is_none(layout) -> None:
    for name in ("a", "b"):
        write_dicom(layout, f"stage_2_train_images/{name}.dcm", (1024, 1024))
    rows = "a,264.0,152.0,213.0,379.0,1\nb,,,,,0\na,562.0,152.0,256.0,453.0,1\n"
    layout.text("stage_2_train_labels.csv", f"patientId,x,y,width,height,Target\n{rows}")
    images = open_annotated(f"rsna-pneumonia:{layout.folder}")
    assert marked(images) == {
        "rsna-pneumonia/a": [
            ("lung opacity", (264.0, 152.0, 477.0, 531.0)),
            ("lung opacity", (562.0, 152.0, 818.0, 605.0)),
        ],
        "rsna-pneumonia/b": [],
    }


@pytest.mark.parametrize("row", ["a,1,2,3,4,0", "a,,,,,1", "a,1,2,3,4,2"])
def test_rsna_rows_that_contradict_themselves_are_refused(row: str, layout) -> None:
    layout.text("stage_2_train_labels.csv", f"patientId,x,y,width,height,Target\n{row}\n")
    with pytest.raises(SourceError, match="Expected a box with Target 1, or blanks with Target 0"):
        open_annotated(f"rsna-pneumonia:{layout.folder}")


# DeepLesion


def deeplesion(layout, *rows: str) -> None:
    columns = "File_name,Patient_index,Bounding_boxes,Coarse_lesion_type,Possibly_noisy,Image_size,DICOM_windows"
    layout.text("DL_info.csv", f"{columns},Train_Val_Test\n" + "".join(row + "\n" for row in rows))


def test_deeplesion_boxes_windows_and_splits(layout) -> None:
    hu = np.full((20, 30), -1000)
    hu[0, :3] = (-175, 50, 275)
    layout.image("Images_png/000001_01_01/109.png")
    Image.fromarray((hu + 32768).astype(np.uint16)).save(layout.folder / "Images_png/000001_01_01/109.png")
    size, window = '"20, 30"', '"-175, 275"'
    deeplesion(
        layout,
        f'000001_01_01_109.png,1,"3.0, 5.0, 15.0, 13.0",5,0,"30, 20",{window},3',
        f'000001_01_01_109.png,1,"-0.5, 5.0, 15.0, 13.0",5,0,"30, 20",{window},3',
        f'000001_01_01_109.png,1,"1, 1, 2, 2",5,1,{size},{window},3',
    )
    source = open_annotated(f"deeplesion:{layout.folder}")
    (image,) = source
    assert [(r.label, r.box_xyxy) for r in image.regions] == [
        ("lesion", BOX_XYXY),
        ("lesion", (0.0, 5.0, 15.0, 13.0)),
    ]
    assert source.issues.counts == {CLIPPED: 1, NOISY: 1}
    assert (image.split, image.group, image.anatomy) == ("test", "deeplesion/1", "lung")
    assert np.asarray(open_image(image.image))[0, :4].tolist() == [0, 128, 255, 0]


def test_deeplesion_without_a_type_is_a_lesion(layout) -> None:
    layout.image("Images_png/1_1_1/001.png")
    deeplesion(layout, '1_1_1_001.png,7,"3, 5, 15, 13",-1,0,"30, 20","-175, 275",1')
    (image,) = open_annotated(f"deeplesion:{layout.folder}")
    assert ([region.label for region in image.regions], image.split, image.anatomy) == (["lesion"], "train", "")
    deeplesion(layout, '1_1_1_001.png,7,"3, 5, 15, 13",9,0,"30, 20","-175, 275",1')
    with pytest.raises(SourceError, match="lesion type '9'"):
        open_annotated(f"deeplesion:{layout.folder}")
    deeplesion(layout, '1_1_1_001.png,7,"3, 5, 15, 13",1,0,"20, 30","-175, 275",1')
    with pytest.raises(SourceError, match="annotated at 20 x 30"):
        open_annotated(f"deeplesion:{layout.folder}")[0]


# Masks: SA-Med2D, ISIC 2018, HAM10000, BUSI


def test_sa_med2d_looks_classes_up_in_the_mapping_of_their_data_set(layout) -> None:
    stem = "mr_t1ce--BraTS--Case_7--z_0040"
    layout.image(f"images/{stem}.png")
    masks = [f"masks/{stem}--0001_000.png", f"masks/{stem}--0001_001.png", f"masks/{stem}--0012_000.png"]
    for mask, box in zip(masks, ((3, 5, 15, 13), (20, 0, 30, 20), (0, 0, 1, 1)), strict=True):
        layout.mask(mask, box)
    layout.json("SAMed2D_v1.json", {f"images/{stem}.png": masks, "images/ct_00--A--b--x_1.png": []})
    layout.json(
        "SAMed2D_v1_class_mapping_id.json",
        {"BraTS": {"edema": "0", "enhancing_tumor": "1", "union_a_b": "12"}, "Other": {"liver": 1}},
    )
    source = open_annotated(f"sa-med2d:{layout.folder}")
    (image,) = source
    assert marked([image]) == {
        f"sa-med2d/{stem}": [("enhancing tumor", BOX_XYXY), ("enhancing tumor", (20.0, 0.0, 30.0, 20.0))]
    }
    assert (image.modality, image.group) == ("MRI", "sa-med2d/BraTS/Case_7")
    assert source.issues.counts == {NO_IMAGE_FILE: 1, UNION: 1}
    layout.json("SAMed2D_v1_class_mapping_id.json", {"BraTS": {"edema": "0"}})
    with pytest.raises(SourceError, match="class '0001' of BraTS is not in"):
        open_annotated(f"sa-med2d:{layout.folder}")[0]


def test_isic_splits_are_folders(layout) -> None:
    for split in ("Training", "Test"):
        layout.image(f"ISIC2018_Task1-2_{split}_Input/ISIC_1.jpg", mode="RGB")
        layout.mask(f"ISIC2018_Task1_{split}_GroundTruth/ISIC_1_segmentation.png", (3, 5, 15, 13))
    images = open_annotated(f"isic2018:{layout.folder}")
    assert [image.split for image in images] == ["train", "test"]
    assert [region.box_xyxy for image in images for region in image.regions] == [BOX_XYXY] * 2
    (layout.folder / "ISIC2018_Task1_Test_GroundTruth/ISIC_1_segmentation.png").unlink()
    with pytest.raises(SourceError, match=r"ISIC_1_segmentation\.png: no such file"):
        images[1]


@pytest.mark.parametrize(("table", "part"), [("HAM10000_metadata", "part_1"), ("HAM10000_metadata.csv", "part2")])
def test_ham10000_groups_are_lesions(table: str, part: str, layout) -> None:
    for name in ("ISIC_1", "ISIC_2"):
        layout.image(f"HAM10000_images_{part}/{name}.jpg", mode="RGB")
        layout.mask(f"HAM10000_segmentations_lesion_tschandl/{name}_segmentation.png", (3, 5, 15, 13))
    layout.text(table, "lesion_id,image_id,dx\nHAM_7,ISIC_1,mel\nHAM_7,ISIC_2,mel\nHAM_8,ISIC_3,nv\n")
    source = open_annotated(f"ham10000:{layout.folder}")
    assert [image.group for image in source] == ["ham10000/HAM_7"] * 2
    assert source[0].regions[0].label == "melanoma"
    assert source.issues.counts == {NO_IMAGE_FILE: 1}


def test_busi_masks_of_one_image_are_joined(layout) -> None:
    for name in ("benign/benign (4)", "malignant/malignant (10)", "malignant/malignant (9)", "normal/normal (1)"):
        layout.image(f"{name}.png", mode="RGB")
        layout.mask(f"{name}_mask.png", None if "normal" in name else (3, 5, 9, 9))
    layout.mask("benign/benign (4)_mask_1.png", (9, 9, 15, 13))
    source = open_annotated(f"busi:{layout.folder}")
    boxes = marked(source)
    assert list(boxes) == ["busi/benign (4)", "busi/malignant (9)", "busi/malignant (10)", "busi/normal (1)"]
    assert boxes["busi/benign (4)"] == [("benign lesion", BOX_XYXY)]
    assert boxes["busi/normal (1)"] == []
    assert source.issues.counts == {}  # the empty mask of a normal image is as it should be
    layout.mask("malignant/malignant (9)_mask.png", None)
    assert source[1].regions == ()
    assert source.issues.counts == {EMPTY_MASK: 1}


# Kvasir


@pytest.mark.parametrize(
    ("file", "source"),
    [
        ("kavsir_bboxes.json", "kvasir-seg"),
        ("bounding-boxes.json", "hyper-kvasir"),
        ("bboxes.json", "kvasir-instrument"),
    ],
)
def test_kvasir_boxes_are_corners(file: str, source: str, layout) -> None:
    layout.image("images/cju1.jpg", mode="RGB")
    box = {"label": "polyp", "xmin": 3, "ymin": 5, "xmax": 15, "ymax": 13}
    layout.json(file, {"cju1": {"height": 20, "width": 30, "bbox": [box]}})
    assert marked(open_annotated(f"kvasir:{layout.folder}")) == {f"{source}/cju1": [("polyp", BOX_XYXY)]}
    layout.json(file, {"cju1": {"height": 30, "width": 20, "bbox": [box]}})
    with pytest.raises(SourceError, match="annotated at 20 x 30"):
        open_annotated(f"kvasir:{layout.folder}")[0]
    layout.json(file, {"cju1": {"height": 30, "width": 20, "bbox": [{"label": "polyp"}]}})
    with pytest.raises(SourceError, match="label and corners of a box"):
        open_annotated(f"kvasir:{layout.folder}")


@pytest.mark.parametrize("name", ["vindr-cxr", "chestxray14", "rsna-pneumonia", "deeplesion", "ham10000"])
def test_a_table_without_its_columns_is_refused(name: str, layout) -> None:
    files = {
        "vindr-cxr": "annotations/annotations_train.csv",
        "rsna-pneumonia": "stage_2_train_labels.csv",
        "deeplesion": "DL_info.csv",
        "ham10000": "HAM10000_metadata",
        "chestxray14": "BBox_List_2017.csv",
    }
    layout.text(files[name], "a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"columns?"):
        open_annotated(f"{name}:{layout.folder}")
