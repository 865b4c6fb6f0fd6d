"""Where a model looked against the true regions, and against several annotators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from vitar.analysis.annotators import AnnotatorAgreement
from vitar.analysis.estimates import Estimate
from vitar.analysis.grounding import THRESHOLDS, RegionsPart
from vitar.reports.estimates import dot, in_words, shown_sign
from vitar.reports.figures import OTHER_STYLE, STYLES, Dot, Plot, interval_plot
from vitar.reports.run import Run
from vitar.reports.tables import Column, Row, Table, text_column
from vitar.reports.wording import ABSENT, UNDEFINED, between, decimals, listed, percent

ANNOTATORS_STYLE = 0


@dataclass(frozen=True)
class RegionFigures:
    """The regions of one run, ready to print."""

    sentences: tuple[str, ...]
    plots: tuple[Plot, ...]
    tables: tuple[Table, ...]


def region_figures(run: Run) -> RegionFigures | None:
    """Against true regions and annotators; None where the run measured neither."""
    if not (run.regions or run.annotators):
        return None
    main = [found for found in run.annotators if found.condition == run.main_condition]
    return RegionFigures(
        sentences=(*_on_regions(run), *map(_on_annotators, main)),
        plots=(*_region_plots(run), *(_annotators_plot(run, found) for found in main)),
        tables=tuple(region_tables(run)),
    )


def region_tables(run: Run) -> list[Table]:
    """Those that have anything in them."""
    whole = [part for part in run.regions if part.by == "all"]
    parted = [part for part in run.regions if part.by != "all"]
    tables = (
        regions_table(run, whole, "all questions"),
        annotators_table(run),
        regions_table(run, parted, "by size of the regions and by modality"),
    )
    return [table for table in tables if table.rows]


def regions_table(run: Run, parts: Sequence[RegionsPart], of: str) -> Table:
    """The first action against the true regions on some parts of the questions; ``of`` says which."""
    rows = tuple(
        {
            "run": run.name,
            "condition": part.condition,
            "by": part.by,
            "part": part.part,
            "n": part.n,
            **_flat(part.measures),
        }
        for part in parts
    )
    columns = (
        text_column("Condition", "condition"),
        text_column("Questions", "part"),
        Column("n", lambda row: f"{row['n']:,}"),
        Column("IoU", lambda row: _measured(row, "iou")),
        *(_share_column(f"IoU ≥ {share}", key) for share, key in (("0.1", "hit_10"), ("0.25", "hit_25"))),
        *(_share_column(f"IoU ≥ {share}", key) for share, key in (("0.5", "hit_50"), ("0.75", "hit_75"))),
        _share_column("Centre inside", "pointing"),
        Column("Distance", lambda row: decimals(row["centre_distance_mean"], 3)),
        _share_column("Covered", "coverage"),
        _share_column("Excess", "excess"),
    )
    caption = f"First action against the true regions, {of}; intervals of 95%; run {run.name}"
    return Table("regions", caption, columns, rows)


def annotators_table(run: Run) -> Table:
    """Agreement of the model with several annotators beside theirs with each other."""
    rows = tuple(
        {
            "run": run.name,
            "condition": found.condition,
            "n": found.n,
            **_flat({"model": found.model, "annotators": found.annotators, "difference": found.difference}),
            **_flat({f"with_{name}": each for name, each in found.by_annotator.items()}),
        }
        for found in run.annotators
    )
    names = list(dict.fromkeys(name for found in run.annotators for name in found.by_annotator))
    columns = (
        text_column("Condition", "condition"),
        Column("n", lambda row: f"{row['n']:,}"),
        Column("Model with annotators", lambda row: _measured(row, "model")),
        Column("Annotators with each other", lambda row: _measured(row, "annotators")),
        Column("Difference", lambda row: _measured(row, "difference", signed=True)),
        *(_annotator_column(name) for name in names),
    )
    return Table("annotators", f"Mean IoU with several annotators, 95% intervals; run {run.name}", columns, rows)


def _region_plots(run: Run) -> list[Plot]:
    """IoU by condition, and that of the main condition at thresholds, by size and by modality."""
    main = run.main_condition
    style = STYLES.get(main, OTHER_STYLE)
    whole = {part.condition: part for part in run.regions if part.by == "all"}
    plots = []
    if whole:
        names = [name for name in run.conditions if name in whole]
        dots = [dot(name, whole[name].measures["iou"], STYLES.get(name, OTHER_STYLE)) for name in names]
        plots.append(_unit_plot(dots, f"Mean IoU of the first action by condition; run {run.name}"))
    if main in whole:
        measures = whole[main].measures
        hits = {f"IoU ≥ {threshold:g}": measures[f"hit_{100 * threshold:.0f}"] for threshold in THRESHOLDS}
        hits["centre inside"] = measures["pointing"]
        dots = [dot(label, found, style) for label, found in hits.items()]
        plots.append(_unit_plot(dots, f"Share of first actions that hit, {main}; run {run.name}"))
    for by, words in (("size", "size of the region"), ("modality", "modality")):
        parts = [part for part in run.regions if part.by == by and part.condition == main]
        if parts:
            dots = [dot(_short(part), part.measures["iou"], style) for part in parts]
            plots.append(_unit_plot(dots, f"Mean IoU by {words}, {main}; run {run.name}"))
    return plots


def _annotators_plot(run: Run, found: AnnotatorAgreement) -> Plot:
    style = STYLES.get(found.condition, OTHER_STYLE)
    dots = [dot(f"with {name}", each, style) for name, each in found.by_annotator.items()]
    dots += [dot("with all", found.model, style), dot("with each other", found.annotators, ANNOTATORS_STYLE)]
    return _unit_plot(
        dots, f"Mean IoU of {found.condition} with annotators, and of these with each other; run {run.name}"
    )


def _on_regions(run: Run) -> list[str]:
    main = run.main_condition
    part = next((p for p in run.regions if p.by == "all" and p.condition == main), None)
    if part is None:
        return [f"Where the model looks under {main} is {UNDEFINED}: no episode acted on a question with true regions."]
    m = part.measures
    said = [
        f"On {part.n:,} questions with true regions, the first action under {main} has a mean IoU of "
        f"{in_words(m['iou'])} with them; {percent(m['hit_50'].mean)} reach 0.5, and {percent(m['pointing'].mean)} of "
        "the boxes have their centre in a region."
    ]
    chance = next((p for p in run.regions if p.by == "all" and p.condition == "random_box"), None)
    if chance:
        said.append(f"Boxes of the same size at random places have {in_words(chance.measures['iou'])}.")
    sizes = [p for p in run.regions if p.by == "size" and p.condition == main]
    if len(sizes) > 1:
        parts = [f"{decimals(p.measures['iou'].mean, 2)} for regions of {p.part}" for p in sizes]
        said.append(f"By size the IoU is {listed(parts)}.")
    return said


def _on_annotators(found: AnnotatorAgreement) -> str:
    if found.model.mean is None:
        return f"The agreement of {found.condition} with the annotators is {UNDEFINED}: no question has both."
    verdict = {
        1: "the model agrees with them more than they do",
        0: "that these differ is not shown",
        -1: "the model agrees with them less than they do",
    }[shown_sign(found.difference)]
    return (
        f"Under {found.condition} the model agrees with the annotators at a mean IoU of {in_words(found.model)}, and "
        f"they with each other at {in_words(found.annotators)}, on {found.n:,} questions: {verdict} "
        f"(difference {in_words(found.difference, signed=True)})."
    )


def _unit_plot(dots: Sequence[Dot], caption: str) -> Plot:
    """An interval plot over 0 to 1."""
    return Plot(caption, interval_plot(dots, 0.0, 1.0, lambda value: f"{value:g}", f"{caption}, with 95% intervals"))


def _short(part: RegionsPart) -> str:
    """The name of a part for the label of a row."""
    return part.part.replace(" of the image", "").replace(" and more", "+")


def _measured(row: Row, name: str, *, signed: bool = False) -> str:
    return between(*(row[f"{name}_{key}"] for key in ("mean", "low", "high")), signed=signed)


def _flat(found: Mapping[str, Estimate]) -> dict[str, float | int | None]:
    return {f"{name}_{key}": value for name, each in found.items() for key, value in each.model_dump().items()}


def _share_column(title: str, name: str) -> Column:
    return Column(title, lambda row: percent(row[f"{name}_mean"]))


def _annotator_column(name: str) -> Column:
    key = f"with_{name}"
    return Column(name, lambda row: _measured(row, key) if f"{key}_mean" in row else ABSENT)
