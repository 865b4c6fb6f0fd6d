"""Questions that a sampled model answers right at one time and wrong at another, and the command that keeps them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import scripted_run

from vitar.backends.scripted import ScriptedBackend
from vitar.cli.main import main
from vitar.data.example import load_examples
from vitar.evaluation.run_folder import RunError, StoredRun, read_run
from vitar.evaluation.runner import evaluate
from vitar.evaluation.undecided import undecided
from vitar.protocol.messages import Message
from vitar.protocol.trace import StopReason

RIGHT = {1: "1111", 2: "1010", 3: "1000"}
"""Seed -> which of four questions are answered right."""


class Sampled(ScriptedBackend):
    """A scripted model that may be asked for a temperature."""

    def with_sampling(self, temperature: float, seed: int) -> Sampled:
        return self


def sampled_run(folder: Path, right: str, seed: int, **settings: Any) -> Path:
    """A finished run in which the questions marked 1 are answered right."""
    examples = [scripted_run.example(number) for number in range(4)]
    kept = {"conditions": ("think_twice",), "count": 4, "seed": seed, "temperature": 0.7, **settings}
    answers = iter("yes" if mark == "1" else "no" for mark in right)

    def reply(conversation: Sequence[Message]) -> str:
        return f"I see it.\n<answer>{next(answers)}</answer>"

    evaluate(scripted_run.config(**kept), Sampled(reply), examples, folder)
    return folder


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    return [sampled_run(tmp_path / str(seed), right, seed) for seed, right in RIGHT.items()]


@pytest.fixture
def runs(folders: list[Path]) -> list[StoredRun]:
    return [read_run(folder) for folder in folders]


def ids(runs: Sequence[StoredRun]) -> list[str]:
    return [example.id for example in undecided(runs, "think_twice")]


def test_questions_with_both_outcomes_are_kept(runs: list[StoredRun]) -> None:
    assert ids(runs) == ["item-1", "item-2", "item-3"]
    assert ids(runs[1:]) == ["item-2"]
    assert ids([runs[0], with_settings(runs[0], seed=9)]) == []


def test_an_episode_that_the_infrastructure_ended_decides_nothing(runs: list[StoredRun]) -> None:
    lost = (
        runs[1]
        .traces["think_twice"][1]
        .model_copy(update={"answer": None, "rounds": (), "stop_reason": StopReason.BACKEND_ERROR})
    )
    kept = [lost if trace.example_id == lost.example_id else trace for trace in runs[1].traces["think_twice"]]
    assert ids(runs[:2]) == ["item-1", "item-3"]
    assert ids([runs[0], replace(runs[1], traces={"think_twice": tuple(kept)})]) == ["item-3"]


def with_settings(run: StoredRun, **settings: Any) -> StoredRun:
    return replace(run, config={**run.config, **settings})


def test_runs_that_do_not_fit_are_refused(runs: list[StoredRun]) -> None:
    for words, wrong in [
        ("two runs or more", runs[:1]),
        ("run 2 has no temperature", [runs[0], with_settings(runs[1], temperature=0.0)]),
        ("run 2 differs from run 1: start is 7 and not 0", [runs[0], with_settings(runs[1], start=7)]),
        ("run 3 differs from run 1: weights is 'abc' and not ''", [*runs[:2], with_settings(runs[2], weights="abc")]),
        ("two runs have one seed", [runs[0], with_settings(runs[1], seed=1)]),
    ]:
        with pytest.raises(RunError, match=words):
            undecided(wrong, "think_twice")
    with pytest.raises(RunError, match="run 1 has think_twice and not single_pass"):
        undecided(runs, "single_pass")


def test_the_command_writes_a_set_that_stage_two_takes(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "undecided"
    assert main(["curate", "undecided", *map(str, folders), "--out", str(out)]) == 0
    assert f"3 of 4 questions were answered both right and wrong in 3 runs, in {out}" in capsys.readouterr().out
    stored = load_examples(out)
    assert [example.id for example in stored] == ["item-1", "item-2", "item-3"]
    assert stored[0].images[0].encoded
    assert stored[0].regions == scripted_run.example(1).regions


def test_what_the_command_cannot_do_is_told(
    folders: list[Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    again = sampled_run(tmp_path / "again", RIGHT[1], seed=9)
    assert main(["curate", "undecided", str(folders[0]), str(again), "--out", str(out)]) == 1
    assert "0 of 4 questions" in capsys.readouterr().out
    assert main(["curate", "undecided", str(tmp_path / "nowhere"), str(folders[0]), "--out", str(out)]) == 2
    assert "nowhere is no evaluation run: it has no run.json" in capsys.readouterr().err
    assert not out.exists()
