"""One HTML file that accounts for curated trajectories: what became of each item, and some with their images."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup
from pydantic import ValidationError

import vitar
from vitar.data.curation.teacher import Reason
from vitar.data.curation.trajectories import EXAMPLES_NAME, ITEMS_NAME, REPORT_NAME
from vitar.data.curation.trajectory_report import KEPT, NOT_REACHED, ItemRecord, TrajectoryReport, read_items
from vitar.data.example import Example, load_examples, open_image
from vitar.files import write_atomically
from vitar.imaging.coordinates import THOUSANDTHS
from vitar.imaging.environment import Environment, EnvironmentConfig
from vitar.protocol.actions import MARK_REGION, ZOOM, Action, MarkRegion
from vitar.protocol.trace import Trace
from vitar.reports.load import ReportError
from vitar.reports.pictures import encoded
from vitar.reports.tables import Column, Table, text_column
from vitar.reports.wording import decimals, percent

PAGE_NAME = "report.html"
PER_KIND, PER_REASON = 4, 3
SIDE_PX = 360

ABOUT = {
    KEPT: "Carried out, on the region, with the right answer, and accepted by every judge.",
    NOT_REACHED: "Enough were kept before it was its turn.",
    Reason.NOT_ONE_IMAGE: "The item has no image, or several.",
    Reason.NO_REGION: "No true region is known, as for a question about what is absent.",
    Reason.TOO_MANY_REGIONS: "More true regions than one action may have boxes.",
    Reason.UNREADABLE_IMAGE: "The image cannot be decoded.",
    Reason.REGION_OUTSIDE_IMAGE: "A true region leaves the image.",
    Reason.DUPLICATE_ID: "An earlier item has the same id.",
    Reason.TEACHER_FAILED: "The teacher's server gave no reply that can be read.",
    Reason.UNPARSABLE: "A turn is neither an action nor an answer.",
    Reason.ACTION_REFUSED: "The environment refused the action.",
    Reason.NO_ACTION: "There is no action.",
    Reason.NO_ANSWER: "There is no answer.",
    Reason.MISSES_REGION: "The boxes agree too little with the true regions.",
    Reason.TELLS_EARLY: "The first thought states what only the second look may show.",
    Reason.WRONG_ANSWER: "The answer is not the right one.",
    Reason.JUDGE_FAILED: "The judge's server gave no reply that can be read.",
    Reason.JUDGED_BAD: "A judge objected.",
}
"""Outcome -> what it means."""


@dataclass(frozen=True)
class Look:
    """One turn with the image that it was written about.

    Args:
        data_url: of the image; "" where the picture did not change.
        true_boxes, acted_boxes: over the image of the question, in its pixels.
    """

    thought: str
    did: str
    data_url: str
    width: int
    height: int
    true_boxes: tuple[tuple[float, float, float, float], ...] = ()
    acted_boxes: tuple[tuple[float, float, float, float], ...] = ()


@dataclass(frozen=True)
class Episode:
    """A trajectory that was kept."""

    example: Example
    looks: tuple[Look, ...]
    answer: str


@dataclass(frozen=True)
class LeftOut:
    """An item without a trajectory, and what was written about it last."""

    id: str
    detail: str
    texts: tuple[str, ...]


def write_trajectories_report(folder: Path) -> Path:
    """Writes the page into the folder of a complete run; returns its path.

    Raises:
        ReportError: the folder is no complete run.
        OSError: the page cannot be written.
    """
    try:
        report = TrajectoryReport.model_validate_json((folder / REPORT_NAME).read_text(encoding="utf-8"))
        settings = json.loads((folder / "run.json").read_text(encoding="utf-8"))["config"]
        kept, left_out = _chosen(read_items(folder / ITEMS_NAME))
        examples = load_examples(folder / EXAMPLES_NAME) if report.kept else ()
        environment = Environment(EnvironmentConfig(tools=tuple(settings["tools"])), THOUSANDTHS)
        episodes = {
            kind: [_episode(examples[place], trace, environment) for place, trace in members]
            for kind, members in kept.items()
        }
    except (OSError, LookupError, ValueError, ValidationError) as error:
        raise ReportError(
            f"{folder} is no complete run of vitar curate trajectories: {error}. Run it to its end first."
        ) from error
    page = folder / PAGE_NAME
    write_atomically(page, _render(report, settings, episodes, left_out), errors="replace")
    return page


def _chosen(
    records: Iterable[ItemRecord],
) -> tuple[dict[str, list[tuple[int, Trace]]], dict[str, list[LeftOut]]]:
    """The first trajectories of each question kind, by place in the stored examples, and the first of what was not."""
    kept: dict[str, list[tuple[int, Trace]]] = {}
    left_out: dict[str, list[LeftOut]] = {}
    number = 0
    for record in records:
        if record.trace is not None:
            members = kept.setdefault(record.kind, [])
            if len(members) < PER_KIND:
                members.append((number, record.trace))
            number += 1
        elif len(others := left_out.setdefault(record.outcome, [])) < PER_REASON:
            others.append(_left_out(record))
    return dict(sorted(kept.items())), left_out


def _left_out(record: ItemRecord) -> LeftOut:
    last = record.attempts[-1] if record.attempts else None
    found = last.rejections if last else (record.unfit,)
    details = " ".join(each.detail for each in found if each)
    return LeftOut(record.id, details, last.texts if last else ())


def _episode(example: Example, trace: Trace, environment: Environment) -> Episode:
    """The trace carried out once more, for the images that were shown."""
    environment.reset(open_image(example.images[0]))
    looks = []
    for number, turn in enumerate(trace.rounds):
        view = environment.views[-1]
        action = turn.parsed_action()
        first = number == 0
        looks.append(
            Look(
                thought=turn.thought,
                did=_did(action) if action else "",
                data_url=encoded(view.image, SIDE_PX),
                width=view.image.width,
                height=view.image.height,
                true_boxes=tuple(region.box_xyxy for region in example.regions) if first else (),
                acted_boxes=tuple(turn.boxes) if first else (),
            )
        )
        if action:
            environment.step(action)
    return Episode(example, tuple(looks), trace.answer or "")


def _did(action: Action) -> str:
    """The call in short, e.g. ``zoom [105, 654, 447, 1000] of image 1, in thousandths``."""
    boxes = action.boxes if isinstance(action, MarkRegion) else (action.box,)
    listed = ", ".join(f"[{', '.join(f'{edge:g}' for edge in box)}]" for box in boxes)
    return f"{MARK_REGION if isinstance(action, MarkRegion) else ZOOM} {listed} of image {action.image}, in thousandths"


def _render(
    report: TrajectoryReport,
    settings: Mapping[str, object],
    episodes: Mapping[str, Sequence[Episode]],
    left_out: Mapping[str, Sequence[LeftOut]],
) -> str:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("vitar.reports"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    return environment.get_template("trajectories.html.jinja").render(
        style=Markup(environment.get_template("style.css.jinja").render()),
        title=f"{report.kept:,} trajectories",
        claim=_claim(report),
        report=report,
        settings=settings,
        outcomes=_outcome_table("outcomes", "Items, each with one outcome", "Items", report.outcomes),
        sent_back=_outcome_table(
            "sent_back", "Attempts sent back to the teacher", "Attempts", report.rejected_attempts
        ),
        by=[
            _by_table("by_source", "Source", report.by_source),
            _by_table("by_kind", "Question kind", report.by_kind),
            _count_table("actions", "Action", report.actions),
            _count_table("attempts", "Attempts that a trajectory took", report.attempts_of_kept),
        ],
        episodes=episodes,
        left_out=left_out,
        version=vitar.__version__,
    )


def _claim(report: TrajectoryReport) -> str:
    """The result in a sentence."""
    said = f"{report.kept:,} of {report.items:,} items have a trajectory in which nothing is wrong."
    if report.mean_iou is None:
        return said
    return f"{said} Their actions agree with the true regions to {decimals(report.mean_iou, 2)} (IoU)."


def _outcome_table(name: str, caption: str, counted: str, counts: Mapping[str, int]) -> Table:
    rows = tuple({"outcome": outcome, "n": n, "about": ABOUT[outcome]} for outcome, n in counts.items())
    columns = (
        text_column("Outcome", "outcome"),
        Column(counted, lambda row: f"{row['n']:,}"),
        text_column("What it means", "about"),
    )
    return Table(name, caption, columns, rows)


def _by_table(name: str, title: str, counts: Mapping[str, Mapping[str, int]]) -> Table:
    rows = tuple(
        {"value": value or "unknown", "items": sum(by.values()), "kept": by.get(KEPT, 0)}
        for value, by in counts.items()
    )
    columns = (
        text_column(title, "value"),
        Column("Items tried", lambda row: f"{row['items']:,}"),
        Column("Kept", lambda row: f"{row['kept']:,}"),
        Column("Share", lambda row: percent(row["kept"] / row["items"])),
    )
    return Table(name, title, columns, rows)


def _count_table(name: str, title: str, counts: Mapping[str, int] | Mapping[int, int]) -> Table:
    rows = tuple({"value": str(value), "n": n} for value, n in counts.items())
    return Table(name, title, (text_column(title, "value"), Column("Trajectories", lambda row: f"{row['n']:,}")), rows)
