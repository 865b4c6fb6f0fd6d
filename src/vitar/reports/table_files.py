"""The tables of a report as files: CSV and LaTeX for each name, JSON for all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

from vitar.reports.latex import latex
from vitar.reports.tables import Row, Table


def write_tables(tables: Sequence[Table], stem: Path) -> list[Path]:
    """Writes ``stem-NAME.csv`` and ``stem-NAME.tex`` per name of table and ``stem-tables.json``; returns the paths.

    CSV and JSON hold plain values, one row each, of all tables of a name. LaTeX holds what a reader sees on the page.
    """
    named: dict[str, list[Table]] = {}
    for table in tables:
        named.setdefault(table.name, []).append(table)
    merged: dict[str, list[Row]] = {
        name: [row for table in found for row in table.rows] for name, found in named.items()
    }
    written = []
    for name, rows in merged.items():
        for suffix, text in (("csv", _csv(rows)), ("tex", latex(named[name]))):
            path = stem.with_name(f"{stem.name}-{name}.{suffix}")
            path.write_text(text, encoding="utf-8", errors="replace")
            written.append(path)
    path = stem.with_name(f"{stem.name}-tables.json")
    path.write_text(json.dumps({"schema_version": 1, "tables": merged}, indent=1) + "\n", encoding="utf-8")
    return [*written, path]


def _csv(rows: Sequence[Row]) -> str:
    """Rows under all their keys; what is undefined, or does not apply, is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(
        text, list(dict.fromkeys(key for row in rows for key in row)), restval="", lineterminator="\n"
    )
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
