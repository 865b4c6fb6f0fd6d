"""What the loop must know about a model family: how it writes boxes, and which chat template has tools."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from transformers import PretrainedConfig, ProcessorMixin

from vitar.imaging.coordinates import THOUSANDTHS, Coordinates, ResizedPixels
from vitar.protocol.templates import HERMES_TEMPLATE

DEFAULT_ZOOM_SIDE_PX = 448


@dataclass(frozen=True)
class Profile:
    """How a model family takes part in the loop.

    Args:
        coordinates: how it writes boxes.
        coordinate_step: it writes multiples of this many units.
        zoom_side_px: longer side to which a small region is enlarged for it.
        chat_template: replaces the processor's own, or None to keep it.
    """

    coordinates: Coordinates
    coordinate_step: int
    zoom_side_px: int
    chat_template: str | None


def profile_of(config: PretrainedConfig, processor: ProcessorMixin) -> Profile:
    """The profile of a loaded model.

    Qwen2-VL and Qwen2.5-VL (Lingshu) write pixels of the image as the processor resized it; every other family is
    taken to write thousandths, as Qwen3-VL does. A config may carry ``vitar`` settings, as the embedded model's does.
    A template in the ChatML form that has no tools, or does not mark the assistant's turns, gives way to ours, which
    prints the same text; a template of another form is kept as it is.
    """
    own: dict[str, Any] = getattr(config, "vitar", None) or {}
    if config.model_type in ("qwen2_vl", "qwen2_5_vl"):
        coordinates: Coordinates = ResizedPixels(_resize_of(processor))
    else:
        coordinates = THOUSANDTHS
    template = json.dumps(getattr(processor, "chat_template", None) or "")
    complete = "tools" in template and "endgeneration" in template
    return Profile(
        coordinates=coordinates,
        coordinate_step=own.get("coordinate_step", 1),
        zoom_side_px=own.get("zoom_side_px", DEFAULT_ZOOM_SIDE_PX),
        chat_template=HERMES_TEMPLATE if "<|im_start|>" in template and not complete else None,
    )


def _resize_of(processor: ProcessorMixin) -> Callable[[int, int], tuple[int, int]]:
    """(width, height) of an image -> (width, height) of the grid of patches that the processor makes of it."""
    image_processor = processor.image_processor

    def resize(width: int, height: int) -> tuple[int, int]:
        from transformers.models.qwen2_vl.image_processing_qwen2_vl import smart_resize

        size = image_processor.size
        new_height, new_width = smart_resize(
            height,
            width,
            factor=image_processor.patch_size * image_processor.merge_size,
            min_pixels=size["shortest_edge"],
            max_pixels=size["longest_edge"],
        )
        return new_width, new_height

    return resize
