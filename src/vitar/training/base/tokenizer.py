"""A small byte-level BPE tokenizer with the special tokens of the Qwen-VL families.

Any text round-trips, since unknown words fall apart into bytes. Whole numbers stay whole where the corpus holds them
often (coordinates in steps of ten): a small model learns to point with one token per coordinate and not digit by
digit. Training is deterministic in the corpus, and the corpus is seeded; an unseeded one would give another token
order on each run and scramble every checkpoint made with the last.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import PreTrainedTokenizerFast

PAD, TURN_START, TURN_END = "<|endoftext|>", "<|im_start|>", "<|im_end|>"
SPECIAL_TOKENS = (
    PAD,
    TURN_START,
    TURN_END,
    "<|vision_start|>",
    "<|vision_end|>",
    "<|image_pad|>",
    "<|video_pad|>",
)

WIRE_TOKENS = ("<tool_call>", "</tool_call>", "<tool_response>", "</tool_response>", "<answer>", "</answer>")
"""Tags of the wire format that are one token each, but ordinary text to a decoder, as in Qwen3's tokenizer."""

COORDINATE_STEP = 10
"""The embedded model reads and writes coordinates in multiples of this many thousandths."""

_WORDS = Regex(r" ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+")


def build_tokenizer(corpus: Iterable[str], vocab_size: int) -> PreTrainedTokenizerFast:
    """Trains the tokenizer.

    Args:
        corpus: texts in a reproducible order.
        vocab_size: upper bound, special tokens included.
    """
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Split(_WORDS, "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size - len(WIRE_TOKENS),
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([*corpus, *_numbers()], trainer)
    tokenizer.add_tokens([AddedToken(token, normalized=False) for token in WIRE_TOKENS])
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        eos_token=TURN_END,
        extra_special_tokens=[token for token in SPECIAL_TOKENS if token not in (PAD, TURN_END)],
        padding_side="left",
        model_max_length=4096,
        clean_up_tokenization_spaces=False,
    )


def _numbers() -> list[str]:
    """Every coordinate, alone and after a blank, often enough to become one token."""
    return [f"[{n}, {n}" for n in range(0, 1001, COORDINATE_STEP) for _ in range(2000)]


NEAR_STEPS, NEAR_WEIGHTS = (0, -1, 1, -2, 2), (0.7, 0.1, 0.1, 0.05, 0.05)
"""A coordinate one or two steps off is nearly right: the shares of a target among its neighbours."""


def near_tokens(tokenizer: PreTrainedTokenizerFast, rows: int) -> tuple[Tensor, Tensor]:
    """For every token the tokens that are nearly as right, with their shares: itself, and a coordinate's neighbours.

    Coordinates at the ends of the range stay sharp, 0 above all, since it is an answer to a count as well.

    Args:
        rows: size of the model's vocabulary, at least the tokenizer's.

    Returns:
        token ids [rows, 5] and weights [rows, 5].
    """
    ids = torch.arange(rows)[:, None].repeat(1, len(NEAR_STEPS))
    weights = torch.zeros(rows, len(NEAR_STEPS))
    weights[:, 0] = 1.0
    for row in corner_tokens(tokenizer)[:2]:
        for place in range(2, len(row) - 2):
            ids[row[place]] = torch.stack([row[place + step] for step in NEAR_STEPS])
            weights[row[place]] = torch.tensor(NEAR_WEIGHTS)
    return ids, weights


def corner_tokens(tokenizer: PreTrainedTokenizerFast) -> Tensor:
    """The token of every coordinate as x0, y0, x1, y1 of a box: the first has no blank before it.

    Returns:
        token ids [4, coordinates from 0 to 1000 in steps].
    """
    numbers = [str(n) for n in range(0, 1001, COORDINATE_STEP)]
    first = tokenizer.convert_tokens_to_ids(numbers)
    other = tokenizer.convert_tokens_to_ids([f"\u0120{n}" for n in numbers])  # byte-level BPE's leading blank
    return torch.tensor([first, other, other, other])
