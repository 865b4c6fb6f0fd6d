"""How sure a figure is: intervals, tests of two conditions on the same items, adjustment for many of them.

What is not defined, a share of nothing, an interval from items that are all alike, is NaN, never a convenient zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

CONFIDENCE = 0.95
REPLICATES = 2000
"""Bootstrap samples: the ends of a 95 % interval then rest on 50 samples each."""

MIN_GROUPS = 6
"""Of a bootstrap interval: of fewer, all on one side of zero, an exact test of signs has no p below 0.05."""

_CHUNK = 2_000_000  # drawn groups in memory at a time, about 50 MB with their counts


@dataclass(frozen=True)
class Interval:
    """Both ends of a two-sided confidence interval; NaN where it is undefined."""

    low: float
    high: float


@dataclass(frozen=True)
class Means:
    """Means of several columns over the items in which a column is defined; NaN where there is none.

    Args:
        mean: [...].
        low, high: ends of the two-sided interval [...]; NaN where all groups have the same mean, since resampling
            equals shows no spread, and where fewer than `MIN_GROUPS` have a value.
        n: items in which a column is defined [...].
    """

    mean: np.ndarray
    low: np.ndarray
    high: np.ndarray
    n: np.ndarray


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
    """Difference of two shares on the same items, with the interval of `grouped_means`.

    The interval is undefined where all groups have the same difference, as answers that never differ have, since
    resampling equals shows no spread, and where there are fewer than `MIN_GROUPS`.

    Args:
        first, second: right or wrong [N], in the same order of items.
        groups: what each item belongs to [N].

    Raises:
        ValueError: lengths differ.
    """
    first_N, second_N = np.asarray(first, dtype=float), np.asarray(second, dtype=float)
    if not len(first_N) == len(second_N) == len(groups):
        raise ValueError(f"paired items need equal lengths, got {len(first_N)}, {len(second_N)} and {len(groups)}")
    means = grouped_means(first_N - second_N, groups, seed, replicates)
    return PairedDifference(float(means.mean), Interval(float(means.low), float(means.high)))


def grouped_means(values: np.ndarray, groups: Sequence[str], seed: int = 0, replicates: int = REPLICATES) -> Means:
    """Means with percentile intervals of the cluster bootstrap (Field and Welsh, J. R. Stat. Soc. B 69, 2007).

    Items of one patient or image are alike, and drawing them one by one would make an interval too narrow, so groups
    are drawn. All columns share the draws.

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
    drawn = _drawn_counts(len(names), seed, replicates)
    # NaN where no group with a value was drawn
    replicate_RC = np.concatenate([_ratio(count_RG @ sum_GC, count_RG @ size_GC) for count_RG in drawn])
    group_GC = _ratio(sum_GC, size_GC)
    highest_C = np.fmax.reduce(group_GC, axis=0)  # NaN only where no group has a value
    spread_C = highest_C - np.fmin.reduce(group_GC, axis=0)
    alike_C = ~(spread_C > 1e-12 * np.maximum(1, np.abs(highest_C)))  # sums of equals differ in their last digits
    alike_C |= np.isfinite(group_GC).sum(0) < MIN_GROUPS
    tail = (1 - CONFIDENCE) / 2
    replicate_RC[:, alike_C] = 0  # an interval of these is undefined; zeros keep numpy from a warning
    low_C, high_C = np.nanquantile(replicate_RC, (tail, 1 - tail), axis=0)
    low_C[alike_C] = high_C[alike_C] = np.nan
    mean_C = _ratio(sum_GC.sum(0), size_GC.sum(0))
    return Means(*(column.reshape(shape) for column in (mean_C, low_C, high_C, size_GC.sum(0).astype(int))))


def _drawn_counts(groups: int, seed: int, replicates: int) -> Iterator[np.ndarray]:
    """How often each replicate draws each group, [R, G], a few replicates at a time."""
    rng = np.random.default_rng(seed)
    rows = max(1, _CHUNK // groups)
    for start in range(0, replicates, rows):
        count = min(rows, replicates - start)
        drawn_RG = rng.integers(groups, size=(count, groups))
        drawn_RG += groups * np.arange(count)[:, None]
        yield np.bincount(drawn_RG.ravel(), minlength=count * groups).reshape(count, groups).astype(float)


def _ratio(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(numerator.shape, np.nan), where=denominator > 0)


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down adjustment of a family of p values (Scand. J. Stat. 6, 1979), in the order given.

    A NaN stays NaN and does not count as a member of the family.
    """
    p_N = np.asarray(p_values, dtype=float)
    order = np.argsort(p_N)[: np.count_nonzero(~np.isnan(p_N))]  # NaN sorts last
    adjusted_N = np.full(len(p_N), math.nan)
    adjusted_N[order] = np.minimum(1, np.maximum.accumulate(p_N[order] * np.arange(len(order), 0, -1)))
    return adjusted_N.tolist()
