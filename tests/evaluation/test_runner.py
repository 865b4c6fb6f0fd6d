"""Runs that are interrupted, gone on with and refused."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from scripted_run import NAMES, config, reply

from vitar.backends.base import Completion
from vitar.backends.local import LocalBackend, Sampling
from vitar.backends.scripted import ScriptedBackend
from vitar.data.example import Example
from vitar.evaluation.conditions import CONDITIONS
from vitar.evaluation.metrics import Metrics
from vitar.evaluation.run_folder import RunError, weights_digest
from vitar.evaluation.runner import evaluate
from vitar.protocol.messages import Message, message_text
from vitar.protocol.trace import Trace, read_traces

MakeExample = Callable[..., Example]


class Counting(ScriptedBackend):
    """Counts its conversations, and dies after a number of them."""

    def __init__(self, last: int = 10**9) -> None:
        super().__init__(reply)
        self.asked, self.last = 0, last

    def generate(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
        self.asked += len(conversations)
        if self.asked > self.last:
            raise KeyboardInterrupt
        return super().generate(conversations, tools)


@pytest.fixture
def examples(make_example: MakeExample) -> list[Example]:
    return [make_example(number) for number in range(10)]


def without_seconds(metrics: Metrics) -> Metrics:
    return metrics.model_copy(update={"cells": tuple(c.model_copy(update={"seconds": None}) for c in metrics.cells)})


def traces_of(out: Path, condition: str) -> list[Trace]:
    return list(read_traces(out / "traces" / f"{condition}.jsonl"))


def test_a_run_leaves_what_the_schema_says(examples: list[Example], tmp_path: Path) -> None:
    out = tmp_path / "run"
    metrics = evaluate(config(), Counting(), examples, out)
    assert {path.name for path in out.iterdir()} == {"run.json", "examples.jsonl", "images", "traces", "metrics.json"}
    record = json.loads((out / "run.json").read_text())
    assert record["config"] == json.loads(json.dumps(vars(config())))
    assert {"commit", "packages", "python", "vitar"} <= record.keys()
    lines = [json.loads(line) for line in (out / "examples.jsonl").read_text().splitlines()]
    assert [line["id"] for line in lines] == [example.id for example in examples]
    assert lines[0]["regions"] == [{"label": "nodule", "box_xyxy": [20, 30, 40, 50]}]
    images = {path.name for path in (out / "images").iterdir()}
    assert {name for line in lines for name in line["images"]} <= images
    assert Metrics.model_validate_json((out / "metrics.json").read_text()) == metrics
    assert metrics.items == 10
    for name in NAMES:
        traces = traces_of(out, name)
        assert [trace.example_id for trace in traces] == [example.id for example in examples]
        assert [list(trace.images) for trace in traces] == [line["images"] for line in lines]
        assert {look.image for trace in traces for look in trace.rounds if look.image} <= images
        assert {trace.sampling.temperature for trace in traces} == {0.0}
    assert [c.condition for c in metrics.cells if (c.kind, c.answer_type) == ("all", "all")] == list(NAMES)


def test_a_finished_run_asks_nothing_and_changes_nothing(examples: list[Example], tmp_path: Path) -> None:
    first = evaluate(config(), Counting(), examples, tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    idle = Counting()
    assert evaluate(config(), idle, examples, tmp_path) == first
    assert idle.asked == 0
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("last", [0, 1, 7, 10, 23, 41])
def test_an_interrupted_run_goes_on_to_the_same_end(examples: list[Example], tmp_path: Path, last: int) -> None:
    whole = evaluate(config(), Counting(), examples, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        evaluate(config(), Counting(last), examples, tmp_path / "cut")
    assert not (tmp_path / "cut" / "metrics.json").exists()
    assert without_seconds(evaluate(config(), Counting(), examples, tmp_path / "cut")) == without_seconds(whole)
    for name in NAMES:
        assert traces_of(tmp_path / "cut", name) == traces_of(tmp_path / "whole", name)


def test_a_trace_file_cut_anywhere_is_completed(examples: list[Example], tmp_path: Path) -> None:
    evaluate(config(), Counting(), examples, tmp_path)
    path = tmp_path / "traces" / "think_twice.jsonl"
    whole, expected = path.read_bytes(), (tmp_path / "metrics.json").read_bytes()
    for length in random.Random(0).sample(range(len(whole)), 12):
        path.write_bytes(whole[:length])
        evaluate(config(), Counting(), examples, tmp_path)
        assert path.read_bytes() == whole
        assert (tmp_path / "metrics.json").read_bytes() == expected


def test_blocks_do_not_depend_on_what_was_done_before(examples: list[Example], tmp_path: Path) -> None:
    asked: list[list[str]] = []

    class Listening(ScriptedBackend):
        def generate(self, conversations: Sequence[Sequence[Message]], tools: Sequence[str]) -> list[Completion]:
            asked.append([message_text(conversation[-1]) for conversation in conversations])
            return super().generate(conversations, tools)

    settings = config(conditions=("single_pass",))
    evaluate(settings, Listening(reply), examples, tmp_path)
    path = tmp_path / "traces" / "single_pass.jsonl"
    assert [len(texts) for texts in asked] == [4, 4, 2]
    second_block, kept = asked[1], path.read_bytes()
    path.write_bytes(b"".join(kept.splitlines(keepends=True)[:5]))  # one of the second block is there
    asked.clear()
    evaluate(settings, Listening(reply), examples, tmp_path)
    assert asked[0] == second_block
    assert len(asked) == 2
    assert path.read_bytes() == kept


def test_conditions_may_be_added_and_the_old_ones_are_finished_too(examples: list[Example], tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        evaluate(config(conditions=("single_pass",)), Counting(5), examples, tmp_path)
    metrics = evaluate(config(conditions=("think_twice",)), Counting(), examples, tmp_path)
    assert list(dict.fromkeys(cell.condition for cell in metrics.cells)) == ["single_pass", "think_twice"]
    assert {cell.n for cell in metrics.cells if (cell.kind, cell.answer_type) == ("all", "all")} == {10}
    assert json.loads((tmp_path / "run.json").read_text())["config"]["conditions"] == ["single_pass", "think_twice"]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"seed": 4}, r"seed \(0 there, 4 now\)"),
        ({"model": "other"}, r"model \('scripted' there, 'other' now\)"),
        ({"weights": "ab"}, r"weights \('' there, 'ab' now\)"),
        ({"count": 9}, r"count \(10 there, 9 now\)"),
        ({"tools": ("zoom",)}, r"tools \(\['mark_region', 'zoom'\] there, \['zoom'\] now\)"),
        ({"temperature": 1.0, "batch_size": 2}, r"temperature .*, batch_size \(1 there, 2 now\)"),
    ],
)
def test_other_settings_are_refused_with_the_difference(
    examples: list[Example], tmp_path: Path, change: dict[str, object], told: str
) -> None:
    evaluate(config(), Counting(), examples, tmp_path)
    with pytest.raises(RunError, match=told):
        evaluate(config(**change), Counting(), examples, tmp_path)


def test_other_items_are_refused_with_the_difference(
    examples: list[Example], make_example: MakeExample, tmp_path: Path
) -> None:
    evaluate(config(), Counting(), examples, tmp_path)
    for changed, told in (
        (replace(examples[3], answer="no", kind="count"), "it differs in answer, kind"),
        (replace(examples[3], images=make_example(77).images), "it differs in images"),
    ):
        others = [*examples[:3], changed, *examples[4:]]
        with pytest.raises(RunError, match=rf"item 4 \(item-3\) is not the one .*: {told}"):
            evaluate(config(), Counting(), others, tmp_path)
    with pytest.raises(RunError, match="has 10 items and the data 9"):
        evaluate(config(), Counting(), examples[:9], tmp_path)
    with pytest.raises(RunError, match=r"item 11 \(item-10\) is not the one"):
        evaluate(config(), Counting(), [*examples, make_example(10)], tmp_path)


def test_items_that_cannot_be_run_are_refused(examples: list[Example], tmp_path: Path) -> None:
    for items, told in (
        ([], "there are no examples"),
        ([examples[0]] * 2, "two examples have the id 'item-0'"),
        ([replace(examples[0], images=())], "'item-0' has no image"),
        ([replace(examples[0], answer_type="closed", answer="?")], "'item-0' cannot be graded"),
    ):
        with pytest.raises(RunError, match=told):
            evaluate(config(), Counting(), items, tmp_path / told[:9])


def test_a_folder_of_something_else_is_left_alone(examples: list[Example], tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(RunError, match=r"exists and is no evaluation run \(it has no run.json\)"):
        evaluate(config(), Counting(), examples, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
    (tmp_path / "run.json").write_text('{"command": "SftConfig", "config": {"model": "scripted"}}')
    with pytest.raises(RunError, match=r"data \(None there, 'made up' now\)"):
        evaluate(config(), Counting(), examples, tmp_path)
    (tmp_path / "run.json").write_text("[1]")
    with pytest.raises(RunError, match="is no record of a run"):
        evaluate(config(), Counting(), examples, tmp_path)


def test_traces_that_do_not_belong_are_an_error(examples: list[Example], tmp_path: Path) -> None:
    evaluate(config(), Counting(), examples, tmp_path)
    path = tmp_path / "traces" / "single_pass.jsonl"
    good = path.read_bytes()
    other = (tmp_path / "traces" / "think_twice.jsonl").read_bytes()
    for spoiled in (good + good.splitlines(keepends=True)[0], other, good.replace(b"item-2", b"item-99")):
        path.write_bytes(spoiled)
        with pytest.raises(RunError, match="does not belong there or is there twice"):
            evaluate(config(), Counting(), examples, tmp_path)


def test_episodes_that_the_backend_failed_are_tried_again(examples: list[Example], tmp_path: Path) -> None:
    def fail_on_two(conversation: Sequence[Message]) -> str:
        if "picture 2?" in message_text(conversation[-1]):
            raise ConnectionError("gone")
        return reply(conversation)

    settings = config(conditions=("single_pass",))
    first = evaluate(settings, ScriptedBackend(fail_on_two), examples, tmp_path)
    assert (first.cells[0].n, first.cells[0].infrastructure_failures, first.cells[0].refused) == (9, 1, True)
    second = evaluate(settings, Counting(), examples, tmp_path)
    assert (second.cells[0].n, second.cells[0].infrastructure_failures) == (10, 0)
    assert sorted(trace.example_id for trace in traces_of(tmp_path, "single_pass")) == sorted(e.id for e in examples)


def test_settings_that_make_no_sense_are_refused() -> None:
    for change, told in (
        (
            {"conditions": ("single_pass", "blind")},
            "different conditions out of single_pass, .*; got single_pass, blind",
        ),
        ({"conditions": ()}, "got none"),
        ({"conditions": ("unmarked", "unmarked")}, "got unmarked, unmarked"),
        ({"tools": ("crop",)}, "different tools out of mark_region, zoom; got crop"),
        ({"prompt": "ViTAR"}, "no kit called 'ViTAR' asks in one message; known are MedEvalKit, "),
        ({"count": 0}, "must be at least 1"),
        ({"start": -1}, "start at least 0"),
        ({"temperature": float("nan")}, "temperature is a number from 0 up, got nan"),
    ):
        with pytest.raises(ValueError, match=told):
            config(**change)  # type: ignore[arg-type]
    assert set(NAMES) < set(CONDITIONS)


def test_sampled_runs_are_the_same_wherever_they_were_cut(
    examples: list[Example], small_model_dir: Path, tmp_path: Path
) -> None:
    settings = config(conditions=("single_pass", "think_twice"), temperature=1.0, max_new_tokens=8, seed=5, count=6)
    sampling = Sampling(temperature=1.0, max_new_tokens=8, seed=5)

    def run(out: Path) -> Metrics:
        backend = LocalBackend.load(str(small_model_dir), device="cpu", sampling=sampling, batch_size=1)
        return evaluate(settings, backend, examples[:6], out)

    whole = run(tmp_path / "run")
    texts = [trace.rounds[0].text for trace in traces_of(tmp_path / "run", "single_pass")]
    assert len(set(texts)) == 6
    for name, kept in (("single_pass", 2), ("think_twice", 5)):
        path = tmp_path / "run" / "traces" / f"{name}.jsonl"
        path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:kept]))
    assert without_seconds(run(tmp_path / "run")) == without_seconds(whole)
    assert [trace.rounds[0].text for trace in traces_of(tmp_path / "run", "single_pass")] == texts


def test_weights_have_a_name_that_changes_when_they_do(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    assert weights_digest(folder) == weights_digest(tmp_path / "Qwen" / "Qwen3-VL") == ""
    weights = bytearray(random.Random(0).randbytes(3_000_000))
    (folder / "model.safetensors").write_bytes(weights)
    once = weights_digest(folder)
    assert len(once) == 16
    copied = tmp_path / "copy"
    copied.mkdir()
    (copied / "model.safetensors").write_bytes(weights)
    assert weights_digest(copied) == once
    weights[1_500_000:1_520_000] = bytes(20_000)  # one matrix in the middle was trained
    (copied / "model.safetensors").write_bytes(weights)
    assert weights_digest(copied) != once


def test_a_run_killed_at_random_moments_ends_as_if_it_had_not_been(examples: list[Example], tmp_path: Path) -> None:
    out, script = tmp_path / "killed", Path(__file__).with_name("scripted_run.py")
    whole = evaluate(config(), Counting(), examples, tmp_path / "whole")
    moments, kills = random.Random(2), 0
    for _ in range(5):
        size = _written(out) + moments.randrange(1, 4_000)  # of about 28,000 bytes
        with subprocess.Popen([sys.executable, str(script), str(out)], stderr=subprocess.DEVNULL) as child:
            while child.poll() is None and _written(out) < size:
                time.sleep(0.0005)
            if child.poll() is None:
                os.kill(child.pid, signal.SIGKILL)
        kills += child.returncode == -signal.SIGKILL
    assert kills >= 2  # a machine that is busy with other things may let a child come to its end
    subprocess.run([sys.executable, str(script), str(out)], stderr=subprocess.DEVNULL, check=True)
    assert without_seconds(Metrics.model_validate_json((out / "metrics.json").read_text())) == without_seconds(whole)
    for name in NAMES:
        assert traces_of(out, name) == traces_of(tmp_path / "whole", name)


def _written(out: Path) -> int:
    """Bytes of the records of a run; its images are content-named and do not matter here."""
    paths = (out / "run.json", out / "examples.jsonl", *(out / "traces" / f"{name}.jsonl" for name in NAMES))
    return sum(path.stat().st_size for path in paths if path.exists())
