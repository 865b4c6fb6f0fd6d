"""Means over groups."""

from __future__ import annotations

import numpy as np
import pytest

from vitar.analysis.intervals import grouped_means
from vitar.evaluation.statistics import paired_difference


def test_means_leave_out_what_is_undefined_column_by_column() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [5.0, 2.0]])
    means = grouped_means(values, ["a", "a", "b"])
    assert means.mean == pytest.approx([3, 2])
    assert means.n.tolist() == [3, 1]
    assert np.isfinite(means.low[0])
    assert np.isnan([means.low[1], means.high[1]]).all()  # one group with a value shows no spread


def test_two_groups_by_hand() -> None:
    """Drawing two of two groups gives 0, 1/2 or 1; the ends of 95 % are the extremes."""
    means = grouped_means(np.array([0.0, 0.0, 1.0, 1.0]), ["a", "a", "b", "b"])
    assert (means.mean, means.low, means.high) == (0.5, 0, 1)


def test_the_interval_is_that_of_the_evaluation_s_statistics() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{number}" for number in rng.integers(60, size=300)]
    effect = {group: rng.normal() for group in sorted(set(groups))}
    values = np.array([effect[group] + rng.normal() for group in groups])
    found = grouped_means(values, groups)
    expected = paired_difference(values, np.zeros(300), groups)
    assert found.mean == pytest.approx(expected.difference)
    width = expected.interval.high - expected.interval.low
    assert found.low == pytest.approx(expected.interval.low, abs=0.05 * width)
    assert found.high == pytest.approx(expected.interval.high, abs=0.05 * width)
    alone = grouped_means(values, [str(number) for number in range(300)])
    assert found.high - found.low > 1.3 * (alone.high - alone.low)


def test_shape_is_kept_and_equal_groups_have_no_interval() -> None:
    means = grouped_means(np.ones((4, 2, 3)), list("abcd"))
    assert means.mean.shape == means.low.shape == means.n.shape == (2, 3)
    assert np.isnan(means.low).all()
    assert (means.mean == 1).all()


def test_nothing_at_all_is_undefined() -> None:
    for values, groups in ((np.zeros((0, 2)), []), (np.full((3, 2), np.nan), list("abc"))):
        means = grouped_means(values, groups)
        assert np.isnan([means.mean, means.low, means.high]).all()
        assert means.n.tolist() == [0, 0]


def test_every_item_needs_a_group() -> None:
    with pytest.raises(ValueError, match="got 2 items and 1 groups"):
        grouped_means(np.zeros(2), ["a"])
