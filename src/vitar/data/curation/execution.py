"""Carries a teacher's turns out, and finds everything that keeps them from being a trajectory to imitate."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from vitar.backends.scripted import ScriptedBackend
from vitar.data.curation.first_look import tells_early
from vitar.data.curation.teacher import Reason, Rejection
from vitar.data.example import Example
from vitar.grading import grade_example
from vitar.grading.overlap import region_iou
from vitar.imaging.environment import EnvironmentConfig
from vitar.protocol.trace import StopReason, Trace
from vitar.rollout import rollout

CONDITION = "curation"
"""Name of the condition in the traces."""


def play(example: Example, texts: Sequence[str], config: EnvironmentConfig, name: str) -> Trace:
    """The episode in which an assistant says ``texts``; one that says no more is at its end without an answer.

    Args:
        texts: with boxes in thousandths.
        name: what the trace calls the assistant.

    Raises:
        ImageError: the image cannot be read.
    """
    script = iter(texts)
    backend = ScriptedBackend(lambda _: next(script), name=name, zoom_side_px=config.zoom_side_px)
    (trace,) = rollout(backend, [example], config, condition=CONDITION)
    return trace


def rejections(example: Example, trace: Trace, hidden: Sequence[str], min_iou: float) -> list[Rejection]:
    """Everything wrong with an episode, in the order of `Reason`.

    Args:
        hidden: what the first thought may not state.
        min_iou: agreement of the first action's boxes with the true regions, from 0 to 1; see `region_iou`.
    """
    return list(_rejections(example, trace, hidden, min_iou))


def _rejections(example: Example, trace: Trace, hidden: Sequence[str], min_iou: float) -> Iterator[Rejection]:
    if trace.stop_reason in (StopReason.MALFORMED, StopReason.TRUNCATED):
        assert trace.failure is not None
        yield Rejection(Reason.UNPARSABLE, f"Turn {len(trace.rounds)}: {trace.failure.detail}")
        return
    if refused := next((each for each in trace.rounds if each.error), None):
        yield Rejection(Reason.ACTION_REFUSED, str(refused.observation))
    elif not any(each.action for each in trace.rounds):
        yield Rejection(Reason.NO_ACTION, "There is no action; the region has to be marked or enlarged first.")
    if trace.answer is None:
        yield Rejection(Reason.NO_ANSWER, "The turns end without an answer.")
    if boxes := trace.first_boxes:
        iou = region_iou(boxes, [region.box_xyxy for region in example.regions])
        if iou < min_iou:
            detail = f"The boxes agree with the true regions to {iou:.2f} (IoU); at least {min_iou:g} is needed."
            yield Rejection(Reason.MISSES_REGION, detail)
    if trace.rounds and (early := tells_early(trace.rounds[0].thought, example, hidden)):
        yield Rejection(Reason.TELLS_EARLY, early)
    if trace.answer is not None and not grade_example(example, trace.answer).correct:
        yield Rejection(Reason.WRONG_ANSWER, f"The answer {trace.answer!r} is not the right one.")
