"""Attention of chosen tokens alone, taken from a forward pass without the square matrix.

A layer's attention is a T x T matrix per head, and nearly all of its rows belong to the prompt. Here transformers'
attention interface gets a function that lets PyTorch's fused kernel compute the layer's output as usual, and beside it
the softmax of the rows that are asked for. Memory grows with rows times length, and a row is handed over layer by
layer, so that whoever receives it can reduce it at once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionMaskInterface, PreTrainedModel
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

IMPLEMENTATION = "vitar_attention_rows"
"""Name of the attention function in transformers' registry while rows are captured."""

Receive = Callable[[int, Tensor], None]
"""Takes the number of a layer, from 0, and its rows [H, N, T] in float32 on the model's device."""


@contextmanager
def captured_rows(
    model: PreTrainedModel, positions: Sequence[int], receive: Receive, layers: Sequence[int] | None = None
) -> Iterator[None]:
    """Hands over rows of the language model's attention during every forward pass inside the ``with`` block.

    The vision tower keeps its own attention. One model at a time can be watched. On leaving, the model has the
    attention implementation that it had before.

    Args:
        model: a Qwen-VL model, or another one whose config has a ``text_config`` and whose layers use transformers'
            attention interface.
        positions: N places in the sequence whose tokens ask; a row says where such a token looks.
        receive: see `Receive`; called once per layer and pass. Its rows are not used again.
        layers: numbers of the layers to take, None for all.

    Raises:
        ValueError: there is no such layer, or a pass has more than one sequence.
    """
    text_config = model.config.get_text_config()
    wanted = set(range(text_config.num_hidden_layers) if layers is None else layers)
    if not wanted <= set(range(text_config.num_hidden_layers)):
        raise ValueError(f"the model has layers 0 to {text_config.num_hidden_layers - 1}, got {sorted(wanted)}")

    def attend(
        module: nn.Module, query: Tensor, key: Tensor, value: Tensor, attention_mask: Tensor | None, **kwargs: Any
    ) -> tuple[Tensor, None]:
        layer: int = module.layer_idx  # type: ignore[assignment]
        if layer in wanted:
            receive(layer, attention_rows(query, key, positions, kwargs["scaling"], attention_mask))
        return sdpa_attention_forward(module, query, key, value, attention_mask, **kwargs)

    before = text_config._attn_implementation
    ALL_ATTENTION_FUNCTIONS[IMPLEMENTATION] = attend
    AttentionMaskInterface.register(IMPLEMENTATION, sdpa_mask)  # without one a model would build no mask at all
    model.set_attn_implementation({"text_config": IMPLEMENTATION})
    try:
        yield
    finally:
        model.set_attn_implementation({"text_config": before})
        del ALL_ATTENTION_FUNCTIONS[IMPLEMENTATION]


def attention_rows(query: Tensor, key: Tensor, positions: Sequence[int], scaling: float, mask: Tensor | None) -> Tensor:
    """Attention weights of the queries at ``positions``.

    Args:
        query: [1, H, T, D], rotated.
        key: [1, KV, T, D], rotated; heads of a group share one.
        positions: N numbers below T.
        scaling: factor of the scores.
        mask: bool [1, 1, T, T], True where a query may look, or None for causal attention.

    Returns:
        [H, N, T] in float32; rows add up to 1.

    Raises:
        ValueError: there is more than one sequence.
    """
    if len(query) != 1:
        raise ValueError(f"attention rows are taken from one sequence at a time, got {len(query)}")
    at_N = torch.as_tensor(positions, dtype=torch.long, device=query.device)
    asked_HND = query[0, :, at_N]
    kv_heads, keys = key.shape[1], key.shape[2]
    # The queries of all heads that share a key are one matrix product; a group's heads follow one another.
    grouped = asked_HND.unflatten(0, (kv_heads, -1)).flatten(1, 2) @ key[0].mT
    scores_HNT = grouped.unflatten(1, (-1, len(at_N))).flatten(0, 1) * scaling
    visible_NT = torch.arange(keys, device=query.device) <= at_N[:, None] if mask is None else mask[0, 0, at_N]
    return scores_HNT.float().masked_fill(~visible_NT, -torch.inf).softmax(-1)
