"""The tables of a report: one set of rows, shown as HTML and written as CSV, JSON and LaTeX.

A row holds plain values under stable names; a column says how a reader sees one or several of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from vitar.evaluation.metrics import Cell
from vitar.reports.answers import answers
from vitar.reports.headline import mark
from vitar.reports.run import THINK, Run
from vitar.reports.wording import ABSENT, SHOWN, decimals, p_value, percent, points, points_between, share_between

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
        note: what its marks mean; "" without any.
    """

    name: str
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[Row, ...]
    note: str = ""


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
            "commit": _of_all_parts(run.record, "commit"),
            "vitar": _of_all_parts(run.record, "vitar"),
            "device": _of_all_parts(run.record, "device"),
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
        Column("Commit", lambda row: _short_commits(row["commit"]), numeric=False),
        text_column("vitar", "vitar"),
        text_column("Seed", "seed"),
        text_column("Device", "device"),
    )
    return Table("runs", "What was run", columns, rows)


def conditions_table(run: Run) -> Table:
    """Every figure of every condition over all items."""
    rows = []
    for name in run.conditions:
        look = run.metrics.compare(name, THINK)
        against = {f"minus_{THINK}_{key}": getattr(look, key, None) for key in ("difference", "low", "high", "p_holm")}
        rows.append({"run": run.name, **figures_of(run.metrics.cell(name)), **against, "shown": mark(look)})
    columns = (
        text_column("Condition", "condition"),
        Column("n", lambda row: f"{row['n']:,}"),
        share_column("Accuracy"),
        difference_column(f"Minus {THINK}, points", f"minus_{THINK}_", "shown"),
        Column("Valid", lambda row: percent(row["valid"])),
        Column("Acted", lambda row: percent(row["acted"])),
        Column("Mean IoU", lambda row: decimals(row["mean_iou"], 2)),
        Column("Hit rate", lambda row: percent(row["hit_rate"])),
        Column("Rounds", lambda row: decimals(row["rounds"], 2)),
        Column("Tokens", lambda row: decimals(row["generated_tokens"], 1)),
        Column("Seconds", lambda row: decimals(row["seconds"], 2)),
        Column("Failed", lambda row: f"{row['infrastructure_failures']:,}"),
    )
    note = f"{SHOWN} shown to differ from {THINK}: p by Holm below 0.05, interval without zero."
    return Table("conditions", f"All items by condition; run {run.name}", columns, tuple(rows), note)


def breakdown_table(run: Run, axis: str) -> Table:
    """Accuracy by question kind (``axis="kind"``) or form of answer (``axis="answer_type"``), a row per condition."""
    cells = [cell for cell in run.metrics.cells if _on_axis(cell, axis)]
    values = run.kinds if axis == "kind" else tuple(dict.fromkeys(getattr(cell, axis) for cell in cells))
    rows = []
    for condition in run.conditions if cells else ():
        here = {getattr(cell, axis): cell for cell in cells if cell.condition == condition}
        row: dict[str, Any] = {"run": run.name, "condition": condition}
        for value in values:
            figures = figures_of(here.get(value))
            row |= {f"{value}_{key}": figures.get(key) for key in ("n", "accuracy", "low", "high", "refused")}
        rows.append(row)
    columns = [text_column("Condition", "condition")]
    for value in values:
        n = max((row[f"{value}_n"] or 0 for row in rows), default=0)
        columns.append(share_column(f"{value} (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}{n:,})", f"{value}_"))
    name, words = ("kinds", "question kind") if axis == "kind" else ("answer_types", "form of answer")
    return Table(name, f"Accuracy by {words}, 95% Wilson intervals; run {run.name}", tuple(columns), tuple(rows))


def comparisons_table(run: Run, kinds: Sequence[str], of: str) -> Table:
    """Every paired comparison of the run on some kinds of questions.

    Args:
        kinds: which, in their order; `ALL` for all questions together.
        of: what these are, in words.
    """
    found = [comparison for kind in kinds for comparison in run.metrics.comparisons if comparison.kind == kind]
    rows = tuple({"run": run.name, **comparison.model_dump(), "shown": mark(comparison)} for comparison in found)
    columns = (
        Column("First − second", lambda row: f"{row['first']} − {row['second']}", numeric=False),
        text_column("Kind", "kind"),
        Column("Points", _points),
        Column("p by Holm", lambda row: p_value(row["p_holm"])),
        Column("p", lambda row: p_value(row["p"])),
        Column("n", lambda row: f"{row['n']:,}"),
        Column("Only first right", lambda row: f"{row['first_only']:,}"),
        Column("Only second right", lambda row: f"{row['second_only']:,}"),
        Column("Detectable", lambda row: points(row["detectable"])),
    )
    caption = f"{of} under two conditions, 95% intervals and exact McNemar p; run {run.name}"
    note = f"{SHOWN} shown: p by Holm below 0.05, interval without zero."
    return Table("comparisons", caption, columns, rows, note)


def answers_table(run: Run) -> Table:
    """What the run answers, in words."""
    rows = tuple({"run": run.name, **asdict(answered)} for answered in answers(run))
    columns = tuple(
        text_column(title, key, wrapped=True)
        for title, key in (("Question", "question"), ("Answer", "answer"), ("Figures", "figures"))
    )
    return Table("answers", f"What the run answers; run {run.name}", columns, rows)


def _points(row: Row) -> str:
    """The difference of a comparison; undefined where nothing could be compared."""
    return marked(points_between(row["difference"], row["low"], row["high"]), row["shown"])


def figures_of(cell: Cell | None) -> dict[str, Any]:
    """The plain values of a cell; none where there is no cell."""
    return {**cell.model_dump(), "refused": cell.refused} if cell else {}


def _on_axis(cell: Cell, axis: str) -> bool:
    """Whether the cell is one part of the items by ``axis``, and all of them otherwise."""
    other = "answer_type" if axis == "kind" else "kind"
    return getattr(cell, axis) not in ("all", "") and getattr(cell, other) == "all"


def text_column(title: str, key: str, *, wrapped: bool = False) -> Column:
    """A column of the text under ``key``."""
    return Column(title, lambda row: ABSENT if row[key] is None else str(row[key]), numeric=False, wrapped=wrapped)


def share_column(title: str, prefix: str = "", marks: str = "") -> Column:
    """An accuracy with its interval, under keys that begin with ``prefix``, and the text under ``marks`` behind it."""

    def show(row: Row) -> str:
        if row[f"{prefix}n"] is None:
            return ABSENT
        if row[f"{prefix}refused"]:
            return "too many failed"
        return marked(
            share_between(*(row[f"{prefix}{key}"] for key in ("accuracy", "low", "high"))), row.get(marks, "")
        )

    return Column(title, show)


def difference_column(title: str, prefix: str = "", marks: str = "") -> Column:
    """A difference in points with its interval, as in `share_column`; absent where there is no comparison."""

    def show(row: Row) -> str:
        value, low, high = (row[f"{prefix}{key}"] for key in ("difference", "low", "high"))
        return ABSENT if value is None else marked(points_between(value, low, high), row.get(marks, ""))

    return Column(title, show)


def marked(text: str, marks: str) -> str:
    """A figure with its marks before the interval, where the eye looks for them: ``+5.8* (+2.6 to +9.1)``."""
    value, space, interval = text.partition(" ")
    return f"{value}{marks}{space}{interval}"


def _of_all_parts(record: Mapping[str, Any], name: str) -> str | None:
    """What the record of a run says of itself and of the times that it was gone on with, each value once."""
    values = (each.get(name) for each in (record, *record.get("continued", [])))
    return ", ".join(dict.fromkeys(value for value in values if value)) or None


def _short_commits(commits: str | None) -> str:
    """Twelve digits of each commit, and whether the tree had changes."""
    if not commits:
        return ABSENT
    return ", ".join(commit[:12] + ("-dirty" if commit.endswith("-dirty") else "") for commit in commits.split(", "))


def _seed(record: Mapping[str, Any]) -> Any:
    config = record.get("config")
    return record.get("seed", config.get("seed") if isinstance(config, dict) else None)
