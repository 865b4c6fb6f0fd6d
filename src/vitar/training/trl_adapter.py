"""Everything that this project must know about TRL, whose trainers run both stages as they are.

The trainers change from release to release, and some of what is relied on here is marked experimental there, so the
version is pinned and checked. Written against TRL 1.16.0 by reading ``sft_trainer.py`` and ``grpo_trainer.py``:

- `SFTTrainer` leaves a dataset with a column ``images``, or one with ``skip_prepare_dataset``, alone and takes a
  collator, so batches and loss masks are made here.
- `GRPOTrainer` gives the images that a tool returns to the model and to the loss, but when images and placeholders of
  a batch disagree it drops every image of the batch and goes on. `guard_placeholders` stops that.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from transformers import PreTrainedModel, ProcessorMixin

from vitar.backends.placeholders import check_placeholders
from vitar.backends.profiles import Profile, profile_of
from vitar.protocol.templates import RESPONSE_TEMPLATE
from vitar.run_record import bf16_is_fast
from vitar.training.config import ConfigError

if TYPE_CHECKING:
    import datasets
    from peft import LoraConfig
    from trl import GRPOConfig, GRPOTrainer, SFTConfig, SFTTrainer

TRL_VERSION = "1.16.0"

_DEFAULTS: dict[str, Any] = {
    "report_to": ["tensorboard"],
    "logging_steps": 5,
    "save_strategy": "steps",
    "save_steps": 50,
    "save_total_limit": 2,
}


def check_version() -> None:
    """Raises ImportError unless the TRL that this module was written against is installed."""
    try:
        found = version("trl")
    except PackageNotFoundError:
        found = "none"
    if found != TRL_VERSION:
        raise ImportError(
            f"training needs TRL {TRL_VERSION}, found {found}; install it with: pip install 'vitar-med[train]'"
        )


def sft_arguments(options: Mapping[str, Any], **owned: Any) -> SFTConfig:
    """TRL's configuration of supervised training, see `_arguments`."""
    check_version()
    from trl import SFTConfig

    # Labels and images come from our collator, so TRL has nothing to prepare.
    prepared = {"dataset_kwargs": {"skip_prepare_dataset": True}, "max_length": None, "remove_unused_columns": False}
    return _arguments(SFTConfig, options, **prepared, **owned)


def grpo_arguments(options: Mapping[str, Any], **owned: Any) -> GRPOConfig:
    """TRL's configuration of group relative policy optimisation, see `_arguments`.

    What a recipe leaves open is the paper's: groups of 8, no KL term, the loss of the GRPO paper.
    """
    check_version()
    from trl import GRPOConfig

    paper = {"num_generations": 8, "beta": 0.0, "loss_type": "grpo"}
    return _arguments(GRPOConfig, {**paper, **options}, remove_unused_columns=False, **owned)


def _arguments(kind: Callable[..., Any], options: Mapping[str, Any], **owned: Any) -> Any:
    """An instance of TRL's configuration class ``kind``.

    Args:
        options: of the recipe, passed through.
        owned: what this project derives itself.

    Raises:
        ConfigError: an option is unknown, is one of ``owned``, or has an impossible value.
    """
    name = getattr(kind, "__name__", str(kind))
    if unknown := sorted(set(options) - {each.name for each in fields(kind)}):  # type: ignore[arg-type]
        raise ConfigError(f"trainer: {name} of TRL {TRL_VERSION} has no option {', '.join(unknown)}")
    if taken := sorted(set(options) & set(owned)):
        raise ConfigError(f"trainer: {', '.join(taken)} cannot be set there; it follows from the recipe's other fields")
    defaults = {**_DEFAULTS, "bf16": bf16_is_fast() and not options.get("fp16", False)}
    defaults["dataloader_pin_memory"] = torch.cuda.is_available()
    # Left alone, accelerate takes processes on CPUs for strangers: each trains on everything, in the same folder.
    defaults["use_cpu"] = not torch.accelerator.is_available()
    try:
        return kind(**{**defaults, **options, **owned})
    except (ValueError, TypeError, NotImplementedError) as error:
        raise ConfigError(f"trainer: {error}") from error


def prepare_processor(model: PreTrainedModel, processor: ProcessorMixin) -> Profile:
    """Gives the processor what training needs, and with it whatever is saved: chat template, reader of calls, padding.

    Raises:
        ConfigError: the chat template does not mark what the assistant wrote, so there would be no loss mask; or the
            model is of another family than Qwen-VL, whose images come as patches with a grid.
    """
    from trl.chat_template_utils import has_generation_markers

    if not hasattr(processor.image_processor, "merge_size"):
        raise ConfigError(
            f"{type(processor).__name__}: the stages train Qwen-VL families (Qwen2-VL to Qwen3-VL, Lingshu)"
        )
    profile = profile_of(model.config, processor)
    tokenizer = processor.tokenizer
    template = profile.chat_template or getattr(processor, "chat_template", None) or tokenizer.chat_template
    if not has_generation_markers(template):
        raise ConfigError("the chat template has no {% generation %} blocks, which tell the model's tokens from others")
    processor.chat_template = tokenizer.chat_template = template
    tokenizer.response_template = RESPONSE_TEMPLATE
    tokenizer.padding_side = "left"
    # TRL 1.16 expects tensors where it names no type, as torchvision's image processors give; those without it give
    # numpy, and a batch in which every first action was refused would end in an AttributeError.
    processor.image_processor.return_tensors = "pt"
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    return profile


def guard_placeholders(model: PreTrainedModel, processor: ProcessorMixin) -> None:
    """Makes every forward pass of ``model``, in generation too, raise PlaceholderMismatch if images were lost.

    The check hangs on the backbone, which TRL and PEFT call as a module, while they go around the outer model.
    """

    def check(_: nn.Module, __: tuple[Any, ...], inputs: dict[str, Any]) -> None:
        encoded = (inputs.get("mm_encoder_outputs") or {}).get("image") is not None  # by generate, which counts itself
        if inputs.get("input_ids") is None or encoded:
            return
        given = {"input_ids": inputs["input_ids"]}
        if inputs.get("pixel_values") is not None:
            given["image_grid_thw"] = inputs["image_grid_thw"]
        check_placeholders(given, len(given.get("image_grid_thw", ())), processor)

    model.base_model.register_forward_pre_hook(check, with_kwargs=True)


def lora_config(options: Mapping[str, Any] | None, model: PreTrainedModel) -> LoraConfig | None:
    """PEFT's configuration, or None to train every weight.

    Args:
        model: a vision tower that is frozen there gets no adapters, unless the options say themselves what to leave
            out; PEFT does not look whether a weight is frozen.

    Raises:
        ConfigError: an option is unknown or wrong.
        ImportError: PEFT is not installed.
    """
    if options is None:
        return None
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise ImportError("a recipe with lora needs PEFT; install it with: pip install peft") from error

    try:
        frozen = not any(weight.requires_grad for weight in model.model.visual.parameters())
        left_out = {"exclude_modules": r".*\bvisual\..*"} if frozen else {}
        return LoraConfig(**{"task_type": "CAUSAL_LM", **left_out, **options})
    except (TypeError, ValueError) as error:
        raise ConfigError(f"lora: {error}") from error


def sft_trainer(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    arguments: SFTConfig,
    dataset: datasets.Dataset,
    collator: Callable[[list[dict[str, Any]]], dict[str, torch.Tensor]],
    lora: Mapping[str, Any] | None = None,
) -> SFTTrainer:
    """TRL's supervised trainer over batches that ``collator`` makes."""
    from trl import SFTTrainer

    guard_placeholders(model, processor)
    return SFTTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        data_collator=collator,
        processing_class=processor,
        peft_config=lora_config(lora, model),
    )


def grpo_trainer(
    model: PreTrainedModel,
    processor: ProcessorMixin,
    arguments: GRPOConfig,
    dataset: datasets.Dataset,
    rewards: Sequence[Callable[..., Any]],
    environment_factory: Callable[[], Any],
    lora: Mapping[str, Any] | None = None,
) -> GRPOTrainer:
    """TRL's GRPO trainer, with tools from environments; rewards are weighted by ``arguments.reward_weights``."""
    from trl import GRPOTrainer

    guard_placeholders(model, processor)
    if not arguments.use_vllm:
        # TRL 1.16 forbids the image placeholder alone; a sampled video placeholder ends in a TypeError in the loss.
        forbidden = [getattr(processor, f"{kind}_token_id") for kind in ("image", "video")]
        given: Any = arguments.generation_kwargs or {}
        arguments.generation_kwargs = {"suppress_tokens": forbidden, **given}
    os.environ.setdefault("TRL_EXPERIMENTAL_SILENCE", "1")  # the version is pinned, so its warning has no use
    return GRPOTrainer(
        model=model,
        args=arguments,
        train_dataset=dataset,
        processing_class=processor,
        reward_funcs=[*rewards],
        environment_factory=environment_factory,
        peft_config=lora_config(lora, model),
    )
