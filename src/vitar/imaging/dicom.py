"""Frames of DICOM files.

The order of DICOM's own pipeline (PS3.4 N.2): stored values, modality lookup table or rescale, then the window or
lookup table for viewing, then the photometric interpretation. Functional groups of enhanced multi-frame objects are
followed. Pixels are taken as square; overlays, shutters and display corrections are not applied.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.errors import InvalidDicomError
from pydicom.pixels import apply_color_lut, apply_modality_lut, apply_voi, pixel_array

from vitar.imaging.intensity import Window
from vitar.imaging.medical import ScanSlice
from vitar.imaging.reference import ImageError

logger = logging.getLogger(__name__)

SOFT_TISSUE = Window(40, 400)
"""For a CT in HU that names no window: the usual soft tissue window."""

_GRAY = ("MONOCHROME1", "MONOCHROME2")
_PIXELS = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
# What pydicom raises on damaged or incomplete files, besides InvalidDicomError.
_READING_ERRORS = (InvalidDicomError, OSError, EOFError, AttributeError, KeyError, TypeError, ValueError)


def read_frame(name: str, source: Path | BinaryIO, index: int | None) -> ScanSlice:
    """Frame ``index``, from 0, of a DICOM file that messages call ``name``; None where there is only one.

    Raises:
        ImageError: the file is damaged, holds no pixels, has no such frame, or its compression cannot be read here.
    """
    try:
        dataset = dcmread(source)
        frames = int(dataset.get("NumberOfFrames") or 1)
    except _READING_ERRORS as error:
        raise _damaged(name, error) from error
    if not any(keyword in dataset for keyword in _PIXELS):
        kind = dataset.get("Modality") or "unknown"
        raise ImageError(
            f"{name}: a DICOM file of modality {kind} without pixels. Expected an image; name another file."
        )
    if index is None and frames > 1:
        middle = frames // 2
        raise ImageError(f"{name}: {frames} frames. Expected the reference of one, such as {name}#slice={middle}.")
    if index is not None and index >= frames:
        raise ImageError(f"{name}: no frame {index}. Expected a number from 0 to {frames - 1}.")
    stored = _decoded(name, dataset, index or 0)
    try:
        return _frame(dataset, stored, index or 0)
    except _READING_ERRORS as error:
        raise _damaged(name, error) from error


def frame_size(path: str) -> tuple[int, int]:
    """Width and height in pixels, from the header alone.

    Raises:
        ImageError: the file is damaged or no image.
    """
    try:
        header = dcmread(path, stop_before_pixels=True, specific_tags=["Rows", "Columns"])
        return int(header.Columns), int(header.Rows)
    except _READING_ERRORS as error:
        raise _damaged(path, error) from error


def functional_group(dataset: Dataset, index: int, sequence: str) -> Dataset | None:
    """What holds for one frame: from its own functional groups, else from the shared ones (PS3.3 C.7.6.16)."""
    per_frame, shared = dataset.get("PerFrameFunctionalGroupsSequence"), dataset.get("SharedFunctionalGroupsSequence")
    groups = ([per_frame[index]] if per_frame else []) + ([shared[0]] if shared else [])
    return next((group[sequence].value[0] for group in groups if group.get(sequence)), None)


def _decoded(name: str, dataset: Dataset, index: int) -> np.ndarray:
    """The stored values of a frame [H, W] or [H, W, 3]."""
    try:
        return pixel_array(dataset, index=index)
    except (NotImplementedError, RuntimeError) as error:  # pydicom's, where it has no decoder or the decoder fails
        syntax = dataset.file_meta.TransferSyntaxUID.name
        advice = "Install a decoder that pydicom knows (pip install pylibjpeg[all], or python-gdcm), or decompress it."
        raise ImageError(f"{name}: cannot decode {syntax} ({_short(error)}). {advice}") from error
    except _READING_ERRORS as error:
        raise _damaged(name, error) from error


def _frame(dataset: Dataset, stored: np.ndarray, index: int) -> ScanSlice:
    spacing_mm = _spacing(dataset, index)
    photometric = dataset.PhotometricInterpretation
    if photometric == "PALETTE COLOR":
        colours = apply_color_lut(stored, dataset)
        return ScanSlice((colours >> 8 if colours.dtype == np.uint16 else colours).astype(np.uint8), spacing_mm)
    if dataset.SamplesPerPixel == 3:  # pydicom has made RGB of YBR
        return ScanSlice((stored >> max(0, dataset.BitsStored - 8)).astype(np.uint8), spacing_mm)
    if photometric not in _GRAY:
        raise ValueError(f"photometric interpretation {photometric!r} of {dataset.SamplesPerPixel} samples")
    rescale = functional_group(dataset, index, "PixelValueTransformationSequence") or dataset
    voi = functional_group(dataset, index, "FrameVOILUTSequence") or dataset
    values = apply_modality_lut(stored, rescale)
    inverted = photometric == "MONOCHROME1"
    if voi.get("VOILUTSequence"):
        bits = voi.VOILUTSequence[0].LUTDescriptor[2]
        table_hw = apply_voi(np.rint(values).astype(np.int32), voi) / (2**bits - 1) * 255
        return ScanSlice(values, spacing_mm, None, inverted, np.rint(table_hw).astype(np.uint8))
    window = _window(voi)
    if window is None and dataset.get("Modality") == "CT" and "RescaleSlope" in rescale:
        window = SOFT_TISSUE
    return ScanSlice(values, spacing_mm, window, inverted)


def _window(voi: Dataset) -> Window | None:
    """The first window; None if there is none, or one that cannot be used."""
    center, width = _first(voi.get("WindowCenter")), _first(voi.get("WindowWidth"))
    if center is None or width is None:
        return None
    try:
        return Window(float(center), float(width), voi.get("VOILUTFunction") or "LINEAR")
    except ValueError as error:
        logger.warning("a DICOM file names a window that cannot be used: %s", error)
        return None


def _spacing(dataset: Dataset, index: int) -> tuple[float, float] | None:
    """Between rows and between columns: in the patient, else on the detector of a projection."""
    measures = functional_group(dataset, index, "PixelMeasuresSequence") or dataset
    spacing = measures.get("PixelSpacing") or dataset.get("ImagerPixelSpacing")
    return (float(spacing[0]), float(spacing[1])) if spacing else None


def _first(value: Any) -> Any:
    return (value[0] if value else None) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _damaged(name: str, error: Exception) -> ImageError:
    return ImageError(
        f"{name}: a DICOM file that is damaged or incomplete ({_short(error)}). Fetch or export it again."
    )


def _short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
