"""DICOM segmentations beside the images that they segment (PS3.3 A.51).

    DIR/**/*   DICOM images and Segmentation objects, told apart by what is in them

A Segmentation holds one frame per segment and segmented image, in any order, and names the image of each frame in its
Derivation Image Sequence. The masks lie on the pixels of that image; size, position and orientation are compared where
both tell theirs. A frame of type FRACTIONAL counts from half of the maximum on. Images of a segmented series without a
frame of their own are images in which nothing is marked; series that no Segmentation mentions are left out.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels import pixel_array
from pydicom.uid import SegmentationStorage

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef
from vitar.data.sources.masks import mask_region
from vitar.data.sources.source import About, AnnotatedSource, Issues, SourceError, existing, size_of
from vitar.imaging.dicom import functional_group

NO_IMAGE = "segmentation of an image that is not there, left out"
NOT_SEGMENTED = "image of a series without a segmentation, left out"
_TOLERANCE_MM = 0.01


@dataclass(frozen=True)
class _Frame:
    """One frame of a Segmentation: where its pixels are, and what they mark."""

    path: Path
    index: int
    label: str
    full: int  # the stored value that means all of a pixel


def open_source(path: Path, about: About) -> AnnotatedSource:
    """The images of the segmented series below a folder, by path.

    Raises:
        SourceError: there is no Segmentation, one cannot be read, or none of its images is there.
    """
    source, issues = about.source or path.name, Issues()
    images, segmentations = _headers(existing(path, "a folder of DICOM files"))
    if not segmentations:
        raise SourceError(f"{path}: no DICOM Segmentation among its files. Expected one beside the images it segments.")
    frames: dict[tuple[str, int], list[_Frame]] = defaultdict(list)
    for file, segmentation in segmentations.items():
        for place, frame in _frames(file, segmentation, images, issues):
            frames[place].append(frame)
    segmented = {images[uid][1].SeriesInstanceUID for uid, _ in frames}
    if not segmented:
        raise SourceError(f"{path}: none of the segmented images is there. Put them into the folder too.")
    places = []
    for uid, (file, header) in images.items():
        if header.SeriesInstanceUID in segmented:
            places += [(uid, index) for index in range(int(header.get("NumberOfFrames") or 1))]
        else:
            issues.add(NOT_SEGMENTED, f"{source}/{file.relative_to(path).as_posix()}")

    def make(place: tuple[str, int]) -> AnnotatedImage:
        file, header = images[place[0]]
        chosen = f"#slice={place[1]}" if int(header.get("NumberOfFrames") or 1) > 1 else ""
        name = f"{source}/{file.relative_to(path).as_posix()}{chosen}"
        regions = (
            mask_region(frame.label, _mask(frame), f"{name}: {frame.label}, frame {frame.index + 1}", issues)
            for frame in frames.get(place, ())
        )
        width, height = size_of(file)
        return AnnotatedImage(
            id=name,
            image=ImageRef(f"{file}{chosen}"),
            width=width,
            height=height,
            regions=tuple(region for region in regions if region is not None),
            modality=header.get("Modality") or about.modality,
            anatomy=(header.get("BodyPartExamined") or about.anatomy).lower(),
            source=source,
            split=about.split,
            licence=about.licence,
            group=f"{source}/{header.get('PatientID') or header.SeriesInstanceUID}",
        )

    return AnnotatedSource(places, make, issues)


def _headers(folder: Path) -> tuple[dict[str, tuple[Path, Dataset]], dict[Path, Dataset]]:
    """Images by their SOP instance UID, and Segmentations by path; other files are no part of the source."""
    images: dict[str, tuple[Path, Dataset]] = {}
    segmentations: dict[Path, Dataset] = {}
    for path in sorted(file for file in folder.rglob("*") if file.is_file()):
        try:
            header = dcmread(path, stop_before_pixels=True)
        except InvalidDicomError:
            continue
        if header.get("SOPClassUID") == SegmentationStorage:
            segmentations[path] = header
        elif "Rows" in header:
            images[str(header.SOPInstanceUID)] = (path, header)
    return images, segmentations


def _frames(
    path: Path, segmentation: Dataset, images: dict[str, tuple[Path, Dataset]], issues: Issues
) -> list[tuple[tuple[str, int], _Frame]]:
    """Each frame whose image is there, with that image's UID and its frame, from 0."""
    if segmentation.SegmentationType not in ("BINARY", "FRACTIONAL"):
        raise SourceError(
            f"{path}: a Segmentation of type {segmentation.SegmentationType}. Expected BINARY or FRACTIONAL."
        )
    labels = {int(segment.SegmentNumber): str(segment.SegmentLabel) for segment in segmentation.SegmentSequence}
    full = int(segmentation.get("MaximumFractionalValue") or 1)
    found = []
    for index in range(int(segmentation.NumberOfFrames)):
        item = f"{path}: frame {index + 1}"
        derivation = functional_group(segmentation, index, "DerivationImageSequence")
        segment = functional_group(segmentation, index, "SegmentIdentificationSequence")
        if derivation is None or not derivation.get("SourceImageSequence") or segment is None:
            raise SourceError(f"{item} does not say which image or segment it is of. Expected both; export it again.")
        image = derivation.SourceImageSequence[0]
        uid, number = str(image.ReferencedSOPInstanceUID), image.get("ReferencedFrameNumber") or 1
        if uid not in images:
            issues.add(NO_IMAGE, f"{item}, image {uid}")
            continue
        _compare(segmentation, index, images[uid][1], item)
        label = labels[int(segment.ReferencedSegmentNumber)]
        found.append(((uid, int(number) - 1), _Frame(path, index, label, full)))
    return found


def _compare(segmentation: Dataset, index: int, image: Dataset, item: str) -> None:
    """Refuses a frame that does not lie on the pixels of its image."""
    sizes = [(dataset.Columns, dataset.Rows) for dataset in (segmentation, image)]
    if sizes[0] != sizes[1]:
        raise SourceError(
            f"{item} has {sizes[0]} pixels and its image {sizes[1]}. Expected one grid; resample one of them."
        )
    for sequence, keyword in (
        ("PlaneOrientationSequence", "ImageOrientationPatient"),
        ("PlanePositionSequence", "ImagePositionPatient"),
    ):
        group = functional_group(segmentation, index, sequence)
        own, other = group.get(keyword) if group is not None else None, image.get(keyword)
        if own and other and not np.allclose(list(map(float, own)), list(map(float, other)), atol=_TOLERANCE_MM):
            raise SourceError(f"{item} has the {keyword} {own} and its image {other}. Expected one grid; resample one.")


def _mask(frame: _Frame) -> np.ndarray:
    values_hw = pixel_array(frame.path, index=frame.index)
    return values_hw.astype(np.float64) >= frame.full / 2
