"""What the base model learns from: short questions about whole phantoms and about enlarged regions of them.

One lesson is one conversation about two pictures, a whole phantom and a region of one, with several short questions
on each, because an image costs a small model far more time than a question does. The interaction format, thoughts,
tools and answer tags, never occurs: the base stands where Lingshu-7B stands in the paper, a model that sees and
answers. Three kinds of question beside the benchmark's own give it the skills that a small model does not pick up by
itself (docs/experiments.md): pointing ("Give the box of ..."), and matching a value to its option letter.

Each lesson also carries dense targets (`dense`), for an auxiliary loss that keeps the vision tower seeing.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import numpy as np
import torch
from PIL import Image
from transformers import ProcessorMixin

from vitar.data.phantoms.dataset import FAMILIES, phantom
from vitar.data.phantoms.plan import SCALES
from vitar.data.phantoms.questions import (
    NONE,
    YES_NO,
    Query,
    Question,
    matching,
    plural,
    pose,
    proposal,
    queries_of,
    questions_of,
    with_article,
)
from vitar.data.phantoms.scene import Family, Lesion, LesionSpec, Phantom, draw, seeded_rng
from vitar.imaging.coordinates import THOUSANDTHS, View
from vitar.imaging.geometry import Box, Frame
from vitar.imaging.zoom import zoom
from vitar.protocol.messages import Message, assistant_message, user_message
from vitar.protocol.prompts import OPTION_LETTERS, direct_text, question_text
from vitar.training.base.architecture import ZOOM_PX
from vitar.training.base.dense import Vocabulary, grid_hw, seen_in, size_word, token_targets
from vitar.training.base.tokenizer import COORDINATE_STEP
from vitar.training.masking import assistant_labels

T = TypeVar("T")

WHOLE_WORDS, REGION_WORDS = 80, 75
"""Length of the conversation about a picture, in words: near-equal lengths waste little on padding."""

MATCHING_LISTS, QUESTIONS_PER_LIST, COMPARISONS, COMPARISONS_ALOUD = 1, 3, 1, 4
"""What a words lesson holds: lists of options with at most so many questions on each, and comparisons."""

ANY_SHARE = 0.5
"""Share of the comparisons of words that are about any two values; the others are about two of one kind."""

ALOUD = "Say first what it is."
"""Asks for the value before the yes or no, so that what is compared stands in the model's own words."""

PLACE, JSON = "Say first where it is.", "Answer in JSON."
"""Ask for the place before a box, so that it is looked for after words of the model's own, and for a box in JSON."""

PLACE_SHARE, JSON_SHARE = 0.5, 0.5
"""Chance that a question for boxes asks for the place first, and for JSON."""

ALOUD_WHOLE, ALOUD_REGION = 1, 3
"""At most this many yes/no questions on a whole image, and on a region, are answered aloud."""

LETTER_SHARE = 0.85
"""Share of matching questions that ask for the letter of a value; the rest ask for the value of a letter."""

LINE_SHARE = 0.4
"""Chance that a question is closed by the line for its answer type, as direct prompts are."""

DESCRIPTION_SHARE = 0.5
"""Chance that a picture is to be described."""

CROWDED_SHARE = 0.4
"""Share of lessons on scenes with more lesions than the questions of the benchmark need."""

POINTING_SCENES = 10_000_000
"""Number of the first scene of the pointing phase, beyond those of all other lessons."""

REGIONS = 2
"""At most this many regions are enlarged in a lesson."""

POINTING_WHOLE = 3
"""At most this many questions for boxes on the whole image of a lesson."""

POINTING_EXCHANGES = 4
"""At most this many questions in a lesson of the pointing phase."""

WORDS_SHARE = 0.5
"""Chance that a choice is followed by a matching question on the same options, and a yes/no question by a comparison
of words."""

FINE_SHARE_WHOLE = 0.25
"""Chance that a fine-attribute question is put to a whole image, where it is mostly a guess."""


def random_plan(family: Family, rng: np.random.Generator) -> tuple[LesionSpec, ...]:
    """One to four lesions, everything about them drawn uniformly, at most two in one location."""
    room = [place for place in family.locations for _ in range(2)]
    count = int(rng.integers(1, len(family.locations) // 2 + 3))
    plan = []
    for slot in rng.permutation(len(room))[:count]:
        kind = family.kinds[rng.integers(len(family.kinds))]
        fine = {name: values[rng.integers(len(values))] for name, values in family.attributes[kind].items()}
        plan.append(LesionSpec(kind, room[slot], fine, float(np.exp(rng.uniform(*np.log(SCALES))))))
    return tuple(plan)


def crowded_scene(family: Family, split: str, index: int, rng: np.random.Generator) -> Phantom:
    """A phantom drawn to a `random_plan`: much to see for one rendering."""
    return draw(family, split, index, random_plan(family, rng))


def whole_view(scene: Phantom) -> View:
    """The whole phantom, at native resolution."""
    image = Image.fromarray(scene.image)
    return View(image, Frame.original(*image.size))


def region_view(scene: Phantom, lesion: Lesion, rng: np.random.Generator) -> View:
    """An enlarged region around a lesion, cut with a box as imprecise as a model's: shifted and scaled by chance."""
    b = lesion.box
    size = np.array([b.width, b.height])
    centre = np.array(b.center) + rng.normal(0, 0.15, 2) * size
    half = np.maximum(size * np.exp(rng.normal(0, 0.2, 2)), 12) / 2
    (x0, y0), (x1, y1) = centre - half, centre + half
    loose = Box(x0, y0, x1, y1, b.frame).clipped()
    image = Image.fromarray(scene.image)
    enlarged, crop = zoom(image, loose if loose.area > 0 else b, ZOOM_PX)
    return View(enlarged, Frame.over(crop, *enlarged.size))


@dataclass(frozen=True)
class Exchange:
    """One question with its short answer.

    Args:
        skill: what it exercises, for scoring: ``attribute/choice``, ``pointing``, ``matching`` and so on.
    """

    question: str
    answer: str
    skill: str


def _direct(question: Question, rng: np.random.Generator) -> Exchange:
    """A benchmark question asked without tools, with or without the line for its answer type."""
    answer = OPTION_LETTERS[question.options.index(question.answer)] if question.options else question.answer
    text = question_text(question.text, question.options)
    if rng.random() < LINE_SHARE:
        text = direct_text(question.text, question.options, question.answer_type)
    return Exchange(text, answer, f"{question.kind}/{question.answer_type}")


def _aloud(family: Family, query: Query, rng: np.random.Generator) -> Exchange:
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


def _pointing(scene: Phantom, view: View, rng: np.random.Generator) -> list[Exchange]:
    """Asks for the box of every lesion that can be named uniquely and for the boxes of all, in random order."""
    family, lesions = scene.family, scene.lesions
    plan = [lesion.spec for lesion in lesions]
    wire = [list(THOUSANDTHS.to_wire(lesion.box, view, COORDINATE_STEP)) for lesion in lesions]
    in_order = sorted(range(len(lesions)), key=lambda index: lesions[index].box.center)
    every = [wire[index] for index in in_order]
    exchanges = [_every_box(f"Give the boxes of all {plural(family.lesion_noun)}.", every, rng)]
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
    return _shuffled(exchanges, rng)


def _one_box(question: str, place: str, box: list[int], rng: np.random.Generator) -> Exchange:
    """The box at once or after the place, bare or in JSON.

    A base that has written boxes at the start of an answer alone does not find them elsewhere (docs/experiments.md).
    """
    question, answer = _in_json(question, "box", box, rng)
    if rng.random() < PLACE_SHARE:
        question, answer = f"{question} {PLACE}", f"It is in the {place}. {answer}"
    return Exchange(question, answer, "pointing/one")


def _every_box(question: str, boxes: list[list[int]], rng: np.random.Generator) -> Exchange:
    """All boxes from left to right, bare or in JSON."""
    return Exchange(*_in_json(question, "boxes", boxes, rng), "pointing/all")


def _in_json(question: str, name: str, value: list[Any], rng: np.random.Generator) -> tuple[str, str]:
    """A question and its answer, in JSON with a chance of `JSON_SHARE`."""
    if rng.random() < JSON_SHARE:
        return f"{question} {JSON}", json.dumps({name: value})
    return question, str(value)


def _description(scene: Phantom) -> Exchange:
    """Asks for all that the whole image shows: where, what, how large."""
    lesions = sorted(scene.lesions, key=lambda lesion: lesion.box.center)
    parts = [f"{lesion.spec.location}: {lesion.spec.kind}, {size_word(lesion.spec)}" for lesion in lesions]
    return Exchange("Describe the image.", "; ".join(parts) or NONE, "description")


def _fine_description(spec: LesionSpec) -> Exchange:
    """Asks for all that an enlarged region shows of its lesion."""
    return Exchange("Describe the region.", fine_words(spec), "description")


def fine_words(spec: LesionSpec) -> str:
    """``mass, margin spiculated``"""
    return ", ".join([spec.kind, *(f"{name} {value}" for name, value in spec.attributes.items())])


def _matching(
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


def _comparing(rng: np.random.Generator) -> Exchange:
    """Tells a value and asks whether it is a proposed one, in either order; needs no picture."""
    name, told, named, answer = _told(rng)
    sentences = [f"The {name} is {told}.", f"Is the {name} {named}?"]
    return Exchange(" ".join(_shuffled(sentences, rng)), answer, "comparing")


def _comparing_aloud(rng: np.random.Generator) -> Exchange:
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


@dataclass(frozen=True)
class Lesson:
    """One conversation.

    Args:
        scene: the phantom.
        views: the pictures shown, the whole phantom first.
        messages: the conversation.
        skills: one per assistant turn, ``whole/…`` or ``region/…``.
    """

    scene: Phantom
    views: list[View]
    messages: list[Message]
    skills: list[str]


Teach = Callable[[int, str], Lesson]
"""Index and split -> a lesson."""


def lesson(index: int, split: str) -> Lesson:
    """Lesson ``index`` of ``split``."""
    rng = seeded_rng("lesson", split, index)
    family = list(FAMILIES.values())[index % len(FAMILIES)]
    number = index // len(FAMILIES)
    crowded = rng.random() < CROWDED_SHARE
    scene = crowded_scene(family, split, number, rng) if crowded else phantom(family.name, split, number)
    views = [whole_view(scene)]
    exchanges = _pointing(scene, views[0], rng)[:POINTING_WHOLE] if scene.lesions else []
    seen = _shuffled(list(queries_of(family, [each.spec for each in scene.lesions], ("location", "count"))), rng)
    exchanges += [_aloud(family, query, rng) for query in seen[:ALOUD_WHOLE]]
    if rng.random() < DESCRIPTION_SHARE:
        exchanges.append(_description(scene))
    for question in _shuffled(questions_of(scene, rng), rng):
        if question.kind != "attribute" or rng.random() < FINE_SHARE_WHOLE:
            exchanges.append(_direct(question, rng))
        if question.answer_type != "closed" and rng.random() < WORDS_SHARE:
            exchanges += _matching(question.options, rng) if question.options else [_comparing(rng)]
    messages, skills = _conversation(exchanges, views[0].image, WHOLE_WORDS, "whole", rng)

    for lesion in rng.permutation(len(scene.lesions))[:REGIONS]:
        asked = [q for _ in range(3) for q in questions_of(scene, rng) if q.lesions == (lesion,)]
        asked = _shuffled([q for q in asked if q.kind in ("attribute", "type")], rng)
        if asked:
            views.append(region_view(scene, scene.lesions[lesion], rng))
            spec = scene.lesions[lesion].spec
            aloud = [q for q in queries_of(family, [spec], ("attribute", "type")) if q.values != YES_NO]
            exchanges = [_aloud(family, query, rng) for query in _shuffled(aloud * 2, rng)[:ALOUD_REGION]]
            exchanges += [_direct(question, rng) for question in asked]
            if rng.random() < DESCRIPTION_SHARE:
                exchanges.insert(0, _fine_description(spec))
            more, practised = _conversation(exchanges, views[-1].image, REGION_WORDS, "region", rng)
            messages, skills = messages + more, skills + practised
    return Lesson(scene, views, messages, skills)


def pointing_lesson(index: int, split: str) -> Lesson:
    """Lesson ``index`` of the pointing phase: a whole image, and the boxes of its lesions one by one."""
    rng = seeded_rng("pointing", split, index)
    family = list(FAMILIES.values())[index % len(FAMILIES)]
    scene = crowded_scene(family, split, POINTING_SCENES + index // len(FAMILIES), rng)
    view = whole_view(scene)
    asked = _pointing(scene, view, rng)[:POINTING_EXCHANGES]
    asked = [exchange for exchange in asked if exchange.skill == "pointing/one"] or asked
    messages, skills = _conversation(asked, view.image, 10_000, "whole", rng)
    return Lesson(scene, [view], messages, skills)


def _shuffled(items: list[T], rng: np.random.Generator) -> list[T]:
    return [items[place] for place in rng.permutation(len(items))]


def _conversation(
    exchanges: list[Exchange], image: Image.Image, words: int, name: str, rng: np.random.Generator
) -> tuple[list[Message], list[str]]:
    """The first exchanges, about ``words`` words in all and at least one, in random order; the picture comes first.

    Returns:
        the messages, and for every assistant turn its skill, with ``name`` before it.
    """
    kept, length = 0, 0
    while kept < len(exchanges) and (kept == 0 or length <= words):
        length += len(f"{exchanges[kept].question} {exchanges[kept].answer}".split())
        kept += 1
    return _messages(_shuffled(exchanges[:kept], rng), image, name)


def _messages(exchanges: Sequence[Exchange], image: Image.Image | None, name: str) -> tuple[list[Message], list[str]]:
    """Exchanges in the given order, the picture before the first; returns what `_conversation` does."""
    messages: list[Message] = []
    for count, exchange in enumerate(exchanges):
        messages += [user_message(exchange.question, None if count else image), assistant_message(exchange.answer)]
    return messages, [f"{name}/{exchange.skill}" for exchange in exchanges]


def words_lesson(index: int, split: str) -> tuple[list[Message], list[str]]:
    """Lesson ``index`` of the words phase: matching and comparing, nothing else, and no picture.

    Looking a word up among others is a step that a small language model takes suddenly or not at all; alone it comes
    after a million tokens, diluted among questions about pictures it has not come after two (docs/experiments.md).

    Returns:
        the messages, and the skill of every assistant turn.
    """
    rng = seeded_rng("words", split, index)
    parts = [_matching((), rng, any_words=True, count=QUESTIONS_PER_LIST) for _ in range(MATCHING_LISTS)]
    parts += [[_comparing(rng)] for _ in range(COMPARISONS)]
    parts += [[_comparing_aloud(rng)] for _ in range(COMPARISONS_ALOUD)]
    return _messages([exchange for part in _shuffled(parts, rng) for exchange in part], None, "told")


class WordsDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Words lessons as model inputs.

    Args:
        start: index of the first lesson.
    """

    def __init__(self, processor: ProcessorMixin, split: str, count: int, start: int = 0) -> None:
        self.processor, self.split, self.count, self.start = processor, split, count, start

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        messages, skills = words_lesson(self.start + index, self.split)
        return {**assistant_labels(self.processor, messages), "targets": [], "skills": skills}


class LessonDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Lessons as model inputs, rendered when asked for.

    Args:
        teach: `lesson` or `pointing_lesson`.
        start: index of the first lesson.
    """

    def __init__(
        self,
        processor: ProcessorMixin,
        split: str,
        count: int,
        teach: Teach,
        start: int = 0,
    ) -> None:
        self.processor, self.split, self.count, self.teach, self.start = processor, split, count, teach, start
        self.vocabulary = Vocabulary.of(tuple(FAMILIES.values()))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        taught = self.teach(self.start + index, self.split)
        inputs = assistant_labels(self.processor, taught.messages)
        targets = [
            token_targets(seen_in(taught.scene, view, whole=place == 0), grid_hw(thw), self.vocabulary)
            for place, (view, thw) in enumerate(zip(taught.views, inputs["image_grid_thw"], strict=True))
        ]
        return {**inputs, "targets": targets, "skills": taught.skills}
