"""A rule-based teacher: how a careful reader would look at a phantom twice.

The teacher knows the truth, and its first thought may not show it: before the second look it says only what the whole
image shows, where something lies and what is to be found out. What needs native pixels, a type, an attribute, is
said at the second look alone. Position, extent and count are settled by marking, fine detail by enlarging.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from vitar.data.phantoms.dataset import FAMILIES, phantom, phantom_item
from vitar.data.phantoms.plan import Item
from vitar.data.phantoms.questions import NONE, matching, plural, with_article
from vitar.data.phantoms.scene import Family, seeded_rng
from vitar.imaging.coordinates import Coordinates, View
from vitar.imaging.geometry import Frame
from vitar.protocol.actions import MARK_REGION, ZOOM, Action, Answer, MarkRegion, Zoom
from vitar.protocol.parsing import Turn
from vitar.protocol.prompts import OPTION_LETTERS

FIRST_ZOOM = (
    "I see {a_noun} in the {place}. I enlarge it to see its {what}.",
    "{A_noun} lies in the {place}. Its {what} needs a closer look.",
    "There is {a_noun} in the {place}. A closer look will show its {what}.",
)
FIRST_MARK_ONE = (
    "I see {a_noun} in the {place}. I mark it and look again.",
    "Something stands out in the {place}. I mark it to be sure.",
    "There is {a_noun} in the {place}. I mark where it lies.",
)
FIRST_MARK_ALL = (
    "I see more than one {noun}. I mark each of them.",
    "Several places stand out. I mark each and look again.",
)
FIRST_NOTHING = (
    "I look at the whole image and nothing stands out.",
    "The whole image shows no {noun}.",
)
SECOND_VALUE = {
    "attribute": ("The {what} is {value}.", "Its {what} is {value}."),
    "type": ("It is {a_value}.", "This looks like {a_value}."),
    "location": ("The {noun} lies in the {value}.", "It is in the {value}."),
    "count": ("I count {value}.", "The number of {plural} is {value}."),
    "comparison": ("The {noun} in the {value} is larger.", "The larger one lies in the {value}."),
    "presence": ("The image shows {a_value}.", "I find {a_value}."),
}
SECOND_ABSENT = ("There is no {what}.", "I find no {what}.")
PROPOSED = {
    "attribute": "Is the {what} {named}?",
    "type": "Is it {a_named}?",
    "location": "Is it in the {named}?",
    "count": "Is the number {named}?",
    "comparison": "Is it the one in the {named}?",
}
"""The proposed value of a yes/no question, repeated beside the seen one, and followed by the verdict: a small model
compares what stands side by side, and decides at the question mark, as its base does, not behind an answer tag."""


@dataclass(frozen=True)
class Look:
    """What the teacher does with an item.

    Args:
        thought: before the second look, or the only thought where no second look is needed.
        tool: `MARK_REGION`, `ZOOM`, or "" to answer at once.
        lesions: indices into the plan of the lesions to look at, left to right.
        rethought: after the second look; "" without one.
        answer: as the wire wants it, a letter for a choice.
    """

    thought: str
    tool: str
    lesions: tuple[int, ...]
    rethought: str
    answer: str


def plan_look(family: Family, item: Item, tools: Sequence[str], rng: np.random.Generator) -> Look:
    """Decides on words and tool for an item, without drawing it.

    Args:
        tools: the tools that may be used; a teacher restricted to ``mark_region`` is the paper's setting.
    """
    question, noun = item.question, family.lesion_noun
    truth = _truth(family, item)
    subject = question.lesions
    if question.kind in ("presence", "count") and not subject:
        subject = tuple(range(len(item.lesions)))  # something else is there: it has to be looked at as well
    close = question.kind in ("attribute", "type") or (question.kind == "presence" and len(subject) == 1)
    tool = ZOOM if (close or MARK_REGION not in tools) and ZOOM in tools and len(subject) == 1 else MARK_REGION
    what = question.attribute or "type"
    words = {"noun": noun, "a_noun": with_article(noun), "A_noun": with_article(noun).capitalize(), "what": what}
    words |= {"plural": plural(_asked_noun(family, item))}
    if len(subject) == 1:
        words["place"] = item.lesions[subject[0]].location
        wordings: Sequence[str] = FIRST_ZOOM if tool == ZOOM else FIRST_MARK_ONE
    else:
        wordings = FIRST_MARK_ALL if subject else FIRST_NOTHING
    thought = _pick(wordings, rng).format(**words)

    if question.kind in ("presence", "attribute") and truth == NONE:
        absent = question.attribute or (noun if not subject else _asked_noun(family, item))
        rethought = _pick(SECOND_ABSENT, rng).format(what=absent)
    else:
        article = with_article(truth)
        rethought = _pick(SECOND_VALUE[question.kind], rng).format(**words, value=truth, a_value=article)
    answer = question.answer
    if question.answer_type == "yes_no" and question.kind in PROPOSED:
        named = item.design.named
        proposed = "Is it without {what}?" if named == NONE else PROPOSED[question.kind]
        rethought += f" {proposed.format(**words, named=named, a_named=with_article(named))} {question.answer}."
    if question.options:
        answer = OPTION_LETTERS[question.options.index(question.answer)]
    if not subject:
        return Look(f"{thought} {rethought}", "", (), "", answer)
    return Look(thought, tool, subject, rethought, answer)


def _truth(family: Family, item: Item) -> str:
    """The value that is true of the scene, also where the question only proposes one."""
    question, design = item.question, item.design
    if question.answer_type != "yes_no":
        return question.answer
    specs = [item.lesions[index] for index in question.lesions]
    match question.kind:
        case "attribute":
            return specs[0].attributes[question.attribute]
        case "type":
            return specs[0].kind
        case "location":
            return specs[0].location
        case "count":
            return str(len(matching(family, item.lesions, design.noun or family.lesion_noun)))
        case "comparison":
            return max(specs, key=lambda spec: spec.scale).location
    return _asked_noun(family, item) if question.answer == "yes" else NONE


def _asked_noun(family: Family, item: Item) -> str:
    """The lesion that a presence question asks for."""
    return item.design.noun or family.lesion_noun


def _pick(wordings: Sequence[str], rng: np.random.Generator) -> str:
    return wordings[int(rng.integers(len(wordings)))]


class PhantomTeacher:
    """Writes the turns of a trajectory for phantom items.

    Args:
        tools: the tools that it may use.
        coordinates, step: how the pupil writes boxes.
        seed: of the wording.
    """

    def __init__(self, tools: Sequence[str], coordinates: Coordinates, step: int = 1, seed: int = 0) -> None:
        self.tools, self.coordinates, self.step, self.seed = tuple(tools), coordinates, step, seed

    def turns(self, split: str, index: int) -> list[Turn]:
        """Every turn for item ``index`` of ``split``: a look and an answer, or an answer alone."""
        name, number, item = phantom_item(split, index)
        look = plan_look(FAMILIES[name], item, self.tools, seeded_rng("teacher", self.seed, split, index))
        if not look.tool:
            return [Turn(look.thought, Answer(look.answer))]
        scene = phantom(name, split, number)
        image = Image.fromarray(scene.image)
        view = View(image, Frame.original(*image.size))
        lesions = sorted((scene.lesions[i] for i in look.lesions), key=lambda lesion: lesion.box.center)
        boxes = tuple(self.coordinates.to_wire(lesion.box, view, self.step) for lesion in lesions)
        action: Action = Zoom(boxes[0]) if look.tool == ZOOM else MarkRegion(boxes)
        return [Turn(look.thought, action), Turn(look.rethought, Answer(look.answer))]
