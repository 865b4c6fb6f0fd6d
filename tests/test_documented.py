"""The documentation shows what docs/results hold."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import documented


@pytest.mark.parametrize("name", documented.DOCUMENTS)
def test_tables_are_those_of_the_saved_output(name: str) -> None:
    tables, text = documented.tables(), (documented.ROOT / name).read_text(encoding="utf-8")
    assert set(tables) & set(text.splitlines()), "the document has no table that is known by its heading"
    assert documented.filled(text, tables) == text, "run python benchmarks/documented.py"


def test_every_table_is_in_some_document() -> None:
    lines = {line for name in documented.DOCUMENTS for line in (documented.ROOT / name).read_text().splitlines()}
    assert set(documented.tables()) <= lines


@pytest.mark.parametrize("name", ["demo.txt", "ask.txt"])
def test_output_in_the_readme_is_the_saved_one(name: str) -> None:
    saved = (documented.RESULTS / name).read_text(encoding="utf-8").strip()
    assert saved in (documented.ROOT / "README.md").read_text(encoding="utf-8")


def test_rows_below_a_known_heading_are_replaced_and_others_kept() -> None:
    text = "before\n| a | b |\n|---|---|\n| old | 1 |\n| old | 2 |\n\n| c |\n|---|\n| kept |\nafter\n"
    new = documented.filled(text, {"| a | b |": [("x", ""), ("y", "2"), ("z", "3")]})
    assert new == ("before\n| a | b |\n|---|---|\n| x | |\n| y | 2 |\n| z | 3 |\n\n| c |\n|---|\n| kept |\nafter\n")


def test_a_difference_is_turned_round_with_its_interval() -> None:
    """Stored as think_twice − oracle_box, shown as oracle_box − think_twice."""
    rows = {row[0]: row for row in documented.tables()[documented.DIFFERENCES]}
    metrics = documented.stored("tiny")
    found = next(c for c in metrics.comparisons if c.kind == "all" and c.second == "oracle_box")
    assert found.first == "think_twice"
    assert rows["Would the true region do better?"][2].startswith(
        f"{-100 * found.difference:+.1f} ({-100 * found.high:+.1f} to {-100 * found.low:+.1f})"
    )
