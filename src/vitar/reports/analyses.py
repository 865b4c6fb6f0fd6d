"""The tables of the analyses that a run may hold: regions against experts, and costs."""

from __future__ import annotations

from functools import partial

from vitar.reports.run import Run
from vitar.reports.tables import Column, Row, Table, text_column
from vitar.reports.wording import decimals, percent

COST_COLUMNS = (("10%", "q10"), ("Median", "q50"), ("90%", "q90"), ("99%", "q99"), ("Most", "q100"))


def analysis_tables(run: Run) -> list[Table]:
    """Those that have anything in them."""
    tables = [regions_table(run), annotators_table(run), costs_table(run)]
    return [table for table in tables if table.rows]


def costs_table(run: Run) -> Table:
    """Distributions of what a question costs, one row per condition and cost."""
    rows = tuple(
        {
            "run": run.name,
            "condition": cost["condition"],
            "cost": cost["cost"],
            **cost["mean"],
            **{f"q{100 * float(share):g}": value for share, value in cost["quantiles"].items()},
        }
        for cost in run.costs.get("costs", ())
    )
    columns = (
        text_column("Condition", "condition"),
        Column("Cost", lambda row: row["cost"].replace("_", " "), numeric=False),
        Column("n", lambda row: f"{row['n']:,}"),
        Column("Mean", lambda row: _spent(row, "mean")),
        *(Column(title, partial(_spent, key=key)) for title, key in COST_COLUMNS),
    )
    caption = f"What a question costs: mean, quantiles and the most; run {run.name}"
    return Table("costs", caption, columns, rows)


def regions_table(run: Run) -> Table:
    """Where the model looked against the true regions, by condition, size of the region and modality."""
    rows = tuple(
        {
            "run": run.name,
            **{key: part[key] for key in ("condition", "by", "part", "n")},
            **{f"{name}_{key}": value for name, found in part["measures"].items() for key, value in found.items()},
        }
        for part in run.regions.get("parts", ())
    )
    columns = (
        text_column("Condition", "condition"),
        text_column("Questions", "part"),
        Column("n", lambda row: f"{row['n']:,}"),
        Column("IoU", lambda row: _between(row, "iou")),
        Column("IoU ≥ 0.25", lambda row: percent(row["hit_25_mean"])),
        Column("IoU ≥ 0.5", lambda row: percent(row["hit_50_mean"])),
        Column("Centre inside", lambda row: percent(row["pointing_mean"])),
        Column("Distance", lambda row: decimals(row["centre_distance_mean"], 3)),
        Column("Covered", lambda row: percent(row["coverage_mean"])),
        Column("Excess", lambda row: percent(row["excess_mean"])),
    )
    return Table("regions", f"First action against the true regions; run {run.name}", columns, rows)


def annotators_table(run: Run) -> Table:
    """Agreement of the model with several annotators beside theirs with each other."""
    rows = tuple(
        {
            "run": run.name,
            "condition": found["condition"],
            "n": found["n"],
            **{f"{name}_{key}": v for name in ("model", "annotators", "difference") for key, v in found[name].items()},
            **{f"{name}_{key}": v for name, by in found["by_annotator"].items() for key, v in by.items()},
        }
        for found in run.regions.get("annotators", ())
    )
    columns = (
        text_column("Condition", "condition"),
        Column("n", lambda row: f"{row['n']:,}"),
        Column("Model with annotators", lambda row: _between(row, "model")),
        Column("Annotators with each other", lambda row: _between(row, "annotators")),
        Column("Difference", lambda row: _between(row, "difference")),
    )
    return Table("annotators", f"Mean IoU with several annotators; run {run.name}", columns, rows)


def _spent(row: Row, key: str) -> str:
    """A cost with the places that it needs."""
    value = row.get(key)
    return decimals(value, 2 if row["cost"] in ("seconds", "rounds") else 0)


def _between(row: Row, name: str) -> str:
    value, low, high = (row[f"{name}_{key}"] for key in ("mean", "low", "high"))
    if value is None or low is None or high is None:
        return decimals(value, 2)
    return f"{decimals(value, 2)} ({decimals(low, 2)} to {decimals(high, 2)})"
