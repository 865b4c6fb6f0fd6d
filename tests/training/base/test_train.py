import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from vitar.backends.pretrained import load_processor
from vitar.training.base import train
from vitar.training.base.tokenizer import corner_tokens
from vitar.training.base.train import BaseConfig, train_base
from vitar.training.config import ConfigError


class Killed(Exception):
    """Stands for a kill between two steps."""


@pytest.fixture
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> BaseConfig:
    build = train.build_model
    monkeypatch.setattr(train, "build_model", lambda tokenizer: build(tokenizer, text_width=48, vision_width=32))
    monkeypatch.setattr(train, "SCORED_LESSONS", 4)
    return BaseConfig(
        str(tmp_path / "run"),
        scenes=8,
        vision_steps=3,
        vision_batch=1,
        detail_steps=2,
        pointing_steps=3,
        pointing_batch=2,
        words_steps=3,
        words_batch=2,
        language_steps=4,
        language_batch=2,
        micro_batch=1,
        save_steps=2,
        workers=0,
    )


def test_a_run_killed_in_every_phase_goes_on_to_the_same_weights(
    config: BaseConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each phase that has a checkpoint before its last step is killed once in that step."""
    whole = train_base(config)
    broken = replace(config, output_dir=config.output_dir + "-killed")
    step, killed = train.Trainer.training_step, set[str]()

    def kill(self: train.Trainer, *rest: object, **more: object) -> torch.Tensor:
        phase = Path(str(self.args.output_dir)).name
        if self.state.global_step == 2 and phase not in killed:
            killed.add(phase)
            raise Killed
        return step(self, *rest, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(train.Trainer, "training_step", kill)
    for phase in ("words", "vision", "pointing", "language"):
        with pytest.raises(Killed):
            train_base(broken)
        assert phase in killed
    resumed = train_base(broken)
    assert len(killed) == 4
    first, second = (load_file(folder / "model.safetensors") for folder in (whole, resumed))
    assert first.keys() == second.keys()
    for name, value in first.items():
        torch.testing.assert_close(second[name], value, atol=1e-6, rtol=0, msg=name)


def test_the_run_leaves_a_model_that_loads_and_a_record(config: BaseConfig) -> None:
    final = train_base(config)
    out = Path(config.output_dir)
    words, seen, joined, pointed = (
        load_file(out / folder / "model.safetensors")
        for folder in ("words/final", "detail/final", "joined", "pointing/final")
    )
    processor = load_processor(str(final))
    coordinates = corner_tokens(processor.tokenizer).flatten().unique()
    for name, weight in joined.items():
        expected = (seen if ".visual." in name else words)[name].clone()
        if "embed_tokens" in name:
            assert not torch.equal(words[name], seen[name])
            expected[coordinates] = seen[name][coordinates]
        assert torch.equal(weight, expected), name
        if ".visual." in name:
            assert torch.equal(pointed[name], weight), name
    assert processor.tokenizer.convert_tokens_to_ids("<answer>") < 1024
    record = json.loads((Path(config.output_dir) / "run.json").read_text())
    assert record["config"]["language_steps"] == 4
    assert record["packages"]["torch"].startswith("2.")
    history = json.loads((Path(config.output_dir) / "language" / "history.json").read_text())
    assert any("whole/pointing/one" in line for line in history)


def test_a_base_goes_on_from_an_earlier_one_and_keeps_its_sight(config: BaseConfig) -> None:
    earlier = train_base(replace(config, words_steps=1, vision_steps=1, detail_steps=0, pointing_steps=0))
    again = replace(
        config,
        output_dir=config.output_dir + "-more",
        model=str(earlier),
        first_lesson=100,
        pointing_steps=0,
        vision_rate=0,
    )
    before, after = (load_file(folder / "model.safetensors") for folder in (earlier, train_base(again)))
    assert before.keys() == after.keys()
    for name, weight in after.items():
        if ".visual." in name:
            assert torch.equal(weight, before[name]), name
    assert not torch.equal(
        *(weights["model.language_model.layers.0.mlp.up_proj.weight"] for weights in (before, after))
    )
    assert {path.name for path in Path(again.output_dir).iterdir() if path.is_dir()} == {"words", "language"}


def test_a_base_from_nothing_that_nobody_teaches_to_see_is_refused(config: BaseConfig) -> None:
    with pytest.raises(ConfigError, match="vision_steps and detail_steps are 0"):
        train_base(replace(config, vision_steps=0, detail_steps=0))
    assert not Path(config.output_dir).exists()


def test_a_batch_that_micro_batches_do_not_fill_is_refused(config: BaseConfig) -> None:
    with pytest.raises(ValueError, match="vision_batch is 12, which micro_batch 8 does not divide"):
        replace(config, vision_batch=12, micro_batch=8)
    with pytest.raises(ValueError, match="micro_batch and words_batch are at least 1, got 0 and 2"):
        replace(config, micro_batch=0)
    assert replace(config, vision_batch=6, micro_batch=8)  # one micro batch, of 6


def test_several_processes_are_refused(config: BaseConfig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(ConfigError, match="without torchrun"):
        train_base(config)
    assert not Path(config.output_dir).exists()
