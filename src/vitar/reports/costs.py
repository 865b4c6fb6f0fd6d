"""What answers cost: distributions for each run, and accuracy over cost for all runs on the same data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from markupsafe import Markup

from vitar.analysis.efficiency import Cost
from vitar.reports.cost_figures import Point, Spread, distribution_plot, tradeoff_plot
from vitar.reports.figures import OTHER_STYLE, STYLES, Plot, marker_key
from vitar.reports.run import SINGLE, THINK, Run
from vitar.reports.tables import Column, Row, Table, text_column
from vitar.reports.wording import UNDEFINED, between, decimals, listed, points_between, share_between

COST_WORDS = {
    "seconds": "seconds",
    "prompt_tokens": "tokens read",
    "image_tokens": "image tokens",
    "generated_tokens": "tokens written",
    "total_tokens": "tokens read and written",
    "rounds": "turns",
    "peak_memory_mib": "peak memory in MiB",
}
"""Cost -> how a reader knows it."""

TRADED = ("prompt_tokens", "generated_tokens", "seconds")
"""Costs that accuracy is drawn over."""

CURVES = (("think_0", "think_1", THINK, "think_2", "think_3"), (SINGLE, "majority_k"))
"""Conditions that differ in how much of one thing they spend, from little to much: actions, and samples to vote on."""

QUANTILE_COLUMNS = (("10%", "q10"), ("Median", "q50"), ("90%", "q90"), ("99%", "q99"), ("Most", "q100"))


@dataclass(frozen=True)
class CostFigures:
    """The costs of one run, ready to print."""

    sentence: str
    table: Table
    plots: tuple[Plot, ...]


def cost_figures(run: Run) -> CostFigures | None:
    """Distributions by condition; None where the run has none."""
    if not run.costs:
        return None
    return CostFigures(_sentence(run), costs_table(run), _distributions(run))


def costs_table(run: Run) -> Table:
    """Distributions of what a question costs, one row per condition and cost."""
    rows = tuple(
        {
            "run": run.name,
            "condition": cost.condition,
            "cost": cost.cost,
            **cost.mean.model_dump(),
            **{f"q{100 * float(share):g}": value for share, value in cost.quantiles.items()},
        }
        for cost in _in_order(run)
    )
    columns = (
        text_column("Condition", "condition"),
        Column("Cost", lambda row: _words(row["cost"]), numeric=False),
        Column("n", lambda row: f"{row['n']:,}"),
        Column("Mean", lambda row: _mean(row)),
        *(_quantile_column(title, key) for title, key in QUANTILE_COLUMNS),
    )
    caption = f"What a question costs: mean with 95% interval, quantiles and the most; run {run.name}"
    return Table("costs", caption, columns, rows)


def tradeoffs_table(run: Run) -> Table:
    """Accuracy beside the mean of every cost."""
    rows = []
    for name in run.conditions:
        for found in (each for each in run.tradeoffs if each.condition == name):
            accuracy = {"n": found.accuracy.n, "accuracy": found.accuracy.mean}
            accuracy |= {"low": found.accuracy.low, "high": found.accuracy.high}
            rows.append({"run": run.name, "condition": name, **accuracy, **found.costs})
    known = [cost for cost in COST_WORDS if any(cost in row for row in rows)]
    columns = (
        text_column("Condition", "condition"),
        Column("n", lambda row: f"{row['n']:,}"),
        Column("Accuracy", lambda row: share_between(row["accuracy"], row["low"], row["high"])),
        *(_cost_column(cost) for cost in known),
    )
    caption = f"Accuracy with clustered 95% interval, and mean costs per question; run {run.name}"
    return Table("tradeoffs", caption, columns, tuple(rows))


@dataclass(frozen=True)
class Tradeoffs:
    """Accuracy over costs on one data set.

    Args:
        key: of the markers, and of the numbers of the runs where there are several.
        missing: what could not be drawn, in words; "" for nothing.
    """

    data: str
    plots: tuple[Plot, ...]
    key: Markup
    runs: tuple[str, ...]
    missing: str


def tradeoffs(runs: Sequence[Run]) -> tuple[Tradeoffs, ...]:
    """One for each data set on which a run has costs: a point for each condition and run."""
    found = []
    for data in dict.fromkeys(run.metrics.data for run in runs if run.tradeoffs):
        here = [run for run in runs if run.metrics.data == data and run.tradeoffs]
        names = ", ".join(run.name for run in here)
        conditions = list(dict.fromkeys(name for run in here for name in run.conditions))
        plots = []
        missing: list[str] = []
        for cost in TRADED:
            points_of = {
                (run.name, condition): point
                for run, tag in _tagged(here)
                for condition, point in _points(run, cost, tag).items()
            }
            absent = [name for run in here for name in run.conditions if (run.name, name) not in points_of]
            if absent:
                missing.append(f"{_words(cost)} of {listed(list(dict.fromkeys(absent)))}")
            if not points_of:
                continue
            curves = [
                curve
                for run in here
                for steps in CURVES
                if len(curve := [points_of[run.name, n] for n in steps if (run.name, n) in points_of]) > 1
            ]
            alt = f"Accuracy in percent over {_words(cost)}, data {data}"
            svg = tradeoff_plot(list(points_of.values()), curves, partial(_said, cost), _words(cost), alt)
            caption = f"Accuracy in percent over mean {_words(cost)} per question; runs {names}"
            plots.append(Plot(caption, svg))
        key = marker_key([(name, STYLES.get(name, OTHER_STYLE)) for name in conditions])
        numbered = tuple(f"{tag} {run.name}" for run, tag in _tagged(here) if tag)
        words = f"{UNDEFINED.capitalize()}, and not drawn: {'; '.join(missing)}." if missing else ""
        found.append(Tradeoffs(data, tuple(plots), key, numbered, words))
    return tuple(found)


def _tagged(runs: Sequence[Run]) -> list[tuple[Run, str]]:
    """Runs with their numbers; a single one needs none."""
    return [(run, str(number) if len(runs) > 1 else "") for number, run in enumerate(runs, start=1)]


def _points(run: Run, cost: str, tag: str) -> dict[str, Point]:
    """Condition -> its point, where both figures are known; every other run has its number before its markers."""
    found = {}
    for each in run.tradeoffs:
        spent, accuracy, cell = each.costs.get(cost), each.accuracy, run.metrics.cell(each.condition)
        if spent is None or accuracy.mean is None or (cell and cell.refused):
            continue
        style = STYLES.get(each.condition, OTHER_STYLE)
        found[each.condition] = Point(
            f"{each.condition} of {run.name}" if tag else each.condition,
            spent,
            accuracy.mean,
            accuracy.low,
            accuracy.high,
            style,
            tag,
            tag_before=bool(tag) and int(tag) % 2 == 1,
        )
    return found


def _distributions(run: Run) -> tuple[Plot, ...]:
    plots = []
    for cost in (name for name in COST_WORDS if any(each.cost == name for each in run.costs)):
        spreads = [
            Spread(each.condition, each.quantiles, STYLES.get(each.condition, OTHER_STYLE))
            for each in _in_order(run)
            if each.cost == cost
        ]
        caption = f"{_title(cost)} per question; run {run.name}"
        show = partial(_said, cost)
        plots.append(Plot(caption, distribution_plot(spreads, show, caption)))
    return tuple(plots)


def _sentence(run: Run) -> str:
    """What the second look costs, and what it brings for that."""
    means = {(each.condition, each.cost): each.mean.mean for each in run.costs}
    times = []
    for cost in ("seconds", "prompt_tokens", "generated_tokens"):
        two, one = means.get((THINK, cost)), means.get((SINGLE, cost))
        if two is not None and one:
            times.append(f"{two / one:.1f} times the {_words(cost)}")
    look = run.metrics.compare(THINK, SINGLE)
    if look is None or not times:
        return f"What a second look costs against one is {UNDEFINED}: the run does not have both."
    gain = points_between(look.difference, look.low, look.high)
    return f"Two looks take {listed(times)} of one look, and change the accuracy by {gain} points."


def _in_order(run: Run) -> list[Cost]:
    """The costs by condition, in the order of the run's conditions."""
    return [each for name in run.conditions for each in run.costs if each.condition == name]


def _words(cost: str) -> str:
    return COST_WORDS.get(cost, cost.replace("_", " "))


def _title(cost: str) -> str:
    words = _words(cost)
    return words[:1].upper() + words[1:]


def _mean(row: Row) -> str:
    return between(row["mean"], row["low"], row["high"], _places(row["cost"], row["mean"]))


def _quantile_column(title: str, key: str) -> Column:
    return Column(title, lambda row: _said(row["cost"], row.get(key)))


def _cost_column(cost: str) -> Column:
    return Column(_title(cost), lambda row: _said(cost, row.get(cost)))


def _places(cost: str, value: float | None) -> int:
    """Decimal places that a cost of about ``value`` needs."""
    if cost == "seconds":
        return 3 if value is not None and value < 1 else 2
    return {"rounds": 2, "generated_tokens": 1}.get(cost, 0)


def _said(cost: str, value: float | None) -> str:
    return decimals(value, _places(cost, value))
