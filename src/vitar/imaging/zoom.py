"""Crops of the original's pixels, enlarged for a second look.

A zoom reads the original image even when the model asked for it on a zoom, so detail is limited by what was recorded
and by nothing else. Enlarging interpolates (bicubic) and adds no information.
"""

from __future__ import annotations

import math

from PIL import Image

from vitar.imaging.geometry import Box, Frame, whole_span

MIN_CROP_PX = 32
"""Smallest side of a crop, in pixels of the original: less shows a blur without surroundings."""

MAX_ASPECT = 3
"""Largest ratio of a crop's sides: vision encoders are trained on images that are not thin strips."""


MARGIN = 0.25
"""Of a box's width and height, on each side: what surrounds a finding helps to read it."""


def zoom(
    original: Image.Image, box: Box, side_px: int, margin: float = MARGIN, max_share: float = 1.0
) -> tuple[Image.Image, Box]:
    """Cut the surroundings of ``box`` out of ``original``; enlarge them if they are small.

    The crop takes in the box, ``margin`` of its width and height on each side, at least `MIN_CROP_PX` each way and at
    most `MAX_ASPECT` between the sides, in this order, as far as the image allows; at a border it is shifted, not cut.
    Where box and margin would cover more of the image than ``max_share``, the margin is smaller. A crop whose longer
    side is below ``side_px`` is enlarged so that this side is ``side_px``; a larger one keeps its own pixels.

    Args:
        original: mode ``L`` or ``RGB``.
        box: in any frame over this original; the part outside the original is ignored.
        side_px: the longer side of a result that has to be enlarged.

    Returns:
        the image of the region, and the crop in whole pixels of the original.

    Raises:
        ValueError: nothing of the box lies in the original, its frame covers more than the original (as with swapped
            axes), or ``side_px`` or ``margin`` makes no sense.
    """
    if side_px < 1 or not (math.isfinite(margin) and margin >= 0):
        raise ValueError(f"zoom needs side_px >= 1 and a finite margin >= 0, got {side_px} and {margin}")
    frame = Frame.original(*original.size)
    if not frame.holds(box.frame):
        raise ValueError(f"{box.frame} is no frame over an image of {original.size} pixels")
    inside = box.to(frame).clipped()
    if inside.area <= 0:
        raise ValueError(f"box {box.xyxy} of {box.frame} has no part in an image of {original.size} pixels")

    crop = region_around(inside, margin, max_share)
    x0, y0, x1, y1 = crop.pixels()
    image = original.crop((x0, y0, x1, y1))
    scale = side_px / max(image.size)
    if scale > 1:
        size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
        image = image.resize(size, Image.Resampling.BICUBIC)
    return image, crop


def region_around(box: Box, margin: float = MARGIN, max_share: float = 1.0) -> Box:
    """What `zoom` cuts, in whole pixels, for a box inside its frame of pixels; arguments as there."""
    margin = min(margin, max(0.0, math.sqrt(max_share / box.share) - 1) / 2)
    width, height = int(box.frame.width), int(box.frame.height)
    dx, dy = margin * box.width, margin * box.height
    left, right = whole_span(box.x0 - dx, box.x1 + dx)
    top, bottom = whole_span(box.y0 - dy, box.y1 + dy)
    wanted_w = min(max(right - left, MIN_CROP_PX), width)
    wanted_h = min(max(bottom - top, MIN_CROP_PX), height)
    x0, x1 = _span(left, right, max(wanted_w, math.ceil(wanted_h / MAX_ASPECT)), width)
    y0, y1 = _span(top, bottom, max(wanted_h, math.ceil(wanted_w / MAX_ASPECT)), height)
    return Box(x0, y0, x1, y1, box.frame)


def _span(low: int, high: int, size: int, limit: int) -> tuple[int, int]:
    """``size`` pixels around the middle of ``low``..``high``, shifted into 0..``limit``; ``limit`` if that is less."""
    size = min(size, limit)
    start = min(max((low + high - size) // 2, 0), limit - size)
    return start, start + size
