"""The one home of loss masks: tokens that a model wrote count, tokens that it was given do not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import ProcessorMixin

from vitar.backends.placeholders import check_placeholders
from vitar.protocol.messages import Message, images_in

IGNORE = -100


def assistant_labels(processor: ProcessorMixin, messages: Sequence[Message], **template: Any) -> dict[str, Tensor]:
    """One conversation as tokens with labels on what the assistant wrote, each turn's end token included.

    Args:
        processor: an image-text processor whose chat template marks assistant turns with ``generation`` blocks.
        messages: the whole conversation; images inside.
        template: more arguments for the chat template, e.g. ``tools``.

    Returns:
        input_ids, attention_mask, mm_token_type_ids, labels [T] (labels are `IGNORE` outside assistant turns),
        pixel_values [patches, features] and image_grid_thw [images, 3].

    Raises:
        PlaceholderMismatch: the tokens hold another number of image placeholders than the images need.
    """
    conversations: Any = [list(messages)]
    encoded: Any = processor.apply_chat_template(
        conversations, tokenize=True, return_dict=True, return_assistant_tokens_mask=True, **template
    )
    mask = torch.tensor(encoded["assistant_masks"][0])
    inputs = {name: torch.tensor(encoded[name][0]) for name in ("input_ids", "attention_mask", "mm_token_type_ids")}
    inputs |= {name: torch.as_tensor(encoded[name]) for name in ("pixel_values", "image_grid_thw") if name in encoded}
    inputs["labels"] = torch.where(mask == 1, inputs["input_ids"], IGNORE)
    check_placeholders(inputs, len(images_in(messages)), processor)
    return inputs
