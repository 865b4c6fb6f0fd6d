"""Boxes convert between frames without loss, and a box in the wrong frame does not pass for the right one."""

import math

import numpy as np
import pytest

from vitar.imaging.geometry import Box, Frame, union_share, whole_span

ORIGINAL = Frame.original(640, 480)


def _random_frame(rng: np.random.Generator) -> Frame:
    x0, y0 = rng.uniform(0, 3000, 2)
    width, height = rng.uniform(1, 3000, 2)
    return Frame(*rng.uniform(1, 2000, 2), x0, y0, x0 + width, y0 + height)


def test_round_trip_over_random_frames() -> None:
    rng = np.random.default_rng(7)
    for _ in range(500):
        first, second = _random_frame(rng), _random_frame(rng)
        corners = np.sort(rng.uniform(0, 1, (2, 2)), axis=0) * (first.width, first.height)
        box = Box(*corners.ravel(), first)
        back = box.to(second).to(first)
        assert np.allclose(back.xyxy, box.xyxy, atol=1e-6)
        assert np.allclose(box.to(second).xyxy_original, box.xyxy_original, atol=1e-6)


def test_round_trip_through_whole_thousandths_stays_within_a_pixel() -> None:
    rng = np.random.default_rng(8)
    for _ in range(500):
        width, height = rng.integers(8, 1000, 2)  # up to 1000 pixels a thousandth is at most one of them
        frame = Frame.original(int(width), int(height))
        corners = np.sort(rng.uniform(0, 1, (2, 2)), axis=0) * (width, height)
        wire = Box(*corners.ravel(), frame).to(frame.thousandths())
        back = Box(*(round(v) for v in wire.xyxy), wire.frame).to(frame)
        assert np.abs(np.subtract(back.xyxy, corners.ravel())).max() <= 1


def test_a_known_conversion() -> None:
    crop = Frame.over(Box(100, 200, 300, 300, ORIGINAL), 400, 200)
    assert crop == Frame(400, 200, 100, 200, 300, 300)
    assert Box(0, 100, 40, 150, crop).xyxy_original == (100, 250, 120, 275)
    assert Box(100, 250, 120, 275, ORIGINAL).to(crop.thousandths()).xyxy == (0, 500, 100, 750)
    assert crop.full_box.to(ORIGINAL).xyxy == (100, 200, 300, 300)


def test_a_box_in_a_zoom_of_a_zoom_maps_back() -> None:
    outer = Frame.over(Box(200, 100, 400, 300, ORIGINAL), 448, 448)
    inner = Frame.over(Box(500, 250, 1000, 750, outer.thousandths()), 448, 448)
    lesion = Box(330, 180, 350, 200, ORIGINAL)
    assert inner == Frame(448, 448, 300, 150, 400, 250)
    written = lesion.to(inner.thousandths())
    assert written.xyxy == pytest.approx((300, 300, 500, 500))
    assert written.iou(lesion) == pytest.approx(1)


def test_swapped_axes_do_not_go_unnoticed() -> None:
    lesion = Box(500, 60, 620, 120, ORIGINAL)
    swapped = Frame.original(480, 640)  # (height, width), the classic mistake on a non-square image
    wrong = Box(*lesion.to(ORIGINAL.thousandths()).xyxy, swapped.thousandths())
    assert Box(*wrong.xyxy_original, ORIGINAL).iou(lesion) < 0.1
    assert not Box(*lesion.xyxy, swapped).is_valid
    assert not ORIGINAL.holds(swapped)
    assert ORIGINAL.holds(ORIGINAL.thousandths())


@pytest.mark.parametrize("values", [(0, 1, 0, 0, 1, 1), (1, 1, 2, 0, 1, 1), (1, 1, 0, 0, math.nan, 1)])
def test_impossible_frames_raise(values: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="a frame needs"):
        Frame(*values)


@pytest.mark.parametrize(
    ("xyxy", "valid", "area", "share"),
    [
        ((0, 0, 64, 48), True, 64 * 48, 0.01),
        ((-64, 0, 64, 48), False, 128 * 48, 0.01),
        ((64, 48, 0, 0), False, 0, 0),
        ((64, 0, 64, 48), False, 0, 0),
        ((math.nan, 0, 64, 48), False, 0, 0),
        ((0, 0, math.inf, 48), False, 0, 0.1),
        ((700, 0, 800, 48), False, 4800, 0),
    ],
)
def test_any_corners_are_judged(xyxy: tuple[float, ...], valid: bool, area: float, share: float) -> None:
    box = Box(*xyxy, ORIGINAL)
    assert box.is_valid is valid
    assert box.area == area
    assert box.share == pytest.approx(share)


def test_center_and_size() -> None:
    box = Box(10, 20, 30, 60, ORIGINAL)
    assert (box.center, box.width, box.height) == ((20, 40), 20, 40)


def test_iou() -> None:
    box = Box(0, 0, 10, 10, ORIGINAL)
    assert box.iou(box) == 1
    assert box.iou(Box(5, 0, 15, 10, ORIGINAL)) == pytest.approx(1 / 3)
    assert box.iou(Box(10, 0, 20, 10, ORIGINAL)) == 0
    assert box.iou(Box(10, 10, 0, 0, ORIGINAL)) == 0
    assert Box(0, 0, math.inf, 10, ORIGINAL).iou(box) == 0
    assert box.iou(Box(math.nan, 0, 10, 10, ORIGINAL)) == 0
    assert Box(5, 5, 5, 5, ORIGINAL).iou(Box(5, 5, 5, 5, ORIGINAL)) == 0


@pytest.mark.parametrize(
    ("low", "high", "span"),
    [(2, 5, (2, 5)), (2.1, 4.2, (2, 5)), (1.9999999, 5.0000001, (2, 5)), (3, 3, (3, 4)), (-1.5, 0.5, (-2, 1))],
)
def test_whole_span(low: float, high: float, span: tuple[int, int]) -> None:
    assert whole_span(low, high) == span


def test_pixels_are_inside_and_at_least_one() -> None:
    assert Box(1.5, 2, 3.2, 4, ORIGINAL).pixels() == (1, 2, 4, 4)
    assert Box(640, 480, 640, 480, ORIGINAL).pixels() == (639, 479, 640, 480)
    assert Box(-9, -9, -5, 999, ORIGINAL).pixels() == (0, 0, 1, 480)


def test_union_share_agrees_with_counting_pixels() -> None:
    rng = np.random.default_rng(9)
    frame = Frame.original(20, 10)
    for count in range(6):
        corners = np.sort(rng.integers(-3, 24, (count, 2, 2)), axis=1)
        boxes = [Box(*c.ravel(), frame) for c in corners]
        mask = np.zeros((10, 20), dtype=bool)
        for (x0, y0), (x1, y1) in corners:
            mask[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)] = True
        assert union_share(boxes) == pytest.approx(mask.mean())
