from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from vitar.backends.pretrained import load_model, load_processor
from vitar.training import shipping


def test_a_shipped_model_loads_and_keeps_its_card(small_model_dir: Path, tmp_path: Path) -> None:
    folder = tmp_path / "tiny"
    folder.mkdir()
    (folder / "README.md").write_text("card")
    (folder / "stale.bin").write_text("old")
    shipping.ship(str(small_model_dir), folder)
    assert sorted(path.name for path in folder.iterdir() if path.suffix in (".md", ".bin", ".safetensors")) == [
        "README.md",
        "model.safetensors",
    ]
    shipped = load_file(folder / "model.safetensors")
    assert {value.dtype for value in shipped.values()} == {torch.bfloat16}
    original = load_model(str(small_model_dir)).state_dict()
    for name, value in load_model(str(folder)).state_dict().items():
        torch.testing.assert_close(value, original[name], rtol=1e-2, atol=1e-3)
    assert load_processor(str(folder)).chat_template == load_processor(str(small_model_dir)).chat_template


def test_a_large_model_is_not_shipped(small_model_dir: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shipping, "MAX_BYTES", 1000)
    with pytest.raises(ValueError, match="bytes of weights"):
        shipping.ship(str(small_model_dir), tmp_path / "tiny")
    assert not (tmp_path / "tiny").exists()
