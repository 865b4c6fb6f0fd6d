"""What the loop must know about a model family: how it writes boxes, and which chat template has tools."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from transformers import AutoConfig, PretrainedConfig, ProcessorMixin

from vitar.backends.pretrained import EMBEDDED_MODELS, load_processor, resolve
from vitar.imaging.coordinates import THOUSANDTHS, Coordinates, ResizedPixels
from vitar.protocol.actions import CALL_OPEN
from vitar.protocol.templates import HERMES_TEMPLATE

DEFAULT_ZOOM_SIDE_PX = 448

_PIXEL_FAMILIES = ("qwen2vl", "qwen25vl", "lingshu")
"""Parts of names, small letters and digits alone, of models that write pixels of the resized image."""


@dataclass(frozen=True)
class Profile:
    """How a model family takes part in the loop.

    Args:
        coordinates: how it writes boxes.
        coordinate_step: it writes multiples of this many units.
        zoom_side_px: longer side to which a small region is enlarged for it.
        chat_template: replaces the processor's own, or None to keep it.
        tools_in_template: the chat template takes tools and their answers; otherwise the conversation is put to the
            model as `without_tools` makes it.
    """

    coordinates: Coordinates
    coordinate_step: int
    zoom_side_px: int
    chat_template: str | None
    tools_in_template: bool = True


def profile_of(config: PretrainedConfig, processor: ProcessorMixin) -> Profile:
    """The profile of a loaded model.

    Qwen2-VL and Qwen2.5-VL (Lingshu) write pixels of the image as the processor resized it; every other family is
    taken to write thousandths, as Qwen3-VL does. A config may carry ``vitar`` settings, as the embedded model's does.
    Qwen's template gives way to ours, which prints the same text, where it has no tools or does not mark the
    assistant's turns. A template of another form is kept; unless it has tool calls as Hermes writes them, it is given
    conversations `without_tools`.
    """
    own: dict[str, Any] = getattr(config, "vitar", None) or {}
    if config.model_type in ("qwen2_vl", "qwen2_5_vl"):
        coordinates: Coordinates = ResizedPixels(_resize_of(processor))
    else:
        coordinates = THOUSANDTHS
    template = json.dumps(getattr(processor, "chat_template", None) or "")
    complete = "tools" in template and "endgeneration" in template
    gives_way = "<|im_start|>" in template and getattr(processor, "image_token", "") == "<|image_pad|>" and not complete
    return Profile(
        coordinates=coordinates,
        coordinate_step=own.get("coordinate_step", 1),
        zoom_side_px=own.get("zoom_side_px", DEFAULT_ZOOM_SIDE_PX),
        chat_template=HERMES_TEMPLATE if gives_way else None,
        tools_in_template=gives_way or CALL_OPEN in template,
    )


def named_profile(model: str) -> Profile:
    """The profile of a model behind a server, of which no more than a name may be known here.

    The name of an embedded model, or the path of a model folder, gives what `profile_of` gives. Otherwise a name that
    tells of Qwen2-VL, Qwen2.5-VL or Lingshu means pixels of the image as their published processors resize it; a
    server that was started with other limits of the image size needs the folder. Every other name means thousandths.
    """
    if model in EMBEDDED_MODELS or (Path(model) / "config.json").is_file():
        processor = load_processor(model)
        config = AutoConfig.from_pretrained(resolve(model), local_files_only=True)
        profile, own = profile_of(config, processor), processor.chat_template
        return replace(profile, chat_template=own if isinstance(own, str) and "short_tools" in own else HERMES_TEMPLATE)
    letters = re.sub(r"[^a-z0-9]", "", model.lower())
    in_pixels = any(family in letters for family in _PIXEL_FAMILIES)
    coordinates = ResizedPixels(_published_resize) if in_pixels else THOUSANDTHS
    return Profile(coordinates, 1, DEFAULT_ZOOM_SIDE_PX, HERMES_TEMPLATE)


def _published_resize(width: int, height: int) -> tuple[int, int]:
    """What the processors of Qwen2-VL, Qwen2.5-VL and Lingshu do by their ``preprocessor_config.json`` on the Hub."""
    return _smart_resize(width, height, factor=28, min_pixels=56 * 56, max_pixels=16384 * 28 * 28)


def _smart_resize(width: int, height: int, *, factor: int, min_pixels: int, max_pixels: int) -> tuple[int, int]:
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import smart_resize

    new_height, new_width = smart_resize(height, width, factor=factor, min_pixels=min_pixels, max_pixels=max_pixels)
    return new_width, new_height


def _resize_of(processor: ProcessorMixin) -> Callable[[int, int], tuple[int, int]]:
    """(width, height) of an image -> (width, height) of the grid of patches that the processor makes of it."""
    image_processor = processor.image_processor

    def resize(width: int, height: int) -> tuple[int, int]:
        size = image_processor.size
        factor = image_processor.patch_size * image_processor.merge_size
        limits = {"min_pixels": size["shortest_edge"], "max_pixels": size["longest_edge"]}
        return _smart_resize(width, height, factor=factor, **limits)

    return resize
