"""``vitar data``: makes data sets."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vitar.cli import benchmarks, sheet
from vitar.data.phantoms.scene import SPLITS

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SHEET_EXAMPLES = 24


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``data`` with its subcommands to the command line."""
    parser = subparsers.add_parser("data", help="make data sets")
    commands = parser.add_subparsers(dest="data_command", required=True, metavar="COMMAND")
    phantoms = commands.add_parser(
        "phantoms",
        help="synthetic images with known truth",
        description="Write phantoms with a question each as a Hugging Face dataset, a contact sheet, or both.",
    )
    phantoms.add_argument("--count", type=int, required=True, metavar="N", help="number of images")
    phantoms.add_argument("--split", choices=SPLITS, default="train", help="default: %(default)s")
    phantoms.add_argument("--out", type=Path, metavar="DIR", help="new or empty folder for the dataset")
    phantoms.add_argument(
        "--sheet", type=Path, metavar="FILE.png", help=f"contact sheet of the first {SHEET_EXAMPLES} with their boxes"
    )
    benchmarks.add_parsers(commands)
    sheet.add_parser(commands)
    check = commands.add_parser(
        "check",
        help="examine a stored set of examples",
        description="Name every item with something wrong, and count by problem. Exit code 0 if there is none, else 1.",
    )
    check.add_argument("path", type=Path, metavar="PATH", help="folder of a stored set, or of several such folders")


def run(args: argparse.Namespace) -> int:
    """Runs the chosen subcommand; returns the exit code."""
    commands = {
        "phantoms": _phantoms,
        "list": benchmarks.run_list,
        "prepare": benchmarks.run_prepare,
        "check": _check,
        "sheet": sheet.run,
    }
    return commands[args.data_command](args)


def _phantoms(args: argparse.Namespace) -> int:
    """Exit code 0, or 2 for arguments that cannot be followed."""
    from vitar.data.contact_sheet import contact_sheet
    from vitar.data.example import save_examples
    from vitar.data.phantoms.dataset import phantom_examples

    if args.out is None and args.sheet is None:
        return _refuse("nothing to write; give --out DIR, --sheet FILE.png or both")
    if args.count < 1:
        return _refuse(f"--count must be at least 1, got {args.count}")
    examples = phantom_examples(args.split, args.count)
    if args.out is not None:
        try:
            save_examples(examples, args.out)
        except OSError as error:  # the folder is taken, not writable, or the disk is full
            return _refuse(str(error))
        sys.stdout.write(f"{len(examples)} {args.split} phantoms in {args.out}\n")
    if args.sheet is not None:
        sheet = contact_sheet(examples[:SHEET_EXAMPLES])
        try:
            args.sheet.parent.mkdir(parents=True, exist_ok=True)
            sheet.save(args.sheet)
        except (OSError, ValueError) as error:  # not writable, or a suffix that names no image format
            return _refuse(f"cannot write the contact sheet {args.sheet}: {error}")
        sys.stdout.write(f"contact sheet in {args.sheet}\n")
    return 0


def _check(args: argparse.Namespace) -> int:
    """Exit code 0 for a set in order, 1 for one with problems, 2 for a path without a set."""
    from collections import Counter

    from tqdm import tqdm

    from vitar.data.check import DataSetError, check_examples

    items, bad, counts = 0, 0, Counter[str]()
    try:
        for item in tqdm(check_examples(args.path), desc="items", unit="", disable=None):
            items += 1
            bad += bool(item.findings)
            for finding in item.findings:
                counts[finding.problem] += 1
                sys.stdout.write(f"{item.place} {item.id!r}: {finding.problem}: {finding.detail}\n")
    except DataSetError as error:
        sys.stderr.write(f"vitar data check: {error}\n")
        return 2
    sys.stdout.write(f"{items} items, {bad} with problems\n")
    sys.stdout.writelines(f"{count:8} {problem}\n" for problem, count in counts.most_common())
    return int(bad > 0)


def _refuse(message: str) -> int:
    sys.stderr.write(f"vitar data phantoms: {message}\n")
    return 2
