"""Plots: positions by hand, escaping, and the awkward inputs."""

from __future__ import annotations

import re
from xml.etree import ElementTree

import pytest

from vitar.reports.figures import (
    LABEL_CHARACTERS,
    STYLES,
    Dot,
    Line,
    interval_plot,
    legend,
    line_plot,
    mark_at,
    marker_key,
    thinned,
    ticks,
)
from vitar.reports.grids import FULL_AT, MOST_NUMBERS, head_grid
from vitar.reports.wording import CONDITION_WORDS


def _marks(svg: str) -> list[float]:
    return [float(x) for x in re.findall(r'class="mark[^"]*" transform="translate\(([\d.]+) ', svg)]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [
        (0.0, 1.0, [0.0, 0.25, 0.5, 0.75, 1.0]),
        (-0.31, 0.31, [-0.2, 0.0, 0.2]),
        (1, 300, [100, 200, 300]),
        (0.0, 0.004, [0.0, 0.001, 0.002, 0.003, 0.004]),
        (-5e-9, 5e-9, [-5e-9, -2.5e-9, 0.0, 2.5e-9, 5e-9]),
    ],
)
def test_ticks_are_round_and_inside(low: float, high: float, expected: list[float]):
    assert ticks(low, high, 4) == pytest.approx(expected)


def test_a_dot_stands_where_its_value_is():
    dots = [Dot("a", 0.0, None, None, "0"), Dot("b", 0.5, 0.25, 0.75, "50"), Dot("c", 1.0, 0.9, 1.2, "100")]
    svg = interval_plot(dots, 0.0, 1.0, str, "plot")
    left, middle, right = _marks(svg)
    assert middle == pytest.approx((left + right) / 2)
    spans = re.findall(r'class="line[^"]*" d="M([\d.]+) [\d.]+H([\d.]+)"', svg)
    (low, high), (_, clipped) = [[float(x) for x in span] for span in spans]
    assert (low, high) == pytest.approx(((left + middle) / 2, (middle + right) / 2))
    assert clipped == right  # what lies beyond the axis ends at the axis


def test_a_row_without_a_value_keeps_its_label():
    svg = interval_plot([Dot("nothing", None, None, None, "–")], 0.0, 1.0, str, "plot")
    assert _marks(svg) == []
    assert ">nothing</text>" in svg


def test_plots_are_well_formed_and_say_what_they_show():
    hostile = '<script>"&'
    dots = interval_plot([Dot(hostile, 0.5, 0.4, 0.6, "50.0")], -1.0, 1.0, str, f"about {hostile}", zero=0.0)
    lines = line_plot([Line(hostile, [(1, 2.0), (3, 4.0)])], "curve")
    assert ElementTree.fromstring(dots).get("aria-label") == f"about {hostile}: {hostile} 50.0"
    assert ElementTree.fromstring(lines).get("aria-label") == f"curve: {hostile} from 2 to 4"
    assert "<script" not in dots + lines + legend([Line(hostile, [])])


@pytest.mark.parametrize("points", [[(5, 1.0)], [(5, 1.0), (6, 1.0)], [(5, 0.0), (5, 0.0)]])
def test_a_line_without_extent_can_be_drawn(points: list[tuple[float, float]]):
    svg = line_plot([Line("flat", points)], "plot")
    assert "nan" not in svg
    assert re.search(r'class="curve[^"]*" d="M[\d.]+ [\d.]+L[\d.]+ [\d.]+"', svg)


def test_lines_without_a_point_cannot():
    with pytest.raises(ValueError, match="at least one point"):
        line_plot([Line("empty", [])], "plot")


def test_long_lines_become_means():
    assert thinned([(1, 1.0), (2, 3.0), (3, 5.0), (4, 7.0), (5, 9.0)], limit=3) == [(1.5, 2.0), (3.5, 6.0), (5, 9.0)]
    assert thinned([(1, 1.0)], limit=3) == [(1, 1.0)]
    assert thinned([]) == []


def test_every_condition_looks_different():
    assert STYLES.keys() == CONDITION_WORDS.keys()
    assert len({mark_at(0, 0, style) for style in STYLES.values()}) == len(STYLES)
    key = marker_key([("<b>", 0), ("other", 7)])
    assert key.count("<li>") == 2
    assert "&lt;b&gt;" in key


def test_long_labels_are_cut_but_not_in_the_description():
    name = "a-very-long-name-of-a-condition"
    svg = interval_plot([Dot(name, 0.5, None, None, "0.5")], 0.0, 1.0, str, "plot")
    assert name in ElementTree.fromstring(svg).get("aria-label")
    (label,) = [text for text in re.findall(r'text-anchor="end">(.*?)<', svg) if "…" in text]
    assert len(label) == LABEL_CHARACTERS


def test_cells_are_tinted_by_the_logarithm_between_even_and_full():
    svg = head_grid([[0.5, 1.0, FULL_AT**0.5], [FULL_AT, 99.0, None]], [3, 7], [0, 1, 5], "plot")
    tints = [float(tint) for tint in re.findall(r'class="cell" fill-opacity="([\d.]+)"', svg)]
    assert tints == pytest.approx([0.0, 0.0, 0.35, 0.7, 0.7, 0.0], abs=0.01)
    assert svg.count('class="grid"') == 1  # the undefined one is crossed out
    assert ">99.0</text>" in svg
    assert ElementTree.fromstring(svg).get("aria-label") == "plot: from 0.50 to 99.00, the most in layer 7, head 1"


def test_a_large_model_has_a_grid_without_numbers():
    layers, heads = range(36), range(32)
    svg = head_grid([[1.5] * 32] * 36, layers, heads, "plot")
    assert svg.count('class="cell"') == 36 * 32
    assert ">1.5</text>" not in svg
    assert len(re.findall('text-anchor="middle"', svg)) <= MOST_NUMBERS
    assert "undefined" in head_grid([[None]], [0], [0], "plot")
