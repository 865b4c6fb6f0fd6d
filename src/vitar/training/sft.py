"""Stage I: the model imitates trajectories, with loss on its own tokens alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import ProcessorMixin, set_seed

from vitar.backends.pretrained import load_model, load_processor
from vitar.backends.profiles import Profile
from vitar.data.curation.trajectories import TRACES_NAME
from vitar.imaging.environment import EnvironmentConfig
from vitar.protocol.actions import tool_schemas
from vitar.training.config import CURATED_PREFIX, PHANTOMS_PREFIX, SftConfig
from vitar.training.masking import IGNORE, assistant_labels
from vitar.training.running import check_same_run, run_trainer
from vitar.training.trajectories import (
    Replay,
    Trajectory,
    answered_in_words,
    conversation_dataset,
    direct_trajectories,
    open_examples,
    recorded_trajectories,
    taught_trajectories,
)
from vitar.training.trl_adapter import prepare_processor, sft_arguments, sft_trainer

if TYPE_CHECKING:
    import datasets
    from trl import SFTTrainer


@dataclass(frozen=True)
class ConversationCollator:
    """Rows of ``messages`` and ``tools`` to a batch with labels on what the assistant wrote."""

    processor: ProcessorMixin

    def __call__(self, rows: Sequence[dict[str, Any]]) -> dict[str, Tensor]:
        """Right-pads token rows; concatenates the images of the batch.

        Returns:
            input_ids, attention_mask, mm_token_type_ids, labels [B, T], pixel_values [patches, features],
            image_grid_thw [images, 3].

        Raises:
            PlaceholderMismatch: images and placeholders of a conversation disagree.
            ValueError: a conversation has no token to learn from.
        """
        encoded = [
            assistant_labels(self.processor, row["messages"], tools=tool_schemas(row["tools"]) or None) for row in rows
        ]
        if any((one["labels"] == IGNORE).all() for one in encoded):
            raise ValueError("a conversation has no assistant token; its chat template needs {% generation %} blocks")
        pads = {
            "input_ids": self.processor.tokenizer.pad_token_id,
            "attention_mask": 0,
            "mm_token_type_ids": 0,
            "labels": IGNORE,
        }
        batch = {
            name: pad_sequence([one[name] for one in encoded], batch_first=True, padding_value=value)
            for name, value in pads.items()
        }
        for name in ("pixel_values", "image_grid_thw"):
            batch[name] = torch.cat([one[name] for one in encoded])
        return batch


def train_sft(config: SftConfig) -> Path:
    """Runs stage I, or goes on with it, and returns the folder of the finished model.

    Raises:
        ConfigError: the recipe cannot be followed, or goes on with a run of another.
        ModelError: the model to start from cannot be loaded.
    """
    check_same_run(Path(config.output_dir), config)
    trainer, processor = build_sft(config)
    return run_trainer(trainer, processor, config)


def build_sft(config: SftConfig) -> tuple[SFTTrainer, ProcessorMixin]:
    """The trainer of stage I, ready to run, and the model's processor."""
    arguments = sft_arguments(config.trainer, output_dir=config.output_dir, seed=config.seed)
    set_seed(config.seed)
    processor = load_processor(config.model)
    model = load_model(config.model, arguments.device, getattr(torch, config.dtype)).train()
    model.model.visual.requires_grad_(not config.freeze_vision)
    profile = prepare_processor(model, processor)
    dataset = sft_dataset(config, profile)
    collator = ConversationCollator(processor)
    return sft_trainer(model, processor, arguments, dataset, collator, config.lora), processor


def sft_dataset(config: SftConfig, profile: Profile) -> datasets.Dataset:
    """The recipe's trajectories, and the direct questions that follow the last trajectory's example."""
    examples = open_examples(config.data)
    environment = EnvironmentConfig(
        max_actions=config.max_actions,
        max_turns=config.max_turns,
        zoom_side_px=profile.zoom_side_px,
        tools=config.tools,
    )
    rows: list[Trajectory]
    if config.data.startswith(PHANTOMS_PREFIX):
        split = config.data.removeprefix(PHANTOMS_PREFIX)
        rows = taught_trajectories(
            examples, split, config.start, config.trajectories, profile, environment, config.seed
        )
    else:
        path = Path(config.traces or Path(config.data.removeprefix(CURATED_PREFIX)) / TRACES_NAME)
        rows = recorded_trajectories(examples, path, config.start, config.trajectories, profile, environment)
    direct = round(len(rows) * config.direct_share / (1 - config.direct_share))
    rows += direct_trajectories(examples, max(row.index for row in rows) + 1, direct)
    if config.answer_in_words:
        rows = [answered_in_words(row, examples[row.index]) for row in rows]
    return conversation_dataset(rows, Replay(examples, environment, profile))
