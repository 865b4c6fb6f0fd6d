"""A mean with its interval, as the files of an analysis hold it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from vitar.statistics import Means, grouped_means


class Estimate(BaseModel):
    """A mean over items; None where it is undefined.

    Args:
        mean: over the ``n`` items in which it is defined.
        low, high: 95 % bootstrap interval that resamples whole groups.
        n: items.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mean: float | None
    low: float | None
    high: float | None
    n: int


def estimates(values_NF: np.ndarray, groups: Sequence[str], seed: int = 0) -> list[Estimate]:
    """One estimate per column; NaN is left out of its column.

    Args:
        values_NF: items by figures.
        groups: of the items [N].
    """
    means: Means = grouped_means(values_NF, groups, seed)
    columns = zip(means.mean, means.low, means.high, means.n, strict=True)
    return [Estimate(mean=_defined(m), low=_defined(lo), high=_defined(hi), n=int(n)) for m, lo, hi, n in columns]


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
