"""``vitar report``: turns an evaluation into one HTML file."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vitar.reports import TRACES

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``report`` to the command line."""
    parser = subparsers.add_parser(
        "report",
        help="turn an evaluation into one HTML file",
        description="Write one self-contained HTML file about one or more evaluation runs, and its tables as CSV, "
        "LaTeX and JSON beside it. Give the runs in the order in which their models were made: the headline is about "
        "the last, and each model is compared with the one before it on the same data.",
    )
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folder that vitar eval wrote")
    parser.add_argument(
        "--training", type=Path, nargs="+", action="extend", default=[], metavar="DIR", help="training runs to plot"
    )
    parser.add_argument("--out", type=Path, metavar="FILE.html", help="default: report.html in the last RUN")
    parser.add_argument(
        "--traces",
        type=int,
        default=TRACES,
        metavar="N",
        help="items per run in the trace viewer; default: %(default)s",
    )


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or 2 for folders that no report can be made from."""
    from vitar.reports.load import ReportError, load_runs, load_trainings
    from vitar.reports.report import write_report

    out = args.out or args.runs[-1] / "report.html"
    if args.traces < 0:
        return _refuse(f"--traces is a number of items, 0 or more; got {args.traces}")
    if out.suffix not in (".html", ".htm"):
        return _refuse(f"--out names the HTML file to write, such as report.html; got {out}")
    try:
        page, *tables = write_report(load_runs(args.runs), load_trainings(args.training), out, args.traces)
    except (ReportError, OSError) as error:  # a folder that is no run; a file that cannot be read or written
        return _refuse(error)
    sys.stdout.write(
        f"report in {page} ({page.stat().st_size / 1e6:.1f} MB), its tables in {len(tables)} files beside it\n"
    )
    return 0


def _refuse(error: Exception | str) -> int:
    sys.stderr.write(f"vitar report: {error}\n")
    return 2
