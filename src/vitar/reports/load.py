"""Reads the folders that evaluation and training leave behind; no model and no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ValidationError

from vitar.analysis.annotators import AnnotatorAgreement
from vitar.analysis.attention.record import ATTENTION_NAME, AttentionFile
from vitar.analysis.efficiency import COSTS_NAME, Cost, Tradeoff
from vitar.analysis.grounding import REGIONS_NAME, RegionsPart
from vitar.data.example import Example
from vitar.evaluation.metrics import Metrics
from vitar.evaluation.run_folder import stored_example
from vitar.protocol.trace import Trace, TraceError, read_traces
from vitar.reports.run import Run, Training


class ReportError(ValueError):
    """A folder is not what a report can be made from; the message says which file and why."""


class _Costs(BaseModel):
    schema_version: Literal[1]
    costs: tuple[Cost, ...]
    tradeoffs: tuple[Tradeoff, ...]


class _Regions(BaseModel):
    schema_version: Literal[1]
    parts: tuple[RegionsPart, ...]
    annotators: tuple[AnnotatorAgreement, ...]


_File = TypeVar("_File", bound=BaseModel)


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
        raise ReportError(
            f"{path} holds no metrics that this version of vitar can read: {_first_fault(error)}."
        ) from error
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
    costs = _analysis(folder / COSTS_NAME, _Costs, "vitar regrade writes it anew")
    regions = _analysis(folder / REGIONS_NAME, _Regions, "vitar regrade writes it anew")
    attention = _analysis(folder / ATTENTION_NAME, AttentionFile, "remove it, and vitar attention writes another")
    return Run(
        name,
        folder,
        record,
        metrics,
        tuple(examples),
        traces,
        costs=costs.costs if costs else (),
        tradeoffs=costs.tradeoffs if costs else (),
        regions=regions.parts if regions else (),
        annotators=regions.annotators if regions else (),
        attention=attention.conditions if attention else {},
    )


def _analysis(path: Path, form: type[_File], advice: str) -> _File | None:
    """An analysis that a run may have; ``advice`` is for a file that this version does not read."""
    if not path.is_file():
        return None
    try:
        return form.model_validate(_json(path))
    except ValidationError as error:
        raise ReportError(
            f"{path} is no analysis that this version reads ({_first_fault(error)}); {advice}."
        ) from error


def _first_fault(error: ValidationError) -> str:
    """Where a record differs first from its form, and how."""
    first = error.errors(include_url=False)[0]
    return f"{'.'.join(str(key) for key in first['loc']) or 'the whole'}: {first['msg']}"


def _examples(path: Path, images: Path) -> list[Example]:
    """The examples of a run; each refers to its images as files."""
    examples = []
    for number, line in enumerate(path.read_bytes().split(b"\n"), start=1):
        if not line.strip():
            continue
        try:
            examples.append(stored_example(line, images))
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise ReportError(f"{path}:{number}: not an example: {error}.") from error
    return examples


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
