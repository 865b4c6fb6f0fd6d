"""A teacher that misbehaves, items that are unfit, runs that are cut off: every item is accounted for."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vitar.backends.chat_api import EndpointError, RequestFailed
from vitar.cli.main import main
from vitar.data.curation.judge import RuleJudge
from vitar.data.curation.pool import Pool
from vitar.data.curation.region_teacher import RegionTeacher
from vitar.data.curation.scripted_teacher import ScriptedTeacher
from vitar.data.curation.teacher import Reason, Task
from vitar.data.curation.trajectories import (
    EXAMPLES_NAME,
    ITEMS_NAME,
    REPORT_NAME,
    TRACES_NAME,
    CurationError,
    TrajectoryConfig,
    Workshop,
    claim,
    curate_trajectories,
)
from vitar.data.curation.trajectory_report import TrajectoryReport, read_items
from vitar.data.example import Example, ImageRef, Region, load_examples
from vitar.grading import grade_example
from vitar.imaging.environment import EnvironmentConfig
from vitar.protocol.trace import Trace, read_traces

Make = Callable[..., Example]

CALL = '\n<tool_call>\n{"name": "zoom", "arguments": {"box": [750, 700, 850, 900]}}\n</tool_call>'
LAST = "The second look shows a stone.\n<answer>B</answer>"
GOOD = (f"Something stands out here.{CALL}", LAST)
EARLY = (f"I see a stone here.{CALL}", LAST)
BLIND = (f"Something stands out here.{CALL.replace('750, 700', '0, 0').replace('850, 900', '90, 90')}", LAST)
WRONG = (GOOD[0], "The second look shows a cyst.\n<answer>A</answer>")
ASIDE = (GOOD[0], "It has a rough outline.\n<answer>B</answer>")
SPEECHLESS = ("I would rather not say.",)


class Fickle:
    """A teacher whose k-th attempt at an item is ``drafts[k]``: turns, or an exception to raise."""

    name = "fickle"

    def __init__(self, *drafts: Sequence[str] | Exception) -> None:
        self.drafts = drafts
        self.tasks: list[Task] = []

    async def write(self, task: Task) -> Sequence[str]:
        self.tasks.append(task)
        draft = self.drafts[task.attempt]
        await asyncio.sleep(0)  # so that others get their turn, as with a server
        if isinstance(draft, Exception):
            raise draft
        return draft


def workshop(teacher: Any, *judges: Any, attempts: int = 3) -> Workshop:
    return Workshop(teacher, judges or (RuleJudge(),), EnvironmentConfig(), {}, attempts=attempts)


def curate(examples: Sequence[Example], out: Path, shop: Workshop, **more: Any) -> TrajectoryReport:
    return asyncio.run(curate_trajectories(examples, out, shop, **more))


def reasons(out: Path) -> list[list[list[str]]]:
    """Item -> attempt -> reasons."""
    return [[[r.reason.value for r in a.rejections] for a in each.attempts] for each in read_items(out / ITEMS_NAME)]


@pytest.mark.parametrize(
    ("draft", "reason"),
    [
        (RequestFailed("no reply out of 3 fits"), Reason.TEACHER_FAILED),
        (SPEECHLESS, Reason.UNPARSABLE),
        ((), Reason.NO_ACTION),
        (GOOD[:1], Reason.NO_ANSWER),
        ((GOOD[0], *GOOD), Reason.ACTION_REFUSED),
        (BLIND, Reason.MISSES_REGION),
        (EARLY, Reason.TELLS_EARLY),
        (WRONG, Reason.WRONG_ANSWER),
        (ASIDE, Reason.JUDGED_BAD),
    ],
)
def test_a_bad_attempt_is_sent_back_with_its_reason(
    make_example: Make, tmp_path: Path, draft: Sequence[str] | Exception, reason: Reason
) -> None:
    teacher = Fickle(draft, GOOD)
    report = curate([make_example()], tmp_path / "out", workshop(teacher))
    first, second = teacher.tasks
    assert first.rejections == ()
    assert second.rejections[0].reason is reason
    assert second.rejections[0].detail
    assert (report.kept, report.attempts, report.attempts_of_kept) == (1, 2, {2: 1})
    assert report.rejected_attempts == {reason.value: 1}
    (item,) = read_items(tmp_path / "out" / ITEMS_NAME)
    assert item.attempts[1].texts == GOOD
    assert item.attempts[0].texts == (() if isinstance(draft, Exception) else draft)


def test_after_the_last_attempt_the_item_is_given_up(make_example: Make, tmp_path: Path) -> None:
    examples = [make_example(number) for number in range(3)]
    report = curate(examples, tmp_path / "out", workshop(Fickle(EARLY, BLIND, WRONG)))
    assert reasons(tmp_path / "out") == [[["tells_early"], ["misses_region"], ["wrong_answer"]]] * 3
    assert report.outcomes == {"wrong_answer": 3}  # counted by the last attempt
    assert report.rejected_attempts == {"tells_early": 3, "misses_region": 3, "wrong_answer": 3}
    assert (report.kept, report.mean_iou) == (0, None)


def test_a_judge_behind_a_server_may_fail_and_is_asked_again(make_example: Make, tmp_path: Path) -> None:
    class Judge:
        replies = iter([RequestFailed("no reply"), "It is made up.", ""])

        async def objection(self, example: Example, trace: Trace) -> str:
            reply = next(self.replies)
            if isinstance(reply, Exception):
                raise reply
            return reply

    teacher = Fickle(GOOD, GOOD, GOOD)
    report = curate([make_example()], tmp_path / "out", workshop(teacher, RuleJudge(), Judge()))
    assert reasons(tmp_path / "out") == [[["judge_failed"], ["judged_bad"], []]]
    assert report.kept == 1


def test_unfit_items_are_named_and_no_teacher_is_asked(make_example: Make, tmp_path: Path) -> None:
    box = Region("stone", (150.0, 70.0, 170.0, 90.0))
    unfit = {
        "not_one_image": make_example(1, images=make_example(1).images * 2),
        "unreadable_image": make_example(2, images=(ImageRef("broken.png", b"no image"),)),
        "no_region": make_example(3, regions=()),
        "too_many_regions": make_example(4, regions=(box,) * 9),
        "region_outside_image": make_example(5, regions=(Region("stone", (150.0, 70.0, 201.0, 90.0)),)),
        "duplicate_id": make_example(0, question="What else?"),
    }
    teacher = Fickle(GOOD)
    report = curate([make_example(0), *unfit.values()], tmp_path / "out", workshop(teacher))
    assert [task.example.id for task in teacher.tasks] == ["made/0"]
    items = list(read_items(tmp_path / "out" / ITEMS_NAME))
    assert [item.outcome for item in items] == ["kept", *unfit]
    assert all(item.unfit.detail for item in items if item.unfit)
    assert report.outcomes == {"kept": 1, **dict.fromkeys(unfit, 1)}


def test_the_report_adds_up(make_example: Make, tmp_path: Path) -> None:
    class ByNumber(Fickle):
        async def write(self, task: Task) -> Sequence[str]:
            return (GOOD, EARLY, BLIND)[int(task.example.id.rpartition("/")[2]) % 3]

    examples = [make_example(n, source=f"source {n % 2}", kind=("type", "attribute")[n % 2]) for n in range(20)]
    report = curate(examples, tmp_path / "out", workshop(ByNumber(), attempts=2), enough=5, at_once=4)
    assert report.kept == 5
    assert sum(report.outcomes.values()) == report.items == 20
    assert report.outcomes == {"kept": 5, "tells_early": 4, "misses_region": 4, "not_reached": 7}
    for counts in (report.by_source, report.by_kind):
        assert sum(sum(each.values()) for each in counts.values()) == 13
    assert report.attempts == 5 + 2 * 8
    assert report.actions == {"zoom": 5}
    assert report.distinct_thoughts == 1
    assert report.mean_iou == pytest.approx(1)
    assert TrajectoryReport.model_validate_json((tmp_path / "out" / REPORT_NAME).read_text()) == report


def test_what_is_kept_is_stored_in_order_and_right(make_example: Make, tmp_path: Path) -> None:
    examples = [make_example(number) for number in range(9)]
    curate(examples, tmp_path / "out", workshop(RegionTeacher(("mark_region", "zoom"))))
    stored = load_examples(tmp_path / "out" / EXAMPLES_NAME)
    traces = list(read_traces(tmp_path / "out" / TRACES_NAME))
    assert [example.id for example in stored] == [trace.example_id for trace in traces] == [e.id for e in examples]
    assert all(grade_example(example, trace.answer).correct for example, trace in zip(stored, traces, strict=True))
    assert main(["data", "check", str(tmp_path / "out")]) == 0


def files(out: Path) -> dict[str, bytes]:
    """Every file but the record of the run and what `datasets` names by a fingerprint."""
    named = (ITEMS_NAME, TRACES_NAME, REPORT_NAME)
    return {name: (out / name).read_bytes() for name in named} | {
        "examples": repr(list(load_examples(out / EXAMPLES_NAME))).encode()
    }


def test_a_server_that_is_gone_ends_the_run_and_the_next_one_goes_on(make_example: Make, tmp_path: Path) -> None:
    examples = [make_example(number) for number in range(12)]
    undisturbed = RegionTeacher(("mark_region", "zoom"))
    curate(examples, tmp_path / "whole", workshop(undisturbed), at_once=4)

    class Gone(RegionTeacher):
        async def write(self, task: Task) -> list[str]:
            if task.example.id == "made/6":
                raise EndpointError("the budget is used up")
            return await super().write(task)

    with pytest.raises(EndpointError, match="used up"):
        curate(examples, tmp_path / "cut", workshop(Gone(("mark_region", "zoom"))), at_once=4)
    assert len(list(read_items(tmp_path / "cut" / ITEMS_NAME))) == 6
    assert not (tmp_path / "cut" / REPORT_NAME).exists()
    curate(examples, tmp_path / "cut", workshop(undisturbed), at_once=3)
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


@pytest.mark.parametrize("damage", ["half a line", "before the report", "nothing left of a line"])
def test_a_kill_at_any_point_changes_nothing(make_example: Make, tmp_path: Path, damage: str) -> None:
    examples = [make_example(number) for number in range(6)] + [make_example(0)]  # the last one is a duplicate
    shop = workshop(RegionTeacher(("mark_region", "zoom")))
    curate(examples, tmp_path / "out", shop)
    before = files(tmp_path / "out")
    (tmp_path / "out" / REPORT_NAME).unlink()
    items = tmp_path / "out" / ITEMS_NAME
    if damage == "half a line":
        items.write_bytes(items.read_bytes()[:-40])
    elif damage == "nothing left of a line":
        items.write_bytes(b'{"place": 0')
    curate(examples, tmp_path / "out", shop)
    assert files(tmp_path / "out") == before


def test_a_run_goes_on_with_its_own_data_and_settings_alone(make_example: Make, tmp_path: Path) -> None:
    shop, out = workshop(RegionTeacher(("zoom",))), tmp_path / "out"
    config = TrajectoryConfig(("x",), "scripted", "rules", "", ("zoom",), 0.5, 3, None, 0)
    claim(out, config)
    claim(out, config)
    curate([make_example(0)], out, shop)
    with pytest.raises(CurationError, match=r"min_iou \(0.5 there, 0.7 now\)"):
        claim(out, replace(config, min_iou=0.7))
    (out / REPORT_NAME).unlink()
    with pytest.raises(CurationError, match="item 0 is 'made/0'"):
        curate([make_example(1)], out, shop)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "notes.txt").write_text("mine")
    with pytest.raises(CurationError, match="new or empty folder"):
        claim(tmp_path / "mine", config)


def test_phantoms_are_kept_and_the_same_every_time(tmp_path: Path) -> None:
    pool, environment = Pool(["phantoms:validation[0:36]"]), EnvironmentConfig()
    shop = Workshop(ScriptedTeacher(environment.tools), [RuleJudge()], environment, pool.values)
    report = curate(pool, tmp_path / "all", shop)
    assert set(report.outcomes) <= {"kept", "no_region"}
    assert report.kept > 30
    assert report.mean_iou is not None
    assert report.mean_iou > 0.9
    assert "tells_early" in report.rejected_attempts  # the phantoms' own teacher says where something lies
    curate(pool[:9], tmp_path / "some", shop, at_once=2)
    some = (tmp_path / "some" / ITEMS_NAME).read_bytes()
    assert (tmp_path / "all" / ITEMS_NAME).read_bytes().startswith(some)


def test_the_command_and_what_it_refuses(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    command = ["curate", "trajectories", "--data", "phantoms:train[0:12]", "--enough", "5", "--out", str(out)]
    assert main(command) == 0
    said = capsys.readouterr().out
    assert "12 items" in said
    assert "5 kept" in said
    assert json.loads((out / REPORT_NAME).read_text())["kept"] == 5
    assert main(command) == 0  # finished: nothing is done again
    assert capsys.readouterr().out == said
    for more, words in (
        (["--min-iou", "0.9"], "other settings"),
        (["--tools", "crop"], "tools are"),
        (["--min-iou", "0"], "IoU"),
        (["--attempts", "0"], "at least 1"),
        (["--data", "phantoms:train"], "phantoms have no end"),
        (["--teacher", "endpoint"], "--base-url"),
    ):
        assert main([*command, *more]) == 2
        error = capsys.readouterr().err
        assert words in error
        assert error.count("\n") == 1


def test_a_run_that_keeps_nothing_says_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["curate", "trajectories", "--data", "phantoms:train[0:3]", "--min-iou", "1", "--out"]
    assert main([*command, str(tmp_path / "out")]) == 1  # whole thousandths never fit to the last bit
    assert "0 trajectories" in capsys.readouterr().out
    assert not (tmp_path / "out" / EXAMPLES_NAME).exists()
