"""From traces to figures: one cell per condition, question kind and answer type, and paired comparisons.

An episode that ended without an answer, malformed, truncated or out of turns, is wrong and stays in the denominator. An
episode that the infrastructure ended says nothing about the model: it is counted apart, and where that is more than
`MAX_INFRASTRUCTURE_SHARE` of a cell, its accuracy is no headline any more (`Cell.refused`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict

from vitar.data.example import Example
from vitar.evaluation.comparisons import REFERENCE, Comparison, comparisons_on, defined
from vitar.evaluation.outcomes import ALL, SINGLE_REGION, Outcome, belongs, outcome, paired
from vitar.protocol.trace import StopReason, Trace
from vitar.statistics import wilson

__all__ = ["ALL", "REFERENCE", "SINGLE_REGION", "Cell", "Comparison", "Metrics", "compute_metrics", "outcome"]

MAX_INFRASTRUCTURE_SHARE = 0.01

HIT_IOU = 0.5


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
        prompt_tokens: mean per episode of the tokens read, over all rounds; None too if the backend counts none.
        token_f1: mean agreement of words over the ``open_n`` episodes with an open question.
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
    prompt_tokens: float | None = None
    open_n: int = 0
    token_f1: float | None = None

    @property
    def refused(self) -> bool:
        """Whether too many episodes failed for other reasons than the model for the accuracy to be reported."""
        return self.infrastructure_failures > MAX_INFRASTRUCTURE_SHARE * (self.n + self.infrastructure_failures)


class Metrics(_Record):
    """The content of ``metrics.json``."""

    schema_version: Literal[1] = 1
    model: str
    data: str
    items: int
    cells: tuple[Cell, ...]
    comparisons: tuple[Comparison, ...]

    def cell(self, condition: str, kind: str = ALL, answer_type: str = ALL) -> Cell | None:
        """The figures of a condition on a kind of question and a form of answer; None if there are none."""
        wanted = (condition, kind, answer_type)
        return next((c for c in self.cells if (c.condition, c.kind, c.answer_type) == wanted), None)

    def compare(self, first: str, second: str, kind: str = ALL) -> Comparison | None:
        """The comparison of two conditions, whichever way round it was stored; None too if it is undefined."""
        for comparison in self.comparisons:
            if comparison.kind == kind and {comparison.first, comparison.second} == {first, second}:
                if comparison.difference is None:
                    return None
                return comparison if comparison.first == first else comparison.flipped()
        return None


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
    outcomes = {condition: paired(examples, condition, found) for condition, found in traces.items()}
    kinds = (ALL, SINGLE_REGION, *sorted({example.kind for example in examples} - {""}))
    types = (ALL, *sorted({example.answer_type for example in examples}))
    cells = [
        _cell(condition, kind, answer_type, chosen)
        for condition, graded in outcomes.items()
        for kind in kinds
        for answer_type in types
        if (chosen := [o for o in graded if belongs(o.example, kind) and answer_type in (ALL, o.example.answer_type)])
    ]
    comparisons = [
        comparison
        for kind in kinds
        for comparison in comparisons_on(kind, outcomes, seed)
        if any(belongs(example, kind) for example in examples)
    ]
    return Metrics(model=model, data=data, items=len(examples), cells=tuple(cells), comparisons=tuple(comparisons))


def _cell(condition: str, kind: str, answer_type: str, chosen: Sequence[Outcome]) -> Cell:
    counted = [o for o in chosen if o.counts]
    n, correct = len(counted), sum(o.correct for o in counted)
    interval = wilson(correct, n)
    ious = [o.iou for o in counted if o.iou is not None]
    f1s = [o.token_f1 for o in counted if o.token_f1 is not None]

    def mean(figure: Callable[[Outcome], float]) -> float | None:
        return sum(map(figure, counted)) / n if n else None

    return Cell(
        condition=condition,
        kind=kind,
        answer_type=answer_type,
        n=n,
        correct=correct,
        accuracy=mean(lambda o: o.correct),
        low=defined(interval.low),
        high=defined(interval.high),
        valid=mean(lambda o: o.trace.stop_reason is StopReason.ANSWERED),
        acted=mean(lambda o: o.acted),
        boxes_n=len(ious),
        mean_iou=sum(ious) / len(ious) if ious else None,
        hit_rate=sum(iou >= HIT_IOU for iou in ious) / len(ious) if ious else None,
        rounds=mean(lambda o: len(o.trace.rounds)),
        generated_tokens=mean(lambda o: o.trace.generated_tokens),
        seconds=mean(lambda o: o.trace.seconds),
        infrastructure_failures=len(chosen) - n,
        prompt_tokens=mean(lambda o: o.trace.prompt_tokens) or None,
        open_n=len(f1s),
        token_f1=sum(f1s) / len(f1s) if f1s else None,
    )
