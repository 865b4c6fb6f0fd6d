"""The check that every image has its placeholders, made on each turn and in training.

A trainer that finds another number of images than it expects may drop all images of a batch without a word and go on
(TRL 1.16 does); a run that lost its images that way looks healthy for hours. Here it stops at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from transformers import ProcessorMixin


class PlaceholderMismatch(ValueError):
    """A conversation's images and the placeholders in its tokens do not agree."""


def check_placeholders(inputs: Mapping[str, Any], image_count: int, processor: ProcessorMixin) -> None:
    """Compares the images of a batch, their encoding and the placeholder tokens.

    Args:
        inputs: ``input_ids`` of any shape and, if there are images, ``pixel_values`` or ``image_grid_thw`` [images, 3].
            Without a grid, as outside the Qwen-VL families, an image has at least one placeholder.
        image_count: images that the conversations hold.

    Raises:
        PlaceholderMismatch: any two of the three disagree.
    """
    found = int((inputs["input_ids"] == processor.image_token_id).sum())  # type: ignore[attr-defined]
    if (grids := inputs.get("image_grid_thw")) is not None:
        encoded, needed = len(grids), int((grids.prod(-1) // processor.image_processor.merge_size**2).sum())
    else:
        encoded = image_count if "pixel_values" in inputs else 0
        needed = max(found, image_count) if encoded else 0
    if encoded != image_count or needed != found:
        raise PlaceholderMismatch(
            f"the conversation holds {image_count} images, {encoded} were encoded; they need {needed} placeholder "
            f"tokens and the text has {found}. Check that the chat template renders image parts in every role."
        )
