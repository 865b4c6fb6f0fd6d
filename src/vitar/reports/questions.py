"""One HTML file that accounts for a curated set of questions: what came in, what was left out and why, what stayed."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from pydantic import ValidationError

import vitar
from vitar.data.curation.questions.report import (
    KEPT,
    REPORT_NAME,
    SAMPLES_NAME,
    QuestionsReport,
    Sample,
    Stage,
    read_samples,
)
from vitar.files import write_atomically
from vitar.reports.figures import OTHER_STYLE, Dot, interval_plot
from vitar.reports.load import ReportError
from vitar.reports.tables import Column, Table
from vitar.reports.wording import listed, percent, share_between, signed_points, whole_points

PAGE_NAME = "report.html"

SPREADS = {
    "split": "Split",
    "source": "Source",
    "modality": "Modality",
    "kind": "Question kind",
    "answer_type": "Form of answer",
    "letter": "Letter of the right option, of how many",
    "yes_no": "Answer to yes/no questions",
    "images": "Questions about one image",
}
"""Count of a report -> its title."""


@dataclass(frozen=True)
class Picture:
    """A sample with its image as a data URL; "" without one."""

    sample: Sample
    data_url: str


@dataclass(frozen=True)
class Group:
    """Samples that were kept of one kind, or left out for one reason."""

    title: str
    pictures: tuple[Picture, ...]


def write_questions_report(folder: Path) -> Path:
    """Writes the page into the folder of a complete run; returns its path.

    Raises:
        ReportError: the folder is no complete run, or a picture is missing.
        OSError: the page cannot be written.
    """
    try:
        report = QuestionsReport.model_validate_json((folder / REPORT_NAME).read_text(encoding="utf-8"))
        pictures = [_picture(folder, sample) for sample in read_samples(folder)]
    except (OSError, ValidationError) as error:
        raise ReportError(
            f"{folder} is no complete run of vitar curate questions: {error}. Run it to its end first."
        ) from error
    page = folder / PAGE_NAME
    write_atomically(page, render(report, pictures), errors="replace")
    return page


def render(report: QuestionsReport, pictures: Sequence[Picture]) -> str:
    """The page as text."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vitar.reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    images = report.image_stages[0].entered if report.image_stages else 0
    candidates = report.stages[0].entered if report.stages else 0
    return environment.get_template("questions.html.jinja").render(
        style=Markup(environment.get_template("style.css.jinja").render()),
        title=f"{report.items:,} questions about {listed([f'{s}' for s in report.counts.get('source', {})])}",
        report=report,
        claim=_claim(report),
        images=images,
        candidates=candidates,
        sources_table=_sources_table(report),
        image_table=_stage_table("images", "Images, filter by filter", report.image_stages),
        stage_table=_stage_table("candidates", "Candidates, filter by filter", report.stages),
        text_table=_text_table(report),
        text_plot=_text_plot(report),
        spreads=[_spread_table(report, name) for name in SPREADS if report.counts.get(name)],
        kept=_groups([each for each in pictures if each.sample.filter == KEPT]),
        left_out=_groups([each for each in pictures if each.sample.filter != KEPT]),
        version=vitar.__version__,
    )


def _claim(report: QuestionsReport) -> str:
    """The result in a sentence."""
    candidates = report.stages[0].entered if report.stages else 0
    away = [each.kind for each in report.text_only if not each.at_chance]
    if not report.text_only:
        said = "Nothing was kept."
    elif away:
        said = f"From the text alone a model does better or worse than chance on {listed(away)}."
    else:
        said = "From the text alone a model is not shown to do better than chance, on any kind of question."
    return f"{report.items:,} of {candidates:,} candidates became items. {said}"


def _text(title: str, key: str) -> Column:
    return Column(title, lambda row: str(row[key]), numeric=False)


def _number(title: str, key: str) -> Column:
    return Column(title, lambda row: "" if row[key] is None else f"{row[key]:,}")


def _sources_table(report: QuestionsReport) -> Table:
    rows = [
        {"source": source, "issue": reason, "number": number}
        for source in report.sources
        for reason, number in (report.source_issues.get(source) or {"nothing left out": 0}).items()
    ]
    columns = (_text("Source", "source"), _text("Left out as it was read", "issue"), _number("Number", "number"))
    return Table("sources", "Where the images come from", columns, tuple(rows))


def _stage_table(name: str, caption: str, stages: Sequence[Stage]) -> Table:
    """One row per filter, and one per reason below it."""
    rows: list[dict[str, Any]] = []
    for stage in stages:
        out = sum(stage.dropped.values())
        row = {"filter": stage.name, "about": (stage.skipped and f"not run: {stage.skipped}") or stage.about}
        rows.append({**row, "entered": stage.entered, "out": out, "passed": stage.passed})
        for reason, number in stage.dropped.items():
            rows.append({"filter": f"– {reason}", "about": "", "entered": None, "out": number, "passed": None})
    columns = (
        _text("Filter", "filter"),
        _number("In", "entered"),
        _number("Left out", "out"),
        _number("On", "passed"),
        _text("What passes it", "about"),
    )
    return Table(name, caption, columns, tuple(rows))


def _text_table(report: QuestionsReport) -> Table:
    columns = (
        _text("Kind", "kind"),
        _number("n", "n"),
        Column("Right from the text alone", lambda row: share_between(row["accuracy"], row["low"], row["high"])),
        Column("Chance", lambda row: percent(row["chance"])),
        Column("At chance", lambda row: "yes" if row["at_chance"] else "no", numeric=False),
    )
    rows = tuple(each.model_dump() for each in report.text_only)
    caption = "A linear model of question and options, asked about questions that it was not fitted to; 95% intervals"
    return Table("text_only", caption, columns, rows)


def _text_plot(report: QuestionsReport) -> Markup:
    dots = [
        Dot(
            each.kind,
            each.accuracy - each.chance,
            each.low - each.chance,
            each.high - each.chance,
            signed_points(each.accuracy - each.chance),
            OTHER_STYLE,
        )
        for each in report.text_only
    ]
    reach = 1.05 * max([0.05, *(abs(end) for dot in dots for end in (dot.low, dot.high) if end is not None)])
    alt = "Accuracy from the text alone minus chance, percentage points with 95% intervals"
    return interval_plot(dots, -reach, reach, whole_points, alt, zero=0.0)


def _spread_table(report: QuestionsReport, name: str) -> Table:
    rows = tuple({"value": value, "items": items} for value, items in report.counts[name].items())
    total = sum(report.counts[name].values())
    columns = (
        _text(SPREADS[name], "value"),
        _number("Images" if name == "images" else "Items", "items"),
        Column("Share", lambda row: percent(row["items"] / total)),
    )
    return Table(name, SPREADS[name], columns, rows)


def _groups(pictures: Sequence[Picture]) -> list[Group]:
    grouped: dict[str, list[Picture]] = {}
    for each in pictures:
        sample = each.sample
        title = sample.reason if sample.filter == KEPT else f"{sample.filter}: {sample.reason}"
        grouped.setdefault(title or sample.filter, []).append(each)
    return [Group(title, tuple(found)) for title, found in grouped.items()]


def _picture(folder: Path, sample: Sample) -> Picture:
    if not sample.picture:
        return Picture(sample, "")
    content = (folder / SAMPLES_NAME / Path(sample.picture).name).read_bytes()
    return Picture(sample, f"data:image/jpeg;base64,{base64.b64encode(content).decode('ascii')}")
