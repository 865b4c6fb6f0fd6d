"""The scene and the question of an index, before anything is drawn.

The design of an index says which answer must be right; the scene is sampled so that it is. What the design leaves
open (kinds, locations, attributes, sizes, further lesions) is drawn uniformly and independently of the answer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vitar.data.phantoms.design import FIRST, Design, design_of
from vitar.data.phantoms.questions import COUNTS, NONE, Query, Question, matching, pose, queries_of
from vitar.data.phantoms.scene import Family, LesionSpec, seeded_rng

EXTRA_SHARE = 0.25
"""Share of scenes with one lesion more than the question needs, where that leaves the answer unique."""

MAX_PER_LOCATION = 2

SCALES = (0.8, 1.25)
"""Range of a lesion's scale, log-uniform, where sizes are not compared."""

SMALLER_SCALES, SIZE_RATIOS = (0.75, 0.9), (1.5, 1.55)
"""Scale of the smaller of two compared lesions, and how much larger the other is."""


@dataclass(frozen=True)
class Item:
    """A planned image and its question; nothing is drawn yet."""

    design: Design
    lesions: tuple[LesionSpec, ...]
    question: Question


def plan_item(family: Family, split: str, index: int) -> Item:
    """Plans item ``index`` (from 0, without an upper end) of one family and split.

    Raises:
        ValueError: unknown split or negative index.
    """
    design = design_of(family, split, index)
    lesions, subject = _scene(family, design, seeded_rng("scene", family.name, split, index))
    rng = seeded_rng("question", family.name, split, index)
    fitting = [query for query in queries_of(family, lesions, (design.kind,)) if _fits(query, design, subject)]
    query = fitting[rng.integers(len(fitting))]
    question = pose(family, query, design.answer_type, rng, slot=design.slot, named=design.named)
    return Item(design, lesions, question)


def _fits(query: Query, design: Design, subject: tuple[int, ...]) -> bool:
    """Whether a query of the scene is the one that the design wants."""
    if design.answer_type not in query.answer_types or query.lesions != subject:
        return False
    if query.kind == "comparison":
        first = query.values[0]
        if design.answer_type == "yes_no":
            return first == design.named
        return (first == query.truth) == (design.named == FIRST)
    if query.kind in ("presence", "count"):
        return query.noun == design.noun or not design.noun
    return query.attribute == design.attribute


def _scene(family: Family, design: Design, rng: np.random.Generator) -> tuple[tuple[LesionSpec, ...], tuple[int, ...]]:
    """Lesions that give ``design`` its answer, and the indices of those that the question is about."""
    wanted = _wanted(family, design, rng)
    extra = rng.random() < EXTRA_SHARE
    noun = design.noun or family.lesion_noun
    named = list(family.kinds) if noun == family.lesion_noun else [noun]
    others = [kind for kind in family.kinds if kind != noun] if noun in family.kinds else []
    crowd = _Crowd(family, rng)
    match design.kind:
        case "presence" if design.answer == "yes":
            crowd.add(named)
            crowd.add(family.kinds if extra else [])
        case "presence" if design.answer == "no":
            if rng.random() < 0.5:
                crowd.add(others)
                crowd.add(others if extra else [])
        case "presence":
            crowd.add([wanted] if wanted != NONE else [])
            crowd.add([wanted] if wanted != NONE and extra else [])
        case "location":
            crowd.add(named, location=wanted)
            crowd.add(others if extra else [])
        case "count":
            for _ in range(int(wanted)):
                crowd.add(named)
            crowd.add(others if extra else [])
        case "type":
            crowd.add([wanted])
            crowd.add(family.kinds if extra else [], apart=True)
        case "attribute":
            crowd.add(named, attributes={design.attribute: wanted})
            crowd.add(family.kinds if extra else [], apart=True)
        case "comparison":
            smaller = rng.uniform(*SMALLER_SCALES)
            pair = (smaller, smaller * rng.uniform(*SIZE_RATIOS))
            crowd.add(named, location=wanted, scale=pair[design.answer != "no"])
            crowd.add(named, scale=pair[design.answer == "no"], apart=True)
            crowd.add(others if extra else [])
    # Presence and count are about every lesion that the noun fits, the rest about the one or two added first.
    about = {"presence": len(crowd.lesions), "count": len(crowd.lesions), "comparison": 2}.get(design.kind, 1)
    subject = [index for index in matching(family, crowd.lesions, noun) if index < about]
    order = [int(index) for index in rng.permutation(len(crowd.lesions))]  # the order of drawing says nothing
    return tuple(crowd.lesions[index] for index in order), tuple(sorted(order.index(index) for index in subject))


def _wanted(family: Family, design: Design, rng: np.random.Generator) -> str:
    """The value that is to be true of the scene; for a "no", any other than the proposed one.

    For a comparison it is the location whose lesion is then made the larger one, or for a "no" the smaller one.
    """
    if design.answer_type != "yes_no":
        return design.answer
    if design.answer == "yes" or design.kind in ("presence", "comparison"):
        return design.named
    values = {"location": family.locations, "count": COUNTS, "type": family.kinds}.get(design.kind)
    values = values or family.attributes[design.noun][design.attribute]
    others = [value for value in values if value != design.named]
    return others[int(rng.integers(len(others)))]


class _Crowd:
    """Lesions of a scene in the making."""

    def __init__(self, family: Family, rng: np.random.Generator) -> None:
        self.family, self.rng = family, rng
        self.lesions: list[LesionSpec] = []

    def add(
        self,
        kinds: Sequence[str],
        *,
        location: str = "",
        attributes: Mapping[str, str] | None = None,
        scale: float = 0.0,
        apart: bool = False,
    ) -> None:
        """Adds a lesion of one of ``kinds`` (none if there are none); what is not given is drawn.

        Args:
            apart: not in the location of a lesion that is there already.
        """
        if not kinds:
            return
        rng, family = self.rng, self.family
        room = 1 if apart else MAX_PER_LOCATION
        taken = Counter(spec.location for spec in self.lesions)
        free = [place for place in family.locations if taken[place] < room]
        kind = kinds[int(rng.integers(len(kinds)))]
        drawn = {name: values[rng.integers(len(values))] for name, values in family.attributes.get(kind, {}).items()}
        self.lesions.append(
            LesionSpec(
                kind,
                location or free[rng.integers(len(free))],
                drawn | dict(attributes or {}),
                scale or float(np.exp(rng.uniform(*np.log(SCALES)))),
            )
        )
