"""The trace viewer: which episodes a report shows, and everything of them that a reader sees."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitar.data.example import Example
from vitar.imaging.environment import EnvironmentConfig
from vitar.imaging.geometry import Box, Frame
from vitar.imaging.zoom import region_around
from vitar.protocol.actions import ZOOM, MarkRegion, Zoom
from vitar.protocol.parsing import parse
from vitar.protocol.prompts import OPTION_LETTERS
from vitar.protocol.trace import Round, StopReason, Trace
from vitar.reports.load import ReportError
from vitar.reports.run import Run, Verdict
from vitar.reports.wording import decimals

TEXT_LIMIT = 2_000
STRATA = ("malformed", "helped", "hurt", "wrong", "right", "failed")
"""What an item counts as when items are chosen: the first that fits."""

STOP_WORDS = {
    StopReason.ANSWERED: "answered",
    StopReason.OUT_OF_TURNS: "out of turns",
    StopReason.MALFORMED: "malformed",
    StopReason.TRUNCATED: "cut off at the token limit",
    StopReason.BACKEND_ERROR: "the backend failed",
}


@dataclass(frozen=True)
class Overlay:
    """An image of the page with boxes over it, in its own pixels, and what stands below it."""

    image: str
    alt: str
    words: str
    true_boxes: tuple[tuple[float, float, float, float], ...] = ()
    acted_boxes: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True)
class ShownRound:
    """One turn, ready to print. `raw` is the text before, inside and after the part that could not be read."""

    number: int
    thought: str
    did: str
    observation: str
    image: Overlay | None
    raw: tuple[str, str, str]
    cost: str


@dataclass(frozen=True)
class ShownTrace:
    """One episode, ready to print."""

    condition: str
    verdict: Verdict
    answer: str | None
    read_as: str
    ending: str
    first: tuple[Overlay, ...]
    rounds: tuple[ShownRound, ...]


@dataclass(frozen=True)
class ShownItem:
    """One question with its episodes under every condition of a run, ready to print."""

    run: str
    number: int
    example: Example
    options: tuple[tuple[str, str, bool], ...]
    effect: str
    traces: tuple[ShownTrace, ...]

    @property
    def images(self) -> set[str]:
        """Names of the stored images that it needs."""
        first = {overlay.image for trace in self.traces for overlay in trace.first}
        return first | {turn.image.image for trace in self.traces for turn in trace.rounds if turn.image}


def stratum(run: Run, example_id: str) -> str:
    """Which of `STRATA` an item belongs to."""
    verdict = run.verdict(run.main_condition, example_id)
    if verdict is None or verdict is Verdict.FAILED:
        return "failed"
    if verdict is Verdict.MALFORMED:
        return "malformed"
    return run.effect(example_id) or verdict.value


def choose(run: Run, count: int) -> list[Example]:
    """Up to ``count`` items that cover all strata, and within each all question kinds, the most telling first.

    Strata take turns, so that rare ones are not lost; the order within a stratum and kind comes from a hash of the id.
    The choice depends on nothing else and can be repeated.
    """
    waiting: dict[str, dict[str, deque[Example]]] = {name: defaultdict(deque) for name in STRATA}
    for example in sorted(run.examples, key=lambda e: hashlib.sha256(e.id.encode("utf-8", "replace")).digest()):
        waiting[stratum(run, example.id)][example.kind].append(example)
    queues = [deque(_take_turns(list(by_kind.values()))) for by_kind in waiting.values()]
    return _take_turns(queues)[:count]


def show_item(run: Run, example: Example) -> ShownItem:
    """Everything to print of one item."""
    options = tuple(
        (letter, text, text == example.answer) for letter, text in zip(OPTION_LETTERS, example.options, strict=False)
    )
    number = next(place for place, e in enumerate(run.examples, start=1) if e.id == example.id)
    traces = tuple(
        _show_trace(run, example, trace)
        for condition in run.conditions
        if (trace := run.traces[condition].get(example.id)) is not None
    )
    return ShownItem(run.name, number, example, options, run.effect(example.id), traces)


def _show_trace(run: Run, example: Example, trace: Trace) -> ShownTrace:
    verdict, score = run.scores[trace.condition, example.id]
    failure = trace.failure
    ending = "" if trace.answer is not None else STOP_WORDS[trace.stop_reason]
    if failure:
        ending = f"{ending}: {failure.detail}"
    read_as = score.extracted if trace.answer is not None and score.extracted != trace.answer.strip() else ""
    spans = [None] * (len(trace.rounds) - 1) + [failure.span if failure else None]
    several = len(trace.images) > 1
    shown = zip(trace.rounds, _second_looks(run, example, trace), spans, strict=False)
    rounds = tuple(_show_round(n, r, look, span, several) for n, (r, look, span) in enumerate(shown, 1))
    first = tuple(_first_look(example, trace, number) for number in range(1, len(trace.images) + 1))
    answer = None if trace.answer is None else _cut(trace.answer)
    return ShownTrace(trace.condition, verdict, answer, read_as, ending, first, rounds)


def _first_look(example: Example, trace: Trace, number: int) -> Overlay:
    """Image ``number`` of the question as it was shown, with what was done to it; the first has the true regions."""
    image, own = trace.images[number - 1], _is_own(example, trace, number)
    true = tuple(region.box_xyxy for region in example.regions) if own and number == 1 else ()
    acted_in = [r for r in trace.rounds if r.boxes and r.source == number] if own else []
    acted = tuple(box for r in acted_in for box in r.boxes if all(map(math.isfinite, box)))
    whose = "set by the condition" if any(map(_is_moved, acted_in)) else "chosen by the model"
    which = f"Image {number} of the question" if len(trace.images) > 1 else "Image of the question"
    alt = f"{' '.join(filter(None, (which, example.modality, example.anatomy)))}: "
    alt += f"{len(true)} true regions, {len(acted)} acted on" if own else "another image than the question is about"
    alt += f" ({whose})" if acted else ""
    words = "First look" if trace.rounds else "Image of the question"
    return Overlay(image, alt, f"{words}, image {number}" if len(trace.images) > 1 else words, true, acted)


def _is_own(example: Example, trace: Trace, number: int) -> bool:
    """Whether image ``number`` was the question's, and no condition put another in its place."""
    return number <= len(example.images) and Path(example.images[number - 1].uri).name == trace.images[number - 1]


def _second_looks(run: Run, example: Example, trace: Trace) -> list[Overlay | None]:
    """What came back in each round, with this round's regions and the true ones where they lie in it.

    Raises:
        ReportError: an image of the trace cannot be read.
    """
    names = list(trace.images)
    frames = [Frame.original(*_size(run, name)) for name in names]
    looks: list[Overlay | None] = []
    for record in trace.rounds:
        if record.image is None or record.action is None:
            looks.append(None)
            continue
        whole, number = frames[record.source - 1], record.action["arguments"].get("image", 1)
        given = [Box(*box, whole) for box in record.boxes if all(map(math.isfinite, box))]
        boxes = [box for box in given if box.share > 0]
        if record.image == names[number - 1] or record.action["name"] != ZOOM or not boxes:
            part = frames[number - 1].full_box
        else:
            part = region_around(boxes[0], max_share=EnvironmentConfig.max_box_share)
        frame = Frame.over(part, *_size(run, record.image))
        names.append(record.image)
        frames.append(frame)
        own = record.source == 1 and _is_own(example, trace, 1)
        true = _within(frame, [Box(*region.box_xyxy, whole) for region in example.regions]) if own else ()
        words = "What came back, as the model saw it" + (", and the true region" if true else "")
        alt = f"What came back: {record.observation or 'an image'} {len(true)} true regions"
        looks.append(Overlay(record.image, alt, words, true, _within(frame, boxes)))
    return looks


def _within(frame: Frame, boxes: Sequence[Box]) -> tuple[tuple[float, float, float, float], ...]:
    """The parts of boxes that lie in a frame, in its units."""
    parts = [box.to(frame).clipped() for box in boxes]
    return tuple(part.xyxy for part in parts if part.width > 0 and part.height > 0)


def _size(run: Run, name: str) -> tuple[int, int]:
    try:
        return run.images.size(name)
    except (OSError, ValueError) as error:  # no such file, not an image, or no name of a stored image
        raise ReportError(f"The image {run.images.folder / name} of a trace cannot be read: {error}.") from error


def _show_round(
    number: int, record: Round, look: Overlay | None, span: tuple[int, int] | None, several: bool
) -> ShownRound:
    did = ""
    if record.action is not None:
        verb = "zooms into" if record.action["name"] == ZOOM else "marks"
        boxes = ", ".join("[" + ", ".join(f"{v:.0f}" for v in box) + "]" for box in record.boxes)
        original = f"image {record.source}" if several else "the original"
        did = f"{verb} {boxes} (pixels of {original})" if boxes else f"calls {record.action['name']}"
        did += "; the region is set by the condition" if _is_moved(record) else ""
        did += f"; refused: {record.error.replace('_', ' ')}" if record.error else ""
    start, end = span or (len(record.text), len(record.text))
    tokens = f"{record.generated_tokens:,} tokens, " if record.generated_tokens else ""
    return ShownRound(
        number,
        _cut(record.thought),
        did,
        _cut(record.observation or ""),
        look,
        (_cut(record.text[:start]), _cut(record.text[start:end]), _cut(record.text[end:])),
        f"{tokens}{decimals(record.seconds, 2)} s",
    )


def _is_moved(record: Round) -> bool:
    """Whether the action is another one than the model wrote."""
    outcome = parse(record.text).outcome
    own = outcome if isinstance(outcome, MarkRegion | Zoom) else None
    return record.intervened and record.parsed_action() != own


def _take_turns(queues: Sequence[deque[Example]]) -> list[Example]:
    """The first of each queue, the second of each, and so on."""
    taken = []
    for place in range(max(map(len, queues), default=0)):
        taken += [queue[place] for queue in queues if place < len(queue)]
    return taken


def _cut(text: str) -> str:
    if len(text) <= TEXT_LIMIT:
        return text
    return f"{text[:TEXT_LIMIT]} … ({len(text) - TEXT_LIMIT:,} more characters)"
