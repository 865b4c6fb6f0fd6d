"""Trainers on the small random model, and a way to put words into a model's mouth in TRL's loop."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from vitar.training.config import GrpoConfig

trl = pytest.importorskip("trl")

TINY_TRAINER = {
    "per_device_train_batch_size": 2,
    "num_generations": 2,
    "max_steps": 2,
    "logging_steps": 1,
    "max_completion_length": 256,
    "activation_checkpointing": False,
    "bf16": False,
    "disable_tqdm": True,
}


@pytest.fixture(scope="module")
def grpo_config(small_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> GrpoConfig:
    return GrpoConfig(
        model=str(small_model_dir),
        output_dir=str(tmp_path_factory.mktemp("grpo")),
        max_turns=3,
        examples=4,
        region_iou_weight=0.5,
        trainer=dict(TINY_TRAINER),
    )


@pytest.fixture(scope="module")
def trainer(request: pytest.FixtureRequest, grpo_config: GrpoConfig) -> Any:
    """A GRPO trainer as stage II builds it, with both tools and every reward; its parameter is a temperature."""
    from vitar.training.grpo import build_grpo

    sampled = {**grpo_config.trainer, "temperature": getattr(request, "param", 1.0)}
    return build_grpo(replace(grpo_config, trainer=sampled))[0]


@pytest.fixture
def say(trainer: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[Sequence[str]], Callable[[], Any]]:
    """``say(texts)`` makes the model write ``texts[k]``, or those tokens, as its k-th turn in every rollout."""

    def script(turns: Sequence[str | Sequence[int]]) -> Any:
        remaining = iter(turns)

        def generate(prompt_ids: list[list[int]], *_: Any, **__: Any) -> tuple[list[list[int]], None]:
            turn = next(remaining)
            if isinstance(turn, str):
                tokenizer = trainer.processing_class.tokenizer
                turn = [*tokenizer(turn)["input_ids"], tokenizer.eos_token_id]
            return [list(turn) for _ in prompt_ids], None

        monkeypatch.setattr(trainer, "_generate_single_turn", generate)
        return trainer

    return script


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
