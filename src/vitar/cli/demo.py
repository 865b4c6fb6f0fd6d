"""``vitar demo``: watches a small model learn to look twice, in minutes."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``demo`` to the command line."""
    parser = subparsers.add_parser(
        "demo",
        help="train, evaluate and report on the embedded model, in minutes",
        description="From the embedded base model: supervised training on trajectories, reinforcement from answers "
        "alone, evaluation under controls, and a report. Given again, it goes on where it was stopped.",
    )
    parser.add_argument("--out", default="runs/demo", metavar="DIR", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or 2 if the folder holds another run or a package is missing."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for chatty in ("httpx", "datasets", "transformers"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")  # read when TRL is imported
    started = time.monotonic()
    try:
        from vitar.demo import DemoConfig, run_demo
        from vitar.evaluation.run_folder import RunError
        from vitar.training.config import ConfigError

        table, page = run_demo(DemoConfig(out=args.out))
    except (ConfigError, RunError, ImportError) as error:
        sys.stderr.write(f"vitar demo: {error}\n")
        return 2
    minutes = (time.monotonic() - started) / 60
    sys.stdout.write(f"\n{table}\n{minutes:.1f} minutes; the report is in {page}\n")
    return 0
