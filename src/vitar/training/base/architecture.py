"""Shape of the embedded model: Qwen3-VL's architecture with a few million parameters."""

from __future__ import annotations

from PIL import Image
from transformers import (
    PreTrainedTokenizerFast,
    Qwen2VLImageProcessorPil,
    Qwen3VLConfig,
    Qwen3VLForConditionalGeneration,
)

from vitar.backends.pretrained import ImageOnlyQwen3VLProcessor
from vitar.protocol.templates import TINY_TEMPLATE

PATCH_PX, MERGE = 16, 2
FIRST_LOOK_PX = 256
"""A whole image is resized to at most this squared area: 64 visual tokens."""

ZOOM_PX = 128
"""Longer side of an enlarged region: 16 visual tokens for a square one."""


def build_processor(tokenizer: PreTrainedTokenizerFast) -> ImageOnlyQwen3VLProcessor:
    """The processor of the embedded model: images between a zoom's and a first look's area, in multiples of a token."""
    image_processor = Qwen2VLImageProcessorPil(
        size={"shortest_edge": 64 * 64, "longest_edge": FIRST_LOOK_PX * FIRST_LOOK_PX},
        patch_size=PATCH_PX,
        merge_size=MERGE,
        temporal_patch_size=2,
        image_mean=[0.4, 0.4, 0.4],
        image_std=[0.25, 0.25, 0.25],
        resample=Image.Resampling.BOX,  # the mean of 2 x 2 pixels at the first look at a phantom
    )
    tokenizer.chat_template = TINY_TEMPLATE
    return ImageOnlyQwen3VLProcessor(image_processor=image_processor, tokenizer=tokenizer, chat_template=TINY_TEMPLATE)


def build_model(
    tokenizer: PreTrainedTokenizerFast, text_width: int = 192, vision_width: int = 128
) -> Qwen3VLForConditionalGeneration:
    """A fresh model with random weights drawn from torch's global generator.

    The config carries `zoom_side_px` and `coordinate_step` under ``vitar``, so that they travel with every checkpoint.
    """

    def token(name: str) -> int:
        return int(tokenizer.convert_tokens_to_ids(name))  # type: ignore[arg-type]

    head = 48
    config = Qwen3VLConfig(  # type: ignore[call-arg]
        text_config={
            "vocab_size": -(-len(tokenizer) // 64) * 64,
            "hidden_size": text_width,
            "intermediate_size": 3 * text_width,
            "num_hidden_layers": 4,
            "num_attention_heads": text_width // head,
            "num_key_value_heads": text_width // head,
            "head_dim": head,
            "max_position_embeddings": 4096,
            "tie_word_embeddings": True,
            "rope_parameters": {
                "rope_type": "default",
                "rope_theta": 10000.0,
                "mrope_section": [8, 8, 8],
                "mrope_interleaved": True,
            },
        },
        vision_config={
            "depth": 4,
            "hidden_size": vision_width,
            "intermediate_size": 3 * vision_width,
            "num_heads": vision_width // 32,
            "patch_size": PATCH_PX,
            "spatial_merge_size": MERGE,
            "temporal_patch_size": 2,
            "out_hidden_size": text_width,
            "num_position_embeddings": (FIRST_LOOK_PX // PATCH_PX) ** 2,
            "deepstack_visual_indexes": [1],
        },
        image_token_id=token("<|image_pad|>"),
        video_token_id=token("<|video_pad|>"),
        vision_start_token_id=token("<|vision_start|>"),
        vision_end_token_id=token("<|vision_end|>"),
        tie_word_embeddings=True,
        vitar={"zoom_side_px": ZOOM_PX, "coordinate_step": 10},
    )
    model = Qwen3VLForConditionalGeneration(config)
    model.generation_config.eos_token_id = token("<|im_end|>")
    model.generation_config.pad_token_id = token("<|endoftext|>")
    return model
