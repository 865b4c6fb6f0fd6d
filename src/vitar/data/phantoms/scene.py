"""The vocabulary of a phantom: its family, its lesions, and the plan that a renderer follows."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from vitar.imaging.geometry import Box, Frame

SIDE_PX = 512
"""Native side of every phantom: twice the 256 pixels that the embedded model sees at its first look."""

SPLITS = ("train", "validation", "test", "shifted")
"""``shifted`` has other noise, contrast and lesion sizes than the three that share one distribution."""


@dataclass(frozen=True)
class LesionSpec:
    """What the plan asks of one lesion, before anything is drawn.

    Args:
        kind: one of the family's lesion kinds.
        location: one of the family's locations.
        attributes: fine attribute -> value, complete for the kind.
        scale: size relative to the kind's usual size; lesions that a question compares differ by at least 1.5x.
    """

    kind: str
    location: str
    attributes: Mapping[str, str]
    scale: float = 1.0


@dataclass(frozen=True)
class Lesion:
    """One drawn lesion with its truth.

    Args:
        spec: what was asked for, all of which was drawn.
        box: tight box of the mask, in original pixels.
        mask_hw: bool [H, W], the pixels that belong to the lesion.
    """

    spec: LesionSpec
    box: Box
    mask_hw: np.ndarray

    @property
    def diameter_px(self) -> float:
        """Diameter of the disc of equal area, in original pixels."""
        return float(2 * np.sqrt(self.mask_hw.sum() / np.pi))


@dataclass(frozen=True)
class Family:
    """One kind of image: what can be in it and how it is drawn.

    Args:
        name: key in file names and ids, e.g. ``chest``.
        modality: what a question calls the image, e.g. ``chest radiograph``.
        anatomy: what is imaged, e.g. ``chest``.
        location_noun: what a location answers, ``side`` or ``quadrant``.
        locations: answers to a location question; a lesion lies in exactly one. They read after "in the".
        kinds: lesion kinds (singular noun phrases); the answers to a type question.
        attributes: kind -> fine attribute -> values, decidable at native resolution only; a kind may have none.
        lesion_noun: what a question calls a lesion whose kind it must not give away.
        render: (plan, rng, shifted) -> (uint8 image [H, W] or [H, W, 3], one bool mask [H, W] per lesion).
            Draws all randomness from ``rng``; ``shifted`` selects the shifted test's noise, contrast and sizes.
    """

    name: str
    modality: str
    anatomy: str
    location_noun: str
    locations: tuple[str, ...]
    kinds: tuple[str, ...]
    attributes: Mapping[str, Mapping[str, tuple[str, ...]]]
    render: Callable[[tuple[LesionSpec, ...], np.random.Generator, bool], tuple[np.ndarray, list[np.ndarray]]] = field(
        repr=False
    )
    lesion_noun: str = "lesion"


@dataclass(frozen=True)
class Phantom:
    """A rendered image with its truth.

    Args:
        family, split, index: the identity; the same three always give the same pixels.
        image: uint8, [H, W] gray or [H, W, 3] RGB.
        lesions: in the order of the plan.
    """

    family: Family
    split: str
    index: int
    image: np.ndarray
    lesions: tuple[Lesion, ...]


def seeded_rng(*identity: str | int) -> np.random.Generator:
    """A generator that depends on nothing but ``identity`` (stable over processes, unlike ``hash``)."""
    digest = hashlib.sha256("/".join(map(str, identity)).encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "big"))


def draw(family: Family, split: str, index: int, plan: tuple[LesionSpec, ...]) -> Phantom:
    """Renders ``plan`` as phantom ``index`` of ``split``.

    Raises:
        ValueError: the split is unknown, or the renderer left a planned lesion without a pixel.
    """
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; expected one of {', '.join(SPLITS)}")
    image, masks = family.render(plan, seeded_rng("pixels", family.name, split, index), split == "shifted")
    frame = Frame.original(image.shape[1], image.shape[0])
    lesions = []
    for spec, mask_hw in zip(plan, masks, strict=True):
        rows, columns = np.flatnonzero(mask_hw.any(axis=1)), np.flatnonzero(mask_hw.any(axis=0))
        if not rows.size:
            raise ValueError(f"phantom {family.name}/{split}/{index}: {spec} was planned but has no pixel")
        box = Box(float(columns[0]), float(rows[0]), float(columns[-1] + 1), float(rows[-1] + 1), frame)
        lesions.append(Lesion(spec, box, mask_hw))
    return Phantom(family, split, index, image, tuple(lesions))
