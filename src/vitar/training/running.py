"""A training run from its last checkpoint to its finished model, whichever of TRL's trainers runs it.

A killed run may leave a checkpoint that is half written. transformers' own `get_last_checkpoint` would take it for the
newest one; `last_checkpoint` takes the newest that is whole.
"""

from __future__ import annotations

import json
import logging
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING

from transformers import ProcessorMixin, Trainer
from transformers.trainer_utils import PREFIX_CHECKPOINT_DIR

from vitar.files import write_atomically
from vitar.run_record import RECORD_NAME, write_run_record
from vitar.training.config import ConfigError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

logger = logging.getLogger(__name__)

HISTORY_NAME = "history.json"
FINAL_NAME = "final"

_LAST_WRITTEN = "trainer_state.json"


def run_trainer(trainer: Trainer, processor: ProcessorMixin, config: DataclassInstance) -> Path:
    """Trains to the end; writes the record, the history and the finished model, adapters merged in.

    It goes on from the last whole checkpoint in the output folder, if there is one. Several processes, as torchrun or
    accelerate starts them, share the batches; the first of them writes.

    Args:
        config: what the trainer was built from.

    Returns:
        the folder of the finished model.
    """
    output = Path(str(trainer.args.output_dir))
    if trainer.is_world_process_zero():
        write_run_record(output, config, anew=not holds_weights(output), processes=trainer.args.world_size)
    train_to_the_end(trainer)
    final = output / FINAL_NAME
    model = trainer.accelerator.unwrap_model(trainer.model)
    if hasattr(model, "merge_and_unload"):
        merged = model.merge_and_unload()
        if trainer.is_world_process_zero():
            merged.save_pretrained(final)
            processor.save_pretrained(final)
    else:
        trainer.save_model(str(final))
    return final


def train_to_the_end(trainer: Trainer) -> None:
    """Trains, from the last whole checkpoint if there is one, and writes the history of the run."""
    output = Path(str(trainer.args.output_dir))
    checkpoint = last_checkpoint(output)
    if checkpoint:
        logger.info("resuming from %s", checkpoint)
    trainer.train(resume_from_checkpoint=str(checkpoint) if checkpoint else None)
    if trainer.is_world_process_zero():
        write_atomically(output / HISTORY_NAME, json.dumps(trainer.state.log_history, indent=1) + "\n")


def check_same_run(output: Path, config: DataclassInstance) -> None:
    """Refuses to go on with a run that was begun with other settings: its weights would be taken for this one's.

    Args:
        output: folder of the run; nothing is checked where it holds no weights or no record.

    Raises:
        ConfigError: a setting differs from the record's; one that the record lacks had its default.
    """
    record = output / RECORD_NAME
    if not record.is_file() or not holds_weights(output):
        return
    defaults = {
        each.name: each.default_factory() if callable(each.default_factory) else each.default for each in fields(config)
    }
    begun = {**defaults, **json.loads(record.read_text(encoding="utf-8"))["config"]}
    now = json.loads(json.dumps(asdict(config)))
    changed = [name for name in now if json.loads(json.dumps(begun[name])) != now[name]]
    if changed:
        listed = ", ".join(f"{name} was {begun[name]!r} and is {now[name]!r}" for name in changed)
        raise ConfigError(
            f"{output} holds a run that was begun with other settings ({listed}). Give another output_dir, or remove "
            "the folder to begin anew"
        )


def holds_weights(output: Path) -> bool:
    """Whether a run has come so far that there is something to go on from."""
    return any(next(output.rglob(name), None) for name in (f"{PREFIX_CHECKPOINT_DIR}-*", "*.safetensors"))


def last_checkpoint(output: Path) -> Path | None:
    """The newest checkpoint that was written to its end, or None."""
    whole = [
        folder
        for folder in output.glob(f"{PREFIX_CHECKPOINT_DIR}-*")
        if folder.name.rpartition("-")[2].isdecimal() and _is_json(folder / _LAST_WRITTEN)
    ]
    return max(whole, key=lambda folder: int(folder.name.rpartition("-")[2]), default=None)


def _is_json(path: Path) -> bool:
    try:
        json.loads(path.read_text())
    except (OSError, ValueError):
        return False
    return True
