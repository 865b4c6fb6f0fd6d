"""Evaluation and training runs as a report sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from vitar.analysis.annotators import AnnotatorAgreement
from vitar.analysis.attention.record import Attention
from vitar.analysis.efficiency import Cost, Tradeoff
from vitar.analysis.grounding import RegionsPart
from vitar.data.example import Example
from vitar.evaluation.metrics import ALL, SINGLE_REGION, Metrics
from vitar.grading import Score, grade_example
from vitar.protocol.trace import ImageStore, StopReason, Trace
from vitar.reports.wording import CONDITION_WORDS

THINK, SINGLE = "think_twice", "single_pass"
CONDITIONS = tuple(CONDITION_WORDS)
"""The order in which conditions are listed; unknown ones follow."""

KINDS = ("presence", "location", "count", "type", "attribute", "comparison", SINGLE_REGION)


class Verdict(StrEnum):
    """What became of one episode. Compare with ``is``."""

    RIGHT = "right"
    WRONG = "wrong"
    MALFORMED = "malformed"
    """No answer: malformed, truncated or out of turns. Counts as wrong."""
    FAILED = "failed"
    """The backend failed: counted apart, never scored."""


@dataclass(frozen=True)
class Run:
    """One evaluation run.

    Args:
        name: the shortest end of its path that tells it from the other runs of the report.
        record: ``run.json`` as it is.
        examples: in the order of the run.
        traces: condition -> example id -> trace.
        costs, tradeoffs: of ``costs.json``; empty where the run has none.
        regions, annotators: of ``regions.json``; empty where the run has none.
        attention: condition -> its analysis, of ``attention.json``; empty where the run has none.
    """

    name: str
    folder: Path
    record: Mapping[str, Any]
    metrics: Metrics
    examples: tuple[Example, ...]
    traces: Mapping[str, Mapping[str, Trace]]
    costs: tuple[Cost, ...] = ()
    tradeoffs: tuple[Tradeoff, ...] = ()
    regions: tuple[RegionsPart, ...] = ()
    annotators: tuple[AnnotatorAgreement, ...] = ()
    attention: Mapping[str, Attention] = field(default_factory=dict)

    @property
    def date(self) -> str:
        """Day on which the run began, in UTC."""
        return str(self.record.get("started", ""))[:10]

    @property
    def images(self) -> ImageStore:
        return ImageStore(self.folder / "images")

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions of the run in their usual order."""
        return _in_order(list(dict.fromkeys(cell.condition for cell in self.metrics.cells)), CONDITIONS)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The question kinds with figures of their own, in their usual order."""
        found = [cell.kind for cell in self.metrics.cells] + [c.kind for c in self.metrics.comparisons]
        return _in_order([kind for kind in dict.fromkeys(found) if kind != ALL], KINDS)

    @property
    def main_condition(self) -> str:
        """The condition that the report is about: two looks, where the run has it."""
        return THINK if THINK in self.conditions or not self.conditions else self.conditions[0]

    @cached_property
    def scores(self) -> Mapping[tuple[str, str], tuple[Verdict, Score]]:
        """(condition, example id) -> verdict with the grader's score."""
        examples = {example.id: example for example in self.examples}
        return {
            (condition, name): _judged(examples[name], trace)
            for condition, traces in self.traces.items()
            for name, trace in traces.items()
        }

    def verdict(self, condition: str, example_id: str) -> Verdict | None:
        """What became of an example under a condition; None if it was not asked."""
        judged = self.scores.get((condition, example_id))
        return judged[0] if judged else None

    def effect(self, example_id: str) -> Literal["helped", "hurt", ""]:
        """Whether the second look made the answer right (``helped``) or wrong (``hurt``)."""
        single, think = self.verdict(SINGLE, example_id), self.verdict(THINK, example_id)
        if None in (single, think) or Verdict.FAILED in (single, think):
            return ""
        before, after = single is Verdict.RIGHT, think is Verdict.RIGHT
        return "" if before == after else "helped" if after else "hurt"


@dataclass(frozen=True)
class Training:
    """One training run: its log history."""

    name: str
    folder: Path
    history: tuple[Mapping[str, Any], ...]

    def points(self, key: str) -> list[tuple[float, float]]:
        """(step, value) of a logged quantity, where it was logged and finite."""
        pairs = [(row.get("step"), row.get(key)) for row in self.history]
        numbers = [(s, v) for s, v in pairs if isinstance(s, int | float) and isinstance(v, int | float)]
        return [(float(s), float(v)) for s, v in numbers if math.isfinite(s) and math.isfinite(v)]


def _judged(example: Example, trace: Trace) -> tuple[Verdict, Score]:
    score = grade_example(example, trace.answer)
    if trace.stop_reason is StopReason.BACKEND_ERROR:
        return Verdict.FAILED, score
    if trace.stop_reason is not StopReason.ANSWERED:
        return Verdict.MALFORMED, score
    return (Verdict.RIGHT if score.correct else Verdict.WRONG), score


def _in_order(found: Sequence[str], usual: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(found, key=lambda name: usual.index(name) if name in usual else len(usual)))
