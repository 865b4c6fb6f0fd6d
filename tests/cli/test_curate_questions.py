from __future__ import annotations

import os
from pathlib import Path

import pytest

from vitar.cli.main import main
from vitar.data.curation.questions.config import QuestionsConfig
from vitar.data.example import load_examples
from vitar.training.config import SftConfig, read_config

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


def test_the_recipe_for_real_blood_smears_is_read() -> None:
    folder = RECIPE.parents[1] / "bccd"
    assert read_config(QuestionsConfig, RECIPE.parent / "bccd.yaml").incomplete == ("bccd:RBC",)
    config = read_config(SftConfig, folder / "sft.yaml")
    assert config.data == "curated:runs/bccd/trajectories"
    direct = config.trajectories * config.direct_share / (1 - config.direct_share)
    assert config.trajectories + direct <= 1138  # trajectories that the recipe for questions leads to


@pytest.mark.slow
def test_real_images_become_a_trained_model_with_figures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands of recipes/bccd, with three steps and four questions."""
    shared = Path(os.environ.get("VITAR_SHARED_DATA") or RECIPE.parents[3] / "shared" / "data").resolve()
    if not (shared / "bccd").is_dir():
        pytest.skip(f"there is no copy of BCCD in {shared}; VITAR_SHARED_DATA names the folder above one")
    monkeypatch.chdir(tmp_path)
    recipes = RECIPE.resolve().parents[1] / "bccd"
    source = f"voc:{shared / 'bccd'}?modality=blood smear micrograph&anatomy=blood&licence=MIT"
    questions = [
        "curate",
        "questions",
        "--config",
        str(RECIPE.resolve().parent / "bccd.yaml"),
        "--out",
        "runs/bccd/questions",
    ]
    assert main([*questions, "--set", "workers=1", "--sources", source]) == 0
    train, validation = (load_examples(f"runs/bccd/questions/{split}") for split in ("train", "validation"))
    assert (len(train), len(validation)) == (1294, 852)
    assert not {each.group for each in train} & {each.group for each in validation}
    trajectories = ["curate", "trajectories", "--data", "runs/bccd/questions/train", "--out", "runs/bccd/trajectories"]
    assert main(trajectories) == 0
    assert main(["train", "sft", "--config", str(recipes / "sft.yaml"), "--set", "trainer.max_steps=3"]) == 0
    evaluate = ["eval", "--model", "runs/bccd/sft/final", "--data", "runs/bccd/questions/validation"]
    assert main([*evaluate, "--out", "runs/bccd/eval", "--count", "4", "--conditions", "think_twice,oracle_box"]) == 0
