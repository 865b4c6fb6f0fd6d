"""Builds the base model in five phases: it learns words, to see lesions, to see detail, to point, and to tell.

Words and sight start from the same random weights and touch different ones, so that their results are joined. All
phases run under `transformers.Trainer`, so they checkpoint, resume, log to TensorBoard and move to a GPU as any
other training does.
"""

from __future__ import annotations

import logging
import os
import shutil
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch.utils.data import ConcatDataset, Dataset
from transformers import (
    PreTrainedTokenizerFast,
    ProcessorMixin,
    Trainer,
    TrainerCallback,
    TrainerControl,
    TrainerState,
    TrainingArguments,
    set_seed,
)

from vitar.backends.pretrained import load_model, load_processor, resolve
from vitar.data.phantoms.dataset import FAMILIES
from vitar.run_record import bf16_is_fast, write_run_record
from vitar.training.base.architecture import build_model, build_processor
from vitar.training.base.corpus import corpus
from vitar.training.base.dense import Vocabulary, collate
from vitar.training.base.learner import BaseLearner
from vitar.training.base.lessons import LessonDataset, Teach, WordsDataset, lesson, pointing_lesson
from vitar.training.base.pictures import PictureDataset, picture_bank
from vitar.training.base.score import Rows, score_skills
from vitar.training.base.tokenizer import build_tokenizer, corner_tokens
from vitar.training.config import ConfigError
from vitar.training.running import check_same_run, holds_weights, train_to_the_end

logger = logging.getLogger(__name__)


PROBES_NAME = "probes.pt"

SCORED_LESSONS = 160
"""Lessons of the validation split that skills are scored on while training."""


@dataclass(frozen=True)
class BaseConfig:
    """Everything that decides the base model.

    Args:
        output_dir: checkpoints, logs, and the finished model under ``final``.
        model: an earlier base to go on from, without the second and the third phase; "" starts from nothing. It ships
            without probes, so that ``vision_rate`` and ``dense_weight`` should be 0.
        first_lesson: added to the numbers of all lessons; above what the earlier base had, it meets none again.
        vocab_size: upper bound of the tokenizer.
        scenes: phantoms in the bank of pictures.
        words_steps, words_batch: first phase, values and option letters, comparisons of words.
        vision_steps, vision_batch: second phase, rows of pictures with dense targets alone.
        detail_steps: third phase, the same with more enlarged regions.
        pointing_steps, pointing_batch: fourth phase, boxes of lesions, with the vision tower as it is.
        language_steps, language_batch: last phase, conversations about pictures, and dense targets.
        words_share: share of words lessons among those of the fourth and the last phase, which would unlearn them.
        learning_rate: peak for every phase but the last.
        language_rate: peak for the last phase, lower, since a high rate undoes the skills that phases taught alone.
        vision_rate: factor on the vision tower's rate in the last phase.
        dense_weight: weight of the dense loss in the last phase.
        micro_batch: lessons per forward pass; small ones stay in the cache of a CPU.
        save_steps: steps between checkpoints, and between validations.
        workers: processes that render lessons.

    A phase of 0 steps is left out.
    """

    output_dir: str
    model: str = ""
    first_lesson: int = 0
    vocab_size: int = 1024
    scenes: int = 10_000
    words_steps: int = 2000
    words_batch: int = 16
    vision_steps: int = 2200
    detail_steps: int = 1300
    vision_batch: int = 8
    pointing_steps: int = 600
    pointing_batch: int = 16
    language_steps: int = 1400
    language_batch: int = 8
    words_share: float = 0.25
    learning_rate: float = 1e-3
    language_rate: float = 5e-4
    vision_rate: float = 0.3
    dense_weight: float = 0.5
    micro_batch: int = 8
    save_steps: int = 250
    workers: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name in ("words", "vision", "pointing", "language"):
            batch = getattr(self, f"{name}_batch")
            if min(self.micro_batch, batch) < 1:
                raise ValueError(f"micro_batch and {name}_batch are at least 1, got {self.micro_batch} and {batch}")
            if batch % min(self.micro_batch, batch):
                raise ValueError(f"{name}_batch is {batch}, which micro_batch {self.micro_batch} does not divide")


def train_base(config: BaseConfig) -> Path:
    """Trains the base model, or goes on with it, and returns the folder that holds it.

    Raises:
        ConfigError: it was begun with other settings, nothing would teach a new model to see, or several processes run.
        ModelError: the base to go on from cannot be loaded.
    """
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ConfigError("the base is trained by one process; run `vitar train base` without torchrun")
    if not (config.model or config.vision_steps or config.detail_steps):
        raise ConfigError(
            "vision_steps and detail_steps are 0, so a base from nothing would not see; set one, or give a model"
        )
    output = Path(config.output_dir)
    check_same_run(output, config)
    write_run_record(output, config, anew=not holds_weights(output))
    start = Path(resolve(config.model)) if config.model else output / "start"
    if not config.model and not (start / "model.safetensors").is_file():
        set_seed(config.seed)
        fresh = build_processor(build_tokenizer(corpus(config.seed), config.vocab_size))
        model = build_model(fresh.tokenizer)
        fresh.save_pretrained(start)
        model.save_pretrained(start)
    processor = load_processor(str(start))
    told = config.words_steps * config.words_batch
    words = Phase(
        "words",
        WordsDataset(processor, "train", told, config.first_lesson),
        config.words_steps,
        config.words_batch,
        scored=WordsDataset(processor, "validation", SCORED_LESSONS),
    )

    def with_words(teach: Teach, split: str, count: int, start: int = 0) -> ConcatDataset[dict[str, Any]]:
        again, first = round(config.words_share * count), config.first_lesson if split == "train" else 0
        pictured = LessonDataset(processor, split, count - again, teach, first + start)
        return ConcatDataset([pictured, WordsDataset(processor, split, again, first + told)])

    pointing = Phase(
        "pointing",
        with_words(pointing_lesson, "train", config.pointing_steps * config.pointing_batch),
        config.pointing_steps,
        config.pointing_batch,
        scored=with_words(pointing_lesson, "validation", SCORED_LESSONS),
        vision_rate=0.0,
        dense_weight=0.0,
    )
    language = Phase(
        "language",
        with_words(lesson, "train", config.language_steps * config.language_batch, config.scenes),
        config.language_steps,
        config.language_batch,
        scored=with_words(lesson, "validation", SCORED_LESSONS),
        rate=config.language_rate,
        vision_rate=config.vision_rate,
        dense_weight=config.dense_weight,
    )

    def run(phase: Phase, source: Path) -> Path:
        return _run_phase(phase, config, processor, source)

    spoken = run(words, start)
    if config.model:
        return run(language, run(pointing, spoken))
    bank = picture_bank(output / "pictures", config.scenes, "train", os.cpu_count() or 1)
    rows = config.vision_steps * config.vision_batch
    vision = Phase(
        "vision",
        PictureDataset(processor, *bank, count=rows, wholes_per_row=2),
        config.vision_steps,
        config.vision_batch,
    )
    close = config.detail_steps * config.vision_batch
    detail = Phase(
        "detail",
        PictureDataset(processor, *bank, count=close, wholes_per_row=1, start=rows),
        config.detail_steps,
        config.vision_batch,
    )
    joined = output / "joined"
    join(spoken, run(detail, run(vision, start)), joined)
    return run(language, run(pointing, joined))


def join(words: Path, vision: Path, folder: Path) -> None:
    """Writes the model that knows the words of one and sees as the other.

    The vision phase trains the vision tower and the embeddings of coordinates, whose softmax also moves the embeddings
    of all other tokens in one common direction; the words phase trains the rest and has no coordinates.
    """
    model, seeing = load_model(str(words)), load_model(str(vision))
    processor = load_processor(str(words))
    coordinates = corner_tokens(processor.tokenizer).flatten().unique()
    model.model.visual.load_state_dict(seeing.model.visual.state_dict())
    with torch.no_grad():
        embedded, seen = (m.model.language_model.embed_tokens.weight for m in (model, seeing))
        embedded[coordinates] = seen[coordinates]
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    shutil.copy(vision / PROBES_NAME, folder)


@dataclass(frozen=True)
class Phase:
    """One stretch of training.

    Args:
        dataset: its lessons, each seen once.
        steps, batch: updates, and lessons per update.
        scored: what skills are scored on while it runs.
        rate: peak learning rate, or None for the run's.
        vision_rate: factor on the vision tower's learning rate; 0 leaves the tower as it is.
        dense_weight: weight of the dense loss.
    """

    name: str
    dataset: Dataset[dict[str, Any]]
    steps: int
    batch: int
    scored: Rows | None = None
    rate: float | None = None
    vision_rate: float = 1.0
    dense_weight: float = 1.0


def _run_phase(phase: Phase, config: BaseConfig, processor: ProcessorMixin, source: Path) -> Path:
    """Runs one phase from the model and probes in ``source``; returns the folder of its result."""
    if not phase.steps:
        return source
    folder = Path(config.output_dir) / phase.name
    final = folder / "final"
    if (final / PROBES_NAME).is_file():
        logger.info("phase %s is finished: %s", phase.name, final)
        return final
    set_seed(config.seed)
    if not torch.cuda.is_available() and config.workers:  # the lessons' workers need the other cores
        torch.set_num_threads(max(1, (os.cpu_count() or 1) - config.workers))
    model = load_model(str(source)).train()
    model.model.visual.requires_grad_(phase.vision_rate > 0)
    learner = BaseLearner(
        model,
        Vocabulary.of(tuple(FAMILIES.values())),
        phase.dense_weight,
        processor.tokenizer,
    )
    if (source / PROBES_NAME).is_file():
        learner.load_state_dict(torch.load(source / PROBES_NAME), strict=False)
    optimizer = torch.optim.AdamW(
        _parameter_groups(learner, phase.rate or config.learning_rate, phase.vision_rate), betas=(0.9, 0.98)
    )
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        optimizer,
        max_lr=[group["lr"] for group in optimizer.param_groups],
        total_steps=phase.steps + 1,
        pct_start=0.08,
    )
    micro = min(config.micro_batch, phase.batch)
    trainer = Trainer(
        model=learner,
        args=TrainingArguments(
            output_dir=str(folder),
            max_steps=phase.steps,
            per_device_train_batch_size=micro,
            gradient_accumulation_steps=phase.batch // micro,
            average_tokens_across_devices=False,
            max_grad_norm=1.0,
            logging_steps=25,
            save_steps=config.save_steps,
            save_total_limit=2,
            report_to=["tensorboard"],
            remove_unused_columns=False,
            dataloader_num_workers=config.workers,
            dataloader_pin_memory=torch.cuda.is_available(),
            dataloader_persistent_workers=config.workers > 0,
            bf16=bf16_is_fast(),
            seed=config.seed,
            label_names=["labels"],
        ),
        train_dataset=phase.dataset,
        data_collator=partial(collate, pad_token_id=processor.tokenizer.pad_token_id),
        optimizers=(optimizer, scheduler),  # type: ignore[arg-type]
        callbacks=[ScoreSkills(phase.scored, processor.tokenizer, config.save_steps)] if phase.scored else None,
    )
    train_to_the_end(trainer)
    learner.model.save_pretrained(final)
    processor.save_pretrained(final)
    probes = {name: value for name, value in learner.state_dict().items() if not name.startswith("model.")}
    torch.save(probes, final / PROBES_NAME)
    return final


class ScoreSkills(TrainerCallback):
    """Logs what the model can do on ``lessons``, every ``steps`` steps."""

    def __init__(self, lessons: Rows, tokenizer: PreTrainedTokenizerFast, steps: int) -> None:
        self.lessons, self.tokenizer, self.steps = lessons, tokenizer, steps

    def on_step_end(self, args: Any, state: TrainerState, control: TrainerControl, **kwargs: Any) -> None:
        if state.global_step % self.steps and state.global_step != state.max_steps:
            return
        scores = score_skills(kwargs["model"], self.lessons, self.tokenizer)
        state.log_history.append({"step": state.global_step} | {name: score.value for name, score in scores.items()})
        shown = ", ".join(f"{name} {score.value:.2f} ({score.turns})" for name, score in scores.items())
        logger.info("step %d: %s", state.global_step, shown)


def _parameter_groups(learner: BaseLearner, rate: float, vision_factor: float) -> list[dict[str, Any]]:
    """Vision tower and the rest apart, each with and without weight decay (none for vectors)."""
    groups = []
    for is_vision, lr in ((True, rate * vision_factor), (False, rate)):
        named = [
            (name, weight)
            for name, weight in learner.named_parameters()
            if name.startswith("model.model.visual.") == is_vision and weight.requires_grad
        ]
        groups.append({"params": [p for _, p in named if p.ndim > 1], "lr": lr, "weight_decay": 0.02})
        groups.append({"params": [p for _, p in named if p.ndim <= 1], "lr": lr, "weight_decay": 0.0})
    return groups
