"""Agreement of boxes with regions, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from vitar.grading.overlap import areas, intersections, iou_matrix, region_iou
from vitar.imaging.geometry import Box, Frame

UNIT = (0, 0, 10, 10)


def test_two_boxes_by_hand() -> None:
    assert region_iou([UNIT], [UNIT]) == 1
    assert region_iou([(5, 0, 15, 10)], [UNIT]) == pytest.approx(50 / 150)
    assert region_iou([(2, 2, 4, 4)], [UNIT]) == pytest.approx(0.04)
    assert region_iou([(10, 0, 20, 10)], [UNIT]) == 0


def test_matching_is_one_to_one_and_the_best_one() -> None:
    true = [UNIT, (10, 0, 20, 10)]
    assert region_iou(true[::-1], true) == 1
    # the first box overlaps both regions; the pairing that helps the second box most wins
    found = [(4, 0, 14, 10), (0, 0, 9, 10)]
    assert region_iou(found, true) == pytest.approx((0.9 + 40 / 160) / 2)


@pytest.mark.parametrize(("found", "true"), [(1, 4), (4, 1)])
def test_missing_and_superfluous_boxes_cost_their_share(found: int, true: int) -> None:
    boxes = [(20 * i, 0, 20 * i + 10, 10) for i in range(4)]
    assert region_iou(boxes[:found], boxes[:true]) == pytest.approx(0.25)


def test_one_box_around_two_regions_is_half_a_match_at_most() -> None:
    assert region_iou([(0, 0, 20, 10)], [UNIT, (10, 0, 20, 10)]) == pytest.approx(0.25)


def test_agrees_with_the_geometry_of_boxes() -> None:
    rng = np.random.default_rng(4)
    frame = Frame.original(50, 50)
    corners = rng.uniform(0, 40, (40, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0.1, 30, (40, 2))], axis=1)
    objects = [Box(*map(float, box), frame=frame) for box in boxes]
    table = iou_matrix(boxes[:20], boxes[20:])
    for i in range(20):
        for j in range(20):
            assert table[i, j] == pytest.approx(objects[i].iou(objects[20 + j]))
    assert areas(boxes) == pytest.approx([box.area for box in objects])


def test_empty_and_reversed_boxes_share_nothing() -> None:
    odd = [(5, 5, 5, 9), (9, 9, 1, 1)]
    assert areas(odd).tolist() == [0, 0]
    assert intersections(odd, [UNIT]).tolist() == [[0], [0]]
    assert iou_matrix(odd, [*odd, UNIT]).tolist() == [[0, 0, 0]] * 2


def test_nothing_has_no_agreement() -> None:
    with pytest.raises(ValueError, match="got 0 and 1"):
        region_iou([], [UNIT])
    with pytest.raises(ValueError, match="got 1 and 0"):
        region_iou([UNIT], [])
