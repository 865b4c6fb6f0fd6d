"""Statistics against closed forms, published values and planted effects."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.stats import binom, norm

from vitar.statistics import grouped_means, holm, mcnemar, paired_difference, wilson


def test_wilson_is_its_closed_form() -> None:
    z = norm.ppf(0.975)
    for correct, n in ((0, 10), (3, 10), (81, 263), (10, 10), (651, 1000)):
        p = correct / n
        middle = (p + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z * math.sqrt(p * (1 - p) / n + z**2 / (4 * n**2)) / (1 + z**2 / n)
        interval = wilson(correct, n)
        assert (interval.low, interval.high) == pytest.approx((middle - half, middle + half), abs=1e-12)


def test_wilson_agrees_with_newcombe_s_table() -> None:
    # Newcombe, Statistics in Medicine 17 (1998), table I, method 3: r/n, lower and upper limit
    for correct, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0, 0.1611)):
        interval = wilson(correct, n)
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_nothing_has_no_interval() -> None:
    assert math.isnan(wilson(0, 0).low)
    assert math.isnan(wilson(0, 0).high)
    with pytest.raises(ValueError, match="of 3 items 4 cannot be correct"):
        wilson(4, 3)


def test_mcnemar_is_twice_the_binomial_tail() -> None:
    assert mcnemar(0, 0) == 1
    assert mcnemar(5, 0) == pytest.approx(2 * 0.5**5)
    assert mcnemar(3, 3) == 1
    for first, second in ((10, 2), (48, 30), (300, 48)):
        tail = 2 * binom.cdf(min(first, second), first + second, 0.5)
        assert mcnemar(first, second) == mcnemar(second, first) == pytest.approx(tail)
    with pytest.raises(ValueError, match="cannot be negative"):
        mcnemar(-1, 2)


def test_mcnemar_keeps_its_level_without_an_effect_and_finds_a_planted_one() -> None:
    rng = np.random.default_rng(3)

    def rejected(first_share: float) -> float:
        discordant = rng.binomial(400, 0.2, size=1000)  # of 400 items, a fifth is answered differently
        first = rng.binomial(discordant, first_share)
        return float(np.mean([mcnemar(int(f), int(d - f)) < 0.05 for f, d in zip(first, discordant, strict=True)]))

    assert rejected(0.5) <= 0.055
    assert rejected(0.75) > 0.98  # ten points: a z of 4.5 on 80 discordant items


def test_the_difference_is_plain_and_its_interval_as_wide_as_theory_says() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(2000) < 0.7, rng.random(2000) < 0.6
    found = paired_difference(first, second, [str(i) for i in range(2000)])
    assert found.difference == pytest.approx(first.mean() - second.mean())
    error = (first.astype(float) - second).std() / math.sqrt(2000)
    expected = (found.difference - 1.96 * error, found.difference + 1.96 * error)
    assert (found.interval.low, found.interval.high) == pytest.approx(expected, abs=0.1 * error)


def test_items_of_one_patient_count_as_one() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.random(500) < 0.7, rng.random(500) < 0.6
    once = paired_difference(first, second, [str(i) for i in range(500)])
    groups = [str(i // 4) for i in range(2000)]  # every item four times
    copies = paired_difference(first.repeat(4), second.repeat(4), groups)
    assert copies.difference == pytest.approx(once.difference)
    assert copies.interval.low == pytest.approx(once.interval.low, abs=0.005)
    assert copies.interval.high == pytest.approx(once.interval.high, abs=0.005)
    naive = paired_difference(first.repeat(4), second.repeat(4), [str(i) for i in range(2000)])
    ratio = (copies.interval.high - copies.interval.low) / (naive.interval.high - naive.interval.low)
    assert ratio == pytest.approx(2, rel=0.1)


def test_the_interval_covers_a_planted_difference_of_unequal_clusters() -> None:
    rng = np.random.default_rng(7)
    covered = 0
    for trial in range(200):
        size = rng.integers(1, 6, size=120)
        group = np.repeat(np.arange(120), size)
        draw = rng.random(120)[group]  # one for all items of a patient
        second = rng.random(len(group)) < 0.5
        first = np.where(draw < 0.4, True, np.where(draw < 0.6, False, second))  # helps 40 %, hurts 20 %: ten points
        found = paired_difference(first, second, group.astype(str).tolist(), seed=trial, replicates=500)
        covered += found.interval.low <= 0.1 <= found.interval.high
    assert covered >= 180  # 95 % would be 190; below 180 has a chance of 0.2 %


def test_the_bootstrap_is_seeded_and_independent_of_its_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(300) < 0.6, rng.random(300) < 0.5
    groups = [str(i // 2) for i in range(300)]
    once = paired_difference(first, second, groups, seed=5)
    assert once == paired_difference(first, second, groups, seed=5)
    assert once.interval != paired_difference(first, second, groups, seed=6).interval
    monkeypatch.setattr("vitar.statistics._CHUNK", 1000)
    assert once == paired_difference(first, second, groups, seed=5)


def test_what_a_bootstrap_cannot_know_is_undefined() -> None:
    cases = (([], [], []), ([1, 0], [0, 0], ["a", "a"]), ([1, 0], [1, 0], ["a", "b"]), ([1, 1], [0, 0], ["a", "b"]))
    for (first, second, groups), difference in zip(cases, (math.nan, 0.5, 0, 1), strict=True):
        found = paired_difference(first, second, groups)
        assert math.isnan(found.interval.low)
        assert math.isnan(found.interval.high)
        assert found.difference == pytest.approx(difference, nan_ok=True)
    with pytest.raises(ValueError, match="equal lengths, got 2, 1 and 2"):
        paired_difference([1, 0], [1], ["a", "b"])


def test_means_leave_out_what_is_undefined_column_by_column() -> None:
    values = np.array([[1.0, np.nan], [3.0, np.nan], [5.0, 2.0], *([float(n), float(n)] for n in range(5))])
    means = grouped_means(values, ["a", "a", *"bcdefg"])
    assert means.mean == pytest.approx([19 / 8, 2])
    assert means.n.tolist() == [8, 6]
    assert np.isfinite(means.low).all()
    values[3, 1] = np.nan
    means = grouped_means(values, ["a", "a", *"bcdefg"])
    assert np.isfinite([means.low[0], means.high[0]]).all()
    assert np.isnan([means.low[1], means.high[1]]).all()  # five groups with a value are too few


def test_six_groups_by_hand() -> None:
    """A draw of six has B(6, 1/2) ones: none or six in 1/64 each, below 2.5 %, and one or none in 7/64."""
    means = grouped_means(np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0]), list("abcdef"))
    assert (means.mean, means.low, means.high) == (0.5, pytest.approx(1 / 6), pytest.approx(5 / 6))


def test_few_groups_or_equal_ones_have_no_interval() -> None:
    rng = np.random.default_rng(0)
    assert np.isnan(grouped_means(rng.normal(size=50), [str(number % 5) for number in range(50)]).low)
    equal = grouped_means(np.full(22, 0.1), [*"abcdefg", *("h" * 15)])  # their sums differ in the last digits
    assert np.isnan([equal.low, equal.high]).all()


def test_alike_items_widen_the_interval() -> None:
    rng = np.random.default_rng(0)
    groups = [f"g{number}" for number in rng.integers(60, size=300)]
    effect = {group: rng.normal() for group in sorted(set(groups))}
    values = np.array([effect[group] + rng.normal() for group in groups])
    found = grouped_means(values, groups)
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


def test_holm_by_hand() -> None:
    # smallest times 4, next times 3, ...; never below the one before, never above 1
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1, 1]
    assert holm([]) == []
    first, undefined, last = holm([0.02, math.nan, 0.03])
    assert (first, last) == pytest.approx((0.04, 0.04))
    assert math.isnan(undefined)


def test_holm_holds_the_family_wise_level() -> None:
    rng = np.random.default_rng(2)
    families = rng.random((2000, 5))  # five true null hypotheses each
    assert np.mean([min(holm(family.tolist())) < 0.05 for family in families]) < 0.06
    ordered = holm(sorted(families[0]))
    assert all(a <= b for a, b in pairwise(ordered))
