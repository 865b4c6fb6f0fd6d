"""Slices of NIfTI volumes, turned as radiologists look at them.

The affine of the file says where its axes point; the axis closest to each direction of the patient is taken, without
resampling. Rows run from the top of the picture, columns from its left:

| plane | slices counted from | top | left |
|---|---|---|---|
| axial | the feet | front of the patient | the patient's right |
| coronal | the back | head | the patient's right |
| sagittal | the patient's left | head | front of the patient |

A file without an orientation (both codes 0) is turned as nibabel assumes, first axis to the patient's left.
"""

from __future__ import annotations

import zlib

import nibabel
import numpy as np
from nibabel.filebasedimages import ImageFileError

from vitar.imaging.intensity import Window
from vitar.imaging.medical import ScanSlice
from vitar.imaging.reference import PLANES, ImageError

# Per plane the directions that slices, rows and columns lie along: 0 to the right, 1 to the front, 2 to the head.
_DIRECTIONS = dict(zip(PLANES, ((2, 1, 0), (1, 2, 0), (0, 2, 1)), strict=True))
_READING_ERRORS = (ImageFileError, OSError, EOFError, ValueError, zlib.error)


def read_plane(path: str, index: int | None, plane: str, volume: int | None) -> ScanSlice:
    """Slice ``index`` along ``plane`` of a volume; None where there is only one, and the same for ``volume``.

    Raises:
        ImageError: the file is damaged, is no gray volume, or has no such slice.
    """
    image = _opened(path)
    shape = image.shape
    directions, flipped, spacings = _axes(image)
    axes = [directions.index(direction) for direction in _DIRECTIONS[plane]]
    depth = shape[axes[0]]
    volumes = int(np.prod(shape[3:]))
    index = _chosen(path, index, depth, f"{plane} slices", "slice")
    volume = _chosen(path, volume, volumes, "volumes", "volume")
    place: list[int | slice] = [slice(None)] * 3
    place[axes[0]] = depth - 1 - index if flipped[axes[0]] else index
    in_series = np.unravel_index(volume, shape[3:], order="F") if len(shape) > 3 else ()
    try:
        values = np.asarray(image.dataobj[(*place, *map(int, in_series))])
    except _READING_ERRORS as error:
        raise _damaged(path, error) from error
    if values.dtype.fields or not np.isrealobj(values):
        raise ImageError(f"{path}: values of type {values.dtype}. Expected a volume of one real number per voxel.")
    if not np.isfinite(values).any():
        raise ImageError(f"{path}: no voxel of {plane} slice {index} holds a finite number. Name another slice.")
    row_axis, column_axis = axes[1], axes[2]
    if row_axis > column_axis:  # the axes that are left are in the order of the file
        values = values.T
    # Both directions of a picture run against the patient's right, front and head (see the table above).
    values = values[:: 1 if flipped[row_axis] else -1, :: 1 if flipped[column_axis] else -1]
    return ScanSlice(values, (spacings[row_axis], spacings[column_axis]), _window(image))


def plane_size(path: str, plane: str) -> tuple[int, int]:
    """Width and height of a slice along ``plane``, from the header alone.

    Raises:
        ImageError: the file is damaged or no volume.
    """
    image = _opened(path)
    directions = _axes(image)[0]
    _, row, column = _DIRECTIONS[plane]
    return image.shape[directions.index(column)], image.shape[directions.index(row)]


def _opened(path: str) -> nibabel.Nifti1Image:
    try:
        image = nibabel.load(path)
    except _READING_ERRORS as error:
        raise _damaged(path, error) from error
    if not isinstance(image, nibabel.Nifti1Image) or len(image.shape) < 3:
        raise ImageError(f"{path}: no volume of three axes. Expected a scan; name another file.")
    return image


def _axes(image: nibabel.Nifti1Image) -> tuple[list[int], list[bool], list[float]]:
    """Per axis of the file: the direction it lies along, whether it runs against it, and its spacing in mm."""
    orientation = nibabel.io_orientation(image.affine)
    spacings = [float(zoom) for zoom in image.header.get_zooms()[:3]]
    return [int(axis) for axis in orientation[:, 0]], [bool(sign < 0) for sign in orientation[:, 1]], spacings


def _chosen(path: str, index: int | None, count: int, what: str, word: str) -> int:
    if index is None and count > 1:
        raise ImageError(f"{path}: {count} {what}. Expected the reference of one, with {word}={count // 2} after a #.")
    if index is not None and index >= count:
        raise ImageError(f"{path}: no {word} {index} among {count} {what}. Expected a number from 0 to {count - 1}.")
    return index or 0


def _window(image: nibabel.Nifti1Image) -> Window | None:
    """From ``cal_min`` and ``cal_max``, where the header sets them."""
    low, high = float(image.header["cal_min"]), float(image.header["cal_max"])
    return Window((low + high) / 2, high - low) if np.isfinite([low, high]).all() and high > low else None


def _damaged(path: str, error: Exception) -> ImageError:
    short = " ".join(str(error).split())[:200]
    return ImageError(f"{path}: a NIfTI file that is damaged or incomplete ({short}). Fetch or export it again.")
