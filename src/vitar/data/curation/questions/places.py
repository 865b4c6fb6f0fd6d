"""Where a region lies in an image, in words: halves and quadrants of the picture as it is shown.

Left is the viewer's left. A radiograph shows the patient's right side there, which is why every word here is said of
the image. A region lies in a place or outside it only if that is clear; what lies across a border lies nowhere.
"""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import Region

SIDES = ("left half", "right half")
LEVELS = ("upper half", "lower half")
QUADRANTS = ("upper left quadrant", "upper right quadrant", "lower left quadrant", "lower right quadrant")
PLACES = (*SIDES, *LEVELS, *QUADRANTS)


def bounds(place: str) -> tuple[float, float, float, float]:
    """The place as xyxy in shares of the image's sides."""
    x0, x1 = (0.0, 0.5) if "left" in place else (0.5, 1.0) if "right" in place else (0.0, 1.0)
    y0, y1 = (0.0, 0.5) if "upper" in place else (0.5, 1.0) if "lower" in place else (0.0, 1.0)
    return (x0, y0, x1, y1)


def box_share(region: Region, image: AnnotatedImage, place: str) -> float:
    """The share of the region's box that lies in ``place``."""
    x0, y0, x1, y1 = region.box_xyxy
    px0, py0, px1, py1 = _pixels(place, image)
    across, down = min(x1, px1) - max(x0, px0), min(y1, py1) - max(y0, py0)
    return max(0.0, across) * max(0.0, down) / ((x1 - x0) * (y1 - y0))


def box_area(region: Region) -> float:
    """In squared pixels."""
    x0, y0, x1, y1 = region.box_xyxy
    return (x1 - x0) * (y1 - y0)


class Footprint:
    """The pixels that a region covers: those of its mask, or of its whole box where there is no mask.

    Attributes:
        box_xyxy: in pixels.
        area: in squared pixels.
        centre: x and y of the centroid, in pixels.
    """

    def __init__(self, region: Region, image: AnnotatedImage) -> None:
        self.box_xyxy, self._image = region.box_xyxy, image
        self._mask_hw = None if region.mask is None else np.asarray(Image.open(BytesIO(region.mask)), dtype=bool)
        x0, y0, x1, y1 = region.box_xyxy
        self.area, self.centre = box_area(region), ((x0 + x1) / 2, (y0 + y1) / 2)
        if self._mask_hw is not None:
            rows, columns = np.nonzero(self._mask_hw)
            self.area = float(len(rows))
            self.centre = (x0 + float(columns.mean()) + 0.5, y0 + float(rows.mean()) + 0.5)

    def share_in(self, place: str) -> float:
        """The share of the pixels that lies in ``place``."""
        x0, y0, _, _ = self.box_xyxy
        px0, py0, px1, py1 = _pixels(place, self._image)
        if self._mask_hw is None:
            return box_share(Region("", self.box_xyxy), self._image, place)
        rows, columns = (
            slice(*(max(0, round(edge - low)) for edge in span)) for low, span in ((y0, (py0, py1)), (x0, (px0, px1)))
        )
        return float(self._mask_hw[rows, columns].sum()) / self.area


def _pixels(place: str, image: AnnotatedImage) -> tuple[float, float, float, float]:
    x0, y0, x1, y1 = bounds(place)
    return (x0 * image.width, y0 * image.height, x1 * image.width, y1 * image.height)
