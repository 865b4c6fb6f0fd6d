"""What earns a reward, and everything that must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitar.grading import grade
from vitar.imaging.coordinates import THOUSANDTHS
from vitar.imaging.environment import EnvironmentConfig
from vitar.protocol.messages import user_message
from vitar.training.rewards import accuracy_reward, final_answer, format_reward, region_iou_reward
from vitar.training.tool_environment import ToolEnvironment, environment_factory

IMAGE = Image.fromarray(np.zeros((100, 100), dtype=np.uint8))


def call(name: str, **arguments: Any) -> dict[str, Any]:
    """An assistant message as TRL gives it to reward functions."""
    function = {"name": name, "arguments": arguments}
    return {"role": "assistant", "content": "I look.", "tool_calls": [{"type": "function", "function": function}]}


def say(text: str) -> dict[str, Any]:
    return {"role": "assistant", "content": text}


def played(*turns: dict[str, Any]) -> tuple[list[dict[str, Any]], ToolEnvironment]:
    """A completion whose calls were carried out, as TRL carries them out."""
    environment = environment_factory(EnvironmentConfig(), THOUSANDTHS)()
    environment.reset(prompt=[user_message("Which?", IMAGE)])
    completion: list[dict[str, Any]] = []
    for turn in turns:
        completion.append(turn)
        for each in turn.get("tool_calls", []):
            function = each["function"]
            content = getattr(environment, function["name"])(**function["arguments"])
            completion.append({"role": "tool", "name": function["name"], "content": content})
    return completion, environment


GOOD = call("zoom", box=[100, 100, 300, 300])
ANSWER = say("Fine lines.\n<answer>B</answer>")


def form(*turns: dict[str, Any]) -> float:
    completion, environment = played(*turns)
    (value,) = format_reward([completion], [environment], trainer_state=None)
    return value


def accuracy(*turns: dict[str, Any]) -> float:
    completion, _ = played(*turns)
    options = [["smooth", "spiculated"]]
    (value,) = accuracy_reward([completion], ["spiculated"], ["choice"], options, prompts=[], log_metric=None)
    return value


def test_an_episode_in_order_earns_both() -> None:
    assert form(GOOD, ANSWER) == accuracy(GOOD, ANSWER) == 1
    assert form(call("mark_region", boxes=[[0, 0, 200, 200], [500, 500, 600, 600]], image=1), ANSWER) == 1


@pytest.mark.parametrize(
    "useless",
    [
        call("zoom", box=[300, 300, 300, 400]),
        call("mark_region", boxes=[[500, 500, 500, 500]]),
        call("mark_region", boxes=[]),
        call("zoom", box=[1200, 1200, 1400, 1400]),
        call("zoom", box=[-300, 0, -100, 200]),
        call("zoom", box=[0, 0, 1000, 1000]),
        call("mark_region", boxes=[[0, 0, 1000, 1000]]),
        call("mark_region", boxes=[[0, 0, 1000, 500], [0, 500, 1000, 1000]]),
        call("zoom", box=[400, 400, 300, 300]),
        call("zoom", box=[float("nan"), 0, 100, 100]),
        call("zoom", box=[0, 0, 100, 100], image=2),
        call("mark_region", boxes=[[0, 0, 10, 10]] * 9),
    ],
    ids=str,
)
def test_a_box_that_shows_no_region_earns_nothing(useless: dict[str, Any]) -> None:
    assert form(useless, ANSWER) == 0
    completion, environment = played(useless, ANSWER)
    assert region_iou_reward([environment], [[[0, 0, 100, 100]]], completions=[completion]) == [0.0]


def test_a_refused_action_can_be_made_good() -> None:
    assert form(call("zoom", box=[0, 0, 1000, 1000]), GOOD, ANSWER) == 1


@pytest.mark.parametrize(
    "turns",
    [
        (ANSWER,),
        (GOOD,),
        (GOOD, say("B")),
        (GOOD, say("")),
        (GOOD, say("<answer></answer>")),
        (GOOD, say("<answer>B</answer> or so")),
        (GOOD, say("<answer>A</answer><answer>B</answer>")),
        (say("nothing"), ANSWER),
        (call("zoom", box=[1, 2, 3]), GOOD, ANSWER),
        (call("zoom", box="[100, 100, 300, 300]"), GOOD, ANSWER),
    ],
    ids=str,
)
def test_an_episode_out_of_order_has_no_form(turns: tuple[dict[str, Any], ...]) -> None:
    assert form(*turns) == 0


def test_accuracy_is_the_evaluations_grade_of_the_last_turn() -> None:
    for text in ("B", "b.", "spiculated", "B. spiculated", "A", "smooth", "A or B", "neither", "(B)"):
        expected = grade("choice", "spiculated", ["smooth", "spiculated"], text).correct
        assert accuracy(GOOD, say(f"<answer>{text}</answer>")) == float(expected)
    assert accuracy(ANSWER) == 1  # right without a look: graded, but without form
    assert accuracy(GOOD, say("The answer is B")) == 0


def test_what_follows_a_malformed_turn_does_not_count() -> None:
    assert accuracy(call("zoom", box=[1, 2, 3]), ANSWER) == 0
    completion, _ = played(say("hm"), ANSWER)
    assert final_answer(completion) is None


def test_overlap_is_that_of_the_first_region_shown() -> None:
    _, environment = played(call("zoom", box=[0, 0, 1000, 1000]), call("zoom", box=[0, 0, 200, 100]), ANSWER)
    # 20 x 10 pixels of the original against 10 x 10: half of the box is the region
    assert region_iou_reward([environment], [[[0, 0, 10, 10]]]) == [pytest.approx(0.5)]
    # a second true region that no box covers costs half
    assert region_iou_reward([environment], [[[0, 0, 10, 10], [50, 50, 60, 60]]]) == [pytest.approx(0.25)]
    assert region_iou_reward([environment], [[]]) == [None]
