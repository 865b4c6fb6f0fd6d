"""Boxes that know their frame, and the only place where coordinates are converted.

A *frame* is a grid of coordinates laid over an axis-aligned rectangle of the original image. The original's own
pixels are a frame; so are the 0-1000 grid that a model writes in, the pixels of the resized image that a
Qwen2.5-VL model writes in, and either of those laid over a crop, or over a crop of a crop. Every frame maps to
original pixels by one scale and one offset per axis, so any box converts to any other frame in one step.

All boxes are xyxy: ``(x0, y0)`` is the upper left corner, ``(x1, y1)`` the lower right one, both measured between
pixels, so a box that covers exactly the first pixel is ``(0, 0, 1, 1)`` and an image of width W ends at ``x = W``.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

THOUSANDTHS_EXTENT = 1000
"""Extent of the grid in which Qwen3-VL family models write coordinates."""

_SNAP = 1e-6  # a corner this close to a pixel border lies on it; conversions leave errors near 1e-12


@dataclass(frozen=True)
class Frame:
    """A ``width`` x ``height`` grid laid over a rectangle of the original image.

    Args:
        width, height: extent of the grid in its own units.
        x0, y0, x1, y1: the rectangle that the grid covers, in pixels of the original.

    Raises:
        ValueError: the grid or the rectangle is empty, reversed or not finite.
    """

    width: float
    height: float
    x0: float
    y0: float
    x1: float
    y1: float

    def __post_init__(self) -> None:
        values = (self.width, self.height, self.x0, self.y0, self.x1, self.y1)
        if not all(math.isfinite(v) for v in values):
            raise ValueError(f"a frame needs finite numbers, got {values}")
        if self.width <= 0 or self.height <= 0 or self.x1 <= self.x0 or self.y1 <= self.y0:
            raise ValueError(f"a frame needs a positive extent, got {values}")

    @classmethod
    def original(cls, width: int, height: int) -> Frame:
        """The pixels of an original image of ``width`` x ``height``."""
        return cls(width, height, 0, 0, width, height)

    def grid(self, width: float, height: float) -> Frame:
        """The same rectangle under another grid, e.g. ``frame.grid(1000, 1000)``."""
        return Frame(width, height, self.x0, self.y0, self.x1, self.y1)

    def thousandths(self) -> Frame:
        """The same rectangle under the 0-1000 grid."""
        return self.grid(THOUSANDTHS_EXTENT, THOUSANDTHS_EXTENT)

    @classmethod
    def over(cls, box: Box, width: float, height: float) -> Frame:
        """The frame of a crop: a ``width`` x ``height`` grid over ``box``, which may be in any frame."""
        return cls(width, height, *box.xyxy_original)

    def holds(self, other: Frame) -> bool:
        """Whether the other frame's rectangle of the original lies inside this one's."""
        x_inside = self.x0 - _SNAP <= other.x0 and other.x1 <= self.x1 + _SNAP
        return x_inside and self.y0 - _SNAP <= other.y0 and other.y1 <= self.y1 + _SNAP

    @property
    def full_box(self) -> Box:
        """The box that covers the whole frame."""
        return Box(0, 0, self.width, self.height, self)


@dataclass(frozen=True)
class Box:
    """An xyxy rectangle together with the frame its numbers are in.

    Corners are stored as given, since a model may write anything: `is_valid` tells whether the box is one that can
    be looked at, and `clipped` cuts it to its frame.
    """

    x0: float
    y0: float
    x1: float
    y1: float
    frame: Frame

    @property
    def xyxy(self) -> tuple[float, float, float, float]:
        return (self.x0, self.y0, self.x1, self.y1)

    @property
    def width(self) -> float:
        return self.x1 - self.x0

    @property
    def height(self) -> float:
        return self.y1 - self.y0

    @property
    def area(self) -> float:
        """Area in squared units of the frame; 0 for a reversed, empty or not finite box."""
        return max(0.0, self.width) * max(0.0, self.height) if self.is_finite else 0.0

    @property
    def center(self) -> tuple[float, float]:
        return ((self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2)

    @property
    def is_finite(self) -> bool:
        return all(math.isfinite(v) for v in self.xyxy)

    @property
    def is_valid(self) -> bool:
        """Finite, of positive area, and inside its frame."""
        f = self.frame
        return self.is_finite and 0 <= self.x0 < self.x1 <= f.width and 0 <= self.y0 < self.y1 <= f.height

    @property
    def share(self) -> float:
        """Share of its frame's area that the box covers once clipped to it, 0 to 1."""
        return self.clipped().area / (self.frame.width * self.frame.height)

    @property
    def xyxy_original(self) -> tuple[float, float, float, float]:
        """The corners in pixels of the original image."""
        f = self.frame
        sx, sy = (f.x1 - f.x0) / f.width, (f.y1 - f.y0) / f.height  # original pixels per unit
        return (f.x0 + self.x0 * sx, f.y0 + self.y0 * sy, f.x0 + self.x1 * sx, f.y0 + self.y1 * sy)

    def to(self, frame: Frame) -> Box:
        """The same rectangle of the original image in the units of ``frame``."""
        x0, y0, x1, y1 = self.xyxy_original
        sx, sy = frame.width / (frame.x1 - frame.x0), frame.height / (frame.y1 - frame.y0)  # units per original pixel
        return Box((x0 - frame.x0) * sx, (y0 - frame.y0) * sy, (x1 - frame.x0) * sx, (y1 - frame.y0) * sy, frame)

    def clipped(self) -> Box:
        """The part of the box inside its frame (empty, at the border, when there is none)."""
        f = self.frame
        return Box(
            min(max(self.x0, 0.0), f.width),
            min(max(self.y0, 0.0), f.height),
            min(max(self.x1, 0.0), f.width),
            min(max(self.y1, 0.0), f.height),
            f,
        )

    def pixels(self) -> tuple[int, int, int, int]:
        """The whole units (pixels, in a frame of pixels) that the box touches inside its frame, as xyxy.

        At least one unit each way, however thin the box; a box outside its frame gives the nearest unit.
        """
        x0, x1 = _touched(self.x0, self.x1, self.frame.width)
        y0, y1 = _touched(self.y0, self.y1, self.frame.height)
        return (x0, y0, x1, y1)

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1; the other box may be in any frame of the same original.

        Reversed, empty and not finite boxes share nothing with anything: 0.
        """
        if not (self.is_finite and other.is_finite):
            return 0.0
        o = other.to(self.frame)
        inter = max(0.0, min(self.x1, o.x1) - max(self.x0, o.x0)) * max(0.0, min(self.y1, o.y1) - max(self.y0, o.y0))
        union = self.area + o.area - inter
        return inter / union if union > 0 else 0.0


def union_share(boxes: Sequence[Box]) -> float:
    """Share of a frame's area that several boxes of that frame cover together, 0 to 1; overlaps count once."""
    if not boxes:
        return 0.0
    parts = [box.clipped() for box in boxes]
    xs = sorted({x for part in parts for x in (part.x0, part.x1)})
    covered = 0.0
    for left, right in pairwise(xs):  # in each column between two edges the boxes reduce to intervals of y
        reached = 0.0
        for part in sorted((p for p in parts if p.x0 <= left and right <= p.x1), key=lambda p: p.y0):
            covered += (right - left) * max(0.0, part.y1 - max(reached, part.y0))
            reached = max(reached, part.y1)
    frame = boxes[0].frame
    return covered / (frame.width * frame.height)


def whole_span(low: float, high: float) -> tuple[int, int]:
    """``low`` to ``high`` rounded outwards to whole units, at least one; a hair's breadth over a unit is no unit."""
    start = math.floor(low + _SNAP)
    return start, max(math.ceil(high - _SNAP), start + 1)


def _touched(low: float, high: float, extent: float) -> tuple[int, int]:
    """The whole units of 0..``extent`` that ``low``..``high`` touches, at least one."""
    size = math.ceil(extent)
    start, end = whole_span(low, high)
    start = min(max(start, 0), size - 1)
    return start, min(max(end, start + 1), size)
