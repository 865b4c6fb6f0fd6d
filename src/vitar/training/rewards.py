"""What reinforcement rewards, as functions that TRL calls and logs under their names.

The grade is the evaluation's own, and an episode counts as our loop counts it: its first turn that is neither an
action nor an answer ends it without an answer. A box earns something only by showing a region: an empty box, one
off the image and one around nearly all of it are refused by the environment, and refused actions earn nothing.

Arguments that TRL passes by keyword: ``completions`` (messages after the prompt, [B]), ``environments`` [B], and the
columns of the dataset [B]; ``_`` takes what a function has no use for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from vitar.grading import grade
from vitar.grading.overlap import region_iou
from vitar.imaging.geometry import Box
from vitar.protocol.actions import Action, Answer, ParseFailure, action_from_call
from vitar.protocol.parsing import parse
from vitar.training.tool_environment import ToolEnvironment

Completion = Sequence[Mapping[str, Any]]
"""Messages of one rollout, assistant and tool in turn."""


def accuracy_reward(
    completions: Sequence[Completion],
    answer: Sequence[str],
    answer_type: Sequence[str],
    options: Sequence[Sequence[str]],
    **_: Any,
) -> list[float]:
    """1 for an episode that ends in the right answer."""
    rows = zip(completions, answer, answer_type, options, strict=True)
    return [float(grade(kind, gold, choices, final_answer(said)).correct) for said, gold, kind, choices in rows]


def format_reward(completions: Sequence[Completion], environments: Sequence[ToolEnvironment], **_: Any) -> list[float]:
    """1 for an episode that parses from its first turn to its answer and in which an action showed a region."""
    rows = zip(completions, environments, strict=True)
    return [float(final_answer(said) is not None and bool(_acted_on(environment))) for said, environment in rows]


def region_iou_reward(
    environments: Sequence[ToolEnvironment], regions: Sequence[Sequence[Sequence[float]]], **_: Any
) -> list[float | None]:
    """Agreement of the first action that showed a region with the true ones, 0 to 1; None where there are none.

    The measure is evaluation's own, `vitar.grading.overlap.region_iou`.

    Args:
        regions: true boxes, xyxy in pixels of the original, [B][any][4].
    """
    rows = zip(environments, regions, strict=True)
    return [_region_iou(_acted_on(environment), true) if true else None for environment, true in rows]


def final_answer(completion: Completion) -> str | None:
    """The answer of an episode; None if a turn fails to parse, or no turn answers."""
    for message in completion:
        if message["role"] == "assistant":
            outcome = turn_outcome(message)
            if isinstance(outcome, Answer):
                return outcome.text
            if isinstance(outcome, ParseFailure):
                return None
    return None


def turn_outcome(message: Mapping[str, Any]) -> Action | Answer | ParseFailure:
    """What an assistant message holds that TRL has read with our response template."""
    if calls := message.get("tool_calls"):
        (call,) = calls
        return action_from_call(call["function"]["name"], call["function"]["arguments"])
    return parse(message.get("content") or "").outcome


def _acted_on(environment: ToolEnvironment) -> tuple[Box, ...]:
    """The boxes of the first action that was carried out."""
    return next((each.boxes for each in environment.observations if each.error is None), ())


def _region_iou(boxes: Sequence[Box], true: Sequence[Sequence[float]]) -> float:
    return region_iou([box.xyxy_original for box in boxes], true) if boxes else 0.0
