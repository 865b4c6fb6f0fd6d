"""``vitar curate``: makes training sets out of annotated images."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from vitar.cli import curate_questions, curate_trajectories, curate_undecided

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``curate`` with its subcommands to the command line."""
    parser = subparsers.add_parser("curate", help="make training sets out of annotated images")
    commands = parser.add_subparsers(dest="curate_command", required=True, metavar="COMMAND")
    curate_questions.add_parser(commands)
    curate_trajectories.add_parser(commands)
    curate_undecided.add_parser(commands)


def run(args: argparse.Namespace) -> int:
    """Runs the chosen subcommand; returns the exit code."""
    commands = {
        "questions": curate_questions.run,
        "trajectories": curate_trajectories.run,
        "undecided": curate_undecided.run,
    }
    return commands[args.curate_command](args)
