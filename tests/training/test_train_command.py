"""``vitar train``: a recipe and settings in, a finished model or one paragraph out."""

from __future__ import annotations

from pathlib import Path

import pytest

from vitar.cli.main import main

SETTINGS = [
    "trajectories=2",
    "direct_share=0",
    "trainer.max_steps=1",
    "trainer.num_train_epochs=1",
    "trainer.gradient_accumulation_steps=1",
    "trainer.per_device_train_batch_size=2",
    "trainer.dataloader_num_workers=0",
    "trainer.disable_tqdm=true",
]
RECIPE = Path(__file__).parents[2] / "recipes" / "tiny" / "sft.yaml"


def command(*settings: str, recipe: Path = RECIPE) -> list[str]:
    options = [option for setting in settings for option in ("--set", setting)]
    return ["train", "sft", "--config", str(recipe), *options]


def test_a_recipe_is_run(small_model_dir: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(f"model={small_model_dir}", f"output_dir={tmp_path}/out", *SETTINGS)) == 0
    assert capsys.readouterr().out.endswith(f"finished model in {tmp_path}/out/final\n")
    assert (tmp_path / "out" / "final" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (("epochs=3",), "unknown epochs"),
        (("trainer.learning_speed=1",), "no option learning_speed"),
        (("model=/nowhere/at/all",), "/nowhere/at/all"),
        (("data=phantoms:nowhere",), "unknown split"),
    ],
)
def test_bad_input_is_one_paragraph(
    small_model_dir: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    settings: tuple[str, ...],
    words: str,
) -> None:
    assert main(command(f"model={small_model_dir}", f"output_dir={tmp_path}/out", *SETTINGS, *settings)) == 2
    captured = capsys.readouterr()
    assert captured.err.startswith("vitar train sft: ") or "vitar train sft: " in captured.err
    assert words in captured.err
    assert "Traceback" not in captured.err


def test_a_missing_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(command(recipe=tmp_path / "none.yaml")) == 2
    assert "cannot read the recipe" in capsys.readouterr().err
