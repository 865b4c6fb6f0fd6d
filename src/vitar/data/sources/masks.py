"""Files of masks, as regions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from vitar.data.example import Region
from vitar.data.sources.source import EMPTY_MASK, Issues, SourceError


def read_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The mask of one object: bool [H, W].

    A pixel belongs to the object if it is at least half as bright as white, which forgives the noise of JPEG; in an
    image of no values but 0 and 1, and in one with a palette, if it is not 0.

    Args:
        size: width and height of the image that it belongs to.

    Raises:
        SourceError: the file cannot be read, or is of another size.
    """
    mask = _opened(path, size)
    if mask.mode == "P":
        return np.asarray(mask) > 0
    values_hw = np.asarray(mask.convert("L"))
    return values_hw >= (128 if values_hw.max() > 1 else 1)


def read_label_map(path: Path, size: tuple[int, int]) -> np.ndarray:
    """A label map: int [H, W], the stored values, of an image with a palette its indices.

    Raises:
        SourceError: the file cannot be read, is of another size, or has colours in place of labels.
    """
    labels = _opened(path, size)
    if labels.mode not in ("1", "L", "P", "I", "I;16"):
        raise SourceError(f"{path}: a mask of mode {labels.mode}. Expected one number per pixel; convert the colours.")
    return np.asarray(labels).astype(np.int64)


def mask_region(label: str, mask_hw: np.ndarray, item: str, issues: Issues) -> Region | None:
    """The region of a mask; None if it has no pixel, which is counted under the name ``item``."""
    if not mask_hw.any():
        issues.add(EMPTY_MASK, item)
        return None
    return Region.of_mask(label, mask_hw)


def _opened(path: Path, size: tuple[int, int]) -> Image.Image:
    try:
        with Image.open(path) as mask:
            mask.load()
    except FileNotFoundError as error:
        raise SourceError(f"{path}: no such file. Expected a mask; check the layout of the download.") from error
    except (UnidentifiedImageError, OSError, SyntaxError) as error:
        raise SourceError(f"{path}: cannot be read ({error}). Expected an image of a mask; fetch it again.") from error
    if mask.size != size:
        raise SourceError(
            f"{path}: a mask of {mask.width} x {mask.height} for an image of {size[0]} x {size[1]} pixels. "
            "Expected the same size; one of the two has been resized or turned, get the original."
        )
    return mask
