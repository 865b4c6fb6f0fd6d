"""Stage II: the model improves by its own episodes, from questions and answers alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import cycle, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from transformers import ProcessorMixin, set_seed

from vitar.backends.pretrained import load_model, load_processor
from vitar.data.example import Example
from vitar.data.phantoms.dataset import phantom_item
from vitar.data.phantoms.questions import QUESTION_KINDS
from vitar.imaging.environment import EnvironmentConfig
from vitar.protocol.prompts import interactive_messages
from vitar.training.config import PHANTOMS_PREFIX, ConfigError, GrpoConfig
from vitar.training.rewards import accuracy_reward, format_reward, region_iou_reward
from vitar.training.running import check_same_run, run_trainer
from vitar.training.tool_environment import environment_factory
from vitar.training.trajectories import only_image, open_examples
from vitar.training.trl_adapter import grpo_arguments, grpo_trainer, prepare_processor

if TYPE_CHECKING:
    import datasets
    from trl import GRPOTrainer

Reward = Callable[..., Any]


@dataclass(frozen=True)
class Prompts:
    """Rows of indices to rows of prompts, as a dataset's transform.

    Args:
        examples: what the rows' ``index`` points into.
        tools: offered in the prompt.
        with_regions: whether rows hold the true boxes, which only the reward for overlap may see.
    """

    examples: Sequence[Example]
    tools: tuple[str, ...]
    with_regions: bool = False

    def __call__(self, rows: dict[str, list[int]]) -> dict[str, list[Any]]:
        """Columns ``index`` -> ``prompt`` (messages with the image), ``answer``, ``answer_type``, ``options``."""
        examples = [self.examples[index] for index in rows["index"]]
        columns: dict[str, list[Any]] = {
            "prompt": [interactive_messages(e.question, e.options, [only_image(e)], self.tools) for e in examples],
            "answer": [e.answer for e in examples],
            "answer_type": [e.answer_type for e in examples],
            "options": [list(e.options) for e in examples],
        }
        if self.with_regions:
            columns["regions"] = [[list(region.box_xyxy) for region in e.regions] for e in examples]
        return columns


def train_grpo(config: GrpoConfig) -> Path:
    """Runs stage II, or goes on with it, and returns the folder of the finished model.

    Raises:
        ConfigError: the recipe cannot be followed, or goes on with a run of another.
        ModelError: the model to start from cannot be loaded.
    """
    check_same_run(Path(config.output_dir), config)
    trainer, processor = build_grpo(config)
    return run_trainer(trainer, processor, config)


def build_grpo(config: GrpoConfig) -> tuple[GRPOTrainer, ProcessorMixin]:
    """The trainer of stage II, ready to run, and the model's processor."""
    rewards = reward_weights(config)
    arguments = grpo_arguments(
        config.trainer,
        output_dir=config.output_dir,
        seed=config.seed,
        reward_weights=list(rewards.values()),
        max_tool_calling_iterations=config.max_turns - 1,  # TRL lets the model speak once more after the last one
    )
    set_seed(config.seed)
    processor = load_processor(config.model)
    model = load_model(config.model, arguments.device, getattr(torch, config.dtype)).train()
    model.model.visual.requires_grad_(not config.freeze_vision)
    profile = prepare_processor(model, processor)
    environment = EnvironmentConfig(
        max_actions=config.max_actions,
        max_turns=config.max_turns,
        zoom_side_px=profile.zoom_side_px,
        tools=config.tools,
    )
    trainer = grpo_trainer(
        model,
        processor,
        arguments,
        prompt_dataset(config),
        list(rewards),
        environment_factory(environment, profile.coordinates),
        config.lora,
    )
    return trainer, processor


def reward_weights(config: GrpoConfig) -> dict[Reward, float]:
    """The reward functions of a run with their weights; overlap is left out, not weighted by 0, unless asked for."""
    rewards: dict[Reward, float] = {
        accuracy_reward: config.accuracy_weight,
        format_reward: config.format_weight,
    }
    if config.region_iou_weight > 0:
        rewards[region_iou_reward] = config.region_iou_weight
    return rewards


def prompt_dataset(config: GrpoConfig) -> datasets.Dataset:
    """A dataset whose rows are questions, drawn when a row is read.

    Raises:
        ConfigError: the data holds fewer examples, or no such kind of question.
    """
    from datasets import Dataset

    examples = open_examples(config.data)
    indices = list(islice(_drawn(config, examples), config.examples))
    if len(indices) < config.examples:
        kinds = f" that can be drawn with kinds {config.kinds}" if config.kinds else ""
        raise ConfigError(
            f"{config.data} has {len(indices)} examples from {config.start} on{kinds}, and the recipe asks for "
            f"{config.examples}; lower examples or start"
        )
    transform = Prompts(examples, config.tools, with_regions=config.region_iou_weight > 0)
    return Dataset.from_dict({"index": indices}).with_transform(transform)


def _drawn(config: GrpoConfig, examples: Sequence[Example]) -> Iterator[int]:
    """Indices of the examples to draw on; of several kinds the next of each by turns, until one kind has no more."""
    places = range(config.start, len(examples))
    if not config.kinds:
        yield from places
        return
    kind_of = cache(_question_kinds(config, examples))  # every stream asks for all

    def of(kind: str) -> Iterator[int]:
        return (place for place in places if kind_of(place) == kind)

    streams = {kind: of(kind) for kind in config.kinds}
    for kind in cycle([kind for kind, weight in config.kinds.items() for _ in range(weight)]):
        place = next(streams[kind], None)
        if place is None:
            return
        yield place


def _question_kinds(config: GrpoConfig, examples: Sequence[Example]) -> Callable[[int], str | None]:
    """What tells the kind of an example's question; phantoms need not be drawn for it.

    Raises:
        ConfigError: phantoms have no questions of a kind.
    """
    if not config.data.startswith(PHANTOMS_PREFIX):
        return lambda index: examples[index].kind
    if unknown := sorted(set(config.kinds) - set(QUESTION_KINDS)):
        raise ConfigError(f"kinds: phantoms have no {', '.join(unknown)}; expected some of {', '.join(QUESTION_KINDS)}")
    split = config.data.removeprefix(PHANTOMS_PREFIX)
    return lambda index: phantom_item(split, index)[2].question.kind
