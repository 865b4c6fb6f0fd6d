"""``vitar curate undecided``: the questions that a sampled model answers right at one time and wrong at another."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(commands: Subparsers) -> None:
    """Adds ``undecided`` to the subcommands of ``curate``."""
    parser = commands.add_parser(
        "undecided",
        help="keep the questions that stage II can learn from",
        description="Keep the questions that a model answers right at one time and wrong at another: a group of "
        "episodes that all earn the same teaches nothing. The runs are those of `vitar eval` on the same questions, "
        "with a --temperature and a --seed of their own. The set is one that `vitar train grpo` takes as its data.",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders that vitar eval wrote, two or more")
    parser.add_argument("--condition", default="think_twice", metavar="C", help="default: %(default)s")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder for the set")


def run(args: argparse.Namespace) -> int:
    """Exit code 0, 1 if nothing was kept, or 2 for folders or arguments that cannot be used."""
    from vitar.data.example import save_examples
    from vitar.evaluation.run_folder import RunError, read_run
    from vitar.evaluation.undecided import undecided
    from vitar.protocol.trace import TraceError

    try:
        runs = [read_run(folder) for folder in args.runs]
        kept = undecided(runs, args.condition)
        if kept:
            save_examples(kept, args.out)
    except (RunError, TraceError, OSError) as error:
        sys.stderr.write(f"vitar curate undecided: {error}\n")
        return 2
    asked = len(runs[0].examples)
    where = f"in {args.out}" if kept else "so nothing was written; sample other questions, or more often"
    sys.stdout.write(
        f"{len(kept)} of {asked} questions were answered both right and wrong in {len(runs)} runs, {where}\n"
    )
    return 0 if kept else 1
