"""How a model family writes coordinates: the grid that its numbers count on the image it was shown.

Qwen3-VL family models write thousandths of the image. Qwen2.5-VL family models, Lingshu-7B among them, write pixels
of the image after the processor has resized it, so their grid depends on the size of the image that was shown.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

from PIL import Image

from vitar.imaging.geometry import Box, Frame

WireInts = tuple[int, int, int, int]


@dataclass(frozen=True)
class View:
    """An image as shown to a model.

    Args:
        image: the pixels shown, mode ``L`` or ``RGB``.
        frame: the pixel grid of ``image`` over the rectangle of the original that it shows.
        source: number of that original among the images of the question, from 1.
    """

    image: Image.Image
    frame: Frame
    source: int = 1


class Coordinates(ABC):
    """The convention in which one model family writes boxes."""

    @abstractmethod
    def frame(self, view: View) -> Frame:
        """The grid over ``view`` that the model's numbers count."""

    def to_wire(self, box: Box, view: View, step: int = 1) -> WireInts:
        """``box`` as the model would write it about ``view``.

        Args:
            box: in any frame of the same original; the part outside the view is cut off.
            step: every number is a multiple of it. The embedded model writes multiples of 10.

        Returns:
            xyxy, valid and at least one step wide and high.

        Raises:
            ValueError: nothing of the box lies in the view, or ``step`` is larger than the grid.
        """
        inside = box.to(self.frame(view)).clipped()
        if inside.area <= 0:
            raise ValueError(f"box {box.xyxy} of {box.frame} has no part in the view {view.frame}; name another view")
        return rounded(inside, step)


class Thousandths(Coordinates):
    """0 to 1000 along each side of the image shown, whatever its size (Qwen3-VL)."""

    def frame(self, view: View) -> Frame:
        return view.frame.thousandths()

    def __repr__(self) -> str:
        return "THOUSANDTHS"


THOUSANDTHS = Thousandths()


@dataclass(frozen=True)
class ResizedPixels(Coordinates):
    """Pixels of the image after the model's own resize (Qwen2.5-VL).

    Args:
        resize: (width, height) of the image shown -> (width, height) that the processor makes of it.
    """

    resize: Callable[[int, int], tuple[int, int]]

    def frame(self, view: View) -> Frame:
        return view.frame.grid(*self.resize(*view.image.size))


def rounded(box: Box, step: int = 1) -> WireInts:
    """A box inside its frame, rounded to multiples of ``step``, kept inside the frame and never empty.

    Raises:
        ValueError: ``step`` is larger than the frame or not positive.
    """
    x0, x1 = _rounded_span(box.x0, box.x1, box.frame.width, step)
    y0, y1 = _rounded_span(box.y0, box.y1, box.frame.height, step)
    return (x0, y0, x1, y1)


def _rounded_span(low: float, high: float, extent: float, step: int) -> tuple[int, int]:
    if not 0 < step <= extent:
        raise ValueError(f"step must be from 1 to the extent of the grid, {extent:g}; got {step}")
    last = math.floor(extent / step)  # in steps, like the rest
    start = min(math.floor(low / step + 0.5), last - 1)
    end = min(math.floor(high / step + 0.5), last)
    if end <= start:  # narrower than a step: the step that holds its middle
        start = min(math.floor((low + high) / 2 / step), last - 1)
        end = start + 1
    return start * step, end * step
