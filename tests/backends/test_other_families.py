"""A family outside Qwen-VL: its own placeholders, no grid of patches, a chat template that has never heard of tools."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import (
    AutoTokenizer,
    CLIPVisionConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
)
from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

from vitar.analysis.attention.analyse import AttentionConfig, AttentionError, analyse
from vitar.backends.local import LocalBackend, Sampling
from vitar.backends.placeholders import PlaceholderMismatch, check_placeholders
from vitar.protocol.actions import Zoom, call_text
from vitar.protocol.messages import Message, assistant_message, tool_message
from vitar.protocol.prompts import interactive_messages
from vitar.training.config import ConfigError
from vitar.training.trl_adapter import prepare_processor

TEMPLATE = (
    "{% for message in messages %}{{ message['role'].upper() }}: "
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}<image>\n{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}\n{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)
TOOLS = ("mark_region", "zoom")
TOKENS_OF_AN_IMAGE = 16


@pytest.fixture(scope="module")
def llava_dir(tmp_path_factory: pytest.TempPathFactory, small_model_dir: Path) -> Path:
    """A LLaVA folder, narrow and with random weights; its turns may end with another token than its tokenizer knows."""
    folder = tmp_path_factory.mktemp("llava")
    tokenizer = AutoTokenizer.from_pretrained(small_model_dir)
    tokenizer.add_special_tokens({"additional_special_tokens": ["<image>", "<turn>"]})
    tokenizer.chat_template = TEMPLATE
    sizes = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    torch.manual_seed(0)
    model = LlavaForConditionalGeneration(
        LlavaConfig(
            vision_config=CLIPVisionConfig(**sizes, image_size=56, patch_size=14).to_dict(),
            text_config=LlamaConfig(**sizes, vocab_size=len(tokenizer)).to_dict(),
            image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        )
    )
    model.generation_config.eos_token_id = [tokenizer.convert_tokens_to_ids("<turn>")]
    model.save_pretrained(folder)
    LlavaProcessor(
        CLIPImageProcessorPil(size={"shortest_edge": 56}, crop_size={"height": 56, "width": 56}),
        tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE,
    ).save_pretrained(folder)
    return folder


@pytest.fixture
def backend(llava_dir: Path) -> LocalBackend:
    return LocalBackend.load(str(llava_dir), device="cpu", sampling=Sampling(max_new_tokens=6))


def conversation() -> list[Message]:
    """Two looks, the second still to be thought about."""
    picture = Image.new("L", (80, 60), 90)
    call = "A shadow.\n<tool_call>\n" + call_text(Zoom((100, 200, 300, 400))) + "\n</tool_call>"
    return [
        *interactive_messages("Which side?", ("left", "right"), [picture], TOOLS),
        assistant_message(call),
        tool_message("zoom", "Image 2: the region, enlarged.", picture),
    ]


def test_tools_and_observations_reach_a_template_that_has_none(backend: LocalBackend) -> None:
    inputs = backend.encode([conversation()], TOOLS)
    text = backend.processor.tokenizer.decode(inputs["input_ids"][0], skip_special_tokens=True)
    assert "# Tools" in text
    assert '"name": "zoom"' in text
    assert "USER: <tool_response>" in text
    assert "Image 2: the region, enlarged.\n</tool_response>" in text
    assert int((inputs["input_ids"] == backend.processor.image_token_id).sum()) == 2 * TOKENS_OF_AN_IMAGE  # type: ignore[attr-defined]
    assert inputs["pixel_values"].shape[0] == 2


def test_it_answers_batched_as_alone(backend: LocalBackend) -> None:
    conversations = [conversation(), conversation()[:2]]
    together = backend.generate(conversations, TOOLS)
    alone = [completion for each in conversations for completion in backend.generate([each], TOOLS)]
    assert [each.token_ids for each in together] == [each.token_ids for each in alone]
    assert [each.image_tokens for each in together] == [2 * TOKENS_OF_AN_IMAGE, TOKENS_OF_AN_IMAGE]


def test_a_turn_ends_where_the_generation_settings_say(backend: LocalBackend) -> None:
    turn = backend.processor.tokenizer.convert_tokens_to_ids("<turn>")

    def end(module: object, args: object, logits: torch.Tensor) -> torch.Tensor:
        return torch.full_like(logits, -100.0).index_fill_(-1, torch.tensor([turn]), 100.0)

    backend.model.get_output_embeddings().register_forward_hook(end)
    (completion,) = backend.generate([conversation()], TOOLS)
    assert (completion.finish, completion.token_ids, completion.text) == ("stop", (turn,), "")


def test_training_and_attention_say_that_they_are_for_other_families(backend: LocalBackend, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="LlavaProcessor: the stages train Qwen-VL families"):
        prepare_processor(backend.model, backend.processor)
    with pytest.raises(AttentionError, match="is of no Qwen-VL family"):
        analyse(AttentionConfig("think_twice", TOOLS), backend, [], {}, tmp_path)


def test_images_and_placeholders_are_compared_without_a_grid(backend: LocalBackend) -> None:
    inputs = backend.encode([conversation()], TOOLS)
    check_placeholders(inputs, 2, backend.processor)
    for lost in ("pixel_values", "placeholders"):
        broken = dict(inputs)
        if lost == "pixel_values":
            del broken[lost]
        else:
            broken["input_ids"] = torch.zeros_like(inputs["input_ids"])
        with pytest.raises(PlaceholderMismatch, match="the conversation holds 2 images"):
            check_placeholders(broken, 2, backend.processor)
