"""What the base model learns from: short questions about whole phantoms and about enlarged regions of them.

One lesson is one conversation about two pictures, a whole phantom and a region of one, with several short questions
on each, because an image costs a small model far more time than a question does. The interaction format, thoughts,
tools and answer tags, never occurs: the base stands where Lingshu-7B stands in the paper, a model that sees and
answers. Three kinds of question beside the benchmark's own give it the skills that a small model does not pick up by
itself (docs/experiments.md): pointing ("Give the box of ..."), and matching a value to its option letter.

Each lesson also carries dense targets (`dense`), for an auxiliary loss that keeps the vision tower seeing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import ProcessorMixin

from vitar.data.phantoms.dataset import FAMILIES, phantom
from vitar.data.phantoms.plan import SCALES, plan_item
from vitar.data.phantoms.questions import NONE, Question, questions_of
from vitar.data.phantoms.scene import SIDE_PX, Family, Lesion, LesionSpec, Phantom, draw, seeded_rng
from vitar.imaging.coordinates import THOUSANDTHS, View
from vitar.imaging.geometry import Box, Frame
from vitar.imaging.zoom import zoom
from vitar.protocol.messages import Message, assistant_message, message_text, user_message
from vitar.protocol.prompts import OPTION_LETTERS, direct_text, question_text
from vitar.training.base.architecture import ZOOM_PX
from vitar.training.base.dense import Vocabulary, grid_hw, seen_in, token_targets
from vitar.training.base.tokenizer import COORDINATE_STEP
from vitar.training.masking import assistant_labels

WHOLE_WORDS, REGION_WORDS = 90, 45
"""Length of the conversation about a picture, in words: near-equal lengths waste little on padding."""

MATCHING_EXCHANGES = 4
"""Questions of a matching lesson."""

READING_WORDS = 150
"""Length of a reading lesson's questions and answers, in words."""

LINE_SHARE = 0.4
"""Chance that a question is closed by the line for its answer type, as direct prompts are."""

SIZE_WORD_BOUNDS = (0.92, 1.1)
"""A scale below the first is called small, above the second large."""

DESCRIPTION_SHARE = 0.5
"""Chance that a picture is to be described."""

CROWDED_SHARE = 0.4
"""Share of lessons on scenes with more lesions than the questions of the benchmark need."""

REGIONS = 2
"""At most this many regions are enlarged in a lesson."""

MATCHING_SHARE = 0.5
"""Chance that a choice is followed by a matching question on the same options."""

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


Talk = Callable[[int, str], tuple[list[Message], list[str]]]
"""Index and split of a lesson -> its messages, and the skill of every assistant turn."""


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


def _pointing(scene: Phantom, view: View, rng: np.random.Generator) -> Exchange:
    """Asks for the box of one lesion that can be named uniquely, or for the boxes of all lesions."""
    lesions, noun = scene.lesions, scene.family.lesion_noun
    places = [lesion.spec.location for lesion in lesions]
    unique = [place for place, lesion in enumerate(lesions) if places.count(lesion.spec.location) == 1]
    wire = [list(THOUSANDTHS.to_wire(lesion.box, view, COORDINATE_STEP)) for lesion in lesions]
    if not unique or (len(lesions) > 1 and rng.random() < 0.5):
        in_order = sorted(range(len(lesions)), key=lambda place: lesions[place].box.center)
        return Exchange(f"Give the boxes of all {noun}s.", str([wire[place] for place in in_order]), "pointing/all")
    chosen = unique[rng.integers(len(unique))]
    place = f" in the {places[chosen]}" if len(lesions) > 1 or rng.random() < 0.3 else ""
    return Exchange(f"Give the box of the {noun}{place}.", str(wire[chosen]), "pointing/one")


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


def size_word(spec: LesionSpec) -> str:
    """Two lesions that a question compares have different words, since one is at least 1.5 times the other."""
    return "small" if spec.scale < SIZE_WORD_BOUNDS[0] else "large" if spec.scale > SIZE_WORD_BOUNDS[1] else "medium"


def _matching(values: Sequence[str], rng: np.random.Generator, *, any_words: bool = False) -> Exchange:
    """Asks for the letter of a named value, or the value of a named letter; needs no picture."""
    if any_words or rng.random() < 0.5:  # any words will do: the skill is the matching
        pool = all_values()
        values = [pool[place] for place in rng.choice(len(pool), int(rng.integers(2, 5)), replace=False)]
    index = int(rng.integers(len(values)))
    letter, value = OPTION_LETTERS[index], values[index]
    if rng.random() < 0.7:
        return Exchange(question_text(f"Which option is {value}?", values), letter, "matching")
    return Exchange(question_text(f"What is option {letter}?", values), value, "matching")


@lru_cache
def all_values() -> tuple[str, ...]:
    """Every different lesion kind, location and attribute value of all families."""
    values: list[str] = []
    for family in FAMILIES.values():
        values += [*family.kinds, *family.locations]
        values += [value for fine in family.attributes.values() for named in fine.values() for value in named]
    return tuple(dict.fromkeys(values))


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


def lesson(index: int, split: str) -> Lesson:
    """Lesson ``index`` of ``split``."""
    rng = seeded_rng("lesson", split, index)
    family = list(FAMILIES.values())[index % len(FAMILIES)]
    number = index // len(FAMILIES)
    crowded = rng.random() < CROWDED_SHARE
    scene = crowded_scene(family, split, number, rng) if crowded else phantom(family.name, split, number)
    views = [whole_view(scene)]
    exchanges = [_pointing(scene, views[0], rng)] if scene.lesions else []
    if rng.random() < DESCRIPTION_SHARE:
        exchanges.append(_description(scene))
    for question in _shuffled(questions_of(scene, rng), rng):
        if question.kind != "attribute" or rng.random() < FINE_SHARE_WHOLE:
            exchanges.append(_direct(question, rng))
        if question.options and rng.random() < MATCHING_SHARE:
            exchanges.append(_matching(question.options, rng))
    messages, skills = _conversation(exchanges, views[0].image, WHOLE_WORDS, "whole", rng)

    for lesion in rng.permutation(len(scene.lesions))[:REGIONS]:
        asked = [q for _ in range(3) for q in questions_of(scene, rng) if q.lesions == (lesion,)]
        asked = _shuffled([q for q in asked if q.kind in ("attribute", "type")], rng)
        if asked:
            views.append(region_view(scene, scene.lesions[lesion], rng))
            exchanges = [_direct(question, rng) for question in asked]
            if rng.random() < DESCRIPTION_SHARE:
                exchanges.insert(0, _fine_description(scene.lesions[lesion].spec))
            more, practised = _conversation(exchanges, views[-1].image, REGION_WORDS, "region", rng)
            messages, skills = messages + more, skills + practised
    return Lesson(scene, views, messages, skills)


def _shuffled(questions: list[Question], rng: np.random.Generator) -> list[Question]:
    return [questions[place] for place in rng.permutation(len(questions))]


def _conversation(
    exchanges: list[Exchange], image: Image.Image | None, words: int, name: str, rng: np.random.Generator
) -> tuple[list[Message], list[str]]:
    """The first exchanges, about ``words`` words in all and at least one, in random order; the picture comes first.

    Returns:
        the messages, and for every assistant turn its skill, with ``name`` before it.
    """
    kept, length = 0, 0
    while kept < len(exchanges) and (kept == 0 or length <= words):
        length += len(f"{exchanges[kept].question} {exchanges[kept].answer}".split())
        kept += 1
    messages: list[Message] = []
    skills = []
    for count, place in enumerate(rng.permutation(kept)):
        exchange = exchanges[place]
        messages += [user_message(exchange.question, None if count else image), assistant_message(exchange.answer)]
        skills.append(f"{name}/{exchange.skill}")
    return messages, skills


def matching_talk(index: int, split: str) -> tuple[list[Message], list[str]]:
    """Lesson ``index`` of the matching phase: values and option letters, nothing else.

    Looking a word up among options is a step that a small language model takes suddenly or not at all; alone it comes
    after a million tokens, diluted among other questions it has not come after two (docs/experiments.md).

    Returns:
        the messages, and the skill of every assistant turn.
    """
    rng = seeded_rng("matching", split, index)
    exchanges = [_matching((), rng, any_words=True) for _ in range(MATCHING_EXCHANGES)]
    return _conversation(exchanges, None, 10_000, "told", rng)


def reading_talk(index: int, split: str) -> tuple[list[Message], list[str]]:
    """Lesson ``index`` of the reading phase: what is there is told in words, and there is no picture.

    A small language model takes far longer to learn what a question asks (to find the lesion that is meant, to compare
    a value with a proposed one) than to read a value off a picture; this teaches the first for a tenth of the time.

    Returns:
        the messages, and the skill of every assistant turn.
    """
    rng = seeded_rng("reading", split, index)
    family = list(FAMILIES.values())[index % len(FAMILIES)]
    specs = random_plan(family, rng) if rng.random() < 0.5 else plan_item(family, split, index // len(FAMILIES)).lesions
    view = View(Image.new("L", (SIDE_PX, SIDE_PX)), Frame.original(SIDE_PX, SIDE_PX))
    lesions = tuple(Lesion(spec, _any_box(view.frame, rng), np.zeros((0, 0), dtype=bool)) for spec in specs)
    scene = Phantom(family, split, index, np.zeros((0, 0), dtype=np.uint8), lesions)
    told = [
        f"{lesion.spec.location}: {fine_words(lesion.spec)}, {size_word(lesion.spec)}, "
        f"box {list(THOUSANDTHS.to_wire(lesion.box, view, COORDINATE_STEP))}"
        for lesion in lesions
    ]
    exchanges = [_pointing(scene, view, rng)] if lesions else []
    for question in _shuffled(questions_of(scene, rng), rng):
        exchanges.append(_direct(question, rng))
        if question.options and rng.random() < MATCHING_SHARE:
            exchanges.append(_matching(question.options, rng))
    messages, skills = _conversation(exchanges, None, READING_WORDS, "told", rng)
    messages[0] = user_message(f"{family.modality}. {'; '.join(told) or NONE}.\n{message_text(messages[0])}")
    return messages, skills


def _any_box(frame: Frame, rng: np.random.Generator) -> Box:
    x, y = rng.uniform(0.05, 0.85, 2)
    width, height = rng.uniform(0.06, 0.14, 2)
    return Box(x * SIDE_PX, y * SIDE_PX, (x + width) * SIDE_PX, (y + height) * SIDE_PX, frame)


class TalkDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Lessons without pictures as model inputs, with loss on the answers.

    Args:
        talk: `matching_talk` or `reading_talk`.
    """

    def __init__(self, processor: ProcessorMixin, split: str, count: int, talk: Talk) -> None:
        self.processor, self.split, self.count, self.talk = processor, split, count, talk

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        messages, skills = self.talk(index, self.split)
        return {**assistant_labels(self.processor, messages), "targets": [], "skills": skills}


class LessonDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Lessons as model inputs, rendered when asked for."""

    def __init__(self, processor: ProcessorMixin, split: str, count: int, start: int = 0) -> None:
        self.processor, self.split, self.count, self.start = processor, split, count, start
        self.vocabulary = Vocabulary.of(tuple(FAMILIES.values()))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        taught = lesson(self.start + index, self.split)
        inputs = assistant_labels(self.processor, taught.messages)
        targets = [
            token_targets(seen_in(taught.scene, view), grid_hw(thw), self.vocabulary, fine=place > 0)
            for place, (view, thw) in enumerate(zip(taught.views, inputs["image_grid_thw"], strict=True))
        ]
        return {**inputs, "targets": targets, "skills": taught.skills}
