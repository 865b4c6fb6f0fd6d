"""The record of a run, begun and gone on with."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pytest

from vitar.run_record import write_run_record


@dataclass(frozen=True)
class Config:
    items: int


@dataclass(frozen=True)
class Other:
    items: int


def record(folder: Path) -> dict[str, object]:
    return json.loads((folder / "run.json").read_text())


def test_a_run_that_goes_on_elsewhere_keeps_where_it_began(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vitar.run_record.source_commit", lambda: "a")
    write_run_record(tmp_path, Config(1), processes=1)
    begun = record(tmp_path)
    assert (begun["command"], begun["config"], begun["commit"], begun["processes"]) == ("Config", {"items": 1}, "a", 1)
    write_run_record(tmp_path, Config(1), processes=1)
    assert record(tmp_path) == begun  # nothing has changed
    for commit in ("b", "b", "a"):
        monkeypatch.setattr("vitar.run_record.source_commit", lambda commit=commit: commit)
        write_run_record(tmp_path, Config(2), processes=2)
    gone_on = record(tmp_path)
    later = gone_on.pop("continued")
    assert [(each["commit"], each["processes"], "started" in each) for each in later] == [
        ("b", 2, True),
        ("a", 2, True),
    ]
    assert gone_on == begun | {"config": {"items": 2}}
    write_run_record(tmp_path, Config(4), anew=True, processes=3)
    assert "continued" not in record(tmp_path)
    assert record(tmp_path)["processes"] == 3
    write_run_record(tmp_path, Other(3))
    assert record(tmp_path)["command"] == "Other"
    assert "continued" not in record(tmp_path)
