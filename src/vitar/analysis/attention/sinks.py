"""Attention sinks: tokens that are attended to whatever the token that asks.

The first token of a sequence draws attention in most models (Xiao et al., ICLR 2024), and some visual tokens do, often
on empty background (Kang et al., ICLR 2025). Attention there says nothing about what the model looks at. A strong
look at a lesion must not pass for a sink, so height alone does not make one: a sink stands out for nearly all
generated tokens alike. The definition is ours. Kang et al. find visual sinks by huge activations, which narrow models
do not have; Gu et al. (ICLR 2025) count single heads in which the first token gets more than 0.3.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

FACTOR = 10.0
"""A token stands out for a generated token if it gets this many times what even attention would give it."""

PERSISTENCE = 0.9
"""A sink stands out for this share of the generated tokens that can see it."""


def find_sinks(rows_NT: np.ndarray, positions: Sequence[int]) -> np.ndarray:
    """Which tokens are sinks, bool [T]; generated tokens never are.

    Args:
        rows_NT: attention of each generated token, averaged over layers and heads; rows add up to 1.
        positions: the place in the sequence that a row belongs to; the row sees the tokens up to it.
    """
    at_N = np.asarray(positions)
    visible_NT = np.arange(rows_NT.shape[1]) <= at_N[:, None]
    stands_out_NT = rows_NT * (at_N[:, None] + 1) >= FACTOR
    seen_T = visible_NT.sum(0)
    persistent_T = (stands_out_NT & visible_NT).sum(0) >= PERSISTENCE * seen_T
    generated_T = np.zeros(rows_NT.shape[1], dtype=bool)
    generated_T[at_N[at_N + 1 < rows_NT.shape[1]] + 1] = True
    return persistent_T & (seen_T > 0) & ~generated_T
