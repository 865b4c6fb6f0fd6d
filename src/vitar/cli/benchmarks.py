"""``vitar data list`` and ``vitar data prepare``: the benchmarks, and their way into stored sets."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vitar.data.benchmarks.record import Benchmark

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

UNKNOWN = "not known"


def add_parsers(commands: Subparsers) -> None:
    """Adds both to the subcommands of ``data``."""
    listing = commands.add_parser(
        "list",
        help="the benchmarks: items, licence, access",
        description="List the benchmarks that `vitar data prepare` knows, one line each. A name is one exact set of "
        "items: VQA-RAD, for one, has three.",
    )
    listing.add_argument("--json", action="store_true", help="print one JSON list, with prompts and published figures")
    preparing = commands.add_parser(
        "prepare",
        help="turn a benchmark's files into a stored set",
        description="Convert a benchmark, from the Hugging Face Hub or from a local copy, and refuse if the number of "
        "its items is not the known one.",
    )
    preparing.add_argument("name", metavar="NAME", help="as `vitar data list` prints it")
    preparing.add_argument(
        "--from", dest="folder", type=Path, metavar="DIR", help="copy of the benchmark's repository; default: the Hub"
    )
    preparing.add_argument("--out", type=Path, required=True, metavar="DIR", help="new or empty folder for the set")
    preparing.add_argument("--allow-count", type=int, metavar="N", help="expect N items in place of the known number")


def run_list(args: argparse.Namespace) -> int:
    """Exit code 0."""
    from vitar.data.benchmarks.registry import BENCHMARKS

    if args.json:
        records = [_record(benchmark) for benchmark in BENCHMARKS.values()]
        sys.stdout.write(json.dumps(records, indent=1) + "\n")
        return 0
    rows = [("name", "items", "licence", "access", "what", "repository on the Hub")]
    for benchmark in BENCHMARKS.values():
        items = UNKNOWN if benchmark.items is None else f"{benchmark.items:,}"
        rows.append((benchmark.name, items, benchmark.licence, benchmark.access, benchmark.about, benchmark.hub_id))
    sys.stdout.write(_table(rows))
    return 0


def run_prepare(args: argparse.Namespace) -> int:
    """Exit code 0, or 2 if the benchmark cannot be had, or is another than the known one."""
    import datasets

    from vitar.data.benchmarks.prepare import CountError, account, prepare
    from vitar.data.benchmarks.record import BenchmarkError
    from vitar.data.benchmarks.registry import benchmark

    datasets.disable_progress_bars()  # there is one already
    try:
        prepared = prepare(benchmark(args.name), args.out, args.folder, args.allow_count)
    except CountError as error:
        hint = f" To accept them as they are, add --allow-count {error.found}." if error.found else ""
        return _refuse(f"{error}{hint}")
    except (BenchmarkError, OSError) as error:
        return _refuse(str(error))
    sys.stdout.write(f"{prepared.items:,} items of {prepared.name} in {args.out}\n")
    if prepared.known_items is None:
        sys.stdout.write("how many there should be is not known\n")
    elif prepared.items != prepared.known_items:
        sys.stdout.write(
            f"the known number is {prepared.known_items:,}: say so wherever a figure on them is reported\n"
        )
    if prepared.left_out:
        sys.stdout.write(f"left out, and listed in benchmark.json: {account(prepared.left_out)}\n")
    return 0


def _record(benchmark: Benchmark) -> dict[str, Any]:
    """What ``--json`` prints of one benchmark."""
    plain = ("name", "family", "about", "items", "hub_id", "revision", "split", "licence", "access")
    lists = {
        "files": list(benchmark.files),
        "prompts": [vars(prompt) for prompt in benchmark.prompts],
        "published": [vars(figure) for figure in benchmark.published],
    }
    return {name: getattr(benchmark, name) for name in plain} | lists


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    """Columns as wide as their widest cell, the second one, numbers, to the right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.rjust(width) if place == 1 else cell.ljust(width)
            for place, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip() + "\n")
    return "".join(lines)


def _refuse(message: str) -> int:
    sys.stderr.write(f"vitar data prepare: {message}\n")
    return 2
