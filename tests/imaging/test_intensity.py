"""Windows against values worked out by hand from the formulas of DICOM PS3.3."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vitar.imaging.intensity import Window, to_8_bit

HU = np.array([-2000, -160, -159, 39, 40, 41, 239, 240, 3071])


def test_the_exact_window_runs_from_edge_to_edge() -> None:
    # Centre 40, width 400: black at -160, white at 240, 0.6375 gray values per HU.
    assert Window(40, 400).to_8_bit(HU).tolist() == [0, 0, 1, 127, 128, 128, 254, 255, 255]


def test_the_default_of_dicom_is_half_a_unit_off() -> None:
    # ((x - 39.5) / 399 + 0.5) * 255: 40 gives 127.82, and black ends at -160.
    assert Window(40, 400, "LINEAR").to_8_bit(HU).tolist() == [0, 0, 1, 127, 128, 128, 255, 255, 255]
    assert Window(40, 400, "LINEAR").to_8_bit(np.array([-160.0, -159.7, 239.0])).tolist() == [0, 0, 255]


def test_a_width_of_one_is_a_step() -> None:
    assert Window(10, 1, "LINEAR").to_8_bit(np.array([9, 9.4, 9.6, 10, 11])).tolist() == [0, 0, 255, 255, 255]


def test_a_sigmoid_is_half_way_at_its_centre() -> None:
    # 1 / (1 + exp(-4 (x - c) / w)): at c + w / 4 it is 1 / (1 + 1/e) = 0.7311.
    values = np.array([-1e9, 100, 125, 1e9])
    assert Window(100, 100, "SIGMOID").to_8_bit(values).tolist() == [0, 128, 186, 255]


def test_what_is_no_number_is_black_and_infinity_is_white() -> None:
    values = np.array([math.nan, -math.inf, math.inf])
    for function in ("LINEAR_EXACT", "LINEAR", "SIGMOID"):
        assert Window(0, 10, function).to_8_bit(values).tolist() == [0, 0, 255]


def test_depth_survives_until_the_window() -> None:
    # 16 bits in steps of 1: a window of 255 tells all of its values apart, a stretch of the range none of them.
    values = np.arange(32768, 32768 + 256, dtype=np.uint16)
    assert Window(32768 + 127.5, 255).to_8_bit(values).tolist() == list(range(256))
    assert len(set(to_8_bit(np.append(values, [0, 65535]))[:256])) <= 2


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((40, 0), "above 0"),
        ((40, -1), "above 0"),
        ((math.nan, 400), "finite centre"),
        ((40, math.inf), "finite centre"),
        ((40, 0.5, "LINEAR"), "at least 1"),
        ((40, 400, "GAMMA"), "unknown window function 'GAMMA'"),
    ],
)
def test_windows_that_cannot_be_are_refused(arguments: tuple, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Window(*arguments)
