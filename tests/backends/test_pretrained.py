"""Loading: what comes out, and what is said when nothing can."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import nn

from vitar.backends.local import LocalBackend
from vitar.backends.pretrained import (
    ImageOnlyQwen3VLProcessor,
    ModelError,
    embed_patches_by_matmul,
    load_model,
    load_processor,
    resolve,
)

Spoil = Callable[[Path], object]


@pytest.fixture
def copy(small_model_dir: Path, tmp_path: Path) -> Path:
    """A copy of the small model's folder, to be spoiled."""
    return Path(shutil.copytree(small_model_dir, tmp_path / "copy"))


def test_a_saved_processor_comes_back_without_torchvision(small_model_dir: Path) -> None:
    processor = load_processor(str(small_model_dir))
    assert isinstance(processor, ImageOnlyQwen3VLProcessor)
    encoded = processor(
        text=["<|vision_start|><|image_pad|><|vision_end|>Side?"],
        images=[Image.new("L", (64, 128), 90)],
        return_tensors="pt",
    )
    assert encoded["image_grid_thw"].tolist() == [[1, 8, 4]]
    assert int((encoded["input_ids"] == processor.image_token_id).sum()) == 8  # type: ignore[attr-defined]


def test_with_torchvision_the_model_sees_the_same_pixels(small_model_dir: Path) -> None:
    """transformers then gives torchvision's image processor, which has no box filter and stops at the first image."""
    expected = load_processor(str(small_model_dir))

    class OfTorchvision:
        def to_dict(self) -> dict[str, object]:
            return {**expected.image_processor.to_dict(), "image_processor_type": "Qwen2VLImageProcessor"}

    processor = ImageOnlyQwen3VLProcessor(OfTorchvision(), expected.tokenizer)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (300, 400, 3), dtype=np.uint8))
    pixels, same = (p.image_processor([image], return_tensors="pt")["pixel_values"] for p in (processor, expected))
    assert torch.equal(pixels, same)


def _as_on_the_hub(folder: Path, *, video: bool) -> None:
    """Rewrites a processor the way Qwen3-VL (with a file for video) and Lingshu (without) are published."""
    path = folder / "processor_config.json"
    settings = json.loads(path.read_text())["image_processor"] | {"processor_class": "Qwen3VLProcessor"}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    if video:
        settings |= {"video_processor_type": "Qwen3VLVideoProcessor"}
        (folder / "video_preprocessor_config.json").write_text(json.dumps(settings))
    path.unlink()


@pytest.mark.parametrize("video", [True, False])
def test_a_processor_as_published_on_the_hub_loads_too(copy: Path, small_model_dir: Path, video: bool) -> None:
    _as_on_the_hub(copy, video=video)
    image = Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 96), dtype=np.uint8))
    published, own = (load_processor(str(folder)) for folder in (copy, small_model_dir))
    encoded = [p(text=["<|image_pad|> a nodule"], images=[image], return_tensors="pt") for p in (published, own)]
    assert torch.equal(encoded[0]["input_ids"], encoded[1]["input_ids"])
    assert torch.allclose(encoded[0]["pixel_values"], encoded[1]["pixel_values"], atol=0.02)


def test_the_patch_embedding_by_matmul_is_exact(small_model_dir: Path) -> None:
    from transformers import AutoModelForImageTextToText

    reference = AutoModelForImageTextToText.from_pretrained(small_model_dir, dtype=torch.float32).eval()
    pixels = torch.randn(24, 3 * 2 * 16 * 16, generator=torch.Generator().manual_seed(0))
    conv = [m for m in reference.modules() if type(m).__name__.endswith("PatchEmbed")]
    assert len(conv) == 1
    assert isinstance(conv[0].proj, nn.Conv3d)
    with torch.inference_mode():
        before = conv[0](pixels)
        weights = {name: value.clone() for name, value in reference.state_dict().items()}
        embed_patches_by_matmul(reference)
        after = conv[0](pixels)
    assert conv[0].forward.__name__ == "_matmul_patch_embed"
    assert torch.allclose(before, after, atol=1e-6, rtol=1e-5)
    assert all(torch.equal(value, weights[name]) for name, value in reference.state_dict().items())


def test_a_model_on_a_cpu_is_float32_and_ready_to_answer(small_model_dir: Path) -> None:
    model = load_model(str(small_model_dir))
    assert model.dtype == torch.float32
    assert not model.training
    backend = LocalBackend.load(str(small_model_dir), device="cpu")
    assert (backend.name, backend.zoom_side_px, backend.coordinate_step) == (str(small_model_dir), 128, 10)


def test_other_names_are_left_to_transformers(small_model_dir: Path) -> None:
    assert resolve("Qwen/Qwen3-VL-8B-Instruct") == "Qwen/Qwen3-VL-8B-Instruct"
    assert resolve(str(small_model_dir)) == str(small_model_dir)


def test_a_path_that_is_no_model_folder_says_what_it_is(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(b"x")
    with pytest.raises(ModelError, match=r"weights\.bin is a file; expected a model folder"):
        load_model(str(tmp_path / "weights.bin"))
    with pytest.raises(ModelError, match=r"is a folder without config\.json"):
        load_processor(str(tmp_path))


@pytest.mark.parametrize("load", [load_model, load_processor])
def test_what_is_nowhere_is_an_error_with_advice(
    load: Callable[[str], object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("vitar.backends.pretrained.hub_answers", lambda: False)
    for name in (str(tmp_path / "missing"), "nobody/no-such-model"):
        with pytest.raises(ModelError) as caught:
            load(name)
        assert name in str(caught.value)
        assert "Expected the path of a folder" in str(caught.value)
        assert len(str(caught.value).splitlines()) == 1


def _cut(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1000])


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "config.json").write_text("{"),
        lambda folder: (folder / "config.json").write_text('{"model_type": "no_such_family"}'),
        lambda folder: (folder / "model.safetensors").unlink(),
        lambda folder: (folder / "model.safetensors").write_bytes(b"not weights"),
        _cut,
    ],
    ids=["config is no JSON", "unknown family", "no weights", "garbage as weights", "weights cut off"],
)
def test_a_damaged_model_folder_is_a_clear_error(copy: Path, spoil: Spoil) -> None:
    spoil(copy)
    with pytest.raises(ModelError, match="cannot load the model of"):
        load_model(str(copy))


@pytest.mark.parametrize(
    "spoil",
    [
        lambda folder: (folder / "processor_config.json").write_text("{"),
        lambda folder: (folder / "processor_config.json").write_text("{}"),
        lambda folder: (folder / "tokenizer.json").write_text("{"),
    ],
    ids=["config is no JSON", "config is empty", "tokenizer is no tokenizer"],
)
def test_a_damaged_processor_is_a_clear_error(copy: Path, spoil: Spoil) -> None:
    spoil(copy)
    with pytest.raises(ModelError, match="cannot load the processor of"):
        load_processor(str(copy))


def test_weights_that_lack_a_tensor_are_refused(copy: Path) -> None:
    weights = load_file(copy / "model.safetensors")
    name = next(name for name in weights if name.endswith("q_norm.weight"))
    save_file(
        {key: value for key, value in weights.items() if key != name}, copy / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match=r"lack 1 tensors, .*q_norm"):
        load_model(str(copy))
