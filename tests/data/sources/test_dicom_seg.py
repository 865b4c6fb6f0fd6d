"""DICOM segmentations: which frame lies on which image, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vitar.data.sources import SourceError, open_annotated
from vitar.data.sources.source import EMPTY_MASK

pydicom = pytest.importorskip("pydicom", reason="the extra medical is not installed")

from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, SegmentationStorage  # noqa: E402

from vitar.data.sources.dicom_seg import NO_IMAGE, NOT_SEGMENTED  # noqa: E402

WIDTH, HEIGHT = 11, 6  # 66 pixels: frames of one bit a pixel do not begin at whole bytes


def item(**attributes: Any) -> Any:
    dataset = pydicom.Dataset()
    for name, value in attributes.items():
        setattr(dataset, name, value)
    return dataset


def write(path: Path, sop_class: str, uid: str, pixels: bytes, **attributes: Any) -> None:
    dataset = item(
        SOPClassUID=sop_class, SOPInstanceUID=uid, Rows=HEIGHT, Columns=WIDTH, SamplesPerPixel=1,
        PhotometricInterpretation="MONOCHROME2", PixelRepresentation=0, PatientID="P7", **attributes,
    )  # fmt: skip
    dataset.file_meta = pydicom.dataset.FileMetaDataset()
    dataset.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    dataset.file_meta.MediaStorageSOPClassUID, dataset.file_meta.MediaStorageSOPInstanceUID = sop_class, uid
    dataset.PixelData = pixels + b"\0" * (len(pixels) % 2)
    dataset.save_as(path, enforce_file_format=True)


def write_image(folder: Path, number: int, series: str = "1.9", **attributes: Any) -> None:
    values = {
        "Modality": "CT", "BodyPartExamined": "ABDOMEN", "SeriesInstanceUID": series, "BitsAllocated": 8,
        "BitsStored": 8, "HighBit": 7, "ImageOrientationPatient": [1, 0, 0, 0, 1, 0],
        "ImagePositionPatient": [0, 0, number],
    }  # fmt: skip
    pixels = bytes(WIDTH * HEIGHT)
    write(folder / f"{number}.dcm", CTImageStorage, f"1.2.{number}", pixels, **(values | attributes))


def write_segmentation(folder: Path, frames: list[tuple[int, int, np.ndarray]], **attributes: Any) -> None:
    """Frames as segment, image and mask."""
    binary = attributes.get("SegmentationType", "BINARY") == "BINARY"
    stacked = np.stack([mask_hw for _, _, mask_hw in frames])
    pixels = np.packbits(stacked.astype(bool).ravel(), bitorder="little").tobytes() if binary else stacked.tobytes()
    values = {
        "SegmentationType": "BINARY", "NumberOfFrames": len(frames), "Modality": "SEG",
        "BitsAllocated": 1 if binary else 8, "BitsStored": 1 if binary else 8, "HighBit": 0 if binary else 7,
        "SegmentSequence": [item(SegmentNumber=1, SegmentLabel="liver"), item(SegmentNumber=2, SegmentLabel="cyst")],
        "SharedFunctionalGroupsSequence": [
            item(PlaneOrientationSequence=[item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])])
        ],
        "PerFrameFunctionalGroupsSequence": [
            item(
                DerivationImageSequence=[item(SourceImageSequence=[item(ReferencedSOPInstanceUID=f"1.2.{image}")])],
                SegmentIdentificationSequence=[item(ReferencedSegmentNumber=segment)],
                PlanePositionSequence=[item(ImagePositionPatient=[0, 0, image])],
            )
            for segment, image, _ in frames
        ],
    }  # fmt: skip
    write(folder / "seg.dcm", SegmentationStorage, "1.3.1", pixels, **(values | attributes))


def mask(x0: int, y0: int, x1: int, y1: int, value: int = 1) -> np.ndarray:
    mask_hw = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask_hw[y0:y1, x0:x1] = value
    return mask_hw


def test_frames_lie_on_the_images_that_they_name_in_whatever_order(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write_image(tmp_path, number)
    write_image(tmp_path, 4, series="1.8")
    (tmp_path / "notes.txt").write_text("no DICOM")
    frames = [(1, 3, mask(0, 0, 3, 2)), (2, 1, mask(5, 1, 11, 6)), (1, 1, mask(1, 1, 2, 6)), (2, 3, mask(0, 0, 0, 0))]
    write_segmentation(tmp_path, frames)
    source = open_annotated(f"dicom-seg:{tmp_path}?source=ct&licence=MIT")
    assert [image.id for image in source] == ["ct/1.dcm", "ct/2.dcm", "ct/3.dcm"]
    assert [[(region.label, region.box_xyxy) for region in image.regions] for image in source] == [
        [("cyst", (5.0, 1.0, 11.0, 6.0)), ("liver", (1.0, 1.0, 2.0, 6.0))],
        [],
        [("liver", (0.0, 0.0, 3.0, 2.0))],
    ]
    assert source.issues.counts == {NOT_SEGMENTED: 1, EMPTY_MASK: 1}
    assert source.issues.items(NOT_SEGMENTED) == ("ct/4.dcm",)
    assert {(i.modality, i.anatomy, i.group, i.licence) for i in source} == {("CT", "abdomen", "ct/P7", "MIT")}


def test_fractions_count_from_half_on(tmp_path: Path) -> None:
    write_image(tmp_path, 1)
    fractions = mask(2, 1, 6, 3, 49)
    fractions[1, 2:4] = 50
    write_segmentation(tmp_path, [(1, 1, fractions)], SegmentationType="FRACTIONAL", MaximumFractionalValue=100)
    assert open_annotated(f"dicom-seg:{tmp_path}")[0].regions[0].box_xyxy == (2.0, 1.0, 4.0, 2.0)


def test_a_segmented_image_that_is_missing_is_counted(tmp_path: Path) -> None:
    write_image(tmp_path, 1)
    write_segmentation(tmp_path, [(1, 5, mask(0, 0, 3, 2)), (1, 1, mask(4, 1, 6, 3))])
    source = open_annotated(f"dicom-seg:{tmp_path}")
    assert [region.box_xyxy for image in source for region in image.regions] == [(4.0, 1.0, 6.0, 3.0)]
    assert source.issues.counts == {NO_IMAGE: 1}


@pytest.mark.parametrize(
    ("image", "segmentation", "problem"),
    [
        ({"Rows": WIDTH, "Columns": HEIGHT}, {}, r"frame 1 has \(11, 6\) pixels and its image \(6, 11\)"),
        ({"ImageOrientationPatient": [-1, 0, 0, 0, 1, 0]}, {}, "ImageOrientationPatient"),
        ({"ImagePositionPatient": [0, 0, 2]}, {}, "ImagePositionPatient"),
        ({}, {"SegmentationType": "LABELMAP"}, "type LABELMAP. Expected BINARY or FRACTIONAL"),
        ({}, {"PerFrameFunctionalGroupsSequence": [pydicom.Dataset()]}, "does not say which image or segment"),
        ({"SOPInstanceUID": "1.2.9"}, {}, "none of the segmented images is there"),
    ],
)
def test_masks_that_may_lie_elsewhere_are_refused(
    image: dict, segmentation: dict, problem: str, tmp_path: Path
) -> None:
    write_image(tmp_path, 1)
    if image:
        dataset = pydicom.dcmread(tmp_path / "1.dcm")
        for name, value in image.items():
            setattr(dataset, name, value)
        dataset.file_meta.MediaStorageSOPInstanceUID = dataset.SOPInstanceUID
        dataset.save_as(tmp_path / "1.dcm")
    write_segmentation(tmp_path, [(1, 1, mask(0, 0, 3, 2))], **segmentation)
    with pytest.raises(SourceError, match=problem):
        open_annotated(f"dicom-seg:{tmp_path}")


def test_a_folder_without_a_segmentation_is_refused(tmp_path: Path) -> None:
    write_image(tmp_path, 1)
    with pytest.raises(SourceError, match="no DICOM Segmentation among its files"):
        open_annotated(f"dicom-seg:{tmp_path}")
