from __future__ import annotations

from pathlib import Path

import pytest

from vitar.cli.main import main
from vitar.data.curation.questions.config import QuestionsConfig
from vitar.data.example import load_examples
from vitar.training.config import read_config

pytest.importorskip("sklearn", reason="the extra curate is not installed")

RECIPE = Path(__file__).parents[2] / "recipes" / "curate" / "questions.yaml"

BASE = ["curate", "questions", "--config", str(RECIPE), "--sources", "phantoms:train:16"]
FEW = ["--set", "items=40", "--set", "workers=1", "--set", "max_source_share=1", "--set", "max_modality_share=1"]


def test_the_recipe_is_read() -> None:
    config = read_config(QuestionsConfig, RECIPE)
    assert config.items >= 16_000
    assert config.names["RBC"] == "red blood cell"
    assert config.generator == "rules"


def test_a_set_is_made_and_a_second_call_only_reports(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "set"
    assert main([*BASE, *FEW, "--out", str(out)]) == 0
    first = capsys.readouterr().out
    assert "16 images" in first
    assert "text alone, all" in first
    assert f"report in {out / 'report.html'}" in first
    assert len(load_examples(out / "train")) > 10
    stamps = {path: path.stat().st_mtime_ns for path in (out / "train").iterdir()}
    assert main([*BASE, *FEW, "--out", str(out)]) == 0
    assert capsys.readouterr().out == first
    assert {path: path.stat().st_mtime_ns for path in (out / "train").iterdir()} == stamps


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--set", "itms=3"], "unknown itms"),
        (["--set", "items=0"], "at least 1"),
        (["--set", "generator=endpoint"], "needs --base-url and --model"),
        (["--set", "benchmarks=[/nowhere]"], "no prepared benchmark"),
        (["--sources", "coco:/nowhere.json"], "not found"),
        (["--sources", "photos:here"], "not an annotated source"),
    ],
)
def test_what_cannot_be_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], part: str
) -> None:
    assert main([*BASE, *FEW, "--out", str(tmp_path / "set"), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.startswith("vitar curate questions: ")
    assert part in error


def test_a_folder_of_another_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "set"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    assert main([*BASE, *FEW, "--out", str(out)]) == 2
    assert "give a new or empty folder" in capsys.readouterr().err
    assert (out / "mine.txt").read_text() == "keep"
