"""Writes the tables of README.md and docs/evidence.md from the saved output in docs/results.

    python benchmarks/documented.py

A table is known by its heading line; ``tests/test_documented.py`` fails while one differs from its results.
"""

from __future__ import annotations

import csv
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from vitar.analysis.attention.record import Attention, AttentionFile
from vitar.evaluation.comparisons import Comparison
from vitar.evaluation.metrics import ALL, SINGLE_REGION, Cell, Metrics
from vitar.reports.wording import UNDEFINED, between, decimals, p_clause, percent, points_between, share_between

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "docs" / "results"

CONDITIONS = "| condition | all questions (95% interval) | fine attributes | well-formed | IoU, one region |"
DIFFERENCES = "| question | difference | all questions, points (95% interval) | fine attributes |"
STAGES = "| weights | one look | two looks | well-formed | stage II − stage I, two looks |"
KINDS = "| questions | stage I, two looks | stage II, one look | two looks | with the true region |"
ATTENTION = "| measure | think, image 1 | rethink, image 1 | rethink, image 2 | even attention, or shuffled regions |"

DOCUMENTS = {
    "README.md": (CONDITIONS, DIFFERENCES, STAGES),
    "docs/evidence.md": (DIFFERENCES, KINDS, STAGES, ATTENTION),
}
"""Document -> its tables, in their order."""

CONTROLS = (
    ("Does the second look help?", "think_twice", "single_pass"),
    ("Is it the region, and not another one?", "think_twice", "wrong_region"),
    ("… nor a random box of the same size?", "think_twice", "random_box"),
    ("… nor a second look at the unmarked image?", "think_twice", "unmarked"),
    ("Would the true region do better?", "oracle_box", "think_twice"),
    ("Does it use the image at all?", "single_pass", "text_only"),
)
"""Question, and the two conditions whose difference answers it."""

FORMS = {"choice": "choice", "closed": "short answer", "yes_no": "yes/no"}

MEASURES = {
    "share": ("share of all attention on it", "uniform", 3),
    "enrichment": ("enrichment of the true region", "shuffled_region", 2),
    "pointing": ("pointing game", "shuffled_region", 2),
    "auc": ("area under the curve", "shuffled_region", 2),
}
"""Label, null and decimal places of a measure of attention."""


def saved_metrics(name: str) -> Metrics:
    """The metrics of an evaluation whose output is kept."""
    return Metrics.model_validate_json((RESULTS / f"{name}.metrics.json").read_bytes())


def saved_stages() -> dict[str, dict[str, str]]:
    """stages.csv: run -> its row."""
    with (RESULTS / "stages.csv").open(encoding="utf-8") as file:
        return {row["run"]: row for row in csv.DictReader(file)}


def conditions(metrics: Metrics) -> list[Sequence[str]]:
    """A row per condition."""
    rows = []
    for name in dict.fromkeys(cell.condition for cell in metrics.cells):
        every, fine, one = (_cell(metrics, name, kind) for kind in (ALL, "attribute", SINGLE_REGION))
        iou = "" if one.mean_iou is None else decimals(one.mean_iou, 2)
        rows.append((f"`{name}`", _share(every), _share(fine), percent(every.valid), iou))
    return rows


def differences(metrics: Metrics) -> list[Sequence[str]]:
    """A row per control: first minus second accuracy, and the p value by Holm."""
    rows = []
    for question, first, second in CONTROLS:
        found = [metrics.compare(first, second, kind) for kind in (ALL, "attribute")]
        rows.append((question, f"`{first}` − `{second}`", *map(_gain, found)))
    return rows


def stages(base: Metrics, sft: Metrics, tiny: Metrics, step: Mapping[str, str]) -> list[Sequence[str]]:
    """A row for the base model and each stage; ``step`` is the row of stage II in stages.csv."""
    difference, low, high, p = (float(step[f"step_{key}"]) for key in ("difference", "low", "high", "p_holm"))
    gain = f"{points_between(difference, low, high)}, {p_clause(p)}"
    rows = []
    for name, metrics, last in (("base", base, ""), ("stage I", sft, ""), ("stage II, ships as `tiny`", tiny, gain)):
        once, twice = _cell(metrics, "single_pass"), _cell(metrics, "think_twice")
        rows.append((name, _share(once), _share(twice), percent(twice.valid), last))
    return rows


def kinds(sft: Metrics, tiny: Metrics) -> list[Sequence[str]]:
    """A row for all questions, for each form of answer and for each kind of question."""
    of_kind = [cell.kind for cell in tiny.cells if cell.condition == "think_twice" and cell.answer_type == ALL]
    parts = [(ALL, ALL, ALL), *((ALL, form, label) for form, label in FORMS.items())]
    parts += [(kind, ALL, kind) for kind in of_kind if kind not in (ALL, SINGLE_REGION)]
    rows = []
    for kind, form, label in parts:
        cells = [_cell(sft, "think_twice", kind, form)]
        cells += [_cell(tiny, name, kind, form) for name in ("single_pass", "think_twice", "oracle_box")]
        rows.append((f"{label} ({cells[-1].n:,})", *(percent(cell.accuracy) for cell in cells)))
    return rows


def attention(record: Attention) -> list[Sequence[str]]:
    """A row per measure; the last column is what each of the three columns before it is compared with."""
    measured = {(each.measure, each.look, each.image): each for each in record.measures}
    rows = []
    for measure, (label, null, places) in MEASURES.items():
        chosen = [measured[measure, look, image] for look, image in ((1, 1), (2, 1), (2, 2))]
        values = [between(each.value.mean, each.value.low, each.value.high, places) for each in chosen]
        nulls = [n.expected.mean for each in chosen for n in each.nulls if n.name == null]
        rows.append((label, *values, ", ".join(decimals(mean, 2) for mean in nulls)))
    return rows


def tables() -> dict[str, list[Sequence[str]]]:
    """Every table by its heading line."""
    base, sft, tiny = map(saved_metrics, ("base", "sft", "tiny"))
    looked = AttentionFile.model_validate_json((RESULTS / "tiny.attention.json").read_bytes())
    return {
        CONDITIONS: conditions(tiny),
        DIFFERENCES: differences(tiny),
        STAGES: stages(base, sft, tiny, saved_stages()["tiny"]),
        KINDS: kinds(sft, tiny),
        ATTENTION: attention(looked.conditions["think_twice"]),
    }


def filled(text: str, rows_of: Mapping[str, Sequence[Sequence[str]]]) -> str:
    """A document with the rows below each known heading replaced."""
    lines: list[str] = []
    below = False
    for line in text.splitlines():
        if line in rows_of:
            rule = ["---"] * (line.count("|") - 1)
            lines += [line, f"|{'|'.join(rule)}|", *map(_line, rows_of[line])]
            below = True
        elif not (below and line.startswith("|")):
            lines.append(line)
            below = False
    return "\n".join(lines) + "\n"


def _line(row: Sequence[str]) -> str:
    return f"|{'|'.join(f' {cell} ' if cell else ' ' for cell in row)}|"


def _cell(metrics: Metrics, condition: str, kind: str = ALL, answer_type: str = ALL) -> Cell:
    """A cell that must be there."""
    cell = metrics.cell(condition, kind, answer_type)
    if cell is None:
        raise LookupError(f"the saved metrics of {metrics.model} have no {condition} on {kind}, {answer_type}")
    return cell


def _gain(found: Comparison | None) -> str:
    if found is None:
        return UNDEFINED
    return f"{points_between(found.difference, found.low, found.high)}, {p_clause(found.p_holm)}"


def _share(cell: Cell) -> str:
    return share_between(cell.accuracy, cell.low, cell.high)


def main() -> int:
    rows_of = tables()
    for name in DOCUMENTS:
        path = ROOT / name
        path.write_text(filled(path.read_text(encoding="utf-8"), rows_of), encoding="utf-8")
        sys.stdout.write(f"tables written in {name}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
