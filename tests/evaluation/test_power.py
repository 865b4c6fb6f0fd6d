"""Power against closed forms and simulations."""

from __future__ import annotations

import functools
import math

import numpy as np
import pytest
from scipy.stats import binom

from vitar.evaluation.power import design_effect, detectable_difference, mcnemar_power
from vitar.statistics import mcnemar

p_of = functools.cache(mcnemar)


def test_power_by_hand() -> None:
    # six items, all discordant: p is 2 / 64 when all go one way, and 14 / 64 when one does not
    for first in (0.5, 0.8, 1.0):
        assert mcnemar_power(6, 1.0, 2 * first - 1) == pytest.approx(first**6 + (1 - first) ** 6)
    assert mcnemar_power(5, 1.0, 1.0) == 0  # 2 / 32 is above 0.05
    # all discordant items go one way: at least six of them are needed
    assert mcnemar_power(100, 0.1, 0.1) == pytest.approx(binom.sf(5, 100, 0.1))
    assert mcnemar_power(0, 0.5, 0.1) == mcnemar_power(10, 0.0, 0.0) == 0


@pytest.mark.parametrize(("n", "discordant", "difference"), [(30, 0.5, 0.3), (30, 0.6, 0.0), (36, 0.4, -0.3)])
@pytest.mark.parametrize("alpha", [0.05, 0.0125])
def test_power_is_the_sum_over_all_tables(n: int, discordant: float, difference: float, alpha: float) -> None:
    share = (1 + difference / discordant) / 2
    exact = 0.0
    for count in range(n + 1):
        shown = [k for k in range(count + 1) if p_of(k, count - k) < alpha]
        exact += binom.pmf(count, n, discordant) * binom.pmf(list(shown), count, share).sum()
    assert mcnemar_power(n, discordant, difference, alpha) == pytest.approx(exact, abs=1e-9)


def test_without_an_effect_power_is_at_most_the_level() -> None:
    for n, discordant in ((30, 0.4), (500, 0.1), (1200, 0.25)):
        assert 0.02 < mcnemar_power(n, discordant, 0.0) <= 0.05


@pytest.mark.parametrize("alpha", [0.05, 0.01])
@pytest.mark.parametrize(("n", "discordant"), [(100, 0.1), (451, 0.2), (1200, 0.25), (20_000, 0.15)])
def test_the_detectable_difference_is_where_power_reaches_its_mark(n: int, discordant: float, alpha: float) -> None:
    found = detectable_difference(n, discordant, alpha)
    assert mcnemar_power(n, max(discordant, found), found, alpha) >= 0.8
    below = found - 0.003
    assert mcnemar_power(n, max(discordant, below), below, alpha) < 0.8
    if n >= 1000:  # the normal approximation of Connor, Biometrics 43 (1987), solved for the difference
        z = {0.05: 1.960, 0.01: 2.576}[alpha]
        approximate = (z * math.sqrt(discordant) + 0.842 * math.sqrt(discordant - found**2)) / math.sqrt(n)
        assert found == pytest.approx(approximate, rel=0.04)


def test_few_items_show_nothing_or_large_differences_only() -> None:
    assert math.isnan(detectable_difference(5, 0.2))
    assert math.isnan(detectable_difference(0, 0.0))
    assert detectable_difference(6, 0.0) == pytest.approx(0.8 ** (1 / 6), abs=1e-3)
    assert detectable_difference(6.99, 0.0) == detectable_difference(6, 0.0)


def test_impossible_shares_are_refused() -> None:
    for n, discordant, difference in ((10, 0.1, 0.2), (10, 1.2, 0.1), (-1, 0.2, 0.1)):
        with pytest.raises(ValueError, match="expected a number of items"):
            mcnemar_power(n, discordant, difference)


def test_design_effect_by_hand() -> None:
    first, second = [1, 1, 0, 0], [0, 0, 1, 1]  # differences 1, 1, -1, -1
    assert design_effect(first, second, ["a", "a", "b", "b"]) == pytest.approx(8 / 4)
    assert design_effect(first, second, ["a", "b", "c", "d"]) == 1
    assert design_effect(first, second, ["a", "b", "a", "b"]) == 1  # 0, but never better than independent
    assert design_effect([1, 1], [0, 0], ["a", "b"]) == 1
    assert design_effect([], [], []) == 1


def test_copies_of_an_item_count_once() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.random(300) < 0.7, rng.random(300) < 0.6
    groups = [str(i // 4) for i in range(1200)]
    assert design_effect(first.repeat(4), second.repeat(4), groups) == pytest.approx(4)
