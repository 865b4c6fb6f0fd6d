"""The questions of a lesson with their short answers, one by one: on a lesion, on boxes, on words alone."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np

from vitar.data.phantoms.dataset import FAMILIES
from vitar.data.phantoms.questions import (
    NONE,
    YES_NO,
    Query,
    Question,
    matching,
    plural,
    pose,
    proposal,
    with_article,
)
from vitar.data.phantoms.scene import Family, LesionSpec, Phantom
from vitar.imaging.coordinates import THOUSANDTHS, View
from vitar.protocol.prompts import OPTION_LETTERS, direct_text, question_text
from vitar.training.base.dense import size_word
from vitar.training.base.tokenizer import COORDINATE_STEP

T = TypeVar("T")

ANY_SHARE = 0.5
"""Share of the comparisons of words that are about any two values; the others are about two of one kind."""

ALOUD = "Say first what it is."
"""Asks for the value before the yes or no, so that what is compared stands in the model's own words."""

PLACE, JSON = "Say first where it is.", "Answer in JSON."
"""Ask for the place before a box, so that it is looked for after words of the model's own, and for a box in JSON."""

PLACE_SHARE, JSON_SHARE = 0.5, 0.5
"""Chance that a question for boxes asks for the place first, and for JSON."""

LETTER_SHARE = 0.85
"""Share of matching questions that ask for the letter of a value; the rest ask for the value of a letter."""

LINE_SHARE = 0.4
"""Chance that a question is closed by the line for its answer type, as direct prompts are."""


@dataclass(frozen=True)
class Exchange:
    """One question with its short answer.

    Args:
        skill: what it exercises, for scoring: ``attribute/choice``, ``pointing``, ``matching`` and so on.
    """

    question: str
    answer: str
    skill: str


def direct(question: Question, rng: np.random.Generator) -> Exchange:
    """A benchmark question asked without tools, with or without the line for its answer type."""
    answer = OPTION_LETTERS[question.options.index(question.answer)] if question.options else question.answer
    text = question_text(question.text, question.options)
    if rng.random() < LINE_SHARE:
        text = direct_text(question.text, question.options, question.answer_type)
    return Exchange(text, answer, f"{question.kind}/{question.answer_type}")


def aloud(family: Family, query: Query, rng: np.random.Generator) -> Exchange:
    """A yes/no question whose answer names the value that is seen, and the proposed one, before it decides."""
    named = proposal(query, rng)
    question = pose(family, query, "yes_no", rng, named=named)
    said = _compared(query.attribute or query.kind, query.truth, named, rng)
    return Exchange(f"{question.text} {ALOUD}", f"{said} {question.answer}", f"{query.kind}/aloud")


def _compared(name: str, value: str, named: str, rng: np.random.Generator) -> str:
    """``The margin is smooth. Is the margin lobulated?``, or ``It is a mass. Is it a cyst?``"""
    if rng.random() < 0.5:
        return f"The {name} is {value}. Is the {name} {named}?"
    value, named = ({"type": with_article(v), "location": f"in the {v}"}.get(name, v) for v in (value, named))
    return f"It is {value}. Is it {named}?"


def pointing(scene: Phantom, view: View, rng: np.random.Generator) -> list[Exchange]:
    """Asks for the box of every lesion that can be named uniquely and for the boxes of all, in random order."""
    family, lesions = scene.family, scene.lesions
    plan = [lesion.spec for lesion in lesions]
    wire = [list(THOUSANDTHS.to_wire(lesion.box, view, COORDINATE_STEP)) for lesion in lesions]
    in_order = sorted(range(len(lesions)), key=lambda index: lesions[index].box.center)
    every = [wire[index] for index in in_order]
    everywhere = _in_json(f"Give the boxes of all {plural(family.lesion_noun)}.", "boxes", every, rng)
    exchanges = [Exchange(*everywhere, "pointing/all")]
    for index, spec in enumerate(plan):
        names = [
            f"{noun} in the {place}" if place else noun
            for noun in (family.lesion_noun, spec.kind)
            for place in ("", spec.location)
            if matching(family, plan, noun, place) == (index,)
        ]
        if names:
            named = names[rng.integers(len(names))]
            exchanges.append(_one_box(f"Give the box of the {named}.", spec.location, wire[index], rng))
    return shuffled(exchanges, rng)


def _one_box(question: str, place: str, box: list[int], rng: np.random.Generator) -> Exchange:
    """The box at once or after the place, bare or in JSON.

    A base that has written boxes at the start of an answer alone does not find them elsewhere (docs/experiments.md).
    """
    question, answer = _in_json(question, "box", box, rng)
    if rng.random() < PLACE_SHARE:
        question, answer = f"{question} {PLACE}", f"It is in the {place}. {answer}"
    return Exchange(question, answer, "pointing/one")


def _in_json(question: str, name: str, value: list[Any], rng: np.random.Generator) -> tuple[str, str]:
    """A question and its answer, in JSON with a chance of `JSON_SHARE`."""
    if rng.random() < JSON_SHARE:
        return f"{question} {JSON}", json.dumps({name: value})
    return question, str(value)


def description(scene: Phantom) -> Exchange:
    """Asks for all that the whole image shows: where, what, how large."""
    lesions = sorted(scene.lesions, key=lambda lesion: lesion.box.center)
    parts = [f"{lesion.spec.location}: {lesion.spec.kind}, {size_word(lesion.spec)}" for lesion in lesions]
    return Exchange("Describe the image.", "; ".join(parts) or NONE, "description")


def fine_description(spec: LesionSpec) -> Exchange:
    """Asks for all that an enlarged region shows of its lesion."""
    return Exchange("Describe the region.", fine_words(spec), "description")


def fine_words(spec: LesionSpec) -> str:
    """``mass, margin spiculated``"""
    return ", ".join([spec.kind, *(f"{name} {value}" for name, value in spec.attributes.items())])


def option_letters(
    values: Sequence[str], rng: np.random.Generator, *, any_words: bool = False, count: int = 1
) -> list[Exchange]:
    """Asks for letters of named values and values of named letters, of one list; needs no picture.

    Args:
        values: the options, in half of the cases; else any words will do, since the skill is the matching.
        count: at most this many questions, of which only the first repeats the options.
    """
    if any_words or rng.random() < 0.5:
        pool = all_values()
        values = [pool[place] for place in rng.choice(len(pool), int(rng.integers(2, 5)), replace=False)]
    exchanges: list[Exchange] = []
    for place in rng.permutation(len(values))[:count]:
        text, answer = f"What is option {OPTION_LETTERS[place]}?", values[place]
        if rng.random() < LETTER_SHARE:
            text, answer = f"Which option is {values[place]}?", OPTION_LETTERS[place]
        exchanges.append(Exchange(question_text(text, () if exchanges else values), answer, "matching"))
    return exchanges


def comparing(rng: np.random.Generator) -> Exchange:
    """Tells a value and asks whether it is a proposed one, in either order; needs no picture."""
    name, told, named, answer = _told(rng)
    sentences = [f"The {name} is {told}.", f"Is the {name} {named}?"]
    return Exchange(" ".join(shuffled(sentences, rng)), answer, "comparing")


def comparing_aloud(rng: np.random.Generator) -> Exchange:
    """Tells a value and asks whether it is a proposed one, to be answered in words; needs no picture."""
    name, told, named, answer = _told(rng)
    question = f"{name}: {told}. Is the {name} {named}? {ALOUD}"
    return Exchange(question, f"{_compared(name, told, named, rng)} {answer}", "aloud")


def _told(rng: np.random.Generator) -> tuple[str, str, str, str]:
    """What is told of, the value told, the one proposed, and whether they agree.

    Both are values of what is told of, or any of all: words of one kind are taken for one another, and a wrong proposal
    of another kind can be told by its kind alone.
    """
    kinds = kinds_of_values()
    name, pool = kinds[rng.integers(len(kinds))]
    if rng.random() < ANY_SHARE:
        pool = all_values()
    told, other = (pool[place] for place in rng.choice(len(pool), 2, replace=False))
    return (name, told, told, YES_NO[0]) if rng.random() < 0.5 else (name, told, other, YES_NO[1])


@lru_cache
def kinds_of_values() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """What lesions differ in, and its values, each pair once: types and locations of a family, fine attributes."""
    kinds: list[tuple[str, tuple[str, ...]]] = []
    for family in FAMILIES.values():
        kinds += [("type", tuple(family.kinds)), ("location", tuple(family.locations))]
        kinds += [(name, tuple(values)) for fine in family.attributes.values() for name, values in fine.items()]
    return tuple(dict.fromkeys(kinds))


@lru_cache
def all_values() -> tuple[str, ...]:
    """Every different lesion kind, location and attribute value of all families."""
    return tuple(dict.fromkeys(value for _, values in kinds_of_values() for value in values))


def shuffled(items: list[T], rng: np.random.Generator) -> list[T]:
    return [items[place] for place in rng.permutation(len(items))]
