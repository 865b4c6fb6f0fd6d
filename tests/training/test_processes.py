"""Several processes train as one does: torchrun starts them, they share the batches, the first of them writes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file

pytest.importorskip("trl")
pytestmark = pytest.mark.slow

TRAINER = {
    "max_steps": 3,
    "logging_steps": 1,
    "learning_rate": 1e-3,
    "activation_checkpointing": False,
    "bf16": False,
    "disable_tqdm": True,
}


def train(stage: str, recipe: Mapping[str, Any], processes: int, folder: Path) -> Path:
    """Trains in ``folder``, two batches of two a step over all processes; returns the folder of the run."""
    batches = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 2 // processes}
    options = {**TRAINER, **recipe["trainer"], **batches}
    folder.mkdir()
    config = folder / "recipe.yaml"
    config.write_text(yaml.safe_dump({**recipe, "output_dir": str(folder / "run"), "trainer": options}))
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={processes}"]
    command = [*torchrun, "-m", "vitar.cli.main", "train", stage, "--config", str(config)]
    done = subprocess.run(command, env={**os.environ, "OMP_NUM_THREADS": "1"}, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    assert json.loads((folder / "run" / "run.json").read_text())["processes"] == processes
    assert not list(folder.rglob("*.partial"))
    return folder / "run"


def largest_difference(first: Path, second: Path) -> float:
    one, other = (load_file(folder / "model.safetensors") for folder in (first, second))
    return max(float((one[name].float() - other[name].float()).abs().max()) for name in one)


def test_stage_one(small_model_dir: Path, tmp_path: Path) -> None:
    # Under Adam a first step has the same length however small its gradient is, so that rounding shows.
    recipe = {"model": str(small_model_dir), "trajectories": 12, "trainer": {"optim": "sgd", "learning_rate": 0.1}}
    alone = train("sft", recipe, 1, tmp_path / "alone")
    together = train("sft", recipe, 2, tmp_path / "together")
    assert largest_difference(alone / "final", small_model_dir) > 1e-3
    assert largest_difference(alone / "final", together / "final") < 1e-4


def test_stage_two(small_model_dir: Path, tmp_path: Path) -> None:
    options = {"num_generations": 2, "max_completion_length": 12}
    recipe = {"model": str(small_model_dir), "examples": 12, "trainer": options}
    run = train("grpo", recipe, 2, tmp_path / "together")
    history = [each for each in json.loads((run / "history.json").read_text()) if "reward" in each]
    assert [each["step"] for each in history] == [1, 2, 3]
    assert all(weight.isfinite().all() for weight in load_file(run / "final" / "model.safetensors").values())
