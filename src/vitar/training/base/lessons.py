"""What the base model learns from: short questions about whole phantoms and about enlarged regions of them.

One lesson is one conversation about two pictures, a whole phantom and a region of one, with several short questions
on each, because an image costs a small model far more time than a question does. The interaction format, thoughts,
tools and answer tags, never occurs: the base stands where Lingshu-7B stands in the paper, a model that sees and
answers. Three kinds of question beside the benchmark's own give it the skills that a small model does not pick up by
itself (docs/experiments.md): pointing ("Give the box of ..."), matching a value to its option letter, and comparing two
values. `exchanges` has all of them, one by one.

Each lesson also carries dense targets (`dense`), for an auxiliary loss that keeps the vision tower seeing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from transformers import ProcessorMixin

from vitar.data.phantoms.dataset import FAMILIES, phantom
from vitar.data.phantoms.plan import SCALES
from vitar.data.phantoms.questions import YES_NO, queries_of, questions_of
from vitar.data.phantoms.scene import Family, Lesion, LesionSpec, Phantom, draw, seeded_rng
from vitar.imaging.coordinates import View
from vitar.imaging.geometry import Box, Frame
from vitar.imaging.zoom import zoom
from vitar.protocol.messages import Message, assistant_message, user_message
from vitar.training.base.architecture import ZOOM_PX
from vitar.training.base.dense import Vocabulary, grid_hw, seen_in, token_targets
from vitar.training.base.exchanges import (
    Exchange,
    aloud,
    comparing,
    comparing_aloud,
    description,
    direct,
    fine_description,
    option_letters,
    pointing,
    shuffled,
)
from vitar.training.masking import assistant_labels

WHOLE_WORDS, REGION_WORDS = 80, 75
"""Length of the conversation about a picture, in words: near-equal lengths waste little on padding."""

MATCHING_LISTS, QUESTIONS_PER_LIST, COMPARISONS, COMPARISONS_ALOUD = 1, 3, 1, 4
"""What a words lesson holds: lists of options with at most so many questions on each, and comparisons."""

ALOUD_WHOLE, ALOUD_REGION = 1, 3
"""At most this many yes/no questions on a whole image, and on a region, are answered aloud."""

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
    exchanges = pointing(scene, views[0], rng)[:POINTING_WHOLE] if scene.lesions else []
    seen = shuffled(list(queries_of(family, [each.spec for each in scene.lesions], ("location", "count"))), rng)
    exchanges += [aloud(family, query, rng) for query in seen[:ALOUD_WHOLE]]
    if rng.random() < DESCRIPTION_SHARE:
        exchanges.append(description(scene))
    for question in shuffled(questions_of(scene, rng), rng):
        if question.kind != "attribute" or rng.random() < FINE_SHARE_WHOLE:
            exchanges.append(direct(question, rng))
        if question.answer_type != "closed" and rng.random() < WORDS_SHARE:
            exchanges += option_letters(question.options, rng) if question.options else [comparing(rng)]
    messages, skills = _conversation(exchanges, views[0].image, WHOLE_WORDS, "whole", rng)

    for lesion in rng.permutation(len(scene.lesions))[:REGIONS]:
        asked = [q for _ in range(3) for q in questions_of(scene, rng) if q.lesions == (lesion,)]
        asked = shuffled([q for q in asked if q.kind in ("attribute", "type")], rng)
        if asked:
            views.append(region_view(scene, scene.lesions[lesion], rng))
            spec = scene.lesions[lesion].spec
            proposed = [q for q in queries_of(family, [spec], ("attribute", "type")) if q.values != YES_NO]
            exchanges = [aloud(family, query, rng) for query in shuffled(proposed * 2, rng)[:ALOUD_REGION]]
            exchanges += [direct(question, rng) for question in asked]
            if rng.random() < DESCRIPTION_SHARE:
                exchanges.insert(0, fine_description(spec))
            more, practised = _conversation(exchanges, views[-1].image, REGION_WORDS, "region", rng)
            messages, skills = messages + more, skills + practised
    return Lesson(scene, views, messages, skills)


def pointing_lesson(index: int, split: str) -> Lesson:
    """Lesson ``index`` of the pointing phase: a whole image, and the boxes of its lesions one by one."""
    rng = seeded_rng("pointing", split, index)
    family = list(FAMILIES.values())[index % len(FAMILIES)]
    scene = crowded_scene(family, split, POINTING_SCENES + index // len(FAMILIES), rng)
    view = whole_view(scene)
    asked = pointing(scene, view, rng)[:POINTING_EXCHANGES]
    asked = [exchange for exchange in asked if exchange.skill == "pointing/one"] or asked
    messages, skills = _conversation(asked, view.image, 10_000, "whole", rng)
    return Lesson(scene, [view], messages, skills)


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
    return _messages(shuffled(exchanges[:kept], rng), image, name)


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
    parts = [option_letters((), rng, any_words=True, count=QUESTIONS_PER_LIST) for _ in range(MATCHING_LISTS)]
    parts += [[comparing(rng)] for _ in range(COMPARISONS)]
    parts += [[comparing_aloud(rng)] for _ in range(COMPARISONS_ALOUD)]
    return _messages([exchange for part in shuffled(parts, rng) for exchange in part], None, "told")


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
