"""Models on data sets: accuracy with one look and with two, with intervals and marks of what is shown.

Two questions are asked of every model and data set: does the second look help, and does the model do better than the
one before it. Each is a family of its own over the whole table, and Holm adjusts within it. For the look, the p of each
run is already adjusted for the run's other conditions; Holm on top of that can only be stricter, so that what is marked
here is marked in the run's own tables too.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vitar.evaluation.metrics import Cell, Comparison
from vitar.reports.figures import STYLES, Dot, Plot, interval_plot
from vitar.reports.headline import mark, sign
from vitar.reports.run import SINGLE, THINK, Run
from vitar.reports.stages import change
from vitar.reports.tables import Column, Row, Table, difference_column, figures_of, share_column, text_column
from vitar.reports.wording import ABSENT, SHOWN, cut, decimals, p_value, percent
from vitar.statistics import holm

BETTER = "†"
"""Mark of a difference to the model before that is shown."""

LOOKS = (SINGLE, THINK)


@dataclass(frozen=True)
class Standing:
    """One model on one data set.

    Args:
        model: a name that no other model of the report has.
        look: two looks against one, its p adjusted over all standings; None where that was not measured.
        step: against the model before it on the same data, two looks each; None for the first.
        before: name of that model.
    """

    model: str
    run: Run
    look: Comparison | None
    step: Comparison | None
    before: str

    @property
    def data(self) -> str:
        return self.run.metrics.data


@dataclass(frozen=True)
class BenchmarkFigures:
    """All standings, ready to print."""

    sentence: str
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]


def benchmark_figures(found: Sequence[Standing]) -> BenchmarkFigures:
    """Everything that the page says about models on data sets."""
    return BenchmarkFigures(sentence(found), benchmark_plots(found), (benchmark_table(found), models_table(found)))


def standings(runs: Sequence[Run]) -> tuple[Standing, ...]:
    """One for each run, in their order."""
    names = _model_names(runs)
    last: dict[str, tuple[str, Run]] = {}
    found = []
    for run, name in zip(runs, names, strict=True):
        before, earlier = last.get(run.metrics.data, ("", None))
        step = change(earlier, run) if earlier else None
        found.append(Standing(name, run, run.metrics.compare(THINK, SINGLE), step, before if step else ""))
        last[run.metrics.data] = (name, run)
    looks, steps = _adjusted([each.look for each in found]), _adjusted([each.step for each in found])
    return tuple(
        Standing(each.model, each.run, look, step, each.before)
        for each, look, step in zip(found, looks, steps, strict=True)
    )


def sentence(found: Sequence[Standing]) -> str:
    """How often the second look is shown to help, in words."""
    signs = [sign(each.look) for each in found if each.look]
    if not signs:
        return "No run compares two looks with one."
    pairs = f"{len(signs)} {'pair' if len(signs) == 1 else 'pairs'} of model and data set"
    return (
        f"Two looks are shown to do better than one in {signs.count(1)} of {pairs}, worse in {signs.count(-1)}; "
        f"in {signs.count(0)} neither is shown."
    )


def models_table(found: Sequence[Standing]) -> Table:
    """A row for each model on each data set."""
    rows = []
    for each in found:
        run = each.run
        row: dict[str, Any] = {"run": run.name, "model": each.model, "data": each.data}
        for condition in LOOKS:
            figures = figures_of(run.metrics.cell(condition))
            for key in ("n", "accuracy", "low", "high", "valid", "mean_iou", "refused"):
                row[f"{condition}_{key}"] = figures.get(key)
        for name, comparison in (("second_look", each.look), ("step", each.step)):
            for key in ("n", "difference", "low", "high", "p", "p_holm"):
                row[f"{name}_{key}"] = getattr(comparison, key, None)
        row |= {"before": each.before, "look_mark": mark(each.look), "step_mark": _step_mark(each)}
        rows.append(row)
    columns = (
        text_column("Model", "model"),
        text_column("Data", "data"),
        _of_two_looks("n", "n", lambda n: f"{n:,}"),
        difference_column("Second look, points", "second_look_", "look_mark"),
        _p_column("p (look)", "second_look_"),
        difference_column("Over the model before, points", "step_", "step_mark"),
        _p_column("p (step)", "step_"),
        _of_two_looks("Valid", "valid", percent),
        _of_two_looks("Mean IoU", "mean_iou", lambda value: decimals(value, 2)),
    )
    names = ", ".join(each.run.name for each in found)
    caption = f"Two looks against one, and each model against the one before it, 95% intervals; runs {names}"
    return Table("models", caption, columns, tuple(rows), _NOTE)


def benchmark_table(found: Sequence[Standing]) -> Table:
    """A row for each model with one look and with two, a column for each data set, and the mean over them."""
    data = list(dict.fromkeys(each.data for each in found))
    rows = []
    for model in dict.fromkeys(each.model for each in found):
        here = {each.data: each for each in found if each.model == model}
        for condition in LOOKS:
            cells = {name: each.run.metrics.cell(condition) for name, each in here.items()}
            if not any(cells.values()):
                continue
            row: dict[str, Any] = {"model": model, "condition": condition}
            for name in data:
                figures = figures_of(cells.get(name))
                row |= {f"{name}_{key}": figures.get(key) for key in ("n", "accuracy", "low", "high", "refused")}
                own = here.get(name) if condition == THINK else None
                row[f"{name}_marks"] = mark(own.look) + _step_mark(own) if own else ""
            row |= _mean([cells.get(name) for name in data])
            rows.append(row)
    columns = [text_column("Model", "model"), text_column("Condition", "condition")]
    columns += [share_column(name, f"{name}_", f"{name}_marks") for name in data]
    if len(data) > 1 and any(row["mean_n"] for row in rows):
        columns.append(share_column("Mean", "mean_"))
    names = ", ".join(each.run.name for each in found)
    caption = f"Accuracy by model and data set, 95% intervals; runs {names}"
    return Table("benchmarks", caption, tuple(columns), tuple(rows), _NOTE)


def benchmark_plots(found: Sequence[Standing]) -> tuple[Plot, ...]:
    """For each data set the accuracy of each model, with one look and with two."""
    plots = []
    for data in dict.fromkeys(each.data for each in found):
        here = [each for each in found if each.data == data]
        shortest = [each.model.rsplit("/", 1)[-1] for each in here]
        dots = []
        for each, short in zip(here, shortest, strict=True):
            name = short if shortest.count(short) == 1 else each.run.name
            for condition, words in ((SINGLE, "one"), (THINK, "two")):
                cell = each.run.metrics.cell(condition)
                value, low, high = (cell.accuracy, cell.low, cell.high) if cell and not cell.refused else (None,) * 3
                text = ABSENT if cell is None else percent(value).removesuffix("%")
                label = f"{cut(name, 11)}, {words}"
                dots.append(Dot(label, value, low, high, text, STYLES[condition]))
        runs = ", ".join(each.run.name for each in here)
        caption = f"Accuracy on {data} in percent with one look and with two; runs {runs}"
        plots.append(Plot(caption, interval_plot(dots, 0.0, 1.0, lambda v: f"{100 * v:.0f}", caption)))
    return tuple(plots)


_NOTE = (
    f"{SHOWN} two looks are shown to differ from one; {BETTER} the model with two looks is shown to differ from the "
    "one before it on the same questions: exact McNemar p, adjusted by Holm over the table, below 0.05, and an "
    "interval without zero. Mean: of all data sets with the same weight each, its interval out of theirs."
)


def _model_names(runs: Sequence[Run]) -> list[str]:
    """A name for the model of each run: two runs have the same if they are of the same weights on different data."""
    keys = []
    seen: Counter[Any] = Counter()
    for run in runs:
        config = run.record.get("config")
        weights = config.get("weights", "") if isinstance(config, dict) else ""
        seen[run.metrics.model, weights, run.metrics.data] += 1
        keys.append((run.metrics.model, weights, seen[run.metrics.model, weights, run.metrics.data]))
    of_name = {name: {key for key in keys if key[0] == name} for name, *_ in keys}
    first = {key: run.name for key, run in reversed(list(zip(keys, runs, strict=True)))}
    return [key[0] if len(of_name[key[0]]) == 1 else f"{key[0]} ({first[key]})" for key in keys]


def _adjusted(comparisons: Sequence[Comparison | None]) -> list[Comparison | None]:
    """The same comparisons, their p adjusted as one family."""
    p_values = [math.nan if c is None else _own_p(c) for c in comparisons]
    pairs = zip(comparisons, holm(p_values), strict=True)
    return [c and c.model_copy(update={"p_holm": None if math.isnan(p) else p}) for c, p in pairs]


def _own_p(comparison: Comparison) -> float:
    p = comparison.p if comparison.p_holm is None else comparison.p_holm
    return math.nan if p is None else p


def _mean(cells: Sequence[Cell | None]) -> dict[str, Any]:
    """The unweighted mean of accuracies with its interval; nothing unless every data set has a figure.

    The interval is that of a sum of independent estimates out of their own (MOVER: Zou and Donner, Statistics in
    Medicine 2008), here the Wilson intervals.
    """
    known = [c for c in cells if c and not c.refused]
    figures = [
        (c.accuracy, c.low, c.high)
        for c in known
        if c.accuracy is not None and c.low is not None and c.high is not None
    ]
    if len(figures) < len(cells):
        return dict.fromkeys(("mean_n", "mean_accuracy", "mean_low", "mean_high", "mean_refused"))
    count = len(figures)
    mean = sum(a for a, _, _ in figures) / count
    return {
        "mean_n": sum(c.n for c in known),
        "mean_accuracy": mean,
        "mean_low": mean - math.sqrt(sum((a - low) ** 2 for a, low, _ in figures)) / count,
        "mean_high": mean + math.sqrt(sum((high - a) ** 2 for a, _, high in figures)) / count,
        "mean_refused": False,
    }


def _step_mark(standing: Standing) -> str:
    return BETTER if mark(standing.step) else ""


def _p_column(title: str, prefix: str) -> Column:
    def show(row: Row) -> str:
        return ABSENT if row[f"{prefix}n"] is None else p_value(row[f"{prefix}p_holm"])

    return Column(title, show)


def _of_two_looks(title: str, key: str, show: Any) -> Column:
    return Column(title, lambda row: ABSENT if row[f"{THINK}_n"] is None else show(row[f"{THINK}_{key}"]))
