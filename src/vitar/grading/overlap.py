"""How well boxes agree with regions, for any number of either.

Boxes are rows of left, top, right, bottom, all in pixels of the same image.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

XYXY = Sequence[float] | np.ndarray


def intersections(first_N4: Sequence[XYXY] | np.ndarray, second_M4: Sequence[XYXY] | np.ndarray) -> np.ndarray:
    """Area that each of the first boxes shares with each of the second [N, M], in squared pixels."""
    a, b = np.asarray(first_N4, dtype=float)[:, None], np.asarray(second_M4, dtype=float)[None]
    sides_NM2 = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])
    return np.clip(sides_NM2, 0, None).prod(-1)


def areas(boxes_N4: Sequence[XYXY] | np.ndarray) -> np.ndarray:
    """Area of each box [N], in squared pixels; 0 for a reversed one."""
    boxes_N4 = np.asarray(boxes_N4, dtype=float)
    return np.clip(boxes_N4[:, 2:] - boxes_N4[:, :2], 0, None).prod(-1)


def iou_matrix(first_N4: Sequence[XYXY] | np.ndarray, second_M4: Sequence[XYXY] | np.ndarray) -> np.ndarray:
    """Intersection over union of each of the first boxes with each of the second [N, M]; 0 for two empty boxes."""
    shared_NM = intersections(first_N4, second_M4)
    union_NM = areas(first_N4)[:, None] + areas(second_M4)[None] - shared_NM
    return np.divide(shared_NM, union_NM, out=np.zeros_like(shared_NM), where=union_NM > 0)


def region_iou(found: Sequence[XYXY], true: Sequence[XYXY]) -> float:
    """Agreement of the boxes that a model chose with the true regions, 0 to 1.

    For one box and one region this is their intersection over union. For several, boxes and regions are matched one
    to one so that the sum is largest, and the sum is divided by the larger of the two numbers: a region that no box
    covers and a box without a region both cost their full share.

    Raises:
        ValueError: there is no box, or no region.
    """
    if not len(found) or not len(true):
        raise ValueError(f"agreement needs boxes and regions, got {len(found)} and {len(true)}")
    from scipy.optimize import linear_sum_assignment

    iou_FT = iou_matrix(found, true)
    rows, columns = linear_sum_assignment(iou_FT, maximize=True)
    return float(iou_FT[rows, columns].sum() / max(iou_FT.shape))
