"""Heat maps, pixel by pixel."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from vitar.analysis.attention.looking import Glance
from vitar.analysis.attention.maps import PANEL_PX, heat_map


def glance(attention: list[float], boxes: list[list[float]]) -> Glance:
    """Of an image with one row of tokens."""
    weights_T = np.array(attention)
    empty = np.zeros((1, 1))
    boxes_N4 = np.array(boxes, dtype=float).reshape(-1, 4)
    return Glance(1, 1, (1, len(attention)), weights_T > -1, weights_T, boxes_N4, 0.0, empty, empty)


def test_the_tint_is_the_logarithm_of_the_excess_over_even_attention() -> None:
    """Sixteen tokens: one has 8 times even attention, one the root of 8, one exactly even, the others less."""
    even, root = 0.01, 8**0.5
    rest = (16 - 8 - root - 1) / 13 * even
    attention = glance([8 * even, root * even, even, *[rest] * 13], [])
    shown = np.array(heat_map(Image.new("L", (160, 40), 100), attention)).astype(int)
    assert shown.shape == (PANEL_PX / 4, PANEL_PX, 3)
    full, half, at_even, below = (shown[50, at] for at in (10, 30, 50, 300))
    assert full == pytest.approx([25, 190, 216], abs=2)  # three quarters of the way to (0, 220, 255)
    assert half == pytest.approx((full + 100) / 2, abs=2)
    assert at_even.tolist() == below.tolist() == [100, 100, 100]


def test_true_regions_are_outlined() -> None:
    plain = glance([0.1, 0.1], [])
    marked = glance([0.1, 0.1], [[0.25, 0.25, 0.75, 0.75]])
    image = Image.new("L", (40, 40), 100)
    changed = np.any(np.array(heat_map(image, plain)) != np.array(heat_map(image, marked)), axis=-1)
    y, x = np.nonzero(changed)
    assert not changed[81:239, 81:239].any()
    assert (x.min(), x.max()) == pytest.approx((80, 239), abs=6)
    assert (y.min(), y.max()) == pytest.approx((80, 239), abs=6)


def test_no_attention_at_all_leaves_the_image() -> None:
    shown = np.array(heat_map(Image.new("RGB", (40, 20), (1, 2, 3)), glance([0.0, 0.0], [])))
    assert (shown == [1, 2, 3]).all()
