"""A run scored again from its traces, and by the rules of others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_run import config, reply

from vitar.backends.scripted import ScriptedBackend
from vitar.cli.main import main
from vitar.data.example import Example
from vitar.evaluation.judging import judge_run
from vitar.evaluation.regrade import GraderCell, compare_graders, regrade
from vitar.evaluation.run_folder import RunError, StoredRun, read_run
from vitar.evaluation.runner import evaluate
from vitar.protocol.messages import Message, message_text
from vitar.protocol.trace import Round, StopReason, Trace

MakeExample = Callable[..., Example]
MARGINS = ("smooth", "lobulated", "spiculated")


@pytest.fixture
def run(make_example: MakeExample, tmp_path: Path) -> Path:
    evaluate(config(), ScriptedBackend(reply), [make_example(number) for number in range(10)], tmp_path / "run")
    return tmp_path / "run"


def stored(examples: Sequence[Example], said: Sequence[str | None], condition: str = "think_twice") -> StoredRun:
    """A run with one condition; None stands for an episode that the infrastructure ended."""
    traces = [
        Trace(
            example_id=example.id,
            model="m",
            condition=condition,
            rounds=() if text is None else (Round(text=text),),
            answer=answer if (answer := (text or "").partition("<answer>")[2].partition("</answer>")[0]) else None,
            stop_reason=StopReason.BACKEND_ERROR
            if text is None
            else StopReason.ANSWERED
            if answer
            else StopReason.MALFORMED,
        )
        for example, text in zip(examples, said, strict=True)
    ]
    return StoredRun({"model": "m", "data": "d", "seed": 0}, tuple(examples), {condition: tuple(traces)})


def test_regrading_gives_what_the_evaluation_gave(run: Path) -> None:
    before = (run / "metrics.json").read_bytes()
    (run / "metrics.json").unlink()
    regrade(read_run(run), run)
    assert (run / "metrics.json").read_bytes() == before


def test_graders_side_by_side_by_hand(make_example: MakeExample) -> None:
    choice = {"answer_type": "choice", "options": MARGINS}
    examples = [
        make_example(0, answer="smooth", **choice),
        make_example(1, answer="spiculated", **choice),
        make_example(2, answer="lobulated", **choice),
        make_example(3, answer="smooth", **choice),
        make_example(4, answer="no"),
        make_example(5, answer="left lung", answer_type="open"),
    ]
    said = [
        "I cannot say.",  # nothing to read; MedEvalKit takes the most similar option, which here is the right one
        "<answer>Clearly spiculated</answer>",  # its first letter is C
        "<answer>lobulated</answer>",
        None,
        "<answer>The findings are normal</answer>",
        "",
    ]
    graders = compare_graders(stored(examples, said), ("vitar", "official", "medevalkit"))
    cells = {(cell.answer_type, cell.grader): cell for cell in graders.cells}

    def counts(cell: GraderCell) -> tuple[int, ...]:
        return (cell.n, cell.counted, cell.correct, cell.raised, cell.lowered, cell.stopped)

    assert {key: counts(cell) for key, cell in cells.items()} == {
        ("all", "vitar"): (5, 5, 1, 0, 0, 0),
        ("all", "official"): (3, 2, 1, 1, 1, 0),
        ("all", "medevalkit"): (5, 5, 4, 3, 0, 1),
        ("choice", "vitar"): (3, 3, 1, 0, 0, 0),
        ("choice", "official"): (3, 2, 1, 1, 1, 0),
        ("choice", "medevalkit"): (3, 3, 3, 2, 0, 0),
        ("yes_no", "vitar"): (1, 1, 0, 0, 0, 0),
        ("yes_no", "medevalkit"): (1, 1, 1, 1, 0, 0),
        ("open", "vitar"): (1, 1, 0, 0, 0, 0),
        ("open", "medevalkit"): (1, 1, 0, 0, 0, 1),
    }
    assert cells["all", "official"].accuracy == 0.5  # of the two that it could read
    found = {d.example_id: d.verdicts for d in graders.disagreements}
    assert found["item-1"] == {"vitar": False, "official": True, "medevalkit": True}
    assert found["item-2"] == {"vitar": True, "official": False, "medevalkit": True}
    assert found["item-4"] == {"vitar": False, "medevalkit": True}
    assert found.keys() == {"item-0", "item-1", "item-2", "item-4"}


def test_the_outcome_of_a_vote_is_what_other_graders_read(make_example: MakeExample) -> None:
    example = make_example(0, answer="yes")
    run = stored([example], ["<answer>yes</answer>"], "majority_k")
    (trace,) = run.traces["majority_k"]
    vote = trace.model_copy(update={"rounds": (Round(text="yes"), Round(text="yes"), Round(text="no"))})
    graders = compare_graders(replace(run, traces={"majority_k": (vote,)}), ("medevalkit",))
    assert {cell.correct for cell in graders.cells} == {1}


def test_a_judge_is_asked_once_about_each_open_answer(make_example: MakeExample, tmp_path: Path) -> None:
    asked: list[str] = []

    def verdict(conversation: Sequence[Message]) -> str:
        asked.append(message_text(conversation[0]))
        return f"<verdict>{'correct' if 'enlarged heart' in asked[-1] else 'wrong'}</verdict>"

    judge = ScriptedBackend(verdict, name="judge")
    examples = [
        make_example(0, answer="cardiomegaly", answer_type="open"),
        make_example(1, answer="left lung", answer_type="open"),
        make_example(2, answer="yes"),
        make_example(3, answer="left lung", answer_type="open"),
    ]
    said = ["<answer>an enlarged heart</answer>", "<answer>left lung</answer>", "<answer>yes</answer>", "no answer"]
    run = stored(examples, said)
    (judged,) = judge_run(judge, run, tmp_path)
    a = judged.agreement
    assert (a.both_right, a.judge_only, a.rule_only, a.both_wrong, a.unreadable) == (0, 1, 1, 0, 0)
    assert len(asked) == 2
    lines = [json.loads(line) for line in (tmp_path / "judgements" / "think_twice.jsonl").read_text().splitlines()]
    assert [line["example_id"] for line in lines] == ["item-0", "item-1"]
    assert [line["judge"] for line in lines] == ["judge", "judge"]
    assert lines[0]["prompt"] == asked[0]
    assert judge_run(judge, run, tmp_path) == [judged]
    assert len(asked) == 2
    judge_run(ScriptedBackend(verdict, name="another"), run, tmp_path)
    assert len(asked) == 4


def test_a_run_without_open_answers_has_nothing_to_judge(run: Path) -> None:
    assert judge_run(ScriptedBackend.from_texts(""), read_run(run), run) == []
    assert not (run / "judgements").exists()


def test_the_command_writes_and_prints(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["regrade", str(run), "--graders", "vitar,medevalkit"]) == 0
    out = capsys.readouterr().out
    assert "think_twice        10" in out
    assert "Does the second look help? " in out
    assert "Does the model use the image at all? undefined. not run: blank_image, shuffled_image and text_only" in out
    assert "think_twice    yes_no   medevalkit       10       10" in out
    assert json.loads((run / "graders.json").read_text())["cells"][0]["grader"] == "vitar"
    assert {part["condition"] for part in json.loads((run / "regions.json").read_text())["parts"]} == {
        "think_twice",
        "random_box",
        "unmarked",
    }
    assert json.loads((run / "costs.json").read_text())["costs"][0]["condition"] == "single_pass"


def test_the_command_compares_with_annotators(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    boxes = tmp_path / "boxes.csv"
    rows = [f"item-{i},{name},20,30,40,50\n" for i in range(10) for name in ("R1", "R2")]
    boxes.write_text("example_id,annotator,x_min,y_min,x_max,y_max\n" + "".join(rows))
    assert main(["regrade", str(run), "--annotators", str(boxes)]) == 0
    found = {a["condition"]: a for a in json.loads((run / "regions.json").read_text())["annotators"]}
    said = [line for line in capsys.readouterr().out.splitlines() if "with annotators" in line]
    assert [line.split()[0] for line in said] == ["think_twice", "random_box", "unmarked"]  # those with actions
    assert f"with annotators {found['think_twice']['model']['mean']:.2f}" in said[0]
    assert found["think_twice"]["annotators"]["mean"] == 1
    assert found["think_twice"]["by_annotator"].keys() == {"R1", "R2"}
    assert found["single_pass"]["n"] == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--graders", "vitar,theirs"], "--graders names some of vitar, official, medevalkit; got vitar,theirs"),
        (["--graders", ","], "got ,"),
        (["--base-url", "http://localhost:1/v1"], "--base-url is the server of a judge; name its model with --model"),
        (["--annotators", "nowhere.csv"], "nowhere.csv"),
    ],
)
def test_bad_arguments_are_refused(run: Path, words: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["regrade", str(run), *words]) == 2
    error = capsys.readouterr().err
    assert error.startswith("vitar regrade: ")
    assert told in error


def test_a_run_that_has_not_ended_is_refused(run: Path, tmp_path: Path) -> None:
    path = run / "traces" / "think_twice.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:4]))
    with pytest.raises(RunError, match=r"think_twice.jsonl has 4 traces for 10 items, .* give the same vitar eval"):
        read_run(run)
    path.unlink()
    with pytest.raises(RunError, match="has 0 traces for 10 items"):
        read_run(run)
    (run / "examples.jsonl").write_text('{"id": 1}\n')
    with pytest.raises(RunError, match="cannot be read as an evaluation run"):
        read_run(run)
    with pytest.raises(RunError, match=r"is no evaluation run: it has no run\.json"):
        read_run(tmp_path)
