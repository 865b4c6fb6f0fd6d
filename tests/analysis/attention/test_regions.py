"""Boxes on grids of tokens, worked by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vitar.analysis.attention.regions import coverage, shuffled, unit_boxes
from vitar.imaging.geometry import Box, Frame


def boxes(*xyxy: tuple[float, float, float, float]) -> np.ndarray:
    return np.array(xyxy, dtype=float).reshape(-1, 4)


def test_a_box_covers_tokens_in_part() -> None:
    """Two rows and four columns; the box reaches from the middle of column 0 to a quarter of column 2, in row 1."""
    found = coverage(boxes((0.125, 0.75, 0.5625, 1.0)), (2, 4))
    assert found == pytest.approx([0, 0, 0, 0, 0.25, 0.5, 0.125, 0])


@pytest.mark.parametrize("grid_hw", [(1, 1), (3, 5), (7, 2)])
def test_the_mean_is_the_share_of_the_area(grid_hw: tuple[int, int]) -> None:
    assert coverage(boxes((0.1, 0.2, 0.45, 0.9)), grid_hw).mean() == pytest.approx(0.35 * 0.7)


def test_where_boxes_overlap_counts_once() -> None:
    """The second covers the right half of the first token, the first all of it; together they cover two thirds."""
    found = coverage(boxes((0, 0, 1 / 3, 1), (1 / 6, 0, 2 / 3, 1), (1 / 6, 0, 2 / 3, 1)), (1, 3))
    assert found == pytest.approx([1, 1, 0])


def test_no_box_covers_nothing_and_the_whole_image_everything() -> None:
    assert coverage(boxes(), (2, 3)).tolist() == [0] * 6
    assert coverage(boxes((0, 0, 1, 1)), (2, 3)) == pytest.approx(np.ones(6))


def test_any_boxes_agree_with_counting_points() -> None:
    rng = np.random.default_rng(0)
    corners = np.sort(rng.random((5, 2, 2)), axis=1)
    several = np.concatenate([corners[:, 0], corners[:, 1]], axis=1) * [0.5, 0.5, 1, 1]
    side = 600  # points per side of the image
    at = (np.arange(side) + 0.5) / side
    hit = [(b[1] < at[:, None]) & (at[:, None] < b[3]) & (b[0] < at) & (at < b[2]) for b in several]
    counted = np.any(hit, axis=0).reshape(4, side // 4, 5, side // 5).mean((1, 3))
    assert coverage(several, (4, 5)) == pytest.approx(counted.ravel(), abs=0.02)


def test_a_region_in_the_frame_of_a_crop() -> None:
    """The crop shows 100..200 x 50..100 of the original, enlarged; the first region is cut, the second lies outside."""
    original = Frame.original(400, 200)
    crop = Frame(300, 150, 100, 50, 200, 100)
    found = unit_boxes([Box(150, 75, 250, 90, original), Box(0, 0, 100, 50, original)], crop)
    assert found == pytest.approx(boxes((0.5, 0.5, 1.0, 0.8)))
    assert unit_boxes([], crop).shape == (0, 4)


def test_shuffled_boxes_keep_their_size_and_stay_inside_everywhere_alike() -> None:
    rng = np.random.default_rng(0)
    before = boxes((0.0, 0.1, 0.2, 0.4), (0.5, 0.5, 1.0, 0.6))
    drawn = np.stack([shuffled(before, rng) for _ in range(2000)])
    assert drawn[..., 2:] - drawn[..., :2] == pytest.approx(np.broadcast_to([[0.2, 0.3], [0.5, 0.1]], (2000, 2, 2)))
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    centres = (drawn[..., :2] + drawn[..., 2:]).mean(0) / 2
    assert centres == pytest.approx(np.full((2, 2), 0.5), abs=0.02)
