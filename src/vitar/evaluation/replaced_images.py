"""Questions without their own images: what a model makes of a question when nothing that it sees is about it."""

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


def no_image(items: Sequence[Example]) -> Instead:
    """The words of the question alone."""
    return lambda example: replace(example, images=())


def shuffled_image(items: Sequence[Example]) -> Instead:
    """The question with the images of other items of the run, as many as it has of its own.

    The other items are of another patient, or image, and of the same modality where the run has such. Items are put in
    an order that depends on their ids alone and each gets the images of the next ones that will do, so an image is
    shown about as often as it has questions of its own.

    Raises:
        RunError: an item has not as many other images to take.
    """
    order = seeded_rng("shuffled_image", *(item.id for item in items)).permutation(len(items))
    line = [items[place] for place in order]
    images = {item.id: _next_images(line, place) for place, item in enumerate(line)}
    return lambda example: replace(example, images=images[example.id])


def _next_images(line: Sequence[Example], place: int) -> tuple[ImageRef, ...]:
    """Different images of the next items in the line, round its end; those of the same modality first."""
    own = line[place]
    behind = (line[(place + step) % len(line)] for step in range(1, len(line)))
    found: dict[str, ImageRef] = {}
    unlike: dict[str, ImageRef] = {}
    for item in behind:
        if len(found) >= len(own.images):
            break
        if _differs(item, own):
            (found if item.modality == own.modality else unlike).update({ref.uri: ref for ref in item.images})
    others = list((found | unlike).values())[: len(own.images)]
    if len(others) < len(own.images):
        raise RunError(
            f"shuffled_image shows each question with as many images of other patients as it has of its own, and the "
            f"run has {len(others)} for the {len(own.images)} of {own.id}; add items of other groups or leave the "
            "condition out"
        )
    return tuple(others)


def _differs(item: Example, own: Example) -> bool:
    return item.group != own.group and not {ref.uri for ref in item.images} & {ref.uri for ref in own.images}


def _blank(ref: ImageRef) -> ImageRef:
    image = open_image(ref)
    blank = Image.new(image.mode, image.size, GRAY if image.mode == "L" else (GRAY,) * 3)
    buffer = BytesIO()
    blank.save(buffer, format="PNG")
    return ImageRef("blank.png", buffer.getvalue())
