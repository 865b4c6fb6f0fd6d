"""The figures of a run as lines of text."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vitar.analysis.estimates import Estimate
    from vitar.evaluation.metrics import Cell, Comparison, Metrics

UNDEFINED = "undefined"


def summary(metrics: Metrics) -> str:
    """The conditions on all items, and what separates them on all items and on fine attributes."""
    columns = "{:<15}{:>6}  {:<20}{:>10}{:>10}{:>10}{:>10}{:>10}"
    lines = [columns.format("condition", "n", "right [95 %]", "valid", "acted", "IoU", "tokens", "seconds")]
    refused: set[str] = set()
    for cell in metrics.cells:
        if (cell.kind, cell.answer_type) == ("all", "all"):
            single = metrics.cell(cell.condition, "single_region")
            iou = single.mean_iou if single else None
            figures = [_number(cell.valid, ".1%"), _number(cell.acted, ".1%"), _number(iou, ".2f")]
            figures += [_number(cell.generated_tokens, ".1f"), _number(cell.seconds, ".2f")]
            lines.append(columns.format(cell.condition, cell.n, _accuracy(cell), *figures))
            refused |= {cell.condition} if cell.refused else set()
    lines.append("IoU: of the first action, on items with one true region")
    fine = [c for c in metrics.cells if (c.kind, c.answer_type) == ("attribute", "all")]
    lines += [f"attribute  {cell.condition:<15}{cell.n:>6}  {_accuracy(cell)}" for cell in fine]
    lines += [_difference(c, refused) for c in metrics.comparisons if c.kind in ("all", "attribute")]
    return "\n".join(lines) + "\n"


def with_interval(estimate: Estimate, form: str) -> str:
    """A mean with its 95 % interval, as in ``0.53 [0.51, 0.54]``.

    Args:
        form: of a figure, as `format` takes it.
    """
    if estimate.mean is None:
        return UNDEFINED
    low, high = (_number(value, form) for value in (estimate.low, estimate.high))
    return f"{estimate.mean:{form}} [{UNDEFINED if UNDEFINED in (low, high) else f'{low}, {high}'}]"


def _accuracy(cell: Cell) -> str:
    if cell.refused:
        return f"refused: {cell.infrastructure_failures} failed"
    if cell.accuracy is None or cell.low is None or cell.high is None:
        return UNDEFINED
    return f"{cell.accuracy:.1%} [{cell.low:.1%}, {cell.high:.1%}]"


def _difference(comparison: Comparison, refused: set[str]) -> str:
    """One line, in percentage points, or that there is none to report for a condition that is ``refused``.

    It ends with the smallest true difference that so many items show in four of five runs.
    """
    pair = f"{comparison.kind:<10} {comparison.first + ' - ' + comparison.second:<28}"
    if refused & {comparison.first, comparison.second}:
        return f"{pair} refused"
    points = [None if v is None else 100 * v for v in (comparison.difference, comparison.low, comparison.high)]
    difference, low, high = (_number(value, "+.1f") for value in points)
    p, p_holm = (_number(value, ".2g") for value in (comparison.p, comparison.p_holm))
    interval = "interval undefined" if low == UNDEFINED else f"[{low}, {high}]"
    shown = None if comparison.detectable is None else 100 * comparison.detectable
    return f"{pair} {difference} points {interval}, p = {p}, by Holm {p_holm}; detectable {_number(shown, '.1f')}"


def _number(value: float | None, form: str) -> str:
    return UNDEFINED if value is None else format(value, form)
