"""Measures of attention on regions, against hand-worked numbers and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest

from vitar.analysis.attention.measures import enrichment, pointing, region_measures, roc_auc

ATTENTION = np.array([0.1, 0.4, 0.2, 0.1])  # of all attention; 0.8 of it is on this image
INSIDE = np.array([0.0, 0.5, 1.0, 0.0])


def test_by_hand() -> None:
    """On the region 0.2 + 0.2 of 0.8, so half of the image's attention, on 3/8 of its area.

    Points of the region: 1/3 in token 1, which beats 2.5 of 2.5 points outside but half a point in its own token, so
    2.25; 2/3 in token 2, which beats the two tokens of 0.1. (2.25 x 0.5 + 2 x 1) / (1.5 x 2.5).
    """
    assert enrichment(ATTENTION, INSIDE) == pytest.approx((0.4 / 0.8) / (3 / 8))
    assert pointing(ATTENTION, INSIDE) == 1
    assert roc_auc(ATTENTION, INSIDE) == pytest.approx((2.25 * 0.5 + 2 * 1) / (1.5 * 2.5))
    assert region_measures(ATTENTION, INSIDE) == pytest.approx([4 / 3, 1, 0.8333333])


def test_even_attention_is_chance_whatever_the_size() -> None:
    for size in (1, 5, 11):
        inside = np.r_[np.ones(size), np.zeros(12 - size)]
        assert enrichment(np.full(12, 0.01), inside) == pytest.approx(1)
        assert roc_auc(np.full(12, 0.01), inside) == pytest.approx(0.5)


def test_attention_on_the_region_alone_and_beside_it_alone() -> None:
    inside = np.array([0, 1, 0, 0])
    assert region_measures(np.array([0, 0.3, 0, 0]), inside) == pytest.approx([4, 1, 1])
    assert region_measures(np.array([0.1, 0, 0.3, 0.2]), inside) == pytest.approx([0, 0, 0])


def test_scale_and_size_of_the_image_s_share_do_not_matter() -> None:
    assert region_measures(ATTENTION * 1e-6, INSIDE) == pytest.approx(region_measures(ATTENTION, INSIDE))


@pytest.mark.parametrize("decimals", [1, 12])  # one decimal makes many ties
def test_the_area_under_the_curve_is_scikit_learn_s(decimals: int) -> None:
    from sklearn.metrics import roc_auc_score

    rng = np.random.default_rng(decimals)
    attention = rng.random((3, 4, 30)).round(decimals) + 0.01
    inside = np.where(rng.random(30) < 0.5, 0, rng.random(30))
    found = roc_auc(attention, inside)
    assert found.shape == (3, 4)
    for place in np.ndindex(3, 4):
        labels, twice = np.r_[np.ones(30), np.zeros(30)], np.tile(attention[place], 2)
        expected = roc_auc_score(labels, twice, sample_weight=np.r_[inside, 1 - inside])
        assert found[place] == pytest.approx(expected)


def test_many_placements_against_one_map() -> None:
    rng = np.random.default_rng(0)
    attention, inside = rng.random(20), np.round(rng.random((6, 20)))
    together = region_measures(attention, inside)
    assert together.shape == (6, 3)
    for row in range(6):
        assert together[row] == pytest.approx(region_measures(attention, inside[row]))


@pytest.mark.parametrize("inside", [np.zeros(4), np.ones(4)])
def test_a_region_without_two_sides_is_undefined(inside: np.ndarray) -> None:
    assert np.isnan(region_measures(ATTENTION, inside)).all()


def test_no_attention_and_no_token_are_undefined() -> None:
    assert np.isnan(region_measures(np.zeros(4), INSIDE)).all()
    found = region_measures(np.zeros((2, 5, 0)), np.zeros(0))
    assert found.shape == (2, 5, 3)
    assert np.isnan(found).all()
