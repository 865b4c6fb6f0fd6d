"""Models on data sets: names, steps, adjusted marks, the mean."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_figures import UP, cell_of, comparison_with, run_of

from vitar.reports.benchmarks import (
    BETTER,
    Standing,
    benchmark_figures,
    benchmark_plots,
    benchmark_table,
    models_table,
    sentence,
    standings,
)
from vitar.reports.load import load_runs


def made_up(name: str, data: str, p: float | None, difference: float = 0.2, weights: str = "", model: str = "tiny"):
    """A run without episodes, whose second look changes the accuracy by ``difference``."""
    run = run_of({"single_pass": (difference, p)} if p is not None else {})
    metrics = run.metrics.model_copy(update={"data": data, "model": model})
    return replace(run, name=name, metrics=metrics, record={"config": {"weights": weights}})


def shown(table) -> list[list[str]]:
    return [[column.show(row) for column in table.columns] for row in table.rows]


def test_a_model_is_known_by_its_weights_across_data_sets():
    runs = [made_up("a", "d1", 0.01, weights="w1"), made_up("b", "d2", 0.01, weights="w1")]
    assert [each.model for each in standings(runs)] == ["tiny", "tiny"]
    later = made_up("c", "d1", 0.01, weights="w2")
    assert [each.model for each in standings([*runs, later])] == ["tiny (a)", "tiny (a)", "tiny (c)"]
    again = made_up("d", "d1", 0.01, weights="w1")
    assert [each.model for each in standings([*runs, again])] == ["tiny (a)", "tiny (a)", "tiny (d)"]


def test_the_look_is_adjusted_over_the_whole_table():
    runs = [made_up("a", "d1", 0.01), made_up("b", "d2", 0.03), made_up("c", "d3", 0.04)]
    assert [each.look.p_holm for each in standings(runs)] == pytest.approx([0.03, 0.06, 0.06])
    rows = shown(models_table(standings(runs)))
    assert [row[3] for row in rows] == ["+20.0* (+15.0 to +25.0)", "+20.0 (+15.0 to +25.0)", "+20.0 (+15.0 to +25.0)"]
    assert [row[4] for row in rows] == ["0.030", "0.060", "0.060"]


def test_an_adjustment_never_marks_what_the_run_does_not():
    run = made_up("a", "d1", 0.2)  # 0.0001 before the run's own adjustment
    assert standings([run])[0].look.p_holm == 0.2
    assert "*" not in shown(models_table(standings([run])))[0][3]


def test_a_run_without_both_looks_has_no_figure_and_is_in_no_family():
    runs = [made_up("a", "d1", 0.04), made_up("b", "d2", None)]
    found = standings(runs)
    assert found[1].look is None
    assert found[0].look.p_holm == 0.04
    assert shown(models_table(found))[1][3:5] == ["–", "–"]
    assert sentence(found).startswith("Two looks are shown to do better than one in 1 of 1 pair of model and data set")


def test_the_sentence_counts_each_way():
    runs = [made_up(name, name, p, d) for name, p, d in (("a", 0.001, 0.2), ("b", 0.001, -0.2), ("c", 0.9, 0.1))]
    assert sentence(standings(runs)) == (
        "Two looks are shown to do better than one in 1 of 3 pairs of model and data set, worse in 1; "
        "in 1 neither is shown."
    )
    assert sentence(standings([made_up("a", "d", None)])) == "No run compares two looks with one."


def test_a_step_is_to_the_model_before_on_the_same_data(write_run):
    runs = load_runs([write_run("base", "one"), write_run("other", "one"), write_run("sft", "two")])
    other = replace(runs[1], metrics=runs[1].metrics.model_copy(update={"data": "elsewhere"}))
    first, second, third = standings([runs[0], other, runs[2]])
    assert (first.step, second.step) == (None, None)
    assert (third.before, third.step.n, third.step.difference) == ("one", 5, 0.0)
    rows = models_table((first, second, third)).rows
    assert [row["before"] for row in rows] == ["", "", "one"]
    assert [row["step_p_holm"] for row in rows] == [None, None, 1.0]


def test_a_step_that_is_shown_has_its_own_mark():
    run = made_up("b", "d1", 0.9)
    step = comparison_with("a", *UP)
    found = (Standing("m", run, run.metrics.compare("think_twice", "single_pass"), step, "a"),)
    (row,) = shown(models_table(found))
    assert row[5:7] == [f"+20.0{BETTER} (+15.0 to +25.0)", "0.001"]
    assert shown(benchmark_table(found))[1][2] == f"60.0%{BETTER} (0.0–100.0)"


def test_the_mean_over_data_sets_by_hand():
    """Accuracies 0.5 and 0.7 with arms of 0.3 and 0.4: the arm of the mean is √(0.09 + 0.16) / 2 = 0.25."""
    cells = []
    for value, arm in ((0.5, 0.3), (0.7, 0.4)):
        limits = {"accuracy": value, "low": value - arm, "high": value + arm}
        cells.append(cell_of("think_twice", 1).model_copy(update=limits))
    runs = [made_up("a", "d1", None), made_up("b", "d2", None)]
    runs = [
        replace(run, metrics=run.metrics.model_copy(update={"cells": (cell,)}))
        for run, cell in zip(runs, cells, strict=True)
    ]
    (row,) = benchmark_table(standings(runs)).rows
    assert (row["mean_n"], row["mean_accuracy"]) == (200, pytest.approx(0.6))
    assert (row["mean_low"], row["mean_high"]) == (pytest.approx(0.35), pytest.approx(0.85))
    assert shown(benchmark_table(standings(runs)))[0][-1] == "60.0% (35.0–85.0)"


def test_there_is_no_mean_where_a_data_set_has_no_figure():
    whole, failed = made_up("a", "d1", 0.5), made_up("b", "d2", 0.5)
    cells = (cell_of("single_pass", 50, failed=5), cell_of("think_twice", 60))
    failed = replace(failed, metrics=failed.metrics.model_copy(update={"cells": cells}))
    elsewhere = made_up("c", "d1", 0.5, model="other")
    rows = shown(benchmark_table(standings([whole, failed, elsewhere])))
    assert [row[:2] + row[-2:] for row in rows] == [
        ["tiny", "single_pass", "too many failed", "–"],
        ["tiny", "think_twice", "60.0% (0.0–100.0)", "60.0% (17.6–88.3)"],
        ["other", "single_pass", "–", "–"],
        ["other", "think_twice", "–", "–"],
    ]
    assert [column.title for column in benchmark_table(standings([whole])).columns] == ["Model", "Condition", "d1"]


def test_a_plot_for_each_data_set_with_both_looks():
    runs = [made_up("a", "d1", 0.5), made_up("b", "d2", 0.5), made_up("c", "d1", 0.5, model="org/a-long-model-name")]
    plots = benchmark_plots(standings(runs))
    assert [plot.caption for plot in plots] == [
        "Accuracy on d1 in percent with one look and with two; runs a, c",
        "Accuracy on d2 in percent with one look and with two; runs b",
    ]
    assert "tiny, one 50.0; tiny, two 60.0" in plots[0].svg
    assert "a-lon…-name, two 60.0" in plots[0].svg
    assert len(benchmark_figures(standings(runs)).tables) == 2


def test_models_whose_folders_are_called_alike_are_plotted_under_their_runs():
    runs = [made_up("SFT", "d1", 0.5, model="runs/sft/final"), made_up("GRPO", "d1", 0.5, model="runs/grpo/final")]
    (plot,) = benchmark_plots(standings(runs))
    assert "SFT, two 60.0" in plot.svg
    assert "GRPO, two 60.0" in plot.svg
    assert "final, " not in plot.svg
