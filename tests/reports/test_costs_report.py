"""Costs in a report: what is drawn where, what is joined, what is missing."""

from __future__ import annotations

import re
from dataclasses import replace
from xml.etree import ElementTree

import pytest
from made_up_figures import UP, cell_of, run_of

from vitar.analysis.efficiency import COSTS, QUANTILES, Cost, Tradeoff
from vitar.analysis.estimates import Estimate
from vitar.reports.cost_figures import Point, Spread, distribution_plot, tradeoff_plot
from vitar.reports.costs import COST_WORDS, cost_figures, tradeoffs, tradeoffs_table
from vitar.reports.figures import LEFT, RIGHT


def estimate(mean: float | None) -> Estimate:
    return Estimate(mean=mean, low=mean, high=mean, n=0 if mean is None else 10)


def run_with(costs: dict[str, dict[str, float | None]], name: str = "run", failed: tuple[str, ...] = ()):
    """A run whose conditions have these mean costs; others are unknown."""
    cells = tuple(cell_of(condition, 50, failed=5 if condition in failed else 0) for condition in costs)
    run = run_of({"single_pass": UP} if {"single_pass", "think_twice"} <= costs.keys() else {}, cells)
    found = [
        Cost(
            condition=condition,
            cost=cost,
            mean=estimate(means.get(cost)),
            quantiles={f"{q:g}": means[cost] * (1 + q) for q in QUANTILES} if means.get(cost) is not None else {},
        )
        for condition, means in costs.items()
        for cost in COSTS
    ]
    traded = [
        Tradeoff(condition=condition, accuracy=estimate(0.5), costs={cost: means.get(cost) for cost in COSTS})
        for condition, means in costs.items()
    ]
    return replace(run, name=name, costs=tuple(found), tradeoffs=tuple(traded))


TWO = {
    "single_pass": {"seconds": 0.02, "prompt_tokens": 100, "generated_tokens": 2},
    "think_twice": {"seconds": 0.1, "prompt_tokens": 400, "generated_tokens": 60},
}


def test_every_cost_that_is_measured_has_words():
    assert COST_WORDS.keys() == COSTS.keys()


def test_a_box_stands_where_its_quantiles_are():
    spread = Spread("a", {"0.1": 10, "0.25": 25, "0.5": 50, "0.75": 75, "0.9": 90, "0.99": 100}, 1)
    svg = distribution_plot([spread], str, "plot")
    end = 104.0  # the largest 99% quantile and a little room
    at = {q: LEFT + value / end * (RIGHT - LEFT) for q, value in spread.quantiles.items()}
    box = ElementTree.fromstring(svg).find("rect[@class='box s1']")
    assert float(box.get("x")) == pytest.approx(at["0.25"], abs=0.1)
    assert float(box.get("width")) == pytest.approx(at["0.75"] - at["0.25"], abs=0.1)
    whiskers, median = re.findall(r'class="line s1" d="M([\d.]+)', svg)
    assert (float(whiskers), float(median)) == pytest.approx((at["0.1"], at["0.5"]), abs=0.1)
    assert float(re.search(r'circle class="mark s1" cx="([\d.]+)"', svg)[1]) == pytest.approx(at["0.99"], abs=0.1)
    assert ElementTree.fromstring(svg).get("aria-label") == "plot: a median 50, 10% to 90% 10 to 90, 99% 100"


@pytest.mark.parametrize("quantiles", [{}, dict.fromkeys(("0.1", "0.25", "0.5", "0.75", "0.9", "0.99"), 0.0)])
def test_rows_without_figures_or_extent_can_be_drawn(quantiles):
    svg = distribution_plot([Spread("nothing", quantiles)], str, "plot")
    assert "nan" not in svg
    assert (">undefined</text>" in svg) == (not quantiles)


def test_a_point_stands_where_its_cost_and_accuracy_are():
    points = [Point("a", 50, 0.5, 0.25, 0.75, 1, "1"), Point("b", 100, 0.5, None, None, 2, "2", tag_before=True)]
    svg = tradeoff_plot(points, [points], str, "tokens", "plot")
    (x1, y1), (x2, y2) = [
        tuple(map(float, pair))
        for pair in re.findall(r'class="mark s\d" transform="translate\(([\d.]+) ([\d.]+)\)', svg)
    ]
    left = 40.0
    assert (x2 - left) == pytest.approx(2 * (x1 - left), abs=0.2)  # the axis begins at 0
    assert y1 == y2
    low, high = re.search(r'class="line s1" d="M[\d.]+ ([\d.]+)V([\d.]+)"', svg).groups()
    assert (float(low) + float(high)) / 2 == pytest.approx(y1, abs=0.1)
    assert 'class="line s2"' not in svg  # no interval
    assert f'class="join" d="M{x1} {y1}L{x2} {y2}"' in svg
    assert 'text-anchor="start">1</text>' in svg
    assert 'text-anchor="end">2</text>' in svg
    assert ElementTree.fromstring(svg).get("aria-label") == "plot: a 50.0% at 50; b 50.0% at 100"


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match="at least one point"):
        tradeoff_plot([], [], str, "tokens", "plot")


def test_equal_accuracies_of_everything_or_nothing_can_be_drawn():
    for accuracy in (0.0, 1.0):
        svg = tradeoff_plot([Point("a", 0.0, accuracy, None, None)], [], str, "tokens", "plot")
        assert "nan" not in svg


def test_conditions_that_spend_more_of_the_same_are_joined():
    names = ("single_pass", "think_twice", "think_0", "think_2", "think_3", "majority_k", "unmarked")
    run = run_with({name: {"seconds": place, "prompt_tokens": 10} for place, name in enumerate(names, start=1)})
    (found,) = tradeoffs([run])
    seconds = found.plots[-1].svg
    joins = re.findall(r'class="join"[^>]* d="([^"]*)"', seconds)
    assert [join.count("L") for join in joins] == [3, 1]  # actions 0, 1, 2, 3; one sample, many
    assert "stroke-dasharray=" in seconds
    assert len(re.findall('class="mark', seconds)) == 7
    assert found.missing.startswith("Undefined, and not drawn: tokens written of ")


def test_runs_on_the_same_data_share_a_plot_and_are_numbered():
    here, other = run_with(TWO, "a"), run_with(TWO, "b")
    elsewhere = run_with(TWO, "c")
    elsewhere = replace(elsewhere, metrics=elsewhere.metrics.model_copy(update={"data": "elsewhere"}))
    first, second = tradeoffs([here, other, elsewhere])
    assert (first.runs, second.runs) == (("1 a", "2 b"), ())
    assert "think_twice of b 50.0% at 400" in first.plots[0].svg
    assert first.plots[0].caption.endswith("runs a, b")
    assert first.missing == ""
    assert len(re.findall("<li>", first.key)) == 2


def test_a_refused_accuracy_is_not_drawn_and_said():
    (found,) = tradeoffs([run_with(TWO, failed=("think_twice",))])
    assert len(re.findall('class="mark', found.plots[0].svg)) == 1
    assert "tokens read of think_twice" in found.missing


def test_the_second_look_is_priced():
    figures = cost_figures(run_with(TWO))
    assert figures.sentence == (
        "Two looks take 5.0 times the seconds, 4.0 times the tokens read and 30.0 times the tokens written of one "
        "look, and change the accuracy by +20.0 (+15.0 to +25.0) points."
    )
    assert len(figures.plots) == len(COSTS)
    assert "single_pass undefined" in figures.plots[2].svg  # image tokens
    alone = cost_figures(run_with({"single_pass": TWO["single_pass"]}))
    assert alone.sentence == "What a second look costs against one is undefined: the run does not have both."
    assert cost_figures(run_of({})) is None


def test_tables_show_the_places_that_a_cost_needs():
    run = run_with(TWO)
    table = tradeoffs_table(run)
    assert [column.show(table.rows[0]) for column in table.columns] == [
        "single_pass",
        "10",
        "50.0% (50.0–50.0)",
        "0.020",
        "100",
        "undefined",
        "2.0",
        "undefined",
        "undefined",
        "undefined",
    ]
    costs = cost_figures(run).table
    shown = [[column.show(row) for column in costs.columns] for row in costs.rows]
    assert shown[0] == [
        "single_pass",
        "seconds",
        "10",
        "0.020 (0.020 to 0.020)",
        "0.022",
        "0.030",
        "0.038",
        "0.040",
        "0.040",
    ]
    assert shown[2][2:] == ["0", *["undefined"] * 6]
