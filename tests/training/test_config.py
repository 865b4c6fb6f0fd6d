"""A recipe becomes a checked configuration, and every mistake in it has a name."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path

import pytest
from accelerate.commands.config.config_args import load_config_from_file
from accelerate.utils import DistributedType, FullyShardedDataParallelPlugin

from vitar.training.base.train import BaseConfig
from vitar.training.config import ConfigError, GrpoConfig, SftConfig, read_config
from vitar.training.trl_adapter import grpo_arguments, sft_arguments

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yaml"
    path.write_text("model: tiny-base\noutput_dir: out\ntrainer: {learning_rate: 2e-5, max_steps: 3}\n")
    return path


def test_values_of_the_file_and_defaults(recipe: Path) -> None:
    config = read_config(SftConfig, recipe)
    assert config.model == "tiny-base"
    assert config.trainer == {"learning_rate": 2e-5, "max_steps": 3}  # YAML 1.1 would read a text
    assert config.tools == ("mark_region", "zoom")


def test_words_of_trainers_stay_words(recipe: Path) -> None:
    settings = ["trainer.save_strategy=no", "trainer.bf16=true", "freeze_vision=false"]
    config = read_config(SftConfig, recipe, settings)
    assert (config.trainer["save_strategy"], config.trainer["bf16"], config.freeze_vision) == ("no", True, False)


def test_settings_reach_into_mappings_and_win(recipe: Path) -> None:
    settings = ["trainer.max_steps=7", "tools=[mark_region]", "lora.r=4", "seed=3"]
    config = read_config(SftConfig, recipe, settings)
    assert config.trainer == {"learning_rate": 2e-5, "max_steps": 7}
    assert (config.tools, config.lora, config.seed) == (("mark_region",), {"r": 4}, 3)


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("learning_rate=1e-3", "unknown learning_rate; SftConfig knows model, output_dir"),
        ("trajectories=many", "trajectories: Input should be a valid integer"),
        ("direct_share=1.0", "direct_share is a share"),
        ("tools=[zoom, mark_region]", "alphabetical order"),
        ("tools=[crop]", "unknown tools"),
        ("tools=[]", "tools must be named"),
        ("dtype=float16", "dtype: Input should be 'float32' or 'bfloat16'"),
        ("data=some/folder", "stored data needs traces"),
        ("model.name=x", "'model' is no mapping"),
        ("trainer", "form key=value"),
        ("seed=[", "not YAML"),
    ],
)
def test_a_wrong_setting_is_named(recipe: Path, setting: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("[", r"\[")):
        read_config(SftConfig, recipe, [setting])


def test_a_file_that_is_no_recipe(tmp_path: Path) -> None:
    path = tmp_path / "recipe.yaml"
    for text, words in (("- 1\n", "expected lines"), ("a: [", "not YAML"), ("model: x\n", "output_dir")):
        path.write_text(text)
        with pytest.raises(ConfigError, match=words):
            read_config(SftConfig, path)
    with pytest.raises(ConfigError, match="cannot read the recipe"):
        read_config(SftConfig, tmp_path / "missing.yaml")


def test_the_launcher_s_settings_are_ones_that_accelerate_knows() -> None:
    config = load_config_from_file(str(RECIPES / "fsdp2.yaml"))
    assert (config.num_processes, config.distributed_type, config.mixed_precision) == (8, DistributedType.FSDP, "bf16")
    assert {name.removeprefix("fsdp_") for name in config.fsdp_config} <= {
        "version",
        *(field.name for field in fields(FullyShardedDataParallelPlugin)),
    }


@pytest.mark.parametrize(
    "path",
    sorted(path for path in RECIPES.glob("*/*.yaml") if path.parent.name != "curate"),
    ids=lambda path: f"{path.parent.name}-{path.stem}",
)
def test_every_recipe_that_ships_is_valid(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if path.stem.startswith("base"):
        assert read_config(BaseConfig, path)
        return
    monkeypatch.setenv("WORLD_SIZE", "1")
    options = {"output_dir": str(tmp_path), "seed": 0}
    if path.stem.startswith("sft"):
        assert sft_arguments({**read_config(SftConfig, path).trainer, "bf16": False}, **options)
    else:
        assert grpo_arguments({**read_config(GrpoConfig, path).trainer, "bf16": False}, **options)


def test_trainer_options_pass_through_or_are_refused(tmp_path: Path) -> None:
    arguments = grpo_arguments({"max_steps": 3}, output_dir=str(tmp_path), seed=5)
    assert (arguments.max_steps, arguments.seed, arguments.num_generations) == (3, 5, 8)
    assert (arguments.beta, arguments.loss_type) == (0.0, "grpo")
    paper = GrpoConfig("model", "folder")
    assert (paper.max_actions, paper.max_turns) == (1, 2)
    with pytest.raises(ConfigError, match="no option max_prompt_tokens"):
        grpo_arguments({"max_prompt_tokens": 3}, output_dir=str(tmp_path))
    with pytest.raises(ConfigError, match="output_dir cannot be set there"):
        sft_arguments({"output_dir": "elsewhere"}, output_dir=str(tmp_path))
    with pytest.raises(ConfigError, match="divisible"):
        grpo_arguments({"per_device_train_batch_size": 3, "num_generations": 2}, output_dir=str(tmp_path))
