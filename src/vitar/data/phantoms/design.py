"""Which question an index asks, balanced by construction.

Index ``n`` of a family and split belongs to a block of `BLOCK` items that holds each (question kind, answer type) as
often as `KIND_WEIGHTS` says, in an order of its own. The items of one such cell run through *sets*: short lists in
which every answer occurs once and, for a choice, on every letter once. So any run of items is balanced to within one
set per cell, whatever the seed.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import MappingProxyType
from typing import TypeVar

import numpy as np

from vitar.data.phantoms.questions import ANSWER_TYPES, COUNTS, NONE, YES_NO
from vitar.data.phantoms.scene import SPLITS, Family, seeded_rng

T = TypeVar("T")

KIND_WEIGHTS = MappingProxyType({"attribute": 9, "type": 3, "location": 2, "count": 2, "presence": 2, "comparison": 2})
"""Items of each question kind among 20. Attributes lead: they are what a second, closer look decides."""

BLOCK = sum(KIND_WEIGHTS.values()) * len(ANSWER_TYPES)

FIRST, SECOND = "first", "second"
"""Which of two compared lesions, in order of mention, is the larger."""


@dataclass(frozen=True)
class Design:
    """What an item must turn out to be.

    Args:
        kind, answer_type: of the question.
        answer: right value; ``yes`` or ``no`` for yes/no.
        slot: place of the right option of a choice.
        named: value that a yes/no question proposes, where it proposes one: for a comparison the location that it
            mentions first. In the other forms of a comparison `FIRST` or `SECOND`.
        noun: lesion kind, or the family's word for any lesion, that the question is about; "" leaves it open.
        attribute: fine attribute asked for.
    """

    kind: str
    answer_type: str
    answer: str
    slot: int = 0
    named: str = ""
    noun: str = ""
    attribute: str = ""


def design_of(family: Family, split: str, index: int) -> Design:
    """The design of an item; see the module for the order in which designs come."""
    if split not in SPLITS:
        raise ValueError(f"unknown split {split!r}; expected one of {', '.join(SPLITS)}")
    if index < 0:
        raise ValueError(f"phantoms are numbered from 0, got {index}")
    block, position = divmod(index, BLOCK)
    kind, answer_type, turn = _block_order(family.name, split, block)[position]
    sets = list(_sets(family, kind, answer_type))
    period = sum(map(len, sets))
    cycle, place = divmod(block * KIND_WEIGHTS[kind] + turn, period)
    rng = seeded_rng("cycle", family.name, split, kind, answer_type, cycle)
    order = [member for i in rng.permutation(len(sets)) for member in _shuffled(sets[i], rng)]
    return order[place]


@lru_cache(maxsize=256)
def _block_order(family: str, split: str, block: int) -> tuple[tuple[str, str, int], ...]:
    """(question kind, answer type, n-th of these in the block) at each place of a block."""
    slots = [
        (kind, form, turn) for kind, weight in KIND_WEIGHTS.items() for form in ANSWER_TYPES for turn in range(weight)
    ]
    return tuple(_shuffled(slots, seeded_rng("block", family, split, block)))


def _sets(family: Family, kind: str, answer_type: str) -> Iterator[list[Design]]:
    """The balanced sets of one (question kind, answer type)."""
    for noun, attribute, values in _contexts(family, kind, answer_type):
        if answer_type == "yes_no" and values != YES_NO:
            for named in values:
                yield [Design(kind, answer_type, answer, 0, named, noun, attribute) for answer in YES_NO]
            continue
        letters = 1 if answer_type != "choice" else 2 if kind == "comparison" else len(values)
        for mention in (FIRST, SECOND) if kind == "comparison" else ("",):
            for shift in range(letters):
                yield [
                    Design(kind, answer_type, value, (place + shift) % letters, mention, noun, attribute)
                    for place, value in enumerate(values)
                ]


def _contexts(family: Family, kind: str, answer_type: str) -> list[tuple[str, str, tuple[str, ...]]]:
    """(noun, attribute, values) over which a question kind is spread evenly."""
    nouns = (family.lesion_noun, *family.kinds)
    yes_no = answer_type == "yes_no"
    match kind:
        case "presence":
            return [(noun, "", YES_NO) for noun in nouns] if yes_no else [("", "", (*family.kinds, NONE))]
        case "location" | "comparison":
            return [(lesion_kind, "", family.locations) for lesion_kind in family.kinds]
        case "count":
            return [(noun, "", COUNTS[1:] if yes_no else COUNTS) for noun in nouns]
        case "type":
            return [("", "", family.kinds)]
        case "attribute":
            return [
                (lesion_kind, attribute, values)
                for lesion_kind in family.kinds
                for attribute, values in family.attributes.get(lesion_kind, {}).items()
            ]
    raise ValueError(f"unknown question kind {kind!r}")


def _shuffled(things: Sequence[T], rng: np.random.Generator) -> list[T]:
    return [things[i] for i in rng.permutation(len(things))]
