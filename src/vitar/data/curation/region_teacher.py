"""A rule-based teacher for any example with regions: it looks where the truth lies and says what it is asked.

It knows the image only by its regions, so its first thought says what the question is about and where that lies, and
its second what the answer is. Each sentence is drawn from several, and a first thought is taken only if it states none
of the texts that it may not state.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from vitar.data.curation.first_look import FINE_KINDS, tells_early
from vitar.data.curation.teacher import Reason, Task
from vitar.data.example import Example
from vitar.data.phantoms.questions import NONE
from vitar.data.phantoms.scene import seeded_rng
from vitar.imaging.coordinates import THOUSANDTHS, View
from vitar.imaging.geometry import Box, Frame
from vitar.protocol.actions import MARK_REGION, ZOOM, Action, Answer, MarkRegion, Zoom
from vitar.protocol.parsing import Turn, render_turn
from vitar.protocol.prompts import OPTION_LETTERS

SMALL_SHARE = 0.05
"""A single region below this share of the image is enlarged, where the question does not need the surroundings."""

WHOLE_KINDS = ("location", "count", "comparison")
"""Question kinds that need the surroundings, and so a mark rather than a crop."""

SEEN_ONE = (
    "I see the {noun} in the {place} of the image.",
    "The {noun} in the {place} of the image is what the question is about.",
    "Over the whole image, the {noun} in the {place} draws my attention.",
    "The {noun} lies in the {place} of the image, and the rest does not matter.",
    "What matters is in the {place} of the image.",
    "Something stands out in the {place} of the image.",
    "The {place} of the image holds what is asked for.",
    "The {noun} stands out against what is around it.",
    "The {noun} is what the question is about.",
    "A small part of the image decides this question.",
    "Something here deserves a second look.",
    "The rest of the image does not matter here.",
)
SEEN_SEVERAL = (
    "I see several places that matter, from the {first} to the {last}.",
    "What is asked for lies in several places, among them the {first} and the {last}.",
    "More than a single {noun} has to be looked at.",
    "Several places stand out in the image.",
    "This question is about several parts of the image.",
    "The parts that matter are spread over the image.",
)
AIMS = {
    "attribute": ("its detail", "how it looks from near", "the fine structure that is asked for"),
    "type": ("what it is", "which kind it is", "what kind of finding this is"),
    "location": ("where exactly it lies", "its place", "how it lies to its surroundings"),
    "count": ("how many there are", "their number", "whether I have missed any"),
    "comparison": ("how they compare", "what sets them apart", "how much they differ"),
    "presence": ("whether it is really there", "whether this is what is asked for", "what this is"),
}
ANY_AIM = ("what the question asks", "the answer", "what is asked for")
INTENT = {
    ZOOM: (
        "I enlarge it to see {aim}.",
        "A closer look should show {aim}.",
        "I cannot tell {aim} at this size, so I enlarge it.",
        "Enlarging it will settle {aim}.",
    ),
    MARK_REGION: (
        "I mark it and look again for {aim}.",
        "I mark what matters, to see {aim}.",
        "With a mark around it I can judge {aim}.",
        "I outline it before I decide {aim}.",
    ),
}
FOUND_VALUE = (
    "What shows here is {value}.",
    "The second look shows {value}.",
    "Seen like this, it fits {value}.",
    "Now it is clear: {value}.",
    "My reading is {value}.",
    "Looked at again, it is {value}.",
    "I read this as {value}.",
    "I take this for {value}.",
    "All that shows now speaks for {value}.",
)
FOUND_COUNT = ("I count {value}.", "Counting what is marked gives {value}.", "Together that makes {value}.")
FOUND_NONE = ("There is none.", "I find none here.", "The second look shows none.")
FOUND_YES = (
    "The second look bears this out.",
    "What is shown now fits the question.",
    "Looking again, it is as the question says.",
    "I find what the question describes.",
)
FOUND_NO = (
    "The second look does not bear this out.",
    "What is shown now does not fit the question.",
    "Looking again, it is not as the question says.",
    "I do not find what the question describes.",
)
PLAIN_THOUGHT = "I look at this closer."
"""Where every other wording states something hidden."""
WHAT_LIES_HERE = ("Here lies the {noun}.", "This is the {noun}.", "The {noun} shows well now.")

_COLUMNS, _ROWS = ("left", "middle", "right"), ("upper ", "", "lower ")


class RegionTeacher:
    """Writes a look and an answer from an example's regions and its answer.

    Args:
        tools: that it may use.
        seed: of the wording.
    """

    def __init__(self, tools: Sequence[str], seed: int = 0) -> None:
        self.name, self.tools, self.seed = "region-teacher", tuple(tools), seed

    async def write(self, task: Task) -> list[str]:
        """Two turns. An attempt after a refused or missing action uses the other tool, where there is one."""
        example = task.example
        rng = seeded_rng("region-teacher", self.seed, example.id, task.attempt)
        view = View(task.image, Frame.original(*task.image.size))
        boxes = sorted((region.box(*task.image.size) for region in example.regions), key=lambda box: box.center)
        tool = self._tool(task, boxes)
        wire = tuple(THOUSANDTHS.to_wire(box, view) for box in boxes)
        action: Action = Zoom(wire[0]) if tool == ZOOM else MarkRegion(wire)
        answer = example.answer
        if example.options:
            answer = OPTION_LETTERS[example.options.index(example.answer)]
        wordings = _first_thoughts(task, boxes, tool, rng)
        thought = next((text for text in wordings if not tells_early(text, example, task.hidden)), PLAIN_THOUGHT)
        turns = (Turn(thought, action), Turn(_second_thought(example, rng), Answer(answer)))
        return [render_turn(turn) for turn in turns]

    def _tool(self, task: Task, boxes: Sequence[Box]) -> str:
        kind = task.example.kind
        small = kind not in WHOLE_KINDS and boxes[0].share < SMALL_SHARE
        close = len(boxes) == 1 and (kind in FINE_KINDS or small)
        order = (ZOOM, MARK_REGION) if close else (MARK_REGION, ZOOM)
        if any(each.reason in (Reason.ACTION_REFUSED, Reason.MISSES_REGION) for each in task.rejections):
            order = order[::-1]
        return next((tool for tool in order if tool in self.tools), order[0])


def _first_thoughts(task: Task, boxes: Sequence[Box], tool: str, rng: np.random.Generator) -> Iterator[str]:
    """Every wording of a first thought, in an order of its own; to a question about a place none that names one."""
    labels = {region.label for region in task.example.regions}
    words = {"noun": _spoken(labels.pop()) if len(labels) == 1 else "finding"}
    words |= {"place": _place(boxes[0]), "first": _place(boxes[0]), "last": _place(boxes[-1])}
    seen: Sequence[str] = SEEN_ONE if len(boxes) == 1 else SEEN_SEVERAL
    aims = AIMS.get(task.example.kind, ANY_AIM)
    if task.example.kind == "location":
        seen = [sentence for sentence in seen if "{place}" not in sentence and "{first}" not in sentence]
    pairs = [(sentence, intent) for sentence in seen for intent in INTENT[tool]]
    for place in rng.permutation(len(pairs)):
        sentence, intent = pairs[place]
        aim = aims[int(rng.integers(len(aims)))]
        if len(boxes) > 1:
            intent = intent.replace(" it ", " them ")
        yield f"{sentence.format(**words)} {intent.format(aim=aim)}"


def _second_thought(example: Example, rng: np.random.Generator) -> str:
    def pick(wordings: Sequence[str]) -> str:
        return wordings[int(rng.integers(len(wordings)))]

    if example.answer_type == "yes_no":
        found = pick(FOUND_YES if example.answer == "yes" else FOUND_NO)
        labels = {region.label for region in example.regions}
        if example.kind in ("type", "presence") and len(labels) == 1:
            found = f"{pick(WHAT_LIES_HERE).format(noun=_spoken(labels.pop()))} {found}"
        return found
    known = FOUND_NONE if example.answer == NONE else FOUND_COUNT if example.kind == "count" else FOUND_VALUE
    return pick(known).format(value=example.answer)


def _spoken(label: str) -> str:
    """A label as a sentence says it: "Right Lung" becomes "right lung", and "RBC" stays."""
    words = label.replace("_", " ").split()
    return " ".join(word if word[1:] != word[1:].lower() else word.lower() for word in words)


def _place(box: Box) -> str:
    """The third of the width and of the height in which a box's centre lies, in words."""
    x, y = box.center
    column, row = int(3 * x / box.frame.width), int(3 * y / box.frame.height)
    return f"{_ROWS[min(row, 2)]}{_COLUMNS[min(column, 2)]} part"
