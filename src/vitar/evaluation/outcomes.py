"""Episodes of a run with their grades, paired by item."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from vitar.data.example import Example
from vitar.grading import grade_example
from vitar.grading.overlap import region_iou
from vitar.protocol.trace import StopReason, Trace

ALL = "all"
SINGLE_REGION = "single_region"
"""Stands beside the question kinds for all items with exactly one true region, where overlap is plain."""


@dataclass(frozen=True)
class Outcome:
    """One graded episode.

    Args:
        token_f1: of an open answer, else None.
        iou: of the first action that was carried out with the true regions, which are on the question's first image:
            0 for an action on another one. None without one of either, and where the model was shown another image
            than they are of.
    """

    example: Example
    trace: Trace
    correct: bool
    token_f1: float | None
    acted: bool
    iou: float | None

    @property
    def counts(self) -> bool:
        return self.trace.stop_reason is not StopReason.BACKEND_ERROR


def outcome(example: Example, trace: Trace) -> Outcome:
    """Grades an episode."""
    first, true = trace.first_action, [region.box_xyxy for region in example.regions]
    score = grade_example(example, trace.answer)
    iou = None
    if first and true and example.images and trace.is_about(example.images[0].uri):
        iou = region_iou(first.boxes, true) if first.source == 1 else 0.0
    return Outcome(example, trace, score.correct, score.token_f1, first is not None, iou)


def paired(examples: Sequence[Example], condition: str, traces: Iterable[Trace]) -> list[Outcome]:
    """The graded episodes of a condition, in the order of ``examples``.

    Raises:
        ValueError: an example lacks a trace, or a trace an example.
    """
    by_id = {trace.example_id: trace for trace in traces}
    if by_id.keys() != {example.id for example in examples}:
        odd = sorted(by_id.keys() ^ {example.id for example in examples})
        raise ValueError(f"{condition}: traces and examples do not pair up, {len(odd)} stand alone, e.g. {odd[0]}")
    return [outcome(example, by_id[example.id]) for example in examples]


def belongs(example: Example, kind: str) -> bool:
    """Whether an example counts for ``kind``: its own kind, `ALL`, or `SINGLE_REGION`."""
    if kind == SINGLE_REGION:
        return len(example.regions) == 1
    return kind in (ALL, example.kind)
