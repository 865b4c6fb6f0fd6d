"""One HTML file that shows what evaluation and training runs found, with nothing to load from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import jinja2
from markupsafe import Markup

import vitar
from vitar.evaluation.metrics import ALL
from vitar.files import write_atomically
from vitar.reports import TRACES
from vitar.reports.attention import AttentionFigures, attention_figures, attention_tables
from vitar.reports.benchmarks import benchmark_figures, benchmark_table, models_table, standings
from vitar.reports.costs import CostFigures, cost_figures, costs_table, tradeoffs, tradeoffs_table
from vitar.reports.curves import Panel, panels
from vitar.reports.figures import MAX_POINTS, OTHER_STYLE, STYLES, Dot, Plot, interval_plot, legend, line_plot
from vitar.reports.headline import Headline, headline
from vitar.reports.pictures import fit
from vitar.reports.regions import RegionFigures, region_figures, region_tables
from vitar.reports.run import THINK, Run, Training
from vitar.reports.table_files import write_tables
from vitar.reports.tables import (
    Table,
    answers_table,
    breakdown_table,
    comparisons_table,
    conditions_table,
    runs_table,
)
from vitar.reports.viewer import STRATA, ShownItem, choose, show_item, stratum
from vitar.reports.wording import ABSENT, CONDITION_WORDS, UNDEFINED, signed_points, whole_points

MAX_TRACE_CHARACTERS = 13_000_000
"""Of images and words in the trace viewer; the rest of a page takes well under a million."""


@dataclass(frozen=True)
class RunSection:
    """What the page says about one run."""

    run: Run
    headline: Headline
    differences: Plot | None
    conditions: Table
    breakdowns: tuple[Table, ...]
    kind_plots: tuple[Plot, ...]
    comparisons: tuple[Table, ...]
    answers: Table
    regions: RegionFigures | None
    attention: tuple[AttentionFigures, ...]
    costs: CostFigures | None
    tradeoffs: Table
    shown: int
    strata: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class TrainingSection:
    """What the page says about one training run."""

    training: Training
    plots: tuple[Plot, ...]


def write_report(runs: Sequence[Run], trainings: Sequence[Training], out: Path, traces: int = TRACES) -> list[Path]:
    """Writes the page to ``out`` and its tables as CSV, LaTeX and JSON beside it; returns all paths, the page first.

    Args:
        runs: in the order in which the models were made; the headline is about the last.
        traces: items per run to show at most; fewer where the page would get too large.

    Raises:
        ReportError: an image of a trace, or a heat map, cannot be read.
        ValueError: there is no run.
        OSError: the files cannot be written.
    """
    if not runs:
        raise ValueError("a report needs at least one run")
    found = standings(runs)
    tables = [runs_table(runs), benchmark_table(found), models_table(found)]
    for run in runs:
        tables += [answers_table(run), conditions_table(run), *_breakdowns(run), *_comparisons(run)]
        analyses = [*region_tables(run), *attention_tables(run), tradeoffs_table(run), costs_table(run)]
        tables += [table for table in analyses if table.rows]
    page = render(runs, trainings, traces)
    out.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(out, page, errors="replace")
    return [out, *write_tables(tables, out.with_suffix(""))]


def render(runs: Sequence[Run], trainings: Sequence[Training], traces: int = TRACES) -> str:
    """The page as text; see `write_report`."""
    chosen = [[(run, show_item(run, example)) for example in choose(run, traces)] for run in runs]
    by_rank = [pair for rank in zip_longest(*chosen) for pair in rank if pair is not None]
    items, pictures = fit(by_rank, MAX_TRACE_CHARACTERS)
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vitar.reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    script = environment.get_template("filter.js.jinja").render()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html.jinja").render(
        style=Markup(environment.get_template("style.css.jinja").render()),
        script=Markup(script),
        script_hash=digest,
        title=_title(runs),
        runs=runs,
        runs_table=runs_table(runs),
        benchmarks=benchmark_figures(standings(runs)) if len(runs) > 1 else None,
        tradeoffs=tradeoffs(runs),
        absent=ABSENT,
        undefined=UNDEFINED,
        sections=[_run_section(run, items) for run in runs],
        trainings=[TrainingSection(t, tuple(_curve(t, panel) for panel in panels(t))) for t in trainings],
        items=_in_reading_order(runs, items),
        pictures=pictures,
        condition_words=CONDITION_WORDS,
        conditions=list(dict.fromkeys(condition for run in runs for condition in run.conditions)),
        kinds=list(dict.fromkeys(item.example.kind for item in items if item.example.kind)),
        main_condition=runs[-1].main_condition,
        version=vitar.__version__,
    )


def _run_section(run: Run, items: Sequence[ShownItem]) -> RunSection:
    strata = [stratum(run, example.id) for example in run.examples]
    return RunSection(
        run=run,
        headline=headline(run),
        differences=_differences(run),
        conditions=conditions_table(run),
        breakdowns=tuple(_breakdowns(run)),
        kind_plots=tuple(_kind_plot(run, kind) for kind in run.kinds),
        comparisons=tuple(_comparisons(run)),
        answers=answers_table(run),
        regions=region_figures(run),
        attention=attention_figures(run),
        costs=cost_figures(run),
        tradeoffs=tradeoffs_table(run),
        shown=sum(item.run == run.name for item in items),
        strata=tuple((name, strata.count(name)) for name in STRATA if name in strata),
    )


def _breakdowns(run: Run) -> list[Table]:
    tables = [breakdown_table(run, "kind"), breakdown_table(run, "answer_type")]
    return [table for table in tables if table.rows]


def _comparisons(run: Run) -> list[Table]:
    """Those on all items, then those by question kind."""
    return [
        comparisons_table(run, [ALL], "All items"),
        comparisons_table(run, run.kinds, "Each question kind"),
    ]


def _differences(run: Run) -> Plot | None:
    """Two looks against every other condition, as paired differences."""
    found = [(name, c) for name in run.conditions if name != THINK and (c := run.metrics.compare(THINK, name))]
    if not found:
        return None
    dots = [
        Dot(name, c.difference, c.low, c.high, signed_points(c.difference), STYLES.get(name, OTHER_STYLE))
        for name, c in found
    ]
    reach = max(0.05, *(abs(v) for d in dots for v in (d.value, d.low, d.high) if v is not None)) * 1.05
    caption = f"{THINK} minus each other condition, percentage points with 95% intervals; run {run.name}"
    return Plot(caption, interval_plot(dots, -reach, reach, whole_points, caption, zero=0.0))


def _kind_plot(run: Run, kind: str) -> Plot:
    """Accuracy on one question kind under every condition."""
    dots = []
    for name in run.conditions:
        cell = run.metrics.cell(name, kind)
        value, low, high = (cell.accuracy, cell.low, cell.high) if cell and not cell.refused else (None, None, None)
        text = ABSENT if cell is None else UNDEFINED if value is None else f"{100 * value:.1f}"
        dots.append(Dot(name, value, low, high, text, STYLES.get(name, OTHER_STYLE)))
    n = max((cell.n for name in run.conditions if (cell := run.metrics.cell(name, kind))), default=0)
    caption = f"{kind}, n = {n:,}; run {run.name}"
    alt = f"Accuracy in percent with 95% intervals, {caption}"
    return Plot(caption, interval_plot(dots, 0.0, 1.0, lambda v: f"{100 * v:.0f}", alt))


def _curve(training: Training, panel: Panel) -> Plot:
    length = max(len(line.points) for line in panel.lines)
    averaged = f", means of {math.ceil(length / MAX_POINTS)} records" if length > MAX_POINTS else ""
    caption = f"{panel.title}{averaged}; training {training.name}"
    return Plot(caption, line_plot(panel.lines, caption), legend(panel.lines))


def _in_reading_order(runs: Sequence[Run], items: Sequence[ShownItem]) -> list[ShownItem]:
    """The last run first, as the headline is about it; within a run as it was asked."""
    order = {run.name: place for place, run in enumerate(reversed(runs))}
    return sorted(items, key=lambda item: (order[item.run], item.number))


def _title(runs: Sequence[Run]) -> str:
    models = list(dict.fromkeys(run.metrics.model for run in runs))
    data = list(dict.fromkeys(run.metrics.data for run in runs))
    return f"{', '.join(models)} on {', '.join(data)}"
