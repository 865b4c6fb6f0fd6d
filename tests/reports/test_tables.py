"""Tables: what a reader sees, and the same rows as files."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from vitar.analysis.from_traces import write_analyses
from vitar.reports.benchmarks import models_table, standings
from vitar.reports.costs import costs_table
from vitar.reports.load import ReportError, load_runs
from vitar.reports.regions import region_tables
from vitar.reports.stages import change
from vitar.reports.table_files import write_tables
from vitar.reports.tables import breakdown_table, comparisons_table, conditions_table, marked, runs_table
from vitar.reports.wording import (
    between,
    cut,
    decimals,
    listed,
    p_value,
    points_between,
    share_between,
    signed_decimals,
    signed_points,
    whole_points,
)


def _shown(table) -> list[list[str]]:
    return [[column.show(row) for column in table.columns] for row in table.rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (share_between(2 / 3, 0.64, 0.694), "66.7% (64.0–69.4)"),
        (share_between(None, None, None), "undefined"),
        (share_between(0.5, None, None), "50.0%"),
        (signed_points(-0.0351), "−3.5"),
        (signed_points(-0.0001), "0.0"),
        (points_between(0.21, 0.18, 0.24), "+21.0 (+18.0 to +24.0)"),
        (points_between(0.0, None, None), "0.0"),
        (between(0.534, 0.5, 0.56), "0.53 (0.50 to 0.56)"),
        (between(0.534, None, 0.56), "0.53"),
        (between(-0.5, -1.0, 0.0, 1, signed=True), "−0.5 (−1.0 to 0.0)"),
        (between(None, None, None), "undefined"),
        (signed_decimals(-0.001, 2), "0.00"),
        (p_value(None), "undefined"),
        (decimals(None, 2), "undefined"),
        (marked("+5.8 (+2.6 to +9.1)", "*"), "+5.8* (+2.6 to +9.1)"),
        (marked("0.0", ""), "0.0"),
        (cut("chest radiograph", 16), "chest radiograph"),
        (cut("magnetic resonance", 9), "magn…ance"),
        (whole_points(-0.025), "−2.5"),
        (whole_points(0.25), "+25"),
        (p_value(1e-20), "< 0.001"),
        (p_value(0.0012), "0.001"),
        (p_value(0.034), "0.034"),
        (p_value(0.5), "0.50"),
        (decimals(-1234.5, 1), "−1,234.5"),
        (listed(["a", "b", "c"]), "a, b and c"),
        (listed(["a"]), "a"),
        (listed([]), ""),
    ],
)
def test_numbers_as_a_reader_sees_them(text: str, expected: str):
    assert text == expected


def test_conditions_in_their_order_with_their_figures(write_run):
    (run,) = load_runs([write_run()])
    table = conditions_table(run)
    assert table.caption.endswith("run run")
    assert [row[0] for row in _shown(table)] == list(run.conditions)
    assert _shown(table)[0][1:8] == [
        "5",
        "60.0% (23.1–88.2)",
        "+20.0",  # five questions are too few for an interval
        "100.0%",
        "0.0%",
        "undefined",
        "undefined",
    ]
    assert _shown(table)[1][3] == "–"  # against itself
    assert _shown(table)[1][6:] == ["1.00", "100.0%", "2.00", "25.0", "0.75", "0"]


def test_a_condition_with_too_many_failures_shows_no_accuracy(write_run):
    (run,) = load_runs([write_run()])
    cells = tuple(cell.model_copy(update={"infrastructure_failures": 1}) for cell in run.metrics.cells)
    run = replace(run, metrics=run.metrics.model_copy(update={"cells": cells}))
    assert {row[2] for row in _shown(conditions_table(run))} == {"too many failed"}
    assert {cell for row in _shown(breakdown_table(run, "kind")) for cell in row[1:]} == {"too many failed"}


def test_breakdowns_have_one_row_per_condition_and_one_column_per_part(write_run):
    (run,) = load_runs([write_run()])
    kinds, forms = breakdown_table(run, "kind"), breakdown_table(run, "answer_type")
    assert [column.title for column in kinds.columns] == [
        "Condition",
        "presence (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}4)",
        "type (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1)",
        "single_region (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}5)",
    ]
    assert [column.title for column in forms.columns] == [
        "Condition",
        "choice (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}1)",
        "yes_no (n\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}4)",
    ]
    assert [row[0] for row in _shown(kinds)] == list(run.conditions)
    assert _shown(kinds)[0][1:] == ["50.0% (15.0–85.0)", "100.0% (20.7–100.0)", "60.0% (23.1–88.2)"]
    without = replace(run, metrics=run.metrics.model_copy(update={"cells": (run.metrics.cell("single_pass"),)}))
    assert breakdown_table(without, "kind").rows == ()


def test_comparisons_begin_with_all_items(write_run):
    (run,) = load_runs([write_run()])
    first = _shown(comparisons_table(run, ["all"], "All items"))[0]
    assert first[:2] == ["think_twice − single_pass", "all"]
    assert first[3:] == ["1.00", "1.00", "5", "1", "2", "undefined"]
    kinds = _shown(comparisons_table(run, run.kinds, "Each kind"))
    assert list(dict.fromkeys(row[1] for row in kinds)) == ["presence", "type", "single_region"]


def test_models_are_compared_with_the_row_above(write_run):
    runs = load_runs([write_run("base"), write_run("sft")])
    rows = models_table(standings(runs)).rows
    assert [row["run"] for row in rows] == ["base", "sft"]
    assert rows[0]["step_n"] is None
    assert (rows[1]["step_n"], rows[1]["step_difference"], rows[1]["step_p"]) == (5, 0.0, 1.0)


def test_a_stage_is_measured_on_the_shared_items(write_run):
    before, after = load_runs([write_run("base"), write_run("sft")])
    worse = replace(before, traces={**before.traces, "think_twice": before.traces["unmarked"]})
    step = change(worse, after)
    assert (step.first, step.second, step.n, step.groups) == ("sft", "base", 5, 5)
    assert (step.first_only, step.second_only, step.difference) == (2, 0, 0.4)
    other = [replace(example, question="Is it flat?") for example in before.examples[2:]]
    assert change(replace(before, examples=(*before.examples[:2], *other)), after).n == 2
    assert change(replace(before, examples=(), traces={}), after) is None


def test_the_record_of_a_run_may_lack_everything(write_run):
    (run,) = load_runs([write_run()])
    (row,) = _shown(runs_table([run]))
    assert row[:4] == ["run", "tiny", "toys:test", "5"]
    assert row[5:8] == ["a" * 12, "0.0", "7"]
    assert _shown(runs_table([replace(run, record={})]))[0][5:] == ["–", "–", "–", "–"]
    dirty = replace(run, record={"commit": "b" * 40 + "-dirty"})
    assert _shown(runs_table([dirty]))[0][5] == "b" * 12 + "-dirty"
    later = [{"commit": commit * 40, "vitar": "0.0", "device": "cpu x 2"} for commit in "ac"]
    continued = replace(run, record={**run.record, "continued": later})
    assert _shown(runs_table([continued]))[0][5:] == ["a" * 12 + ", " + "c" * 12, "0.0", "7", "cpu x 2"]


def test_files_hold_the_rows_of_all_runs(write_run, tmp_path: Path):
    runs = load_runs([write_run("base"), write_run("sft", conditions=("single_pass", "think_twice"))])
    tables = [breakdown_table(run, "kind") for run in runs]
    paths = write_tables(tables, tmp_path / "report")
    assert [path.name for path in paths] == ["report-kinds.csv", "report-kinds.tex", "report-tables.json"]
    assert paths[1].read_text().count(r"\begin{tabular}") == 2  # one for each run
    with paths[0].open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["run"] for row in rows] == ["base"] * 5 + ["sft"] * 2
    assert (rows[0]["condition"], rows[0]["presence_accuracy"], rows[0]["presence_n"]) == ("single_pass", "0.5", "4")
    stored = json.loads(paths[2].read_text())
    assert stored["schema_version"] == 1
    assert stored["tables"]["kinds"] == [dict(row) for table in tables for row in table.rows]


def test_regions_and_costs_where_the_run_has_them(write_run):
    folder = write_run()
    (run,) = load_runs([folder])
    assert (region_tables(run), costs_table(run).rows) == ([], ())
    traces = {name: list(found.values()) for name, found in run.traces.items()}
    annotations = {"both": {"R1": [(10, 5, 20, 15)], "R2": [(10, 5, 20, 10)]}}
    write_analyses(folder, run.examples, traces, annotations=annotations)
    (run,) = load_runs([folder])
    regions, annotators, parted = region_tables(run)
    assert _shown(regions)[0] == [
        "think_twice",
        "all",
        "5",
        "1.00",
        "100.0%",
        "100.0%",
        "100.0%",
        "100.0%",
        "100.0%",
        "0.000",
        "100.0%",
        "0.0%",
    ]
    assert _shown(annotators)[1] == ["think_twice", "1", "0.75", "0.50", "+0.25", "1.00", "0.50"]
    assert {row[1] for row in _shown(parted)} == {"5% to 20%", "toy"}
    by_cost = {tuple(row[:2]): row[2:] for row in _shown(costs_table(run))}
    assert by_cost["think_twice", "seconds"] == ["5", *["0.750"] * 6]
    assert by_cost["single_pass", "tokens read"] == ["0", *["undefined"] * 6]


def test_an_analysis_of_another_form_is_refused(write_run):
    folder = write_run()
    (folder / "costs.json").write_text('{"schema_version": 2}')
    with pytest.raises(ReportError, match="vitar regrade writes it anew"):
        load_runs([folder])
