"""Questions that a model gets right at one time and wrong at another, found in sampled runs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from vitar.backends.scripted import ScriptedBackend
from vitar.data.phantoms.dataset import phantom_examples
from vitar.evaluation.runner import EvaluationConfig, evaluate
from vitar.protocol.messages import Message
from vitar.training.config import ConfigError, GrpoConfig
from vitar.training.grpo import prompt_dataset
from vitar.training.undecided import undecided

DATA, START, COUNT = "phantoms:train", 2_000_000, 4
RIGHT = {0: "1111", 1: "1010", 2: "1000"}
"""Seed -> which of the four questions are answered right: 0 always, 1 and 2 sometimes, 3 twice of three."""


class Sampled(ScriptedBackend):
    """A scripted model that may be asked for a temperature."""

    def with_sampling(self, temperature: float, seed: int) -> Sampled:
        return self


def sampled_run(folder: Path, right: str, **settings: Any) -> str:
    """A finished run in which the questions marked 1 are answered right."""
    examples = [phantom_examples("train", START + COUNT)[START + number] for number in range(COUNT)]
    config = EvaluationConfig(
        **{
            "model": "m",
            "data": DATA,
            "conditions": ("think_twice",),
            "count": COUNT,
            "start": START,
            "temperature": 0.7,
            "batch_size": 1,
            **settings,
        }
    )
    answers = iter(e.answer if mark == "1" else "nothing" for e, mark in zip(examples, right, strict=True))

    def reply(conversation: Sequence[Message]) -> str:
        return f"I see it.\n<answer>{next(answers)}</answer>"

    evaluate(config, Sampled(reply), examples, folder)
    return str(folder)


@pytest.fixture
def runs(tmp_path: Path) -> list[str]:
    return [sampled_run(tmp_path / str(seed), right, seed=seed) for seed, right in RIGHT.items()]


def test_questions_with_both_outcomes_are_kept(runs: list[str]) -> None:
    assert undecided(runs, DATA, "m") == [START + 1, START + 2, START + 3]
    assert undecided(runs[1:], DATA, "m") == [START + 2]


def test_the_dataset_holds_these_alone(runs: list[str], small_model_dir: Path, tmp_path: Path) -> None:
    config = GrpoConfig(str(small_model_dir), str(tmp_path / "out"), examples=3, sampled_runs=tuple(runs))
    rows = prompt_dataset(config)
    expected = [phantom_examples("train", START + COUNT)[START + number].answer for number in (1, 2)]
    assert [row["answer"] for row in rows] == expected
    with pytest.raises(ConfigError, match="no undecided question of the sampled runs lies from 2000004"):
        prompt_dataset(replace(config, start=START + COUNT))


def test_runs_that_do_not_fit_are_refused(runs: list[str], tmp_path: Path) -> None:
    def refused(words: str, *folders: str, data: str = DATA) -> None:
        with pytest.raises(ConfigError, match=words):
            undecided(folders, data, "m")

    refused("two runs or more", runs[0])
    refused("is no evaluation run", runs[0], str(tmp_path / "nowhere"))
    refused(
        "made on phantoms:train under think_twice with temperature 0.7; expected phantoms:test",
        *runs,
        data="phantoms:test",
    )
    refused("with temperature 0.0", sampled_run(tmp_path / "greedy", "1111", temperature=0.0), *runs)
    refused("has seed 1, as another run has", runs[1], sampled_run(tmp_path / "again", "0000", seed=1))
    refused("answered alike in all 2 runs", runs[0], sampled_run(tmp_path / "same", "1111", seed=9))
    refused("has other examples", runs[0], _changed(runs[1], tmp_path / "shifted", start=START + 1))


def test_runs_of_another_model_are_refused(runs: list[str], small_model_dir: Path, tmp_path: Path) -> None:
    assert undecided(runs, DATA, str(small_model_dir))  # their record names no weights, as behind a server
    others = [_changed(run, tmp_path / f"other-{Path(run).name}", weights="0" * 16) for run in runs]
    with pytest.raises(ConfigError, match="made with other weights than"):
        undecided(others, DATA, str(small_model_dir))


def _changed(run: str, folder: Path, **settings: Any) -> str:
    """A copy of a run whose record says something else."""
    Path(run).rename(folder)
    record = json.loads((folder / "run.json").read_text())
    record["config"] |= settings
    (folder / "run.json").write_text(json.dumps(record))
    return str(folder)
