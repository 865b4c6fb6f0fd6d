"""Reading run folders: what is read, and what is refused with which words."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from vitar.reports.load import ReportError, load_runs, load_trainings
from vitar.reports.run import Verdict


def test_a_run_as_evaluation_writes_it(write_run):
    (run,) = load_runs([write_run()])
    assert run.name == "run"
    assert run.conditions == ("single_pass", "think_twice", "oracle_box", "random_box", "unmarked")
    assert run.kinds == ("presence", "type", "single_region")
    assert [example.id for example in run.examples] == ["both", "helped", "hurt", "neither", "broken"]
    assert run.examples[0].regions[0].box_xyxy == (10.0, 5.0, 20.0, 15.0)


def test_verdicts_and_effects_come_from_both_looks(write_run):
    (run,) = load_runs([write_run()])
    assert [run.verdict("think_twice", e.id) for e in run.examples] == [
        Verdict.RIGHT,
        Verdict.RIGHT,
        Verdict.WRONG,
        Verdict.WRONG,
        Verdict.MALFORMED,
    ]
    assert [run.effect(e.id) for e in run.examples] == ["", "helped", "hurt", "", "hurt"]
    assert run.verdict("blank_image", "both") is None


def test_verdicts_agree_with_the_metrics(write_run):
    (run,) = load_runs([write_run()])
    for condition in run.conditions:
        right = sum(run.verdict(condition, e.id) is Verdict.RIGHT for e in run.examples)
        assert right == run.metrics.cell(condition).correct


def test_a_comparison_reads_from_either_side(write_run):
    (run,) = load_runs([write_run()])
    one, other = run.metrics.compare("think_twice", "unmarked"), run.metrics.compare("unmarked", "think_twice")
    assert (one.difference, one.first_only, one.second_only) == (0.4, 2, 0)
    assert (other.difference, other.first_only, other.second_only) == (-0.4, 0, 2)
    turned = one.model_copy(update={"low": 0.1, "high": 0.7}).flipped()
    assert (turned.low, turned.high) == (-0.7, -0.1)


def test_a_difference_without_an_interval_can_be_turned(write_run):
    (run,) = load_runs([write_run()])
    assert run.metrics.compare("think_twice", "oracle_box").low is None  # no answer differs
    assert run.metrics.compare("oracle_box", "think_twice").high is None


def test_runs_of_one_name_are_told_apart(write_run):
    runs = load_runs([write_run("base/eval"), write_run("sft/eval"), write_run("last")])
    assert [run.name for run in runs] == ["base/eval", "sft/eval", "last"]


def test_the_same_folder_twice_ends_with_its_whole_path(write_run):
    folder = write_run()
    names = {run.name for run in load_runs([folder, folder])}
    assert len(names) == 1
    assert names.pop().endswith(str(folder).lstrip("/"))


def test_line_separators_inside_texts_do_not_split_an_example(write_run):
    folder = write_run()
    path = folder / "examples.jsonl"
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    rows[0]["question"] = "one\u2028two"
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    (run,) = load_runs([folder])
    assert run.examples[0].question == "one\u2028two"


def test_a_history_skips_what_was_not_logged_or_is_not_finite(training_dir):
    (training,) = load_trainings([training_dir])
    assert training.points("reward") == [(1, 0.5), (2, 1.0), (4, 1.5)]
    assert training.points("train_runtime") == [(4, 1.0)]
    assert training.points("nothing") == []


def _remove(name):
    return lambda folder: (folder / name).unlink()


def _write(name, text):
    return lambda folder: (folder / name).write_text(text)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_remove("metrics.json"), "it holds no metrics.json. Run vitar eval to its end first"),
        (_remove("run.json"), "it holds no run.json"),
        (_remove("examples.jsonl"), "it holds no examples.jsonl"),
        (_remove("traces/unmarked.jsonl"), "it holds no traces/unmarked.jsonl"),
        (_write("metrics.json", "{"), "not readable as JSON"),
        (_write("metrics.json", '{"schema_version": 2}'), "that this version of vitar can read: schema_version"),
        (_write("run.json", "[]"), "is not a JSON object"),
        (_write("examples.jsonl", '{"id": "x"}\n'), "examples.jsonl:1: not an example"),
        (_write("examples.jsonl", ""), "a trace of 'both', which examples.jsonl does not hold"),
        (_write("traces/unmarked.jsonl", "{}\n"), "unmarked.jsonl:1: not a trace"),
    ],
)
def test_a_damaged_run_is_refused_by_file(write_run, damage, message):
    folder = write_run()
    damage(folder)
    with pytest.raises(ReportError, match=re.escape(message)):
        load_runs([folder])


def test_what_is_no_folder_is_refused(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match="there is nothing of that name"):
        load_runs([tmp_path / "missing"])
    with pytest.raises(ReportError, match="there is a file of that name"):
        load_runs([tmp_path / "file"])


@pytest.mark.parametrize("text", ["{}", "[1]", "nonsense"])
def test_a_history_of_another_shape_is_refused(tmp_path: Path, text: str):
    (tmp_path / "history.json").write_text(text)
    with pytest.raises(ReportError, match=r"history\.json"):
        load_trainings([tmp_path])
