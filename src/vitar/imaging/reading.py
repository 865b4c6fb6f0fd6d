"""Boxes as a model wrote them, read into boxes that can be looked at.

Whatever the model wrote gives a value: either boxes inside the view, or a `Refusal` whose text names the mistake in a
sentence the model can act on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from vitar.imaging.coordinates import rounded
from vitar.imaging.geometry import Box, Frame, union_share

MIN_SIDE = 1e-3
"""In units of the model's grid; a box narrower than this is called empty."""

_FAR = 1e15  # numbers beyond this are as far outside as this one, and integers may exceed what a float holds


class ActionError(StrEnum):
    """Why an action could not be carried out."""

    TOOL_UNAVAILABLE = "tool_unavailable"
    NO_ACTIONS_LEFT = "no_actions_left"
    UNKNOWN_IMAGE = "unknown_image"
    NO_BOX = "no_box"
    TOO_MANY_BOXES = "too_many_boxes"
    NOT_A_BOX = "not_a_box"
    NOT_FINITE = "not_finite"
    REVERSED = "reversed"
    EMPTY = "empty"
    OUTSIDE = "outside"
    TOO_LARGE = "too_large"


@dataclass(frozen=True)
class Refusal:
    """A mistake of the model: which one, and the sentences that tell the model."""

    error: ActionError
    text: str


@dataclass(frozen=True)
class ReadBoxes:
    """Boxes with a part in the view, cut to it; ``cut`` tells whether anything was cut off."""

    boxes: tuple[Box, ...]
    cut: bool


def read_boxes(
    written: Sequence[Sequence[float]], frame: Frame, image: int, *, max_boxes: int, max_share: float
) -> ReadBoxes | Refusal:
    """Check the boxes of one action and cut them to the view.

    Args:
        written: what the model wrote, xyxy each; anything else is refused.
        frame: the model's grid over the view.
        image: number of the view, for the text.
        max_boxes: more boxes than this are refused.
        max_share: boxes that cover more of the view than this, together, are refused.
    """
    if not _is_list(written):
        return Refusal(ActionError.NOT_A_BOX, f"Boxes must be a list of [x0, y0, x1, y1], got {quoted(written)}.")
    if not written:
        return Refusal(ActionError.NO_BOX, "No box was given. Give at least one box [x0, y0, x1, y1].")
    if len(written) > max_boxes:
        text = f"{len(written)} boxes are too many. Give at most {max_boxes}, the most important ones."
        return Refusal(ActionError.TOO_MANY_BOXES, text)
    given: list[Box] = []
    for numbers in written:
        box = _read_box(numbers, frame, image)
        if isinstance(box, Refusal):
            return box
        given.append(box)
    inside = tuple(box.clipped() for box in given)
    if union_share(inside) > max_share:
        subject = f"The box {shown(rounded(inside[0]))} covers" if len(inside) == 1 else "The boxes together cover"
        text = f"{subject} nearly all of image {image}. Choose a smaller region around what matters."
        return Refusal(ActionError.TOO_LARGE, text)
    return ReadBoxes(inside, cut=inside != tuple(given))


def _read_box(numbers: Sequence[float], frame: Frame, image: int) -> Box | Refusal:
    """Four numbers as a box of ``frame`` with a part inside it, or what is wrong with them."""
    if not _is_list(numbers) or len(numbers) != 4 or not all(_is_number(n) for n in numbers):
        return Refusal(ActionError.NOT_A_BOX, f"A box is four numbers [x0, y0, x1, y1], got {quoted(numbers)}.")
    if not all(math.isfinite(n) for n in numbers if isinstance(n, float)):
        text = f"The box {quoted(numbers)} holds a number that is not finite. Give four plain numbers."
        return Refusal(ActionError.NOT_FINITE, text)
    x0, y0, x1, y1 = (float(min(max(n, -_FAR), _FAR)) for n in numbers)
    box, text = Box(x0, y0, x1, y1, frame), shown((x0, y0, x1, y1))
    if x1 < x0 or y1 < y0:
        advice = "The upper left corner comes first: x0 < x1 and y0 < y1."
        return Refusal(ActionError.REVERSED, f"The box {text} is reversed. {advice}")
    if min(box.width, box.height) < MIN_SIDE:
        return Refusal(ActionError.EMPTY, f"The box {text} is empty. It needs a width and a height.")
    part = box.clipped()
    if min(part.width, part.height) < MIN_SIDE:
        limits = f"x from 0 to {frame.width:g} and y from 0 to {frame.height:g}"
        return Refusal(ActionError.OUTSIDE, f"The box {text} lies outside image {image}, which has {limits}.")
    return box


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def shown(numbers: Sequence[float]) -> str:
    """``[620, 310, 740, 430]``, whole numbers without a decimal point."""
    return "[" + ", ".join(f"{n:g}" for n in numbers) + "]"


def quoted(value: object) -> str:
    """What the model wrote, cut to a length that cannot flood its context."""
    text = repr(list(value) if isinstance(value, tuple) else value)
    return text if len(text) <= 60 else text[:57] + "..."
