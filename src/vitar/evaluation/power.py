"""What a number of paired items can show: power of the exact McNemar test, and the smallest difference it finds.

Two conditions differ on a share of the items, the discordant ones; the test looks at how these split. With ``n`` items
of which a share is discordant, the number of discordant items is binomial, and given that number so is the split. Power
is the sum over both, exact, and for the test as it is used: two-sided, a difference counts if p is below ``alpha``.

Items of one patient or image are alike and count as fewer. `design_effect` says how many times fewer (Kish, Survey
Sampling, 1965), from the spread of the differences of whole groups.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

ALPHA = 0.05
POWER = 0.8
_REACH = 8  # numbers of discordant items that are further from their mean, in standard deviations, do not matter
_PRECISION = 1e-4  # of a detectable difference: a hundredth of a point


def mcnemar_power(n: int, discordant: float, difference: float, alpha: float = ALPHA) -> float:
    """The chance that the exact McNemar test shows a difference, in either direction.

    Args:
        n: independent paired items.
        discordant: share of items that exactly one of the conditions gets right.
        difference: share right under the first condition minus that under the second.
        alpha: a p value below this shows a difference.

    Raises:
        ValueError: the difference is larger than the discordant share, which cannot be, or a share is none.
    """
    if n < 0 or not 0 <= discordant <= 1 or abs(difference) > discordant + 1e-12:
        raise ValueError(
            f"expected a number of items, a discordant share from 0 to 1 and a difference of at most that, got {n}, "
            f"{discordant} and {difference}"
        )
    if n == 0 or discordant == 0:
        return 0.0
    from scipy.special import bdtr
    from scipy.stats import binom

    reach = _REACH * math.sqrt(n * discordant * (1 - discordant)) + _REACH
    count_K = np.arange(max(0, math.floor(n * discordant - reach)), min(n, math.ceil(n * discordant + reach)) + 1)
    first = min(max((1 + difference / discordant) / 2, 0.0), 1.0)  # share of the discordant items that the first wins
    few_K = _largest_minorities(n, alpha)[count_K]
    shown_K = bdtr(np.maximum(few_K, 0), count_K, first) + bdtr(np.maximum(few_K, 0), count_K, 1 - first)
    return float(binom.pmf(count_K, n, discordant) @ np.where(few_K >= 0, shown_K, 0.0))


def detectable_difference(n: float, discordant: float, alpha: float = ALPHA, power: float = POWER) -> float:
    """The smallest true difference that ``n`` items show with a chance of ``power``.

    Args:
        n: independent paired items; a fraction, as a design effect leaves it, is rounded down.
        discordant: share of items that exactly one condition gets right, as observed. A difference that is larger than
            that needs at least as many discordant items, and is taken to have just as many.

    Returns:
        a share from 0 to 1; NaN if not even a difference of 1 would be shown.
    """
    n = math.floor(n + 1e-9)

    def misses(difference: float) -> bool:
        return mcnemar_power(n, max(discordant, difference), difference, alpha) < power

    if misses(1.0):
        return math.nan
    low, high = 0.0, 1.0
    while high - low > _PRECISION:
        middle = (low + high) / 2
        low, high = (middle, high) if misses(middle) else (low, middle)
    return high


@functools.lru_cache(maxsize=32)
def _largest_minorities(n: int, alpha: float) -> np.ndarray:
    """For 0 to ``n`` discordant items, the most that the smaller side has with p below ``alpha``; -1 where none is."""
    from scipy.stats import binom

    return (binom.ppf(alpha / 2, np.arange(n + 1), 0.5) - 1).astype(int)  # P(X <= few) < alpha / 2


def design_effect(first: ArrayLike, second: ArrayLike, groups: Sequence[str]) -> float:
    """How many times the variance of a paired difference is what it would be for independent items, at least 1.

    Args:
        first, second: right or wrong [N], in the same order of items.
        groups: what each item belongs to [N].

    Returns:
        1 where items of a group are not alike, or where all differences are equal and nothing can be said.
    """
    difference_N = np.asarray(first, dtype=float) - np.asarray(second, dtype=float)
    if not len(difference_N):
        return 1.0
    centred_N = difference_N - difference_N.mean()
    _, code_N = np.unique(np.asarray(groups), return_inverse=True)
    independent = float((centred_N**2).sum())
    clustered = float((np.bincount(code_N, centred_N) ** 2).sum())
    return max(1.0, clustered / independent) if independent > 0 else 1.0
