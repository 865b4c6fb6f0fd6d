"""The tables of a report: one set of rows, shown as HTML and written as CSV and JSON.

A row holds plain values under stable names; a column says how a reader sees one or several of them.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from vitar.evaluation.metrics import ALL, Cell
from vitar.reports.answers import answers
from vitar.reports.run import SINGLE, THINK, Run
from vitar.reports.stages import change
from vitar.reports.wording import ABSENT, decimals, p_value, percent, points, points_between, share_between

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Column:
    """One column as it is shown.

    Args:
        wrapped: its cells hold sentences, and may break into lines.
    """

    title: str
    show: Callable[[Row], str]
    numeric: bool = True
    wrapped: bool = False


@dataclass(frozen=True)
class Table:
    """Rows with the columns to show of them.

    Args:
        name: of the file; tables of one name from several runs share it.
        caption: what the table holds, and of which run.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]


def runs_table(runs: Sequence[Run]) -> Table:
    """What was run."""
    rows = tuple(
        {
            "run": run.name,
            "model": run.metrics.model,
            "data": run.metrics.data,
            "items": run.metrics.items,
            "conditions": " ".join(run.conditions),
            "date": run.date,
            "commit": run.record.get("commit"),
            "vitar": run.record.get("vitar"),
            "device": run.record.get("device"),
            "seed": _seed(run.record),
        }
        for run in runs
    )
    columns = (
        text_column("Run", "run"),
        text_column("Model", "model"),
        text_column("Data", "data"),
        Column("Items", lambda row: f"{row['items']:,}"),
        Column("Date", lambda row: str(row["date"]), numeric=False),
        Column("Commit", lambda row: _short_commit(row["commit"]), numeric=False),
        text_column("vitar", "vitar"),
        text_column("Seed", "seed"),
        text_column("Device", "device"),
    )
    return Table("runs", "What was run", columns, rows)


def models_table(runs: Sequence[Run]) -> Table:
    """Each run's model with one look and with two, in the order of the runs."""
    rows = []
    for place, run in enumerate(runs):
        row: dict[str, Any] = {"run": run.name, "model": run.metrics.model}
        for condition in (SINGLE, THINK):
            figures = _figures(run.cell(condition))
            for key in ("n", "accuracy", "low", "high", "valid", "mean_iou", "refused"):
                row[f"{condition}_{key}"] = figures.get(key)
        look = run.compare(THINK, SINGLE)
        for key in ("difference", "low", "high", "p"):
            row[f"second_look_{key}"] = getattr(look, key) if look else None
        step = change(runs[place - 1], run) if place else None
        for key in ("n", "difference", "low", "high", "p"):
            row[f"step_{key}"] = getattr(step, key) if step else None
        rows.append(row)
    columns = (
        text_column("Run", "run"),
        _share(SINGLE, f"{SINGLE}_"),
        _share(THINK, f"{THINK}_"),
        Column("Second look, points", lambda row: _difference(row, "second_look_")),
        Column("p", lambda row: p_value(row["second_look_p"])),
        Column("Over the row above, points", lambda row: _difference(row, "step_")),
        Column("p", lambda row: p_value(row["step_p"])),
        Column("Valid", lambda row: percent(row[f"{THINK}_valid"])),
        Column("Mean IoU", lambda row: decimals(row[f"{THINK}_mean_iou"], 2)),
    )
    names = ", ".join(run.name for run in runs)
    caption = (
        f"Accuracy of each model with one look and with two, the difference, and that of {THINK} to the row above; "
        f"95% intervals, exact McNemar p, not adjusted; runs {names}"
    )
    return Table("models", caption, columns, tuple(rows))


def conditions_table(run: Run) -> Table:
    """Every figure of every condition over all items."""
    cells = [cell for name in run.conditions if (cell := run.cell(name))]
    rows = tuple({"run": run.name, **_figures(cell)} for cell in cells)
    columns = (
        text_column("Condition", "condition"),
        Column("n", lambda row: f"{row['n']:,}"),
        _share("Accuracy"),
        Column("Valid", lambda row: percent(row["valid"])),
        Column("Acted", lambda row: percent(row["acted"])),
        Column("Mean IoU", lambda row: decimals(row["mean_iou"], 2)),
        Column("Hit rate", lambda row: percent(row["hit_rate"])),
        Column("Rounds", lambda row: decimals(row["rounds"], 2)),
        Column("Tokens", lambda row: decimals(row["generated_tokens"], 1)),
        Column("Seconds", lambda row: decimals(row["seconds"], 2)),
        Column("Failed", lambda row: f"{row['infrastructure_failures']:,}"),
    )
    return Table("conditions", f"All items by condition; run {run.name}", columns, rows)


def breakdown_table(run: Run, axis: str) -> Table:
    """Accuracy by question kind (``axis="kind"``) or by form of answer (``axis="answer_type"``)."""
    cells = [cell for cell in run.metrics.cells if _on_axis(cell, axis)]
    values = run.kinds if axis == "kind" else tuple(dict.fromkeys(getattr(cell, axis) for cell in cells))
    rows = []
    for value in values:
        here = {cell.condition: cell for cell in cells if getattr(cell, axis) == value}
        row: dict[str, Any] = {"run": run.name, axis: value, "n": max((c.n for c in here.values()), default=0)}
        for condition in run.conditions:
            figures = _figures(here.get(condition))
            for key in ("accuracy", "low", "high", "refused"):
                row[f"{condition}_{key}"] = figures.get(key)
        rows.append(row)
    title, words = ("Kind", "question kind") if axis == "kind" else ("Answer", "form of answer")
    columns = (
        text_column(title, axis),
        Column("n", lambda row: f"{row['n']:,}"),
        *(_share(condition, f"{condition}_") for condition in run.conditions),
    )
    name = "kinds" if axis == "kind" else "answer_types"
    return Table(name, f"Accuracy by {words}, 95% intervals; run {run.name}", columns, tuple(rows))


def comparisons_table(run: Run) -> Table:
    """Every paired comparison of the run."""
    kinds = (ALL, *run.kinds)
    found = sorted(run.metrics.comparisons, key=lambda comparison: kinds.index(comparison.kind))
    rows = tuple({"run": run.name, **comparison.model_dump()} for comparison in found)
    columns = (
        Column("First − second", lambda row: f"{row['first']} − {row['second']}", numeric=False),
        text_column("Kind", "kind"),
        Column("n", lambda row: f"{row['n']:,}"),
        Column("Points", _difference),
        Column("Only first right", lambda row: f"{row['first_only']:,}"),
        Column("Only second right", lambda row: f"{row['second_only']:,}"),
        Column("p", lambda row: p_value(row["p"])),
        Column("p by Holm", lambda row: p_value(row["p_holm"])),
        Column("Detectable", lambda row: points(row["detectable"])),
    )
    caption = f"The same items under two conditions, 95% intervals and exact McNemar p; run {run.name}"
    return Table("comparisons", caption, columns, rows)


def answers_table(run: Run) -> Table:
    """What the run answers, in words."""
    rows = tuple({"run": run.name, **asdict(answered)} for answered in answers(run))
    columns = tuple(
        text_column(title, key, wrapped=True)
        for title, key in (("Question", "question"), ("Answer", "answer"), ("Figures", "figures"))
    )
    return Table("answers", f"What the run answers; run {run.name}", columns, rows)


def write_tables(tables: Sequence[Table], stem: Path) -> list[Path]:
    """Writes ``stem-NAME.csv`` per name of table and ``stem-tables.json`` with all of them; returns the paths."""
    merged: dict[str, list[Row]] = {}
    for table in tables:
        merged.setdefault(table.name, []).extend(table.rows)
    written = []
    for name, rows in merged.items():
        keys = list(dict.fromkeys(key for row in rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, keys, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        path = stem.with_name(f"{stem.name}-{name}.csv")
        path.write_text(text.getvalue(), encoding="utf-8", errors="replace")
        written.append(path)
    path = stem.with_name(f"{stem.name}-tables.json")
    record = {"schema_version": 1, "tables": merged}
    path.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    return [*written, path]


def _figures(cell: Cell | None) -> dict[str, Any]:
    return {**cell.model_dump(), "refused": cell.refused} if cell else {}


def _on_axis(cell: Cell, axis: str) -> bool:
    """Whether the cell is one part of the items by ``axis``, and all of them otherwise."""
    other = "answer_type" if axis == "kind" else "kind"
    return getattr(cell, axis) not in ("all", "") and getattr(cell, other) == "all"


def text_column(title: str, key: str, *, wrapped: bool = False) -> Column:
    """A column of the text under ``key``."""
    return Column(title, lambda row: ABSENT if row[key] is None else str(row[key]), numeric=False, wrapped=wrapped)


def _share(title: str, prefix: str = "") -> Column:
    def show(row: Row) -> str:
        if row[f"{prefix}refused"]:
            return "too many failed"
        return share_between(row[f"{prefix}accuracy"], row[f"{prefix}low"], row[f"{prefix}high"])

    return Column(title, show)


def _difference(row: Row, prefix: str = "") -> str:
    return points_between(row[f"{prefix}difference"], row[f"{prefix}low"], row[f"{prefix}high"])


def _short_commit(commit: str | None) -> str:
    """Twelve digits of a commit, and whether the tree had changes."""
    if not commit:
        return ABSENT
    return commit[:12] + ("-dirty" if commit.endswith("-dirty") and len(commit) > 12 else "")


def _seed(record: Mapping[str, Any]) -> Any:
    config = record.get("config")
    return record.get("seed", config.get("seed") if isinstance(config, dict) else None)
