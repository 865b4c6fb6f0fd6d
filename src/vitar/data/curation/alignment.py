"""Thumbnails with even local contrast, and their alignment over shift and stretch of both axes.

Positions are shares of a side, 0 to 1. Everything works on batches of P thumbnails or N patterns; a pattern is what a
thumbnail, or a part of it, shows once its local contrast is even, flattened to F numbers.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

THUMBNAIL_PX = 64
FINE_PX, COARSE_PX = 32, 16

_STEPS = 4
_FARTHEST = 0.14  # shift, and departure of the stretch from 1, that alignment may reach
_FARTHEST_STEP = 0.12
_SIGMA = 3 / 64  # of the neighbourhood that contrast is measured in
_EDGE_PX = 4  # of a thumbnail
_FLOOR = 2.0  # gray levels of contrast below which an area counts as flat


@dataclass(frozen=True)
class Pose:
    """How images lie over others: ``x = scale * u + shift`` for each axis, where ``u`` is a place in the other.

    Args:
        scale_P2, shift_P2: of x and y.
    """

    scale_P2: np.ndarray
    shift_P2: np.ndarray

    @classmethod
    def centred(cls, scale_P: np.ndarray) -> Pose:
        """The poses that stretch about the middle."""
        scale_P2 = np.repeat(scale_P.astype(np.float32)[:, None], 2, axis=1)
        return cls(scale_P2, (1 - scale_P2) / 2)

    def box(self, low_P2: np.ndarray, high_P2: np.ndarray) -> np.ndarray:
        """The boxes [P, 4], xyxy, that lie over the boxes from ``low`` to ``high`` of the other images."""
        corners = [self.scale_P2 * place_P2 + self.shift_P2 for place_P2 in (low_P2, high_P2)]
        return np.concatenate(corners, axis=1)

    def over(self, other: Pose) -> Pose:
        """How these images lie over those of ``other``, if both are given over the same third ones."""
        scale_P2 = self.scale_P2 / other.scale_P2
        return Pose(scale_P2, self.shift_P2 - scale_P2 * other.shift_P2)

    def of(self, rows: np.ndarray) -> Pose:
        """The poses of some of the images."""
        return Pose(self.scale_P2[rows], self.shift_P2[rows])


class Aligned(NamedTuple):
    """What is in common to pairs of images.

    Args:
        pose: of the first over the second.
        box_P4: the part of the second that both show, xyxy.
        whole_P: correlation of that part in both, at 32 x 32.
    """

    pose: Pose
    box_P4: np.ndarray
    whole_P: np.ndarray


def align(thumbnails_PHW: np.ndarray, view: Callable[[np.ndarray], np.ndarray], start: Pose) -> Aligned:
    """Aligns thumbnails with other images by Gauss-Newton steps (B. Lucas and T. Kanade, IJCAI 1981).

    Args:
        view: the patterns [P, 32, 32] of boxes [P, 4] of the other images.
    """
    pose = start
    for _ in range(_STEPS):
        low_P2, high_P2, box_a, box_b = _overlap(pose)
        moved_PK = _explained_motion(render(thumbnails_PHW, box_a), view(box_b))
        middle, half = (box_a[:, :2] + box_a[:, 2:]) / 2, (box_a[:, 2:] - box_a[:, :2]) / 2
        middle, half = middle + half * moved_PK[:, [0, 2]], half * (1 + moved_PK[:, [1, 3]])
        scale_P2 = np.clip(2 * half / (high_P2 - low_P2), 1 - _FARTHEST, 1 + _FARTHEST)
        pose = Pose(scale_P2, np.clip(middle - half - scale_P2 * low_P2, -_FARTHEST, _FARTHEST))
    _, _, box_a, box_b = _overlap(pose)
    whole_P = (unit(flat(render(thumbnails_PHW, box_a))) * unit(flat(view(box_b)))).sum(1)
    return Aligned(pose, box_b, whole_P)


def _overlap(pose: Pose) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """The part that both images show: its corners in the second ones, and as boxes in both."""
    low_P2 = np.maximum(0, -pose.shift_P2 / pose.scale_P2)
    high_P2 = np.minimum(1, (1 - pose.shift_P2) / pose.scale_P2)
    return low_P2, high_P2, np.clip(pose.box(low_P2, high_P2), 0, 1), np.concatenate([low_P2, high_P2], axis=1)


def _explained_motion(a_PHW: np.ndarray, b_PHW: np.ndarray) -> np.ndarray:
    """Shift and stretch along x, and along y [P, 4], that take ``a`` nearest to ``b`` in first order."""
    a_PF, b_PF = unit(flat(a_PHW)), unit(flat(b_PHW))
    basis = np.concatenate([a_PF[:, None], tangents(a_PF.reshape(a_PHW.shape))], axis=1).astype(np.float64)
    normal = basis @ basis.transpose(0, 2, 1) + 1e-6 * np.eye(5)
    weight_PK = np.linalg.solve(normal, basis @ b_PF[:, :, None])[:, :, 0]
    moved_PK = weight_PK[:, 1:] / np.maximum(np.abs(weight_PK[:, :1]), 0.1)
    return np.clip(moved_PK, -_FARTHEST_STEP, _FARTHEST_STEP).astype(np.float32)


def render(thumbnails_PHW: np.ndarray, boxes_P4: np.ndarray) -> np.ndarray:
    """The patterns [P, 32, 32] of boxes of thumbnails."""
    return halved(even_contrast(thumbnails_PHW, boxes_P4))


def even_contrast(thumbnails_PHW: np.ndarray, boxes_P4: np.ndarray) -> np.ndarray:
    """Boxes of thumbnails [P, 64, 64] with even local contrast; beyond an edge the edge goes on."""
    views_PHW = _sample(thumbnails_PHW, boxes_P4)
    detail_PHW = views_PHW - _BLUR @ views_PHW @ _BLUR.T
    contrast_PHW = np.sqrt(np.maximum(_BLUR @ (detail_PHW * detail_PHW) @ _BLUR.T, 0))
    return detail_PHW / (contrast_PHW + _FLOOR)


def crop_patterns(patterns_PF: np.ndarray, boxes_P4: np.ndarray) -> np.ndarray:
    """The parts [P, 32, 32] of patterns at 32 x 32 that lie in boxes."""
    return _sample(patterns_PF.reshape(-1, FINE_PX, FINE_PX), boxes_P4)


def agreement(a_PHW: np.ndarray, b_PHW: np.ndarray, mean_PF: np.ndarray, pair: Aligned) -> np.ndarray:
    """Correlation [P] of aligned thumbnails at 64 x 64 without ``mean``, and without what a small shift explains.

    The edges do not count: what lies beyond one shows in its local contrast, and copies may have another border.

    Args:
        mean_PF: patterns at 32 x 32 of unit length or less, over the whole of ``b``.
    """
    box_a = np.clip(pair.pose.box(pair.box_P4[:, :2], pair.box_P4[:, 2:]), 0, 1)
    a_PF, b_PF = unit(flat(even_contrast(a_PHW, box_a))), unit(flat(even_contrast(b_PHW, pair.box_P4)))
    side = THUMBNAIL_PX
    mean_PHW = mean_PF.reshape(-1, FINE_PX, FINE_PX).repeat(2, axis=1).repeat(2, axis=2) / 2  # as long at 64 x 64
    mean_PHW = _sample(mean_PHW, pair.box_P4)
    a_PHW, b_PHW = a_PF.reshape(-1, side, side), b_PF.reshape(-1, side, side)
    seen = slice(_EDGE_PX, side - _EDGE_PX)
    basis_PKF = orthonormal(tangents(a_PHW[:, seen, seen]))
    own = (unit(without(flat((each - mean_PHW)[:, seen, seen]), basis_PKF)) for each in (a_PHW, b_PHW))
    return np.prod(list(own), axis=0).sum(1)


def tangents(patterns_NHW: np.ndarray) -> np.ndarray:
    """How patterns change with a shift and a stretch along x, and along y [N, 4, F]; per half of the side.

    They span what small shifts and stretches can explain (P. Simard, Y. LeCun and J. Denker, NIPS 1992).
    """
    side = patterns_NHW.shape[-1]
    from_middle = ((np.arange(side) + 0.5) / side * 2 - 1).astype(np.float32)
    down, across = np.gradient(patterns_NHW, axis=(1, 2))
    moved = (across, across * from_middle[None, None], down, down * from_middle[None, :, None])
    return np.stack(moved, axis=1).reshape(len(patterns_NHW), 4, side * side) * (side / 2)


def orthonormal(tangents_NKF: np.ndarray) -> np.ndarray:
    """Bases [N, K, F] of the same spans."""
    return np.linalg.qr(tangents_NKF.transpose(0, 2, 1))[0].transpose(0, 2, 1)


def without(vectors_NF: np.ndarray, basis_NKF: np.ndarray) -> np.ndarray:
    """Vectors less their parts along orthonormal bases."""
    along_NK = np.einsum("nkf,nf->nk", basis_NKF, vectors_NF)
    return vectors_NF - np.einsum("nk,nkf->nf", along_NK, basis_NKF)


def halved(patterns_NHW: np.ndarray) -> np.ndarray:
    """Means of 2 x 2."""
    n, h, w = patterns_NHW.shape
    return patterns_NHW.reshape(n, h // 2, 2, w // 2, 2).mean((2, 4))


def flat(patterns_NHW: np.ndarray) -> np.ndarray:
    n, h, w = patterns_NHW.shape
    return patterns_NHW.reshape(n, h * w)


def unit(vectors_NF: np.ndarray) -> np.ndarray:
    """Vectors of length 1; those without a length stay as they are."""
    return vectors_NF / np.maximum(np.linalg.norm(vectors_NF, axis=1, keepdims=True), 1e-6)


def _sample(images_PHW: np.ndarray, boxes_P4: np.ndarray) -> np.ndarray:
    """Boxes of square images, sampled linearly at as many places as the images have pixels."""
    side = images_PHW.shape[-1]
    grid = (np.arange(side) + 0.5) / side
    weights = []
    for low_P, high_P in ((boxes_P4[:, 0], boxes_P4[:, 2]), (boxes_P4[:, 1], boxes_P4[:, 3])):
        places_PS = (low_P[:, None] + (high_P - low_P)[:, None] * grid) * side - 0.5
        distance_PST = np.abs(np.clip(places_PS, 0, side - 1)[:, :, None] - np.arange(side))
        weights.append(np.maximum(0, 1 - distance_PST).astype(np.float32))
    across_PST, down_PST = weights
    return down_PST @ images_PHW @ across_PST.transpose(0, 2, 1)


def _blur_matrix(side: int, sigma: float) -> np.ndarray:
    """Gaussian blur of one axis as a matrix [side, side], the image reflected at its edges."""
    i, j = np.arange(side)[:, None], np.arange(side)[None]
    distances = np.stack([i - j, i + j + 1, 2 * side - 1 - i - j])
    weights = np.exp(-0.5 * (distances / sigma) ** 2).sum(0)
    return (weights / weights.sum(1, keepdims=True)).astype(np.float32)


_BLUR = _blur_matrix(THUMBNAIL_PX, _SIGMA * THUMBNAIL_PX)
