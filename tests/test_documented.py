"""The documentation shows what docs/results hold, which is about the weights that ship."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from PIL import Image

import vitar
from vitar.cli.main import main
from vitar.demo import STAGES, results_table
from vitar.evaluation.comparisons import Comparison
from vitar.evaluation.metrics import Metrics
from vitar.evaluation.run_folder import weights_digest

sys.path.insert(0, str(Path(__file__).parents[1] / "benchmarks"))

import documented


@pytest.mark.parametrize("name", documented.DOCUMENTS)
def test_tables_are_those_of_the_saved_output(name: str) -> None:
    tables, text = documented.tables(), (documented.ROOT / name).read_text(encoding="utf-8")
    assert tuple(line for line in text.splitlines() if line in tables) == documented.DOCUMENTS[name]
    assert documented.filled(text, tables) == text, "run python benchmarks/documented.py"


@pytest.mark.parametrize("name", ["demo.txt", "ask.txt"])
def test_output_in_the_readme_is_the_saved_one(name: str) -> None:
    saved = (documented.RESULTS / name).read_text(encoding="utf-8").strip()
    assert saved in (documented.ROOT / "README.md").read_text(encoding="utf-8")


def test_the_saved_table_of_the_demonstration_has_its_saved_figures() -> None:
    table = results_table([documented.saved_metrics(f"demo.{stage}") for stage in STAGES])
    assert table in (documented.RESULTS / "demo.txt").read_text(encoding="utf-8")


@pytest.mark.parametrize(("run", "model"), [("tiny", "tiny"), ("majority", "tiny"), ("base", "tiny-base")])
def test_saved_output_is_of_the_weights_that_ship(run: str, model: str) -> None:
    record = json.loads((documented.RESULTS / f"{run}.run.json").read_bytes())
    shipped = weights_digest(Path(vitar.__file__).parent / "models" / model)
    assert record["config"]["weights"] == shipped, "run make results"


@pytest.mark.parametrize("run", ["sft", "tiny"])
def test_the_stages_were_compared_on_the_saved_runs(run: str) -> None:
    row, metrics = documented.saved_stages()[run], documented.saved_metrics(run)
    for condition in ("single_pass", "think_twice"):
        assert float(row[f"{condition}_accuracy"]) == metrics.cell(condition).accuracy, "run make stages"


def test_rows_below_a_known_heading_are_replaced_and_others_kept() -> None:
    text = "before\n| a | b | c |\n|---|---|---|\n| old | 1 | 2 |\n\n| d |\n|---|\n| kept |\nafter\n"
    new = documented.filled(text, {"| a | b | c |": [("x", "", ""), ("y", "2", "3")]})
    assert new == ("before\n| a | b | c |\n|---|---|---|\n| x | | |\n| y | 2 | 3 |\n\n| d |\n|---|\n| kept |\nafter\n")


def test_a_difference_is_shown_from_its_first_condition() -> None:
    """Stored as think_twice − oracle_box = −5 points (−7 to +1), shown as oracle_box − think_twice."""
    figures = {"n": 100, "difference": -0.05, "low": -0.07, "high": 0.01, "first_only": 1, "second_only": 6, "p": 0.1}
    pairs = [("think_twice", "oracle_box", kind) for kind in ("all", "attribute")]
    stored = [Comparison(first=a, second=b, kind=kind, p_holm=0.2, **figures) for a, b, kind in pairs]
    metrics = Metrics(model="m", data="d", items=100, cells=(), comparisons=tuple(stored))
    rows = {row[0]: row[2:] for row in documented.differences(metrics)}
    shown = "+5.0 (−1.0 to +7.0), p = 0.20"
    assert [cell.replace("\N{NO-BREAK SPACE}", " ") for cell in rows["Would the true region do better?"]] == [shown] * 2


def test_the_example_of_a_set_of_one_s_own_is_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (documented.ROOT / "docs" / "evaluation.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    Image.new("L", (512, 512)).save("case-17.png")
    exec(text.partition("```python\n")[2].partition("```")[0])
    assert main(["data", "check", "data/mine"]) == 0
