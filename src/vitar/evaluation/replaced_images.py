"""Questions with another image than their own: what a model makes of a question whose image says nothing about it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO

from PIL import Image

from vitar.data.example import Example, ImageRef, open_image
from vitar.data.phantoms.scene import seeded_rng
from vitar.evaluation.run_folder import RunError

GRAY = 128
"""Level of a blank image: the middle, which the usual normalisation of pixels turns into about zero."""

Instead = Callable[[Example], Example]
"""An item -> what is asked in its place, with the same id."""


def blank_image(items: Sequence[Example]) -> Instead:
    """The question with evenly gray images of the sizes and modes of its own, so that token counts stay the same."""
    return lambda example: replace(example, images=tuple(map(_blank, example.images)))


def shuffled_image(items: Sequence[Example]) -> Instead:
    """The question with the images of another item of the run.

    The other item is of another patient, or image, and of the same modality where the run has one. Items are put in an
    order that depends on their ids alone and each gets the images of the next one that will do, so an image is shown
    about as often as it has questions of its own.

    Raises:
        RunError: an item has no other one to take an image from.
    """
    order = seeded_rng("shuffled_image", *(item.id for item in items)).permutation(len(items))
    line = [items[place] for place in order]
    images = {item.id: _next(line, place).images for place, item in enumerate(line)}
    return lambda example: replace(example, images=images[example.id])


def _next(line: Sequence[Example], place: int) -> Example:
    """The next item in the line, round its end, with another image and group; of the same modality if possible."""
    own = line[place]
    behind = (line[(place + step) % len(line)] for step in range(1, len(line)))
    others = (item for item in behind if _differs(item, own))
    first = next(others, None)
    if first is None:
        raise RunError(
            f"shuffled_image shows each question with the image of another patient, and the run has none besides that "
            f"of {own.id}; add items of other groups or leave the condition out"
        )
    if first.modality == own.modality:
        return first
    return next((item for item in others if item.modality == own.modality), first)


def _differs(item: Example, own: Example) -> bool:
    return item.group != own.group and not {ref.uri for ref in item.images} & {ref.uri for ref in own.images}


def _blank(ref: ImageRef) -> ImageRef:
    image = open_image(ref)
    blank = Image.new(image.mode, image.size, GRAY if image.mode == "L" else (GRAY,) * 3)
    buffer = BytesIO()
    blank.save(buffer, format="PNG")
    return ImageRef("blank.png", buffer.getvalue())
