"""The trace viewer: which episodes a report shows, and everything of them that a reader sees."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict, deque
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from vitar.data.example import Example
from vitar.protocol.actions import ZOOM, MarkRegion, Zoom
from vitar.protocol.parsing import parse
from vitar.protocol.prompts import OPTION_LETTERS
from vitar.protocol.trace import Round, StopReason, Trace
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
    """An image of the page with boxes over it, in its own pixels."""

    image: str | None
    alt: str
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
    first: Overlay
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
        overlays = [t.first for t in self.traces] + [r.image for t in self.traces for r in t.rounds if r.image]
        return {overlay.image for overlay in overlays if overlay.image}


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
    own = trace.image is not None and Path(example.images[0].uri).name == trace.image
    true = tuple(region.box_xyxy for region in example.regions) if own else ()
    acted = tuple(box for r in trace.rounds for box in r.boxes if all(map(math.isfinite, box)))
    acted = acted if own else ()
    whose = "set by the condition" if any(map(_is_moved, trace.rounds)) else "chosen by the model"
    alt = f"{' '.join(filter(None, ('Image of the question', example.modality, example.anatomy)))}: "
    alt += f"{len(true)} true regions, {len(acted)} acted on" if own else "another image than the question is about"
    alt += f" ({whose})" if acted else ""
    failure = trace.failure
    ending = "" if trace.answer is not None else STOP_WORDS[trace.stop_reason]
    if failure:
        ending = f"{ending}: {failure.detail}"
    read_as = score.extracted if trace.answer is not None and score.extracted != trace.answer.strip() else ""
    spans = [None] * (len(trace.rounds) - 1) + [failure.span if failure else None]
    rounds = tuple(_show_round(n, r, span) for n, (r, span) in enumerate(zip(trace.rounds, spans, strict=False), 1))
    answer = None if trace.answer is None else _cut(trace.answer)
    return ShownTrace(trace.condition, verdict, answer, read_as, ending, Overlay(trace.image, alt, true, acted), rounds)


def _show_round(number: int, record: Round, span: tuple[int, int] | None) -> ShownRound:
    did = ""
    if record.action is not None:
        verb = "zooms into" if record.action["name"] == ZOOM else "marks"
        boxes = ", ".join("[" + ", ".join(f"{v:.0f}" for v in box) + "]" for box in record.boxes)
        did = f"{verb} {boxes} (pixels of the original)" if boxes else f"calls {record.action['name']}"
        did += "; the region is set by the condition" if _is_moved(record) else ""
        did += f"; refused: {record.error.replace('_', ' ')}" if record.error else ""
    start, end = span or (len(record.text), len(record.text))
    image = Overlay(record.image, f"What came back: {record.observation or 'an image'}") if record.image else None
    tokens = f"{record.generated_tokens:,} tokens, " if record.generated_tokens else ""
    return ShownRound(
        number,
        _cut(record.thought),
        did,
        _cut(record.observation or ""),
        image,
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
