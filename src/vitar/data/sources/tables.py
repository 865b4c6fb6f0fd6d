"""Annotation tables: CSV files of one row per box."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from pathlib import Path

from vitar.data.sources.source import SourceError, existing


def read_table(path: Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """The rows of a CSV file with a header, every value a text without blanks around it.

    Raises:
        SourceError: the file is missing or lacks one of ``columns``.
    """
    with existing(path, "the annotation table").open(encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        header = [column.strip() for column in reader.fieldnames or ()]
        if missing := [column for column in columns if column not in header]:
            raise SourceError(f"{path}: no column {', '.join(missing)} among {header}. Expected the official table.")
        reader.fieldnames = header
        return [{column: (row[column] or "").strip() for column in header} for row in reader]


def numbers(texts: Iterable[str], item: str) -> list[float]:
    """The texts as numbers.

    Raises:
        SourceError: one is no number.
    """
    texts = list(texts)
    try:
        return list(map(float, texts))
    except ValueError as error:
        raise SourceError(f"{item}: {texts} are not all numbers. Expected a box; repair or fetch the table.") from error
