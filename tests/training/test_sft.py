"""Stage I learns from the model's own tokens alone, and sees every image."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import AutoConfig, PreTrainedModel, ProcessorMixin

from vitar.backends.pretrained import load_model, load_processor
from vitar.backends.profiles import profile_of
from vitar.protocol.actions import Zoom, tool_call
from vitar.protocol.messages import (
    Message,
    assistant_message,
    message_text,
    system_message,
    tool_message,
    user_message,
)
from vitar.protocol.prompts import OPTION_LETTERS
from vitar.protocol.templates import HERMES_TEMPLATE
from vitar.training.config import ConfigError, SftConfig
from vitar.training.masking import IGNORE
from vitar.training.sft import ConversationCollator, sft_dataset, train_sft
from vitar.training.trajectories import open_examples
from vitar.training.trl_adapter import guard_placeholders, prepare_processor

pytest.importorskip("trl")

from vitar.backends.placeholders import PlaceholderMismatch


def picture(seed: int, width: int, height: int) -> Image.Image:
    return Image.fromarray(np.random.default_rng(seed).integers(0, 255, (height, width), dtype=np.uint8))


FIRST, SECOND = picture(0, 64, 64), picture(1, 96, 64)  # 2 x 2 and 3 x 2 visual tokens of 32 pixels


def trajectory(second: Image.Image = SECOND) -> list[Message]:
    return [
        system_message("Look."),
        user_message("Which margin?", FIRST),
        assistant_message("I enlarge it.", tool_call(Zoom((10, 20, 30, 40)))),
        tool_message("zoom", "Image 2.", second),
        assistant_message("Fine lines.\n<answer>B</answer>"),
    ]


def row(second: Image.Image = SECOND, tools: tuple[str, ...] = ("zoom",)) -> dict[str, Any]:
    return {"messages": trajectory(second), "tools": list(tools)}


PIECES: list[tuple[str, bool]] = [
    ("<|im_start|>", False),
    ("system\nLook.\nTools: zoom(box, image).", False),
    ("<|im_end|>", False),
    ("\n", False),
    ("<|im_start|>", False),
    ("user\n", False),
    ("<|vision_start|>", False),
    ("<|image_pad|>" * 4, False),
    ("<|vision_end|>", False),
    ("Which margin?", False),
    ("<|im_end|>", False),
    ("\n", False),
    ("<|im_start|>", False),
    ("assistant\n", False),
    ("I enlarge it.\n", True),
    ("<tool_call>", True),
    ('\n{"name": "zoom", "arguments": {"box": [10, 20, 30, 40], "image": 1}}\n', True),
    ("</tool_call>", True),
    ("<|im_end|>", True),
    ("\n", False),
    ("<|im_start|>", False),
    ("user\n", False),
    ("<tool_response>", False),
    ("\n", False),
    ("<|vision_start|>", False),
    ("<|image_pad|>" * 6, False),
    ("<|vision_end|>", False),
    ("Image 2.\n", False),
    ("</tool_response>", False),
    ("<|im_end|>", False),
    ("\n", False),
    ("<|im_start|>", False),
    ("assistant\n", False),
    ("Fine lines.\n", True),
    ("<answer>", True),
    ("B", True),
    ("</answer>", True),
    ("<|im_end|>", True),
    ("\n", False),
]
"""The trajectory as it is tokenised, and whether the model wrote it."""


@pytest.fixture(scope="module")
def processor(small_model_dir: Path) -> ProcessorMixin:
    return load_processor(str(small_model_dir))


@pytest.fixture
def model(small_model_dir: Path) -> PreTrainedModel:
    return load_model(str(small_model_dir))


def test_the_mask_token_by_token(processor: ProcessorMixin) -> None:
    tokenizer = processor.tokenizer
    expected = [(token, wrote) for piece, wrote in PIECES for token in tokenizer(piece)["input_ids"]]
    batch = ConversationCollator(processor)([row()])
    tokens, labels = batch["input_ids"][0].tolist(), batch["labels"][0].tolist()
    assert tokens == [token for token, _ in expected]
    assert labels == [token if wrote else IGNORE for token, wrote in expected]
    assert batch["image_grid_thw"].tolist() == [[1, 4, 4], [1, 4, 6]]  # patches of 16 pixels, merged two by two
    assert batch["pixel_values"].shape[0] == 4 * 4 + 4 * 6
    assert tokens.count(processor.image_token_id) == 4 + 6


def test_a_batch_pads_on_the_right_and_keeps_every_image(processor: ProcessorMixin) -> None:
    short = {"messages": [user_message("Which?", FIRST), assistant_message("B")], "tools": []}
    collator = ConversationCollator(processor)
    batch = collator([row(), short])
    alone = collator([short])
    length = alone["input_ids"].shape[1]
    assert batch["labels"][1, :length].tolist() == alone["labels"][0].tolist()
    assert batch["attention_mask"][1].tolist() == [1] * length + [0] * (batch["input_ids"].shape[1] - length)
    assert (batch["labels"][1, length:] == IGNORE).all()
    assert len(batch["image_grid_thw"]) == 3
    decoded = processor.tokenizer.decode(alone["labels"][0][alone["labels"][0] != IGNORE])
    assert decoded == "B<|im_end|>"


def log_probs(model: PreTrainedModel, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    """Of the labelled tokens, in order."""
    inputs = {name: value for name, value in batch.items() if name != "labels"}
    with torch.no_grad():
        logits = model(**inputs).logits.log_softmax(-1)
    labels = batch["labels"][:, 1:]
    wanted = labels != IGNORE
    return logits[:, :-1][wanted].gather(-1, labels[wanted][:, None])[:, 0]


def test_the_enlarged_image_reaches_the_loss(processor: ProcessorMixin, model: PreTrainedModel) -> None:
    collator = ConversationCollator(processor)
    before, again, after = (log_probs(model, collator([row(image)])) for image in (SECOND, SECOND, picture(2, 96, 64)))
    first_turn = sum(len(processor.tokenizer(piece)["input_ids"]) for piece, wrote in PIECES[:19] if wrote)
    assert torch.equal(before, again)
    assert torch.allclose(before[:first_turn], after[:first_turn], atol=1e-6)  # written before it was seen
    assert (before[first_turn:] - after[first_turn:]).abs().max() > 1e-4


def test_a_conversation_without_a_mask_stops(processor: ProcessorMixin) -> None:
    messages = [user_message("Which?", FIRST)]
    with pytest.raises(ValueError, match="no assistant token"):
        ConversationCollator(processor)([{"messages": messages, "tools": []}])


def test_images_without_placeholders_stop(small_model_dir: Path) -> None:
    processor = load_processor(str(small_model_dir))
    template = processor.chat_template.replace("<|image_pad|>", "")
    processor.chat_template = template
    with pytest.raises(ValueError, match=r"Found total 0 <\|image_pad\|> tokens"):  # transformers' own check
        ConversationCollator(processor)([row()])


def test_a_model_refuses_placeholders_without_images(processor: ProcessorMixin, model: PreTrainedModel) -> None:
    batch = ConversationCollator(processor)([row()])
    guard_placeholders(model, processor)
    log_probs(model, batch)
    lost = {name: value for name, value in batch.items() if name not in ("pixel_values", "image_grid_thw")}
    lost["mm_token_type_ids"] = torch.zeros_like(lost["mm_token_type_ids"])  # as TRL does when it drops images
    with pytest.raises(PlaceholderMismatch, match="0 placeholder tokens and the text has 10"):
        log_probs(model, lost)
    one = {**batch, "image_grid_thw": batch["image_grid_thw"][:1], "pixel_values": batch["pixel_values"][:16]}
    with pytest.raises(PlaceholderMismatch):
        log_probs(model, one)


def test_a_template_without_marked_turns_gives_way_or_is_refused(small_model_dir: Path, model: PreTrainedModel) -> None:
    processor = load_processor(str(small_model_dir))
    bare = processor.chat_template.replace("{%- generation -%}", "").replace("{%- endgeneration -%}", "")
    processor.chat_template = processor.tokenizer.chat_template = bare
    assert prepare_processor(model, processor).chat_template == HERMES_TEMPLATE
    assert processor.chat_template == HERMES_TEMPLATE  # so that it is saved with the model
    foreign = "{#- generation -#}" + bare.replace("<|im_start|>", "<start_of_turn>")
    processor.chat_template = processor.tokenizer.chat_template = foreign
    with pytest.raises(ConfigError, match="generation"):
        prepare_processor(model, processor)


def test_the_training_set_has_its_share_of_direct_questions(small_model_dir: Path, tmp_path: Path) -> None:
    config = SftConfig(
        model=str(small_model_dir), output_dir=str(tmp_path), trajectories=8, direct_share=0.2, start=50_000
    )
    processor = load_processor(config.model)
    profile = profile_of(AutoConfig.from_pretrained(config.model), processor)
    examples = open_examples(config.data)
    rows = list(sft_dataset(config, profile))
    assert [bool(each["tools"]) for each in rows] == [True] * 8 + [False] * 2
    in_words = list(sft_dataset(replace(config, answer_in_words=True), profile))
    assert any(examples[index].options for index in range(50_000, 50_010))
    for one, other, index in zip(rows, in_words, range(50_000, 50_010), strict=True):
        example = examples[index]
        said, told = message_text(one["messages"][-1]), message_text(other["messages"][-1])
        letter = OPTION_LETTERS[example.options.index(example.answer)] if example.options else example.answer
        assert said.removesuffix("</answer>").endswith(letter)
        assert told.removesuffix("</answer>").endswith(example.answer)
    assert ConversationCollator(processor)(rows)["input_ids"].shape[0] == 10


@pytest.mark.parametrize("freeze_vision", [True, False])
def test_a_frozen_tower_stays_as_it_was(small_model_dir: Path, tmp_path: Path, freeze_vision: bool) -> None:
    config = SftConfig(
        model=str(small_model_dir),
        output_dir=str(tmp_path),
        trajectories=2,
        direct_share=0.0,
        freeze_vision=freeze_vision,
        trainer={"max_steps": 1, "learning_rate": 1e-3, "per_device_train_batch_size": 2, "report_to": []},
    )
    before, after = load_model(config.model).state_dict(), load_model(str(train_sft(config))).state_dict()
    changed = {name for name, weight in before.items() if not torch.equal(weight, after[name])}
    assert any(".visual." in name for name in changed) != freeze_vision
    assert any(".language_model." in name for name in changed)
