"""Data by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vitar.data.example import Example, save_examples
from vitar.evaluation.data_sources import DEFAULT_COUNT, open_source


def test_phantoms_by_split_and_place() -> None:
    assert len(open_source("phantoms:test")) == DEFAULT_COUNT
    chosen = open_source("phantoms:validation", start=5, count=2)
    assert [example.id for example in chosen] == ["phantom:brain/validation/1", "phantom:mammogram/validation/1"]


def test_a_stored_set_by_its_folder(make_example: Callable[..., Example], tmp_path: Path) -> None:
    folder = tmp_path / "set"
    save_examples([make_example(number) for number in range(5)], folder)
    assert [example.id for example in open_source(str(folder))] == [f"item-{number}" for number in range(5)]
    assert [example.id for example in open_source(str(folder), start=3)] == ["item-3", "item-4"]
    assert [example.id for example in open_source(str(folder), start=1, count=2)] == ["item-1", "item-2"]
    for start, count in ((5, None), (3, 3)):
        with pytest.raises(ValueError, match="has 5 items"):
            open_source(str(folder), start, count)


def test_what_is_no_source_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="unknown split 'exam'"):
        open_source("phantoms:exam")
    for name in ("vqa", "phantom:test", str(tmp_path / "missing")):
        with pytest.raises(ValueError, match=r"there is no data source .* expected phantoms:SPLIT or the folder"):
            open_source(name)
    with pytest.raises(ValueError, match="holds no stored set of examples"):
        open_source(str(tmp_path))
    for start, count in ((-1, 5), (0, 0)):
        with pytest.raises(ValueError, match="items start at 0 and their number is at least 1"):
            open_source("phantoms:test", start, count)
