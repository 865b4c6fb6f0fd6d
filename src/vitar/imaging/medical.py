"""Slices of scans, DICOM or NIfTI, with their intensities, their spacing and the window that makes them a picture.

pydicom and nibabel do the reading. They come with ``pip install 'vitar-med[medical]'`` and are imported when a scan is
read, so everything else works without them.
"""

from __future__ import annotations

from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from vitar.imaging.intensity import Window, to_8_bit
from vitar.imaging.reference import ImageError, Selection, split_reference

DICOM, NIFTI = "DICOM", "NIfTI"
DICOM_HEAD_BYTES = 132
"""A preamble of 128 bytes and the mark ``DICM`` (PS3.10)."""
_NIFTI_SUFFIXES = (".nii", ".nii.gz")
INSTALL = "pip install 'vitar-med[medical]'"


@dataclass(frozen=True)
class ScanSlice:
    """One slice before any window.

    Args:
        values: [H, W] intensities as the file defines them (Hounsfield units for a CT), as deep as they are stored; or
            uint8 [H, W, 3], RGB colours, which have no window.
        spacing_mm: distances between the centres of neighbouring rows and of neighbouring columns; None if unknown.
        window: how the file wants the values shown; None if it does not say.
        inverted: low values are white.
        table_hw: uint8 [H, W], what a lookup table in the file, in place of a window, makes of the values.
    """

    values: np.ndarray
    spacing_mm: tuple[float, float] | None
    window: Window | None = None
    inverted: bool = False
    table_hw: np.ndarray | None = None

    def picture(self, window: Window | None = None) -> Image.Image:
        """Mode ``L``, or ``RGB`` for colours.

        Args:
            window: in place of the file's own window or lookup table. Where there is none at all, the slice's own
                range is stretched to black and white.
        """
        if self.values.ndim == 3:
            return Image.fromarray(self.values)
        window = window or self.window
        if window is not None:
            gray = window.to_8_bit(self.values)
        else:
            gray = to_8_bit(self.values) if self.table_hw is None else self.table_hw
        return Image.fromarray(255 - gray if self.inverted else gray)


def scan_format(name: str, head: bytes) -> str:
    """`NIFTI` by the file's name, `DICOM` by the mark in its first bytes, else ""."""
    if name.lower().endswith(_NIFTI_SUFFIXES):
        return NIFTI
    return DICOM if head[:DICOM_HEAD_BYTES].endswith(b"DICM") and len(head) >= DICOM_HEAD_BYTES else ""


def read_slice(reference: str | Path) -> ScanSlice:
    """The slice of a scan that a reference names (`vitar.imaging.reference`).

    Raises:
        ImageError: the file is missing, damaged or no scan, the reference names no slice of it, or the package that
            reads it is not installed.
    """
    name, selection = split_reference(str(reference))
    try:
        with Path(name).open("rb") as file:
            format = scan_format(name, file.read(DICOM_HEAD_BYTES))
    except OSError as error:
        raise ImageError(f"{name}: cannot be read ({error}). Expected a DICOM or NIfTI file.") from error
    if format == DICOM:
        return read_dicom_slice(name, Path(name), selection)
    if format == NIFTI:
        return read_nifti_slice(name, selection)
    raise ImageError(f"{name}: not a scan. Expected a file with DICOM's mark, or with a name in .nii or .nii.gz.")


def read_dicom_slice(name: str, source: Path | bytes, selection: Selection) -> ScanSlice:
    """A frame of a DICOM file, or of the bytes of one, which messages call ``name``.

    Raises:
        ImageError: see `read_slice`.
    """
    try:
        from vitar.imaging.dicom import read_frame
    except ModuleNotFoundError as error:
        raise _missing(name, DICOM, error) from error
    if selection.volume is not None or selection.plane != Selection().plane:
        raise ImageError(f"{name}: a DICOM file has frames. Expected #slice=NUMBER, without a plane or a volume.")
    return read_frame(name, BytesIO(source) if isinstance(source, bytes) else source, selection.slice)


def read_nifti_slice(path: str, selection: Selection) -> ScanSlice:
    """A slice of a NIfTI volume.

    Raises:
        ImageError: see `read_slice`.
    """
    try:
        from vitar.imaging.nifti import read_plane
    except ModuleNotFoundError as error:
        raise _missing(path, NIFTI, error) from error
    return read_plane(path, selection.slice, selection.plane, selection.volume)


def scan_size(name: str, format: str, selection: Selection) -> tuple[int, int]:
    """Width and height of a slice, from the header alone.

    Raises:
        ImageError: see `read_slice`.
    """
    try:
        if format == DICOM:
            from vitar.imaging.dicom import frame_size

            return frame_size(name)
        from vitar.imaging.nifti import plane_size

        return plane_size(name, selection.plane)
    except ModuleNotFoundError as error:
        raise _missing(name, format, error) from error


def _missing(name: str, format: str, error: ModuleNotFoundError) -> ImageError:
    return ImageError(
        f"{name}: reading {format} needs the package {error.name}, which is not installed. Install it: {INSTALL}"
    )
