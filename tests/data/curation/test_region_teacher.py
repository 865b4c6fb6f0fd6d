"""The rule-based teacher looks where the truth lies, says nothing early, and words things in many ways."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from vitar.data.curation.execution import play, rejections
from vitar.data.curation.first_look import hidden_texts
from vitar.data.curation.judge import RuleJudge
from vitar.data.curation.region_teacher import RegionTeacher
from vitar.data.curation.teacher import Reason, Rejection, Task
from vitar.data.example import Example, Region, open_image
from vitar.imaging.environment import EnvironmentConfig
from vitar.protocol.actions import Answer, MarkRegion, Zoom
from vitar.protocol.parsing import parse

Make = Callable[..., Example]

TOOLS = ("mark_region", "zoom")
VALUES = {("made", "type"): {"cyst", "stone"}, ("made", "count"): {"1", "2"}, ("made", "location"): {"lower right"}}
TWO = (Region("stone", (150.0, 70.0, 170.0, 90.0)), Region("cyst", (10.0, 10.0, 40.0, 30.0)))
CLOSED = {"options": (), "answer_type": "closed"}


def task_of(example: Example, **more: object) -> Task:
    return Task(example, open_image(example.images[0]), hidden_texts(example, VALUES), **more)  # type: ignore[arg-type]


def written(task: Task, tools: tuple[str, ...] = TOOLS, seed: int = 0) -> list[str]:
    return asyncio.run(RegionTeacher(tools, seed).write(task))


def test_a_fine_question_about_one_region_is_enlarged(make_example: Make) -> None:
    first, second = map(parse, written(task_of(make_example())))
    assert first.outcome == Zoom((750, 700, 850, 900))  # 150/200, 70/100, 170/200, 90/100 in thousandths
    assert second.outcome == Answer("B")


def test_several_regions_are_marked_from_left_to_right(make_example: Make) -> None:
    example = make_example(kind="count", **CLOSED, answer="2", regions=TWO)
    first, second = map(parse, written(task_of(example)))
    assert first.outcome == MarkRegion(((50, 100, 200, 300), (750, 700, 850, 900)))
    assert second.outcome == Answer("2")


@pytest.mark.parametrize("kind", ["location", "count", "comparison"])
def test_a_question_about_the_whole_is_marked_however_small_the_region(make_example: Make, kind: str) -> None:
    example = make_example(kind=kind, regions=(Region("stone", (150.0, 70.0, 155.0, 75.0)),))
    assert isinstance(parse(written(task_of(example))[0]).outcome, MarkRegion)


def test_a_refused_action_gives_way_to_the_other_tool(make_example: Make) -> None:
    refused = (Rejection(Reason.ACTION_REFUSED, "too large"),)
    again = task_of(make_example(), attempt=1, rejections=refused)
    assert isinstance(parse(written(again)[0]).outcome, MarkRegion)
    assert isinstance(parse(written(again, tools=("zoom",))[0]).outcome, Zoom)


CASES = {
    "choice": {},
    "letters of its own": {"options": ("type B", "type A", "type C"), "answer": "type B"},
    "closed": {**CLOSED, "answer": "stone"},
    "open": {"options": (), "answer_type": "open", "answer": "a stone of the kidney", "kind": ""},
    "yes": {"options": (), "answer_type": "yes_no", "answer": "yes", "question": "Is it a stone?"},
    "no": {"options": (), "answer_type": "yes_no", "answer": "no", "question": "Is it a cyst?"},
    "count": {"kind": "count", **CLOSED, "answer": "2", "regions": TWO},
    "one": {"kind": "count", **CLOSED, "answer": "1"},
    "location": {"kind": "location", **CLOSED, "answer": "lower right", "question": "Where is it?"},
    "comparison": {"kind": "comparison", "answer": "left kidney", "regions": TWO},
    "presence": {"kind": "presence", "options": (), "answer_type": "yes_no", "answer": "yes"},
    "attribute": {"kind": "attribute", **CLOSED, "answer": "smooth"},
    "absent": {"kind": "attribute", **CLOSED, "answer": "none"},
    "odd labels": {"regions": (Region("Right_Lung RBC {x}", (10.0, 10.0, 90.0, 90.0)),)},
}


@pytest.mark.parametrize("case", CASES)
def test_every_kind_of_question_gives_trajectories_that_are_kept(make_example: Make, case: str) -> None:
    config = EnvironmentConfig()
    for number in range(20):
        example = make_example(number, **CASES[case])
        task = task_of(example)
        trace = play(example, written(task), config, "t")
        assert rejections(example, trace, task.hidden, 0.5) == []
        assert asyncio.run(RuleJudge().objection(example, trace)) == ""


def test_wording_varies_with_item_attempt_and_seed_alone(make_example: Make) -> None:
    tasks = [task_of(make_example(number)) for number in range(60)]
    texts = [written(task) for task in tasks]
    assert len({parse(first).thought for first, _ in texts}) > 20
    assert len({parse(second).thought for _, second in texts}) > 8
    assert written(tasks[0]) == texts[0]
    assert written(tasks[0], seed=1) != texts[0] != written(task_of(tasks[0].example, attempt=1))


def test_a_question_about_a_place_is_not_told_one(make_example: Make) -> None:
    for number in range(30):
        example = make_example(number, kind="location", **CLOSED, answer="segment VI", question="Where is it?")
        thought = parse(written(task_of(example))[0]).thought
        assert not {"left", "right", "middle", "upper", "lower"} & set(thought.replace(",", "").split())
