"""What is kept of images to find their copies."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vitar.data.curation.alignment import FINE_PX, THUMBNAIL_PX, flat, halved, render, unit

BORDER = 0.03
"""Share of each side that is left out where one image is compared with the inside of another."""

_FLAT = 2.0  # length of a pattern of 32 x 32 below which an image shows nothing to compare
_AT_ONCE = 512


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of an image to find its copies.

    Args:
        digest: SHA-256 of size, mode and pixels.
        thumbnail_hw: uint8 gray [64, 64], whatever the proportions of the image.
    """

    digest: str
    thumbnail_hw: np.ndarray


def fingerprint(image: Image.Image) -> Fingerprint:
    """The fingerprint of an image in mode ``L`` or ``RGB``."""
    digest = hashlib.sha256(f"{image.mode} {image.size}".encode())
    digest.update(image.tobytes())
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    thumbnail = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0).convert("L")
    return Fingerprint(digest.hexdigest(), np.asarray(thumbnail))


class Gallery:
    """Fingerprints made ready for comparison; N in all.

    Attributes:
        thumbnails_NHW: float32.
        fine_NF: patterns at 32 x 32 of unit length; zero for an image that shows nothing to compare.
        coarse_NF, inner_NF: at 16 x 16, of the whole image and of the image without its border.
    """

    def __init__(self, fingerprints: Sequence[Fingerprint]) -> None:
        self.fingerprints = tuple(fingerprints)
        thumbnails = [each.thumbnail_hw for each in fingerprints]
        self.thumbnails_NHW = np.array(thumbnails, np.float32).reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)
        whole_NHW = self.patterns(inside(len(self), 0))
        shows_N1 = np.linalg.norm(flat(whole_NHW), axis=1, keepdims=True) > _FLAT
        self.fine_NF = unit(flat(whole_NHW)) * shows_N1
        self.coarse_NF = unit(flat(halved(whole_NHW))) * shows_N1
        self.inner_NF = unit(flat(halved(self.patterns(inside(len(self), BORDER))))) * shows_N1

    def __len__(self) -> int:
        return len(self.fingerprints)

    def patterns(self, boxes_N4: np.ndarray) -> np.ndarray:
        """The patterns [N, 32, 32] of a box of each image."""
        blocks = [slice(i, i + _AT_ONCE) for i in range(0, len(self), _AT_ONCE)]
        found = [render(self.thumbnails_NHW[block], boxes_N4[block]) for block in blocks]
        return np.concatenate([np.zeros((0, FINE_PX, FINE_PX), np.float32), *found])


def inside(count: int, border: float) -> np.ndarray:
    """Boxes [count, 4] that leave out ``border`` on every side."""
    return np.tile(np.array([border, border, 1 - border, 1 - border], np.float32), (count, 1))
