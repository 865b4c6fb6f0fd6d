"""Writes the tables of README.md and docs/evidence.md from the saved output in docs/results.

    python benchmarks/documented.py [--check]

A table is known by its heading line. With ``--check`` nothing is written, and the exit code is 1 if a table differs
from what docs/results give.
"""

from __future__ import annotations

import argparse
import csv
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from vitar.evaluation.comparisons import Comparison
from vitar.evaluation.metrics import Cell, Metrics
from vitar.reports.wording import between, decimals, p_clause, percent, points_between, share_between

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"
DOCUMENTS = ("README.md", "docs/evidence.md")

CONDITIONS = "| condition | all questions (95% interval) | fine attributes | well-formed | IoU, one region |"
DIFFERENCES = "| question | difference | all questions, points (95% interval) | fine attributes |"
STAGES = "| weights | one look | two looks | well-formed | stage II − stage I, two looks |"
KINDS = "| questions | stage I, two looks | stage II, one look | two looks | with the true region |"
ATTENTION = "| measure | think, image 1 | rethink, image 1 | rethink, image 2 | even attention, or shuffled regions |"

CONTROLS = (
    ("Does the second look help?", "think_twice", "single_pass"),
    ("Is it the region, and not another one?", "think_twice", "wrong_region"),
    ("… nor a random box of the same size?", "think_twice", "random_box"),
    ("… nor a second look at the unmarked image?", "think_twice", "unmarked"),
    ("Would the true region do better?", "oracle_box", "think_twice"),
    ("Does it use the image at all?", "single_pass", "text_only"),
)
"""Question, and the two conditions whose difference answers it."""

MEASURES = {
    "share": ("share of all attention on it", "uniform", 3),
    "enrichment": ("enrichment of the true region", "shuffled_region", 2),
    "pointing": ("pointing game", "shuffled_region", 2),
    "auc": ("area under the curve", "shuffled_region", 2),
}
"""Label, null and decimal places of a measure of attention."""


def cell_of(metrics: Metrics, condition: str, kind: str = "all", answer_type: str = "all") -> Cell:
    """The figures of a condition on one part of the items."""
    wanted = (condition, kind, answer_type)
    return next(cell for cell in metrics.cells if (cell.condition, cell.kind, cell.answer_type) == wanted)


def share(cell: Cell) -> str:
    return share_between(cell.accuracy, cell.low, cell.high)


def conditions(metrics: Metrics) -> list[Sequence[str]]:
    """A row per condition."""
    rows = []
    for name in dict.fromkeys(cell.condition for cell in metrics.cells):
        every, fine, one = (cell_of(metrics, name, kind) for kind in ("all", "attribute", "single_region"))
        iou = "" if one.mean_iou is None else decimals(one.mean_iou, 2)
        rows.append((f"`{name}`", share(every), share(fine), percent(every.valid), iou))
    return rows


def differences(metrics: Metrics) -> list[Sequence[str]]:
    """A row per control."""
    return [
        (
            question,
            f"`{first}` − `{second}`",
            *(_difference(metrics, first, second, kind) for kind in ("all", "attribute")),
        )
        for question, first, second in CONTROLS
    ]


def _difference(metrics: Metrics, first: str, second: str, kind: str) -> str:
    """First minus second accuracy with its interval and the p value by Holm, whichever way round it was stored."""
    stored: Comparison = next(
        c for c in metrics.comparisons if c.kind == kind and {c.first, c.second} == {first, second}
    )
    figures = (stored.difference, stored.low, stored.high)
    if stored.first != first:
        figures = tuple(None if figure is None else -figure for figure in (stored.difference, stored.high, stored.low))
    return f"{points_between(*figures)}, {p_clause(stored.p_holm)}"


def stages(base: Metrics, sft: Metrics, tiny: Metrics, step: Mapping[str, str]) -> list[Sequence[str]]:
    """A row for the base model and each stage; ``step`` is the row of stage II in stages.csv."""
    keys = ("step_difference", "step_low", "step_high")
    gain = f"{points_between(*(float(step[key]) for key in keys))}, {p_clause(float(step['step_p']))}"
    rows = []
    for name, metrics, last in (("base", base, ""), ("stage I", sft, ""), ("stage II, ships as `tiny`", tiny, gain)):
        once, twice = cell_of(metrics, "single_pass"), cell_of(metrics, "think_twice")
        rows.append((name, share(once), share(twice), percent(twice.valid), last))
    return rows


def kinds(sft: Metrics, tiny: Metrics) -> list[Sequence[str]]:
    """A row for all questions, for each form of answer and for each kind of question."""
    parts = [(cell.kind, cell.answer_type, cell.n) for cell in tiny.cells if cell.condition == "think_twice"]
    rows = []
    for kind, answer_type, n in parts:
        if kind == "single_region" or "all" not in (kind, answer_type):
            continue
        name = (
            kind
            if answer_type == "all"
            else {"yes_no": "yes/no", "closed": "short answer"}.get(answer_type, answer_type)
        )
        cells = [cell_of(sft, "think_twice", kind, answer_type)]
        cells += [cell_of(tiny, each, kind, answer_type) for each in ("single_pass", "think_twice", "oracle_box")]
        rows.append((f"{name} ({n:,})", *(percent(cell.accuracy) for cell in cells)))
    return rows


def attention(record: Mapping[str, Any]) -> list[Sequence[str]]:
    """A row per measure; the last column is what each of the three columns before it is compared with."""
    measured = {(each["measure"], each["look"], each["image"]): each for each in record["measures"]}
    rows = []
    for measure, (label, null, places) in MEASURES.items():
        chosen = [measured[measure, look, image] for look, image in ((1, 1), (2, 1), (2, 2))]
        values = [
            between(each["value"]["mean"], each["value"]["low"], each["value"]["high"], places) for each in chosen
        ]
        nulls = [next(n["expected"]["mean"] for n in each["nulls"] if n["name"] == null) for each in chosen]
        rows.append((label, *values, ", ".join(decimals(each, 2) for each in nulls)))
    return rows


def stored(name: str) -> Metrics:
    """The saved metrics of an evaluation."""
    return Metrics.model_validate_json((RESULTS / f"{name}.metrics.json").read_bytes())


def tables() -> dict[str, list[Sequence[str]]]:
    """Every table by its heading line."""
    base, sft, tiny = map(stored, ("base", "sft", "tiny"))
    looked = json.loads((RESULTS / "tiny.attention.json").read_bytes())["conditions"]["think_twice"]
    with (RESULTS / "stages.csv").open(encoding="utf-8") as file:
        step = next(row for row in csv.DictReader(file) if row["run"] == "tiny")
    return {
        CONDITIONS: conditions(tiny),
        DIFFERENCES: differences(tiny),
        STAGES: stages(base, sft, tiny, step),
        KINDS: kinds(sft, tiny),
        ATTENTION: attention(looked),
    }


def filled(text: str, rows_of: Mapping[str, list[Sequence[str]]]) -> str:
    """A document with the rows below each known heading replaced."""
    lines: list[str] = []
    below = False
    for line in text.splitlines():
        if line in rows_of:
            rows = rows_of[line]
            lines += [
                line,
                "|" + "---|" * len(rows[0]),
                *(f"| {' | '.join(row)} |".replace("|  |", "| |") for row in rows),
            ]
            below = True
        elif not (below and line.startswith("|")):
            lines.append(line)
            below = False
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description="Fill the tables of the documentation from docs/results.")
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 if a table is out of date")
    args = parser.parse_args()
    rows_of = tables()
    documents = {name: (ROOT / name).read_text(encoding="utf-8") for name in DOCUMENTS}
    stale = {name: new for name, text in documents.items() if (new := filled(text, rows_of)) != text}
    for name, text in stale.items():
        sys.stdout.write(f"{name}: {'out of date' if args.check else 'written'}\n")
        if not args.check:
            (ROOT / name).write_text(text, encoding="utf-8")
    return int(args.check and bool(stale))


if __name__ == "__main__":
    sys.exit(main())
