"""``vitar eval``: runs a model under several conditions on the same items and adds up."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vitar.evaluation.metrics import Cell, Comparison, Metrics

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

UNDEFINED = "undefined"

CONDITIONS = "single_pass,think_twice,oracle_box,random_box,unmarked"


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``eval`` to the command line."""
    parser = subparsers.add_parser(
        "eval",
        help="run a model under several conditions",
        description="Run a model under several conditions on the same items. A run that was interrupted goes on when "
        "the same command is given again; conditions may be added.",
    )
    parser.add_argument("--model", required=True, metavar="M", help="Hub id, path, or name of an embedded model")
    parser.add_argument(
        "--data", required=True, metavar="DATA", help="phantoms:SPLIT, or the folder of a stored set of examples"
    )
    parser.add_argument("--out", type=Path, required=True, metavar="RUN", help="folder of the run")
    parser.add_argument("--conditions", default=CONDITIONS, metavar="A,B", help="default: %(default)s")
    parser.add_argument("--count", type=int, metavar="N", help="number of items; default: all, or 1000 phantoms")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="first item; default: %(default)s")
    parser.add_argument("--tools", default="mark_region,zoom", metavar="A,B", help="default: %(default)s")
    parser.add_argument("--temperature", type=float, default=0.0, metavar="T", help="default: 0, the likeliest token")
    parser.add_argument("--max-new-tokens", type=int, default=256, metavar="N", help="per turn; default: %(default)s")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of sampling; default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or 2 for arguments that cannot be followed."""
    from vitar.backends.local import LocalBackend, Sampling
    from vitar.backends.placeholders import PlaceholderMismatch
    from vitar.backends.pretrained import ModelError, resolve
    from vitar.evaluation.data_sources import open_source
    from vitar.evaluation.run_folder import RunError, weights_digest
    from vitar.evaluation.runner import EvaluationConfig, evaluate
    from vitar.imaging.loading import ImageError
    from vitar.protocol.trace import TraceError

    try:
        examples = open_source(args.data, args.start, args.count)
        config = EvaluationConfig(
            model=args.model,
            weights=weights_digest(Path(resolve(args.model))),
            data=args.data,
            conditions=_names(args.conditions),
            count=len(examples),
            start=args.start,
            tools=_names(args.tools),
            temperature=args.temperature,
            max_new_tokens=args.max_new_tokens,
            batch_size=args.batch_size,
            seed=args.seed,
        )
    except (ValueError, OSError) as error:  # every setting is checked here
        return _refuse(error)
    sampling = Sampling(temperature=args.temperature, max_new_tokens=args.max_new_tokens, seed=args.seed)
    try:
        backend = LocalBackend.load(args.model, sampling=sampling, batch_size=args.batch_size)
        metrics = evaluate(config, backend, examples, args.out)
    except (ModelError, RunError, ImageError, TraceError, PlaceholderMismatch, OSError) as error:
        return _refuse(error)
    sys.stdout.write(_summary(metrics) + f"\nmetrics in {args.out / 'metrics.json'}\n")
    return 0


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _refuse(error: Exception) -> int:
    sys.stderr.write(f"vitar eval: {error}\n")
    return 2


def _summary(metrics: Metrics) -> str:
    """The conditions on all items, and what separates them on all items and on fine attributes."""
    columns = "{:<15}{:>6}  {:<20}{:>10}{:>10}{:>10}{:>10}{:>10}"
    lines = [columns.format("condition", "n", "right [95 %]", "valid", "acted", "IoU", "tokens", "seconds")]
    refused: set[str] = set()
    for cell in metrics.cells:
        if (cell.kind, cell.answer_type) == ("all", "all"):
            iou = next((c.mean_iou for c in metrics.cells if _is_overlap_of(c, cell.condition)), None)
            figures = [_number(cell.valid, ".1%"), _number(cell.acted, ".1%"), _number(iou, ".2f")]
            figures += [_number(cell.generated_tokens, ".1f"), _number(cell.seconds, ".2f")]
            lines.append(columns.format(cell.condition, cell.n, _accuracy(cell), *figures))
            refused |= {cell.condition} if cell.refused else set()
    lines.append("IoU: of the first action, on items with one true region")
    lines += [_difference(c, refused) for c in metrics.comparisons if c.kind in ("all", "attribute")]
    return "\n".join(lines) + "\n"


def _is_overlap_of(cell: Cell, condition: str) -> bool:
    return (cell.condition, cell.kind, cell.answer_type) == (condition, "single_region", "all")


def _accuracy(cell: Cell) -> str:
    if cell.refused:
        return f"refused: {cell.infrastructure_failures} failed"
    if cell.accuracy is None or cell.low is None or cell.high is None:
        return "undefined"
    return f"{cell.accuracy:.1%} [{cell.low:.1%}, {cell.high:.1%}]"


def _difference(comparison: Comparison, refused: set[str]) -> str:
    """One line, in percentage points, or that there is none to report for a condition that is ``refused``."""
    pair = f"{comparison.kind:<10} {comparison.first + ' - ' + comparison.second:<28}"
    if refused & {comparison.first, comparison.second}:
        return f"{pair} refused"
    points = [None if v is None else 100 * v for v in (comparison.difference, comparison.low, comparison.high)]
    difference, low, high = (_number(value, "+.1f") for value in points)
    p, p_holm = (_number(value, ".2g") for value in (comparison.p, comparison.p_holm))
    interval = "interval undefined" if low == UNDEFINED else f"[{low}, {high}]"
    return f"{pair} {difference} points {interval}, p = {p}, by Holm {p_holm}"


def _number(value: float | None, form: str) -> str:
    return UNDEFINED if value is None else format(value, form)
