"""The whole method in miniature: stage I, stage II, evaluation and report, from the embedded base model."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from pathlib import Path

from vitar.analysis.from_traces import write_analyses
from vitar.backends.local import LocalBackend, Sampling
from vitar.backends.pretrained import resolve
from vitar.evaluation.data_sources import open_source
from vitar.evaluation.metrics import Cell, Metrics
from vitar.evaluation.run_folder import read_run, weights_digest
from vitar.evaluation.runner import EvaluationConfig, evaluate
from vitar.reports.load import load_runs, load_trainings
from vitar.reports.report import write_report
from vitar.reports.wording import ABSENT, percent, share_between
from vitar.training.config import GrpoConfig, SftConfig
from vitar.training.grpo import train_grpo
from vitar.training.sft import train_sft

logger = logging.getLogger(__name__)

DATA = "phantoms:test"
STAGES = ("base", "SFT", "SFT+GRPO")
LAST_CONDITIONS = ("single_pass", "think_twice", "oracle_box", "random_box", "unmarked")
MAX_NEW_TOKENS = 120


@dataclass(frozen=True)
class DemoConfig:
    """How much of everything the demonstration does; the defaults take minutes on two CPU cores.

    Args:
        out: folder of all that it makes. What a demonstration that was interrupted has finished is kept.
        trajectories, sft_epochs: size of stage I.
        grpo_steps: of 64 episodes each.
        items: test questions per model and condition.
    """

    out: str = "runs/demo"
    trajectories: int = 600
    sft_epochs: float = 4.0
    grpo_steps: int = 6
    items: int = 120
    seed: int = 0


def run_demo(config: DemoConfig) -> tuple[str, Path]:
    """Trains both stages, evaluates the three models, writes the report.

    Returns:
        the table base -> SFT -> SFT+GRPO as text, and the path of the report.
    """
    out = Path(config.out)
    started = time.monotonic()
    sft = train_sft(sft_config(config))
    _announce("stage I done", started)
    grpo = train_grpo(grpo_config(config, str(sft)))
    _announce("stage II done", started)
    runs, metrics = [], []
    for stage, model in zip(STAGES, ("tiny-base", str(sft), str(grpo)), strict=True):
        conditions = LAST_CONDITIONS if stage == STAGES[-1] else LAST_CONDITIONS[:2]
        runs.append(out / "eval" / stage)
        metrics.append(_evaluate(model, conditions, config, runs[-1]))
    _announce("evaluation done", started)
    trainings = load_trainings([out / "sft", out / "grpo"])
    page, *_ = write_report(load_runs(runs), trainings, out / "report.html")
    return results_table(metrics), page


def sft_config(config: DemoConfig) -> SftConfig:
    """Stage I of the demonstration: `recipes/tiny/sft.yaml`, shorter."""
    return SftConfig(
        model="tiny-base",
        output_dir=f"{config.out}/sft",
        trajectories=config.trajectories,
        answer_in_words=True,
        freeze_vision=True,
        seed=config.seed,
        trainer={
            "learning_rate": 1e-3,
            "lr_scheduler_type": "cosine",
            "warmup_steps": 10,
            "num_train_epochs": config.sft_epochs,
            "per_device_train_batch_size": 8,
            "gradient_accumulation_steps": 2,
            "dataloader_num_workers": 1,
            "activation_checkpointing": False,
        },
    )


def grpo_config(config: DemoConfig, model: str) -> GrpoConfig:
    """Stage II of the demonstration: `recipes/tiny/grpo.yaml`, shorter and gentler."""
    return GrpoConfig(
        model=model,
        output_dir=f"{config.out}/grpo",
        examples=8 * config.grpo_steps,
        kinds={"presence": 3, "count": 2, "comparison": 1, "location": 1, "type": 1, "attribute": 2},
        max_turns=3,
        freeze_vision=True,
        seed=config.seed,
        trainer={
            "learning_rate": 4e-5,  # 1e-4 undoes a stage I this short in ten steps
            "max_steps": config.grpo_steps,
            "per_device_train_batch_size": 16,
            "gradient_accumulation_steps": 4,
            "temperature": 0.7,
            "max_completion_length": 256,
            "logging_steps": 1,
            "activation_checkpointing": False,
        },
    )


def _evaluate(model: str, conditions: tuple[str, ...], config: DemoConfig, run: Path) -> Metrics:
    examples = open_source(DATA, 0, config.items)
    settings = EvaluationConfig(
        model=model,
        weights=weights_digest(Path(resolve(model))),
        data=DATA,
        conditions=conditions,
        count=config.items,
        max_new_tokens=MAX_NEW_TOKENS,
        batch_size=32,
        seed=config.seed,
    )
    sampling = Sampling(max_new_tokens=MAX_NEW_TOKENS, seed=config.seed)
    backend = LocalBackend.load(model, sampling=sampling, batch_size=settings.batch_size)
    metrics = evaluate(settings, backend, examples, run)
    stored = read_run(run)
    write_analyses(run, stored.examples, stored.traces, seed=config.seed)
    return metrics


def results_table(metrics: list[Metrics]) -> str:
    """One line per stage: accuracy with its 95 % Wilson interval in a single pass and when thinking twice."""
    lines = [f"{'model':<10}{'single_pass':<26}{'think_twice':<26}{'fine detail, think_twice':<26}{'well-formed':>12}"]
    for stage, one in zip(STAGES, metrics, strict=True):
        twice = one.cell("think_twice")
        cells = (one.cell("single_pass"), twice, one.cell("think_twice", "attribute"))
        figures = "".join(f"{_accuracy(cell):<26}" for cell in cells)
        lines.append(f"{stage:<10}{figures}{percent(twice.valid if twice else None):>12}")
    return "\n".join(lines) + "\n"


def _accuracy(cell: Cell | None) -> str:
    return share_between(cell.accuracy, cell.low, cell.high) if cell else ABSENT


def _announce(what: str, started: float) -> None:
    logger.info("%s after %.1f minutes", what, (time.monotonic() - started) / 60)
