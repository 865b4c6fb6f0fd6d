"""Small random models of both families, with grouped heads, and conversations of two looks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from transformers import Qwen2_5_VLConfig, Qwen2_5_VLForConditionalGeneration, Qwen2VLImageProcessorPil

from vitar.backends.local import LocalBackend
from vitar.backends.pretrained import ImageOnlyQwen25VLProcessor, load_processor
from vitar.backends.scripted import ScriptedBackend
from vitar.evaluation.conditions import CONDITIONS
from vitar.protocol.trace import ImageStore
from vitar.rollout import rollout
from vitar.training.base.architecture import build_model

sys.path.insert(0, str(Path(__file__).parent))  # for scripted_episodes
from scripted_episodes import Played, make_example

LAYERS, HEADS = 3, 4


def _qwen2_5_vl(folder: Path) -> LocalBackend:
    """A Qwen2.5-VL of three layers, whose four heads share two keys, with the embedded model's tokenizer."""
    tokenizer = load_processor(str(folder)).tokenizer  # type: ignore[attr-defined]
    tokenizer.chat_template = None
    config = Qwen2_5_VLConfig(  # type: ignore[call-arg]
        text_config={
            "vocab_size": 1024,
            "hidden_size": 64,
            "intermediate_size": 64,
            "num_hidden_layers": LAYERS,
            "num_attention_heads": HEADS,
            "num_key_value_heads": 2,
            "max_position_embeddings": 4096,
            "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0, "mrope_section": [2, 3, 3]},
        },
        vision_config={
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_heads": 2,
            "out_hidden_size": 64,
            "window_size": 56,
            "fullatt_block_indexes": [1],
        },
        image_token_id=tokenizer.convert_tokens_to_ids("<|image_pad|>"),
        video_token_id=tokenizer.convert_tokens_to_ids("<|video_pad|>"),
        vision_start_token_id=tokenizer.convert_tokens_to_ids("<|vision_start|>"),
    )
    image_processor = Qwen2VLImageProcessorPil(size={"shortest_edge": 56 * 56, "longest_edge": 224 * 224})
    template = "{# <|im_start|> #}"  # a ChatML template without tools, which gives way to the package's
    processor = ImageOnlyQwen25VLProcessor(image_processor, tokenizer, chat_template=template)
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(config).eval()
    return LocalBackend(model, processor, name="small-qwen2.5-vl")


def _qwen3_vl(folder: Path) -> LocalBackend:
    """The embedded model's architecture with two heads."""
    processor = load_processor(str(folder))
    torch.manual_seed(0)
    model = build_model(processor.tokenizer, text_width=96, vision_width=32).eval()  # type: ignore[attr-defined]
    return LocalBackend(model, processor, name="small-qwen3-vl")


FAMILIES = {"qwen3_vl": _qwen3_vl, "qwen2_5_vl": _qwen2_5_vl}


@pytest.fixture(scope="session", params=FAMILIES)
def backend(request: pytest.FixtureRequest, small_model_dir: Path) -> LocalBackend:
    """A small model of each family; random weights whose attention is far from even."""
    backend = FAMILIES[request.param](small_model_dir)
    with torch.no_grad():
        for name, weight in backend.model.model.language_model.named_parameters():
            if "q_norm.weight" in name:
                weight.mul_(4)
            elif "q_proj.weight" in name:  # before Qwen3's norm, which undoes it
                weight.mul_(40)
    return backend


@pytest.fixture(scope="session")
def one_backend(small_model_dir: Path) -> LocalBackend:
    """The one of the embedded model's family, for tests in which the family does not matter."""
    return _qwen3_vl(small_model_dir)


Play = Callable[..., Played]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    """``play(backend, texts…, regions=…, condition=…, number=…)``: what comes of these turns about a 96 x 64 image."""

    def played(
        backend: LocalBackend,
        *texts: str,
        regions: Sequence[tuple[float, float, float, float]] = ((48, 16, 72, 32),),
        condition: str = "think_twice",
        number: int = 0,
    ) -> Played:
        example = make_example(number, regions)
        script = iter(texts)
        scripted = ScriptedBackend(
            lambda _: next(script),
            coordinates=backend.coordinates,
            coordinate_step=backend.coordinate_step,
            zoom_side_px=backend.zoom_side_px,
        )
        store = ImageStore(tmp_path / "images")
        intervene = CONDITIONS[condition].intervene
        (trace,) = rollout(
            scripted,
            [example],
            condition=condition,
            intervene=intervene(scripted, [example]) if intervene else None,
            store=store,
        )
        return Played(example, trace, store)

    return played
