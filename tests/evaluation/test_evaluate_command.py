"""``vitar eval`` from its words to its exit code."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import pytest

from vitar.cli import evaluate as command
from vitar.cli.summary import summary
from vitar.data.example import save_examples
from vitar.data.phantoms.dataset import phantom_examples
from vitar.evaluation.metrics import Cell, Comparison, Metrics


def vitar(*words: str) -> int:
    parser = argparse.ArgumentParser()
    command.add_parser(parser.add_subparsers())
    return command.run(parser.parse_args(["eval", *words]))


def test_a_small_model_on_phantoms(small_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--model", str(small_model_dir), "--data", "phantoms:test", "--count", "3", "--out", str(tmp_path / "run")]
    words += ["--conditions", "single_pass,think_twice", "--max-new-tokens", "4"]
    assert vitar(*words) == 0
    shown = capsys.readouterr()
    assert "single_pass         3  0.0% [0.0%, 56.1%]" in shown.out
    assert "all        think_twice - single_pass    +0.0 points interval undefined, p = 1, by Holm 1" in shown.out
    assert "metrics.json" in shown.out
    assert "single_pass: " in shown.err  # the progress bar
    written = json.loads((tmp_path / "run" / "metrics.json").read_text())
    assert (written["model"], written["items"]) == (str(small_model_dir), 3)
    assert len(json.loads((tmp_path / "run" / "run.json").read_text())["config"]["weights"]) == 16
    assert vitar(*words) == 0  # goes on where nothing is left to do
    assert vitar(*words, "--seed", "1") == 2
    assert "seed (0 there, 1 now)" in capsys.readouterr().err


def test_several_sets_are_a_run_each(small_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_examples(phantom_examples("test", 2), tmp_path / "own")
    words = ["--model", str(small_model_dir), "--data", f"phantoms:validation,{tmp_path / 'own'}", "--count", "2"]
    words += ["--out", str(tmp_path / "runs"), "--conditions", "single_pass", "--max-new-tokens", "2"]
    for _ in range(2):
        assert vitar(*words) == 0
        shown = capsys.readouterr().out
        assert shown.index("phantoms:validation\n") < shown.index(f"{tmp_path / 'own'}\n")
    for name, data in (("phantoms-validation", "phantoms:validation"), ("own", str(tmp_path / "own"))):
        metrics = json.loads((tmp_path / "runs" / name / "metrics.json").read_text())
        assert (metrics["data"], metrics["items"]) == (data, 2)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--data", "phantoms:test,phantoms:test"], "names sets whose last parts differ"),
        (["--data", "here/set,there/set"], "RUN/NAME; got here/set, there/set"),
        (["--data", "phantoms:test,nowhere"], "there is no data source 'nowhere'"),
        (["--prompt", "MyKit"], "no kit called 'MyKit'"),
        (["--prompt", "MedEvalKit", "--conditions", "single_pass"], "MedEvalKit has no prompt for item 'phantom:"),
        (["--data", "phantoms:exam"], "unknown split 'exam'"),
        (["--data", "nowhere"], "there is no data source 'nowhere'"),
        (["--count", "0"], "their number is at least 1"),
        (["--conditions", "think_twice,blind"], "expected different conditions out of"),
        (["--tools", ","], "expected different tools out of mark_region, zoom; got none"),
        (["--batch-size", "0"], "batch_size must be at least 1"),
        (["--temperature", "-1"], "temperature is a number from 0 up"),
        (["--model", "empty"], "is a folder without config.json"),
        (["--out", "full"], "exists and is no evaluation run"),
    ],
)
def test_bad_input_is_refused_in_one_paragraph(
    words: list[str],
    problem: str,
    small_model_dir: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("empty").mkdir()
    Path("full").mkdir()
    Path("full/work.txt").write_text("not to be lost")
    base = ["--model", str(small_model_dir), "--data", "phantoms:test", "--count", "2", "--out", "run"]
    assert vitar(*base, *words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("vitar eval: ")
    assert problem in error
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "full"]


def test_what_is_undefined_or_refused_is_said_in_words() -> None:
    figures = {"accuracy": 0.9, "low": 0.8, "high": 0.95, "valid": 1.0, "acted": 0.0, "rounds": 1.0}
    figures |= {"generated_tokens": 5.0, "seconds": 0.1, "mean_iou": None, "hit_rate": None}
    common = {"kind": "all", "answer_type": "all", "correct": 90, "boxes_n": 0, **figures}
    cells = (
        Cell(condition="single_pass", n=100, infrastructure_failures=0, **common),  # type: ignore[arg-type]
        Cell(condition="think_twice", n=100, infrastructure_failures=5, **common),  # type: ignore[arg-type]
    )
    unknown = dict.fromkeys(("difference", "low", "high", "p", "p_holm"))
    pairs = [
        Comparison(first=first, second="single_pass", kind="all", n=0, first_only=0, second_only=0, **unknown)
        for first in ("think_twice", "unmarked")
    ]
    text = summary(Metrics(model="m", data="d", items=100, cells=cells, comparisons=tuple(pairs)))
    _, single, think, _, refused, compared = text.splitlines()
    assert "90.0% [80.0%, 95.0%]" in single
    assert "undefined" in single  # the overlap, where nothing was marked
    assert "refused: 5 failed" in think
    assert "90.0%" not in think
    assert refused.split() == ["all", "think_twice", "-", "single_pass", "refused"]
    assert "undefined points interval undefined, p = undefined" in compared
