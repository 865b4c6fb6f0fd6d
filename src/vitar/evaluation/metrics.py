"""From traces to figures: one cell per condition, question kind and answer type, and paired comparisons.

An episode that ended without an answer, malformed, truncated or out of turns, is wrong and stays in the denominator. An
episode that the infrastructure ended says nothing about the model: it is counted apart, and where that is more than
`MAX_INFRASTRUCTURE_SHARE` of a cell, its accuracy is no headline any more (`Cell.refused`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict

from vitar.data.example import Example
from vitar.evaluation.statistics import holm, mcnemar, paired_difference, wilson
from vitar.grading import grade_example
from vitar.grading.overlap import region_iou
from vitar.protocol.trace import StopReason, Trace

MAX_INFRASTRUCTURE_SHARE = 0.01

HIT_IOU = 0.5

ALL = "all"
SINGLE_REGION = "single_region"
"""Stands beside the question kinds for all items with exactly one true region, where overlap is plain."""

REFERENCE = "think_twice"
"""The condition that is compared with every other one."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cell(_Record):
    """Figures of one condition on one part of the items; None where a figure is undefined.

    Args:
        kind: a question kind, `ALL` or `SINGLE_REGION`.
        answer_type: an answer type, or `ALL`.
        n: episodes that count, all but the ``infrastructure_failures``.
        accuracy, low, high: share of right answers with its Wilson interval.
        valid: share of episodes that ended in a well-formed answer.
        acted: share of episodes with an action that was carried out.
        boxes_n: episodes with an action on an item with true regions; ``mean_iou`` and ``hit_rate`` are over these.
        mean_iou: of the first action that was carried out, see `region_iou`. Under a condition that moves the action
            this is the moved one.
        hit_rate: share of these with an IoU of at least `HIT_IOU`.
        rounds, generated_tokens, seconds: means per episode.
    """

    condition: str
    kind: str
    answer_type: str
    n: int
    correct: int
    accuracy: float | None
    low: float | None
    high: float | None
    valid: float | None
    acted: float | None
    boxes_n: int
    mean_iou: float | None
    hit_rate: float | None
    rounds: float | None
    generated_tokens: float | None
    seconds: float | None
    infrastructure_failures: int

    @property
    def refused(self) -> bool:
        """Whether too many episodes failed for other reasons than the model for the accuracy to be reported."""
        return self.infrastructure_failures > MAX_INFRASTRUCTURE_SHARE * (self.n + self.infrastructure_failures)


class Comparison(_Record):
    """Two conditions on the same items; None where a figure is undefined.

    Args:
        n: items that count under both.
        difference, low, high: first minus second accuracy, with its clustered bootstrap interval.
        first_only, second_only: items that one condition alone got right.
        p: exact McNemar.
        p_holm: ``p`` adjusted by Holm over the comparisons of the same kind.
    """

    first: str
    second: str
    kind: str
    n: int
    difference: float | None
    low: float | None
    high: float | None
    first_only: int
    second_only: int
    p: float | None
    p_holm: float | None


class Metrics(_Record):
    """The content of ``metrics.json``."""

    schema_version: Literal[1] = 1
    model: str
    data: str
    items: int
    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...]


@dataclass(frozen=True)
class Outcome:
    """One graded episode.

    Args:
        iou: of the first action that was carried out with the true regions; None without one of either.
    """

    example: Example
    trace: Trace
    correct: bool
    acted: bool
    iou: float | None

    @property
    def counts(self) -> bool:
        return self.trace.stop_reason is not StopReason.BACKEND_ERROR


def outcome(example: Example, trace: Trace) -> Outcome:
    """Grades an episode."""
    boxes = next((r.boxes for r in trace.rounds if r.boxes), ())
    true = [region.box_xyxy for region in example.regions]
    iou = region_iou(boxes, true) if boxes and true else None
    return Outcome(example, trace, grade_example(example, trace.answer).correct, bool(boxes), iou)


def compute_metrics(
    examples: Sequence[Example],
    traces: Mapping[str, Iterable[Trace]],
    *,
    model: str,
    data: str,
    seed: int = 0,
) -> Metrics:
    """Grades every trace and adds up.

    Args:
        examples: the items, in order.
        traces: condition -> one trace per example, in any order.
        seed: of the bootstrap.

    Raises:
        ValueError: a condition lacks a trace for an example, or has one for another.
    """
    outcomes = {condition: _paired(examples, condition, found) for condition, found in traces.items()}
    kinds = (ALL, SINGLE_REGION, *sorted({example.kind for example in examples} - {""}))
    types = (ALL, *sorted({example.answer_type for example in examples}))
    cells = [
        _cell(condition, kind, answer_type, chosen)
        for condition, graded in outcomes.items()
        for kind in kinds
        for answer_type in types
        if (chosen := [o for o in graded if _belongs(o.example, kind) and answer_type in (ALL, o.example.answer_type)])
    ]
    others = [condition for condition in outcomes if condition != REFERENCE] if REFERENCE in outcomes else []
    comparisons = [
        comparison
        for kind in kinds
        for comparison in _comparisons(kind, outcomes, others, seed)
        if any(_belongs(example, kind) for example in examples)
    ]
    return Metrics(model=model, data=data, items=len(examples), cells=tuple(cells), comparisons=tuple(comparisons))


def _paired(examples: Sequence[Example], condition: str, traces: Iterable[Trace]) -> list[Outcome]:
    by_id = {trace.example_id: trace for trace in traces}
    if by_id.keys() != {example.id for example in examples}:
        odd = sorted(by_id.keys() ^ {example.id for example in examples})
        raise ValueError(f"{condition}: traces and examples do not pair up, {len(odd)} stand alone, e.g. {odd[0]}")
    return [outcome(example, by_id[example.id]) for example in examples]


def _belongs(example: Example, kind: str) -> bool:
    if kind == SINGLE_REGION:
        return len(example.regions) == 1
    return kind in (ALL, example.kind)


def _cell(condition: str, kind: str, answer_type: str, chosen: Sequence[Outcome]) -> Cell:
    counted = [o for o in chosen if o.counts]
    n, correct = len(counted), sum(o.correct for o in counted)
    interval = wilson(correct, n)
    ious = [o.iou for o in counted if o.iou is not None]

    def mean(figure: Callable[[Outcome], float]) -> float | None:
        return sum(map(figure, counted)) / n if n else None

    return Cell(
        condition=condition,
        kind=kind,
        answer_type=answer_type,
        n=n,
        correct=correct,
        accuracy=mean(lambda o: o.correct),
        low=_defined(interval.low),
        high=_defined(interval.high),
        valid=mean(lambda o: o.trace.stop_reason is StopReason.ANSWERED),
        acted=mean(lambda o: o.acted),
        boxes_n=len(ious),
        mean_iou=sum(ious) / len(ious) if ious else None,
        hit_rate=sum(iou >= HIT_IOU for iou in ious) / len(ious) if ious else None,
        rounds=mean(lambda o: len(o.trace.rounds)),
        generated_tokens=mean(lambda o: o.trace.generated_tokens),
        seconds=mean(lambda o: o.trace.seconds),
        infrastructure_failures=len(chosen) - n,
    )


def _comparisons(
    kind: str, outcomes: Mapping[str, Sequence[Outcome]], others: Sequence[str], seed: int
) -> list[Comparison]:
    """`REFERENCE` against each of ``others`` on one kind."""
    found = [_comparison(kind, outcomes[REFERENCE], other, outcomes[other], seed) for other in others]
    adjusted = holm([math.nan if comparison.p is None else comparison.p for comparison in found])
    return [c.model_copy(update={"p_holm": _defined(p)}) for c, p in zip(found, adjusted, strict=True)]


def _comparison(kind: str, first: Sequence[Outcome], other: str, second: Sequence[Outcome], seed: int) -> Comparison:
    pairs = [(a, b) for a, b in zip(first, second, strict=True) if _belongs(a.example, kind) and a.counts and b.counts]
    first_only = sum(a.correct and not b.correct for a, b in pairs)
    second_only = sum(b.correct and not a.correct for a, b in pairs)
    groups = [a.example.group for a, _ in pairs]
    paired = paired_difference([a.correct for a, _ in pairs], [b.correct for _, b in pairs], groups, seed=seed)
    return Comparison(
        first=REFERENCE,
        second=other,
        kind=kind,
        n=len(pairs),
        difference=_defined(paired.difference),
        low=_defined(paired.interval.low),
        high=_defined(paired.interval.high),
        first_only=first_only,
        second_only=second_only,
        p=mcnemar(first_only, second_only) if pairs else None,
        p_holm=None,
    )


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value
