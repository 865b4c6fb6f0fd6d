"""``vitar train``: makes the base model, and puts a model through the two stages of training."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

STAGES = {
    "base": "a small vision-language model from nothing, on phantoms",
    "sft": "stage I: imitate trajectories of thinking, acting, thinking again and answering",
    "grpo": "stage II: reinforcement from questions and answers alone",
}


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``train`` with its stages to the command line."""
    parser = subparsers.add_parser("train", help="train a model")
    stages = parser.add_subparsers(dest="stage", required=True, metavar="STAGE")
    for name, text in STAGES.items():
        stage = stages.add_parser(
            name,
            help=text,
            description=f"{text[0].upper()}{text[1:]}. A killed run goes on where its last checkpoint was written.",
        )
        stage.add_argument("--config", type=Path, required=True, metavar="FILE.yaml", help="recipe; see recipes/")
        stage.add_argument(
            "--set",
            action="append",
            default=[],
            dest="settings",
            metavar="KEY=VALUE",
            help="replaces a value of the recipe, as in trainer.max_steps=10; may be repeated",
        )


def run(args: argparse.Namespace) -> int:
    """Trains; exit code 0, or 2 for a recipe, a model or data that cannot be used."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # TRL reports each run to its makers otherwise

    from vitar.backends.pretrained import ModelError
    from vitar.imaging.loading import ImageError
    from vitar.protocol.trace import TraceError
    from vitar.training.config import ConfigError

    try:
        folder = _train(args)
    except (ConfigError, ModelError, TraceError, ImageError, ImportError) as error:
        sys.stderr.write(f"vitar train {args.stage}: {error}\n")
        return 2
    sys.stdout.write(f"finished model in {folder}\n")
    return 0


def _train(args: argparse.Namespace) -> Path:
    """Runs the chosen stage; returns the folder of the finished model."""
    from vitar.training.config import GrpoConfig, SftConfig, read_config

    match args.stage:
        case "base":
            from vitar.training.base.train import BaseConfig, train_base

            return train_base(read_config(BaseConfig, args.config, args.settings))
        case "sft":
            from vitar.training.sft import train_sft

            return train_sft(read_config(SftConfig, args.config, args.settings))
    from vitar.training.grpo import train_grpo

    return train_grpo(read_config(GrpoConfig, args.config, args.settings))
