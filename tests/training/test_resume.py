"""A run that was killed and taken up again ends in the same weights as one that was not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from transformers import TrainerCallback

from vitar.backends.pretrained import load_model, load_processor
from vitar.training import grpo
from vitar.training.config import ConfigError, GrpoConfig, SftConfig
from vitar.training.grpo import build_grpo, train_grpo
from vitar.training.running import check_same_run, last_checkpoint, run_trainer
from vitar.training.sft import build_sft, train_sft

STEPS, SAVED_AT, KILLED_AT = 4, 2, 3
TRAINER = {
    "max_steps": STEPS,
    "save_steps": SAVED_AT,
    "learning_rate": 1e-3,
    "logging_steps": 1,
    "per_device_train_batch_size": 2,
    "activation_checkpointing": False,
    "bf16": False,
    "disable_tqdm": True,
}


class Killed(Exception):
    """Stands for the signal that ends a process."""


class KillAt(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        if state.global_step == self.step:
            raise Killed


def length_reward(completion_ids: list[list[int]], **_: Any) -> list[float]:
    """A random model earns nothing with ours; this one tells its episodes apart."""
    return [len(set(ids)) / 10 for ids in completion_ids]


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return load_file(folder / "model.safetensors")


def compare(train: Callable[..., Path], build: Callable[..., Any], config: Any, root: Path) -> Path:
    """Runs once in one go and once with a kill in between; returns the folder of the second run."""
    whole = train(replace(config, output_dir=str(root / "whole")))
    broken = replace(config, output_dir=str(root / "broken"))
    trainer, processor = build(broken)
    trainer.add_callback(KillAt(KILLED_AT))
    with pytest.raises(Killed):
        run_trainer(trainer, processor, broken)
    half_written = root / "broken" / f"checkpoint-{KILLED_AT}"
    half_written.mkdir()
    (half_written / "trainer_state.json").write_text('{"global_step": 3, "log_hi')
    torch.rand(17)  # a new process would have other random numbers
    resumed = train(broken)

    start = weights(Path(config.model))
    first, second = weights(whole), weights(resumed)
    assert first.keys() == second.keys()
    assert any((first[name] - start[name]).abs().max() > 1e-5 for name in first)
    for name, value in first.items():
        assert torch.allclose(value, second[name], rtol=0, atol=1e-6), name
    return root / "broken"


def test_stage_one(small_model_dir: Path, tmp_path: Path) -> None:
    config = SftConfig(model=str(small_model_dir), output_dir="", trajectories=8, trainer=TRAINER)
    folder = compare(train_sft, build_sft, config, tmp_path)
    history = json.loads((folder / "history.json").read_text())
    assert [each["step"] for each in history if "loss" in each] == [1, 2, 3, 4]
    record = json.loads((folder / "run.json").read_text())
    assert record["command"] == "SftConfig"
    assert record["config"]["trainer"]["max_steps"] == STEPS
    assert list(folder.glob("runs/*/events.out.tfevents.*"))
    assert load_model(str(folder / "final"))
    assert load_processor(str(folder / "final")).chat_template == load_processor(config.model).chat_template


def test_stage_two(small_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(grpo, "reward_weights", lambda config: {length_reward: 1.0})
    options = {"num_generations": 2, "max_completion_length": 12, "gradient_accumulation_steps": 2}
    config = GrpoConfig(model=str(small_model_dir), output_dir="", examples=16, trainer={**TRAINER, **options})
    folder = compare(train_grpo, build_grpo, config, tmp_path)
    history = json.loads((folder / "history.json").read_text())
    assert sum("rewards/length_reward/mean" in each for each in history) == STEPS
    record = json.loads((folder / "run.json").read_text())
    assert record["config"]["seed"] == 0
    assert {"commit", "packages", "python", "vitar"} <= record.keys()
    assert {"torch", "transformers", "trl"} <= record["packages"].keys()


def test_a_finished_run_is_not_run_again(small_model_dir: Path, tmp_path: Path) -> None:
    trainer = {**TRAINER, "max_steps": 1, "save_steps": 1}
    config = SftConfig(model=str(small_model_dir), output_dir=str(tmp_path), trajectories=2, trainer=trainer)
    first = weights(train_sft(config))
    resumed = weights(train_sft(config))  # nothing is left to do
    assert all(torch.equal(first[name], resumed[name]) for name in first)


def test_a_run_does_not_go_on_with_other_settings(small_model_dir: Path, tmp_path: Path) -> None:
    trainer = {**TRAINER, "max_steps": 1, "save_steps": 1}
    config = SftConfig(model=str(small_model_dir), output_dir=str(tmp_path), trajectories=2, trainer=trainer)
    check_same_run(tmp_path, config)  # nothing is there
    train_sft(config)
    record = tmp_path / "run.json"
    stored = json.loads(record.read_text())
    del stored["config"]["answer_in_words"]  # as a version before this setting wrote it
    record.write_text(json.dumps(stored))
    check_same_run(tmp_path, config)
    other = replace(config, answer_in_words=True, trainer={**trainer, "learning_rate": 0.5})
    with pytest.raises(ConfigError, match=r"answer_in_words was False and is True, trainer was .*Give another"):
        train_sft(other)
    assert json.loads(record.read_text()) == stored
    check_same_run(tmp_path / "elsewhere", other)
    for weight in [*tmp_path.rglob("*.safetensors")]:
        weight.unlink()  # sharded checkpoints have none
    with pytest.raises(ConfigError, match="answer_in_words was False and is True"):
        train_sft(other)


def test_adapters_are_merged_into_the_finished_model(small_model_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    config = SftConfig(
        model=str(small_model_dir),
        output_dir=str(tmp_path),
        trajectories=2,
        lora={"r": 4, "target_modules": ["q_proj", "v_proj"]},
        trainer={**TRAINER, "max_steps": 1},
    )
    merged, start = weights(train_sft(config)), weights(small_model_dir)
    changed = {name for name in start if not torch.equal(start[name], merged[name])}
    assert merged.keys() == start.keys()
    assert changed
    assert all(name.endswith(("q_proj.weight", "v_proj.weight")) for name in changed)


def test_a_frozen_vision_tower_gets_no_adapters(small_model_dir: Path, tmp_path: Path) -> None:
    pytest.importorskip("peft")
    start, trained = weights(small_model_dir), {}
    for frozen in (True, False):
        config = SftConfig(
            model=str(small_model_dir),
            output_dir=str(tmp_path / str(frozen)),
            trajectories=2,
            freeze_vision=frozen,
            lora={"r": 4, "target_modules": "all-linear"},
            trainer={**TRAINER, "max_steps": 1},
        )
        trained[frozen] = weights(train_sft(config))
    changed = {frozen: {n for n in start if not torch.equal(start[n], trained[frozen][n])} for frozen in trained}
    assert {name for name in changed[False] if "visual" not in name} == changed[True]
    assert any("visual" in name for name in changed[False])


def test_the_newest_whole_checkpoint(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    for name, state in {
        "checkpoint-9": "{}",
        "checkpoint-10": "{}",
        "checkpoint-11": "{",
        "checkpoint-x": "{}",
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "trainer_state.json").write_text(state)
    (tmp_path / "checkpoint-12").mkdir()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-10"
