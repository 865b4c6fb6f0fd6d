"""Where a model looked while it thought and while it rethought, as `vitar attention` measured it."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from vitar.analysis.attention.record import Attention, ByHead, Change, Measured, Null
from vitar.analysis.estimates import Estimate
from vitar.reports.attention_words import attention_sentences, place_name
from vitar.reports.estimates import dot, shown_sign
from vitar.reports.figures import OTHER_STYLE, Dot, Line, Plot, interval_plot, legend, line_plot
from vitar.reports.grids import head_grid
from vitar.reports.pictures import HeatMap, heat_maps
from vitar.reports.run import Run
from vitar.reports.tables import Column, Row, Table, marked, text_column
from vitar.reports.wording import SHOWN, between, signed_decimals

MEASURE_WORDS = {
    "share": "share of attention",
    "enrichment": "times an equal area",
    "pointing": "pointing game",
    "auc": "area under the curve",
}
NULL_WORDS = {
    "shuffled_region": "shuffled regions",
    "other_image": "other images",
    "first_look": "first look",
    "uniform": "even attention",
}
SHARES, ON_REGIONS = ("share",), ("enrichment", "pointing", "auc")
EVEN = {"enrichment": 1.0, "auc": 0.5}
"""Measure -> what even attention gives."""

MAX_MAPS = 4
"""Heat maps of one condition on the page; the run's folder may hold more."""

_VALUE_STYLE, _NULL_STYLE = 1, 0


@dataclass(frozen=True)
class AttentionFigures:
    """One condition's attention, ready to print."""

    condition: str
    sentences: tuple[str, ...]
    note: str
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]
    maps: tuple[HeatMap, ...]


def attention_figures(run: Run) -> tuple[AttentionFigures, ...]:
    """One for each condition of the run whose attention was measured.

    Raises:
        ReportError: a heat map that the analysis names cannot be read.
    """
    return tuple(
        AttentionFigures(
            condition=name,
            sentences=attention_sentences(found),
            note=_note(found),
            plots=tuple(_plots(run, found)),
            tables=_tables(run, found),
            maps=heat_maps(run, found.pictures[:MAX_MAPS]),
        )
        for name, found in run.attention.items()
    )


def attention_tables(run: Run) -> list[Table]:
    """Those of all conditions."""
    return [table for found in run.attention.values() for table in _tables(run, found)]


def _tables(run: Run, found: Attention) -> tuple[Table, ...]:
    return (
        measures_table(run, found, SHARES, "Share of all attention"),
        measures_table(run, found, ON_REGIONS, "Attention on the true regions"),
        occlusion_table(run, found),
    )


def measures_table(run: Run, found: Attention, measures: Collection[str], of: str) -> Table:
    """Some measures of every look at every image, with the nulls that they have.

    Args:
        measures: which; `SHARES` or `ON_REGIONS`.
        of: what these are, in words.
    """
    rows = []
    for measured in (each for each in found.measures if each.measure in measures):
        row: dict[str, Any] = {"run": run.name, "condition": found.condition, "look": measured.look}
        row |= {"image": measured.image, "measure": measured.measure, **measured.value.model_dump()}
        nulls = {null.name: null for null in measured.nulls}
        for name in NULL_WORDS:
            null = nulls.get(name)
            row[f"{name}_n"] = null.difference.n if null else None
            row |= _flat(f"{name}_expected", null.expected if null else None)
            row |= _flat(f"{name}_difference", null.difference if null else None)
            row[f"{name}_shown"] = SHOWN if null and shown_sign(null.difference) else ""
        rows.append(row)
    columns = (
        Column("Look", lambda row: place_name(row["look"], row["image"]), numeric=False),
        Column("Measure", lambda row: MEASURE_WORDS[row["measure"]], numeric=False),
        Column("n", lambda row: f"{row['n']:,}"),
        Column("Mean", lambda row: between(row["mean"], row["low"], row["high"])),
        *(
            _null_column(name, words)
            for name, words in NULL_WORDS.items()
            if any(r[f"{name}_n"] is not None for r in rows)
        ),
    )
    caption = f"{of}, {found.condition}, and how far it is above its nulls, 95% intervals; run {run.name}"
    note = f"{SHOWN} the interval of the difference does not hold zero; these are not adjusted for their number."
    return Table("attention", caption, columns, tuple(rows), note)


def occlusion_table(run: Run, found: Attention) -> Table:
    """What hiding the region before the second look did to the log-probability of what was written after it."""
    rows = []
    for change in found.occlusion.changes:
        row: dict[str, Any] = {"run": run.name, "condition": found.condition}
        row |= {"part": change.part, "n": change.contrast.n}
        for name, _ in _OCCLUDED:
            row |= _flat(name, getattr(change, name))
        rows.append({**row, "shown": SHOWN if shown_sign(change.contrast) else ""})
    columns = (
        text_column("Written after the look", "part"),
        Column("n", lambda row: f"{row['n']:,}"),
        *(_occluded_column(title, name) for name, title in _OCCLUDED),
    )
    caption = f"Change of log-probability in nats where pixels are hidden before the second look; run {run.name}"
    note = f"{SHOWN} the interval of the difference does not hold zero."
    return Table("occlusion", caption, columns, tuple(rows), note)


_OCCLUDED = (("region", "Region hidden"), ("elsewhere", "As much elsewhere"), ("contrast", "Difference"))


def _plots(run: Run, found: Attention) -> Iterator[Plot]:
    about = f"{found.condition}; run {run.name}"
    for measure, title in (
        ("share", "Share of all attention on images"),
        ("enrichment", "Attention on the true region over that on an equal area"),
        ("pointing", "Share of looks whose peak is in the true region"),
        ("auc", "Area under the curve of region against rest"),
    ):
        dots = list(_dots([m for m in found.measures if m.measure == measure]))
        if dots:
            ends = [end for dot in dots for end in (dot.value, dot.high) if end is not None]
            high = max([1.0 if measure in ("pointing", "auc") else 0.0, *ends]) * (
                1.0 if measure != "enrichment" else 1.05
            )
            caption = f"{title}, {about}"
            plot = interval_plot(dots, 0.0, high or 1.0, lambda v: f"{v:g}", caption, zero=EVEN.get(measure))
            yield Plot(caption, plot)
    if lines := list(_by_layer(found)):
        caption = f"Attention on the true region over that on an equal area, by layer, {about}"
        yield Plot(caption, line_plot(lines, caption, "layer"), legend(lines))
    for heads in (each for each in found.by_head if each.measure == "enrichment"):
        caption = f"The same by layer and head, {place_name(heads.look, heads.image)}, {about}"
        yield Plot(caption, head_grid(heads.mean, found.layers, found.heads, caption))
    if found.occlusion.changes:
        dots = [dot for change in found.occlusion.changes for dot in _occlusion_dots(change)]
        reach = max([0.01, *(abs(end) for d in dots for end in (d.value, d.low, d.high) if end is not None)]) * 1.05
        caption = (
            f"Log-probability that hiding the region adds, or as much elsewhere, and their contrast, in nats, {about}"
        )
        yield Plot(caption, interval_plot(dots, -reach, reach, lambda v: signed_decimals(v, 1), caption, zero=0.0))


def _dots(measures: Sequence[Measured]) -> Iterator[Dot]:
    """A row for each look at each image, and one for each of its nulls but the first look, which has its own row."""
    for measured in measures:
        if measured.image is None and len({m.image for m in measures if m.look == measured.look}) < 3:
            continue  # a single image is all images
        label = place_name(measured.look, measured.image).removesuffix(" images")  # which does not fit a row
        yield dot(label, measured.value, _VALUE_STYLE)
        for null in measured.nulls:
            if null.name != "first_look":
                yield dot(_null_label(null), null.expected, _NULL_STYLE)


def _null_label(null: Null) -> str:
    return {"shuffled_region": "shuffled", "other_image": "other images", "uniform": "even"}.get(null.name, null.name)


def _occlusion_dots(change: Change) -> Iterator[Dot]:
    for (name, _), words in zip(_OCCLUDED, ("region", "elsewhere", "contrast"), strict=True):
        each: Estimate = getattr(change, name)
        style = _NULL_STYLE if name == "elsewhere" else OTHER_STYLE if name == "contrast" else _VALUE_STYLE
        yield Dot(f"{change.part}: {words}", each.mean, each.low, each.high, signed_decimals(each.mean, 2), style)


def _by_layer(found: Attention) -> Iterator[Line]:
    """Enrichment of each look at each image by layer: means over the heads in which it is defined."""
    for heads in (each for each in found.by_head if each.measure == "enrichment"):
        means = [(float(layer), mean) for layer, mean in zip(found.layers, _over_heads(heads), strict=True)]
        points = [(layer, mean) for layer, mean in means if mean is not None]
        if points:
            yield Line(place_name(heads.look, heads.image), points)


def _over_heads(heads: ByHead) -> list[float | None]:
    known = [[value for value in row if value is not None] for row in heads.mean]
    return [sum(row) / len(row) if row else None for row in known]


def _note(found: Attention) -> str:
    """What was read, and what was left out."""
    parts = [
        f"{found.items:,} episodes in {found.groups:,} groups, read again by {found.model}; averages over tokens, "
        f"{len(found.layers)} layers and {len(found.heads)} heads."
    ]
    parts += [f"Left out: {count:,} ({reason})." for reason, count in found.left_out.items()]
    if found.retokenised:
        parts.append(f"Read in other tokens than were written: {found.retokenised:,}.")
    parts += [f"Without the causal check: {count:,} ({reason})." for reason, count in found.occlusion.left_out.items()]
    return " ".join(parts)


def _flat(prefix: str, found: Estimate | None) -> dict[str, float | None]:
    return {f"{prefix}_{key}": getattr(found, key, None) for key in ("mean", "low", "high")}


def _null_column(name: str, words: str) -> Column:
    def show(row: Row) -> str:
        if row[f"{name}_n"] is None:
            return "–"
        difference = (row[f"{name}_difference_{key}"] for key in ("mean", "low", "high"))
        return marked(between(*difference, signed=True), row[f"{name}_shown"])

    return Column(f"Above {words}", show)


def _occluded_column(title: str, name: str) -> Column:
    def show(row: Row) -> str:
        text = _in_between(row, name)
        return marked(text, row["shown"]) if name == "contrast" else text

    return Column(title, show)


def _in_between(row: Row, name: str) -> str:
    return between(*(row[f"{name}_{key}"] for key in ("mean", "low", "high")), signed=True)
