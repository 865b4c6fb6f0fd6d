"""The check that every image has its placeholders, made on each turn and in training.

A trainer that finds another number of images than it expects may drop all images of a batch without a word and go on
(TRL 1.16 does); a run that lost its images that way looks healthy for hours. Here it stops at once.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from transformers import ProcessorMixin


class PlaceholderMismatch(ValueError):
    """A conversation's images and the placeholders in its tokens do not agree."""


def check_placeholders(inputs: Mapping[str, Any], image_count: int, processor: ProcessorMixin) -> None:
    """Compares the images of a batch, their encoding and the placeholder tokens.

    Args:
        inputs: ``input_ids`` of any shape and, if there are images, ``image_grid_thw`` [images, 3].
        image_count: images that the conversations hold.

    Raises:
        PlaceholderMismatch: any two of the three disagree.
    """
    grids = inputs.get("image_grid_thw", torch.zeros((0, 3), dtype=torch.long))
    merge = processor.image_processor.merge_size**2
    needed = int((grids.prod(-1) // merge).sum())
    found = int((inputs["input_ids"] == processor.image_token_id).sum())  # type: ignore[attr-defined]
    if len(grids) != image_count or needed != found:
        raise PlaceholderMismatch(
            f"the conversation holds {image_count} images, {len(grids)} were encoded; they need {needed} placeholder "
            f"tokens and the text has {found}. Check that the chat template renders image parts in every role."
        )
