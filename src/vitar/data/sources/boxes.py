"""The ways in which data sets write a box, as regions in xyxy pixels of the original."""

from __future__ import annotations

import math

from vitar.data.example import Region
from vitar.data.sources.source import CLIPPED, OUTSIDE, REVERSED, ZERO_AREA, Issues, SourceError

XYXY = tuple[float, float, float, float]


def xyxy_of_xywh(x: float, y: float, width: float, height: float) -> XYXY:
    """From the upper left corner and the extent (COCO)."""
    return (x, y, x + width, y + height)


def xyxy_of_cxcywh(x: float, y: float, width: float, height: float) -> XYXY:
    """From the centre and the extent (YOLO)."""
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def xyxy_of_pixels(first_x: float, first_y: float, last_x: float, last_y: float) -> XYXY:
    """From the first and the last pixel inside, counted from 1 (Pascal VOC)."""
    return (first_x - 1, first_y - 1, last_x, last_y)


def box_region(label: str, box_xyxy: XYXY, size: tuple[int, int], item: str, issues: Issues) -> Region | None:
    """A region from a box in pixels of the original, cut to the image; None if nothing is left of it.

    Args:
        size: width and height of the image.
        item: what `Issues` calls the box.

    Raises:
        SourceError: a corner is no finite number.
    """
    if not all(map(math.isfinite, box_xyxy)):
        raise SourceError(
            f"{item}: the box {box_xyxy} is not of finite numbers. Expected pixels; repair the annotation."
        )
    x0, y0, x1, y1 = map(float, box_xyxy)
    width, height = size
    if x1 < x0 or y1 < y0:
        reason = REVERSED
    elif x1 == x0 or y1 == y0:
        reason = ZERO_AREA
    elif x0 >= width or y0 >= height or x1 <= 0 or y1 <= 0:
        reason = OUTSIDE
    else:
        inside = (max(x0, 0.0), max(y0, 0.0), min(x1, float(width)), min(y1, float(height)))
        if inside != (x0, y0, x1, y1):
            issues.add(CLIPPED, f"{item} at {_shown(box_xyxy)} in {width} x {height}")
        return Region(label, inside)
    issues.add(reason, f"{item} at {_shown(box_xyxy)} in {width} x {height}")
    return None


def _shown(box_xyxy: XYXY) -> str:
    return "[" + ", ".join(f"{value:g}" for value in box_xyxy) + "]"
