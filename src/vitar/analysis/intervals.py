"""Means over items with bootstrap intervals that resample whole groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95
REPLICATES = 2000


@dataclass(frozen=True)
class Means:
    """Means of several columns over the items in which a column is defined; NaN where there is none.

    Args:
        mean: [...].
        low, high: ends of the two-sided interval [...]; NaN where all groups have the same mean, since resampling
            equals shows no spread.
        n: items in which a column is defined [...].
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray


def grouped_means(values: np.ndarray, groups: Sequence[str], seed: int = 0) -> Means:
    """Means with percentile intervals of the cluster bootstrap (Field and Welsh, J. R. Stat. Soc. B 69, 2007).

    Items of one patient or image are alike, so groups are drawn, not items. All columns share the draws.

    Args:
        values: [N, ...]; NaN is left out of its column.
        groups: of the N items.

    Raises:
        ValueError: there are more or fewer groups than items.
    """
    if len(values) != len(groups):
        raise ValueError(f"every item needs a group, got {len(values)} items and {len(groups)} groups")
    shape = values.shape[1:]
    if not len(values):
        undefined = np.full(shape, np.nan)
        return Means(undefined, undefined, undefined, np.zeros(shape, dtype=int))
    values_NC = values.reshape(len(values), -1)
    defined_NC = np.isfinite(values_NC)
    names, code_N = np.unique(np.asarray(groups, dtype=str), return_inverse=True)
    sum_GC, size_GC = np.zeros((len(names), values_NC.shape[1])), np.zeros((len(names), values_NC.shape[1]))
    np.add.at(sum_GC, code_N, np.where(defined_NC, values_NC, 0))
    np.add.at(size_GC, code_N, defined_NC)
    mean_C = _ratio(sum_GC.sum(0), size_GC.sum(0))
    drawn_RG = np.random.default_rng(seed).multinomial(len(names), np.full(len(names), 1 / len(names)), REPLICATES)
    replicate_RC = _ratio(drawn_RG @ sum_GC, drawn_RG @ size_GC)  # NaN where no group with a value was drawn
    group_GC = _ratio(sum_GC, size_GC)
    highest_C = np.fmax.reduce(group_GC, axis=0)  # NaN only where no group has a value
    alike_C = ~(highest_C > np.fmin.reduce(group_GC, axis=0))
    tail = (1 - CONFIDENCE) / 2
    replicate_RC[:, alike_C] = 0  # an interval of these is undefined; zeros keep numpy from a warning
    low_C, high_C = np.nanquantile(replicate_RC, (tail, 1 - tail), axis=0)
    low_C[alike_C] = high_C[alike_C] = np.nan
    return Means(*(column.reshape(shape) for column in (mean_C, low_C, high_C, size_GC.sum(0).astype(int))))


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)
