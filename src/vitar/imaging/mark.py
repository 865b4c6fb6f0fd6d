"""Outlines around regions of an image, the paper's action on the image.

The paper (arXiv 2510.10052) draws outlines 3 pixels wide, red on colour and white on grayscale. Here the width grows
with the image, so that an outline survives the model's resize, and each line has a thin contrasting edge on
both sides, so that white stays visible on bright tissue and red on a red retina. The line lies outside the box: the
marked pixels themselves are what the model should see.
"""

from __future__ import annotations

from collections.abc import Sequence

from PIL import Image, ImageDraw

from vitar.imaging.geometry import Box

LINE_PX_AT_512 = 3
Colour = int | tuple[int, int, int]
_COLOURS: dict[str, tuple[Colour, Colour]] = {  # image mode -> (line, edge)
    "L": (255, 0),
    "RGB": ((255, 0, 0), (255, 255, 255)),
}


def line_px(image: Image.Image) -> int:
    """Width of an outline on ``image`` without its edges: 3 pixels at a longer side of 512, never less than 1."""
    return max(1, round(LINE_PX_AT_512 * max(image.size) / 512))


def mark_region(image: Image.Image, boxes: Sequence[Box]) -> Image.Image:
    """A copy of ``image`` with each box outlined; the image itself stays as it is.

    From the box outwards an outline is an edge, the line and an edge. Where the image ends too close to the box the
    outline moves inwards, over at most a quarter of the box, and what still does not fit is cut off. The
    image's mode decides the colours: a grayscale image stored as RGB is marked in red.

    Args:
        image: mode ``L`` or ``RGB``.
        boxes: each in a frame that covers exactly what ``image`` shows (its pixels, or the 0-1000 grid over them).

    Raises:
        ValueError: the mode is another one, a box has no part in the image, or its frame has other proportions than the
            image and so cannot be a frame of it.
    """
    if image.mode not in _COLOURS:
        raise ValueError(f"mark_region takes images of mode L or RGB, got {image.mode}; use load_image")
    line, edge = _COLOURS[image.mode]
    line_width = line_px(image)
    edge_width = max(1, line_width // 3)
    total = line_width + 2 * edge_width
    rectangles = [_hole(box, image.size, total) for box in boxes]

    marked = image.copy()
    draw = ImageDraw.Draw(marked)
    for hole in rectangles:  # all edges first: a line is never covered by its neighbour's edge
        _draw_ring(draw, hole, 0, total, edge)
    for hole in rectangles:
        _draw_ring(draw, hole, edge_width, edge_width + line_width, line)
    return marked


def _hole(box: Box, size: tuple[int, int], total: int) -> tuple[int, int, int, int]:
    """The rectangle of pixels, xyxy, that the outline of ``box`` leaves free."""
    frame = box.frame
    aspect = (frame.x1 - frame.x0) / (frame.y1 - frame.y0)
    # A resize rounds the shorter side to whole pixels, so the proportions may differ by that much.
    if min(abs(size[0] - size[1] * aspect), abs(size[1] - size[0] / aspect)) > 1:
        raise ValueError(f"{frame} is no frame of an image of {size} pixels; convert the box to the frame of its view")
    inside = box.to(frame.grid(*size)).clipped()
    if inside.area <= 0:
        raise ValueError(f"box {box.xyxy} of {frame} has no part in the image")
    x0, y0, x1, y1 = inside.pixels()
    width, height = size
    return (
        min(max(x0, total), x0 + (x1 - x0) // 4),
        min(max(y0, total), y0 + (y1 - y0) // 4),
        max(min(x1, width - total), x1 - (x1 - x0) // 4),
        max(min(y1, height - total), y1 - (y1 - y0) // 4),
    )


def _draw_ring(
    draw: ImageDraw.ImageDraw, hole: tuple[int, int, int, int], inner: int, outer: int, colour: Colour
) -> None:
    """Paint the pixels whose distance from ``hole`` is more than ``inner`` and at most ``outer``."""
    x0, y0, x1, y1 = hole
    for k in range(inner + 1, outer + 1):
        draw.rectangle((x0 - k, y0 - k, x1 - 1 + k, y1 - 1 + k), outline=colour, width=1)
