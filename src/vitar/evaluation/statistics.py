"""Intervals and tests for shares of right answers, on the same items under two conditions.

What is not defined, a share of nothing, an interval from items that are all alike, is NaN, never a convenient zero.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
REPLICATES = 2000
"""Bootstrap samples: the ends of a 95 % interval then rest on 50 samples each."""

_CHUNK = 2_000_000  # drawn cluster indices in memory at a time, 16 MB


@dataclass(frozen=True)
class Interval:
    """Both ends of a two-sided confidence interval; NaN where it is undefined."""

    low: float
    high: float


@dataclass(frozen=True)
class PairedDifference:
    """How much better the first of two conditions does on the same items.

    Args:
        difference: share right under the first minus share right under the second.
        interval: bootstrap percentiles over clusters.
    """

    difference: float
    interval: Interval


def wilson(correct: int, n: int) -> Interval:
    """Wilson's score interval of the share ``correct / n`` (J. Am. Stat. Assoc. 22, 1927).

    Raises:
        ValueError: more are correct than there are.
    """
    if not 0 <= correct <= n:
        raise ValueError(f"of {n} items {correct} cannot be correct")
    if n == 0:
        return Interval(math.nan, math.nan)
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(correct, n, alpha=1 - CONFIDENCE, method="wilson")
    return Interval(float(low), float(high))


def mcnemar(first_only: int, second_only: int) -> float:
    """Two-sided p value of the exact McNemar test.

    Args:
        first_only, second_only: items that one condition alone got right. Items on which both agree do not matter.

    Returns:
        the chance of a split at least as uneven if each side were equally likely; 1 if there is nothing to split.

    Raises:
        ValueError: a count is negative.
    """
    if min(first_only, second_only) < 0:
        raise ValueError(f"counts cannot be negative, got {first_only} and {second_only}")
    if first_only + second_only == 0:
        return 1.0
    from scipy.stats import binomtest

    return float(binomtest(first_only, first_only + second_only, 0.5).pvalue)


def paired_difference(
    first: ArrayLike, second: ArrayLike, groups: Sequence[str], *, seed: int = 0, replicates: int = REPLICATES
) -> PairedDifference:
    """Difference of two shares on the same items, with a bootstrap interval that resamples whole groups.

    Items of one patient or image are alike, so drawing items one by one would make the interval too narrow (Field and
    Welsh, J. R. Stat. Soc. B 69, 2007, treat this cluster bootstrap). The interval is undefined where all groups have
    the same difference, as a single group has, or answers that never differ: resampling equals shows no spread.

    Args:
        first, second: right or wrong [N], in the same order of items.
        groups: what each item belongs to [N].

    Raises:
        ValueError: lengths differ.
    """
    first_N, second_N = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if not len(first_N) == len(second_N) == len(groups):
        raise ValueError(f"paired items need equal lengths, got {len(first_N)}, {len(second_N)} and {len(groups)}")
    if not len(first_N):
        return PairedDifference(math.nan, Interval(math.nan, math.nan))
    difference_N = first_N - second_N
    _, code_N = np.unique(np.asarray(groups), return_inverse=True)
    sum_G, size_G = np.bincount(code_N, difference_N), np.bincount(code_N)
    clusters = len(size_G)
    if np.ptp(sum_G / size_G) == 0:
        return PairedDifference(float(difference_N.mean()), Interval(math.nan, math.nan))
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // clusters)
    means: list[np.ndarray] = []
    for start in range(0, replicates, rows):
        drawn_RG = rng.integers(clusters, size=(min(rows, replicates - start), clusters))
        means.append(sum_G[drawn_RG].sum(axis=1) / size_G[drawn_RG].sum(axis=1))
    tail = (1 - CONFIDENCE) / 2
    low, high = np.quantile(np.concatenate(means), (tail, 1 - tail))
    return PairedDifference(float(difference_N.mean()), Interval(float(low), float(high)))


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment of a family of p values (Scand. J. Stat. 6, 1979), in the order given.

    A NaN stays NaN and does not count as a member of the family.
    """
    p_N = np.asarray(p_values, dtype=float)
    order = np.argsort(p_N)[: np.count_nonzero(~np.isnan(p_N))]  # NaN sorts last
    adjusted_N = np.full(len(p_N), math.nan)
    adjusted_N[order] = np.minimum(1, np.maximum.accumulate(p_N[order] * np.arange(len(order), 0, -1)))
    return adjusted_N.tolist()
