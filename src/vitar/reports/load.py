"""Reads the folders that evaluation and training leave behind; no model and no torch."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from pydantic import ValidationError

from vitar.data.example import Example, ImageRef, Region
from vitar.evaluation.metrics import ALL, SINGLE_REGION, Cell, Comparison, Metrics
from vitar.grading import Score, grade_example
from vitar.protocol.trace import ImageStore, StopReason, Trace, TraceError, read_traces

THINK, SINGLE = "think_twice", "single_pass"
CONDITIONS = (SINGLE, THINK, "oracle_box", "random_box", "unmarked", "blank_image", "shuffled_image")
"""The order in which conditions are listed; unknown ones follow."""

KINDS = ("presence", "location", "count", "type", "attribute", "comparison", SINGLE_REGION)


class ReportError(ValueError):
    """A folder is not what a report can be made from; the message says which file and why."""


class Verdict(StrEnum):
    """What became of one episode. Compare with ``is``."""

    RIGHT = "right"
    WRONG = "wrong"
    MALFORMED = "malformed"
    """No answer: malformed, truncated or out of turns. Counts as wrong."""
    FAILED = "failed"
    """The backend failed: counted apart, never scored."""


@dataclass(frozen=True)
class Run:
    """One evaluation run.

    Args:
        name: the shortest end of its path that tells it from the other runs of the report.
        record: ``run.json`` as it is.
        examples: in the order of the run.
        traces: condition -> example id -> trace.
    """

    name: str
    folder: Path
    date: str
    record: Mapping[str, Any]
    metrics: Metrics
    examples: tuple[Example, ...]
    traces: Mapping[str, Mapping[str, Trace]]

    @property
    def images(self) -> ImageStore:
        return ImageStore(self.folder / "images")

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions of the run in their usual order."""
        return _in_order(list(dict.fromkeys(cell.condition for cell in self.metrics.cells)), CONDITIONS)

    @property
    def kinds(self) -> tuple[str, ...]:
        """The question kinds with figures of their own, in their usual order."""
        return _in_order(list(dict.fromkeys(c.kind for c in self.metrics.cells if c.kind != ALL)), KINDS)

    @property
    def main_condition(self) -> str:
        """The condition that the report is about: two looks, where the run has it."""
        return THINK if THINK in self.conditions or not self.conditions else self.conditions[0]

    def cell(self, condition: str, kind: str = ALL, answer_type: str = ALL) -> Cell | None:
        """The figures of a condition on a kind of question and a form of answer."""
        wanted = (condition, kind, answer_type)
        return next((c for c in self.metrics.cells if (c.condition, c.kind, c.answer_type) == wanted), None)

    def compare(self, first: str, second: str, kind: str = ALL) -> Comparison | None:
        """The comparison of two conditions, whichever way round it was stored; None too if it is undefined."""
        for comparison in self.metrics.comparisons:
            if comparison.kind == kind and {comparison.first, comparison.second} == {first, second}:
                if comparison.difference is None:
                    return None
                return comparison if comparison.first == first else _flipped(comparison)
        return None

    @cached_property
    def scores(self) -> Mapping[tuple[str, str], tuple[Verdict, Score]]:
        """(condition, example id) -> verdict with the grader's score."""
        examples = {example.id: example for example in self.examples}
        return {
            (condition, name): _judged(examples[name], trace)
            for condition, traces in self.traces.items()
            for name, trace in traces.items()
        }

    def verdict(self, condition: str, example_id: str) -> Verdict | None:
        """What became of an example under a condition; None if it was not asked."""
        judged = self.scores.get((condition, example_id))
        return judged[0] if judged else None

    def effect(self, example_id: str) -> Literal["helped", "hurt", ""]:
        """Whether the second look made the answer right (``helped``) or wrong (``hurt``)."""
        single, think = self.verdict(SINGLE, example_id), self.verdict(THINK, example_id)
        if None in (single, think) or Verdict.FAILED in (single, think):
            return ""
        before, after = single is Verdict.RIGHT, think is Verdict.RIGHT
        return "" if before == after else "helped" if after else "hurt"


@dataclass(frozen=True)
class Training:
    """One training run: its log history."""

    name: str
    folder: Path
    history: tuple[Mapping[str, Any], ...]

    def points(self, key: str) -> list[tuple[float, float]]:
        """(step, value) of a logged quantity, where it was logged and finite."""
        pairs = [(row.get("step"), row.get(key)) for row in self.history]
        numbers = [(s, v) for s, v in pairs if isinstance(s, int | float) and isinstance(v, int | float)]
        return [(float(s), float(v)) for s, v in numbers if math.isfinite(s) and math.isfinite(v)]


def load_runs(folders: Sequence[Path]) -> list[Run]:
    """Reads evaluation runs.

    Raises:
        ReportError: a folder is no finished run.
    """
    return [_load_run(folder, name) for folder, name in zip(folders, _short_names(folders), strict=True)]


def load_trainings(folders: Sequence[Path]) -> list[Training]:
    """Reads the histories of training runs.

    Raises:
        ReportError: a folder holds no ``history.json``.
    """
    trainings = []
    for folder, name in zip(folders, _short_names(folders), strict=True):
        path = _existing(folder, "history.json", "a training run")
        history = _json(path)
        if not isinstance(history, list) or not all(isinstance(row, dict) for row in history):
            raise ReportError(f"{path} is not a list of log records, as a training run writes it.")
        trainings.append(Training(name, folder, tuple(history)))
    return trainings


def _load_run(folder: Path, name: str) -> Run:
    path = _existing(folder, "metrics.json", "an evaluation run")
    try:
        metrics = Metrics.model_validate(_json(path))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(key) for key in first["loc"])
        raise ReportError(f"{path} holds no metrics that this version of vitar can read: {where}: {first['msg']}.") from error
    record = _json(_existing(folder, "run.json", "an evaluation run"))
    if not isinstance(record, dict):
        raise ReportError(f"{folder / 'run.json'} is not a JSON object.")
    examples = _examples(_existing(folder, "examples.jsonl", "an evaluation run"), folder / "images")
    known = {example.id for example in examples}
    traces: dict[str, dict[str, Trace]] = {}
    for condition in dict.fromkeys(cell.condition for cell in metrics.cells):
        trace_path = _existing(folder, f"traces/{condition}.jsonl", "an evaluation run")
        try:
            traces[condition] = {trace.example_id: trace for trace in read_traces(trace_path)}
        except TraceError as error:
            raise ReportError(f"{error}.") from error
        if strangers := traces[condition].keys() - known:
            raise ReportError(f"{trace_path} has a trace of {min(strangers)!r}, which examples.jsonl does not hold.")
    date = datetime.fromtimestamp(path.stat().st_mtime, UTC).date().isoformat()
    return Run(name, folder, date, record, metrics, tuple(examples), traces)


def _examples(path: Path, images: Path) -> list[Example]:
    """The examples of a run; each refers to its image as a file."""
    examples = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            row["images"] = (ImageRef(str(images / row.pop("image"))),)
            row["options"] = tuple(row["options"])
            row["regions"] = tuple(Region(r["label"], tuple(r["box_xyxy"])) for r in row["regions"])
            examples.append(Example(**{field.name: row[field.name] for field in fields(Example)}))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ReportError(f"{path}:{number}: not an example: {error}.") from error
    return examples


def _judged(example: Example, trace: Trace) -> tuple[Verdict, Score]:
    score = grade_example(example, trace.answer)
    if trace.stop_reason is StopReason.BACKEND_ERROR:
        return Verdict.FAILED, score
    if trace.stop_reason is not StopReason.ANSWERED:
        return Verdict.MALFORMED, score
    return (Verdict.RIGHT if score.correct else Verdict.WRONG), score


def _flipped(comparison: Comparison) -> Comparison:
    """The same comparison seen from the second condition."""
    c = comparison
    names = {"first": c.second, "second": c.first, "first_only": c.second_only, "second_only": c.first_only}
    values = {"difference": c.difference, "low": c.high, "high": c.low}
    return c.model_copy(update={**names, **{key: None if v is None else -v for key, v in values.items()}})


def _existing(folder: Path, name: str, what: str) -> Path:
    if not folder.is_dir():
        found = "a file" if folder.exists() else "nothing"
        raise ReportError(f"{folder} should be the folder of {what}; there is {found} of that name.")
    path = folder / name
    if not path.is_file():
        advice = "Run vitar eval to its end first." if "evaluation" in what else "Give the folder of vitar train."
        raise ReportError(f"{folder} is not the folder of {what} that has ended: it holds no {name}. {advice}")
    return path


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:  # not JSON, or not UTF-8
        raise ReportError(f"{path} is not readable as JSON: {error}.") from error


def _short_names(folders: Sequence[Path]) -> list[str]:
    """For each folder the shortest end of its path that no other folder of the list has."""
    parts = [folder.resolve().parts for folder in folders]
    names = []
    for own in parts:
        length = 1
        while length < len(own) and sum(other[-length:] == own[-length:] for other in parts) > 1:
            length += 1
        names.append("/".join(own[-length:]))
    return names


def _in_order(found: Sequence[str], usual: Sequence[str]) -> tuple[str, ...]:
    return tuple(sorted(found, key=lambda name: usual.index(name) if name in usual else len(usual)))
