"""Phantoms by name: the families, their images and their questions as examples.

Item ``i`` of a split belongs to the families in turn, so item 9 is the third image (number 2) of the second family. An
image is known by family, split and number, as in ``phantom:brain/test/2``, and nothing is stored: the same
identity always gives the same pixels.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import overload

from PIL import Image

from vitar.data.example import PHANTOM_PREFIX, Example, ImageRef, Region
from vitar.data.phantoms import brain, chest, fundus, mammogram
from vitar.data.phantoms.plan import Item, plan_item
from vitar.data.phantoms.scene import SPLITS, Family, Phantom, draw

FAMILIES: dict[str, Family] = {
    "chest": chest.FAMILY,
    "brain": brain.FAMILY,
    "mammogram": mammogram.FAMILY,
    "fundus": fundus.FAMILY,
}

LICENCE = "CC0-1.0"


def phantom_item(split: str, index: int) -> tuple[str, int, Item]:
    """Family, number and plan of item ``index`` of a split; nothing is drawn.

    Raises:
        ValueError: unknown split or negative index.
    """
    name = tuple(FAMILIES)[index % len(FAMILIES)]
    number = index // len(FAMILIES)
    return name, number, plan_item(FAMILIES[name], split, number)


@lru_cache(maxsize=8)
def phantom(family: str, split: str, index: int) -> Phantom:
    """Image ``index`` of a family and split with its truth. Treat its arrays as read-only: they are shared.

    Raises:
        ValueError: unknown family or split, or negative index.
    """
    if family not in FAMILIES:
        raise ValueError(f"unknown phantom family {family!r}; expected one of {', '.join(FAMILIES)}")
    return draw(FAMILIES[family], split, index, plan_item(FAMILIES[family], split, index).lesions)


def phantom_image(uri: str) -> Image.Image:
    """The image of a reference like ``phantom:brain/test/2``: mode ``L`` or ``RGB``.

    Raises:
        ValueError: the reference is malformed or names no phantom.
    """
    family, _, rest = uri.removeprefix(PHANTOM_PREFIX).partition("/")
    split, _, number = rest.partition("/")
    if not number.isdecimal():
        raise ValueError(f"{uri!r} is no phantom; expected {PHANTOM_PREFIX}family/split/number")
    return Image.fromarray(phantom(family, split, int(number)).image)


def phantom_example(split: str, index: int) -> Example:
    """Item ``index`` of a split as an example. Draws the image, whose masks its regions hold.

    Raises:
        ValueError: unknown split or negative index.
    """
    name, number, item = phantom_item(split, index)
    image, question, family = phantom(name, split, number), item.question, FAMILIES[name]
    uri = f"{PHANTOM_PREFIX}{name}/{split}/{number}"
    lesions = [image.lesions[i] for i in question.lesions]
    return Example(
        id=uri,
        images=(ImageRef(uri),),
        question=question.text,
        options=question.options,
        answer=question.answer,
        answer_type=question.answer_type,
        regions=tuple(Region.of_mask(lesion.spec.kind, lesion.mask_hw) for lesion in lesions),
        modality=family.modality,
        anatomy=family.anatomy,
        kind=question.kind,
        source="phantoms",
        split=split,
        licence=LICENCE,
        group=uri,
    )


def phantom_examples(split: str, count: int) -> Sequence[Example]:
    """The first ``count`` items of a split; each is made when it is asked for.

    Raises:
        ValueError: unknown split or negative count.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; expected one of {', '.join(SPLITS)}")
    if count < 0:
        raise ValueError(f"the number of phantoms cannot be negative, got {count}")
    return _PhantomExamples(split, range(count))


class _PhantomExamples(Sequence[Example]):
    def __init__(self, split: str, indices: range) -> None:
        self._split, self._indices = split, indices

    def __len__(self) -> int:
        return len(self._indices)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            return _PhantomExamples(self._split, self._indices[index])
        return phantom_example(self._split, self._indices[index])
