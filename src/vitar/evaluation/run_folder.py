"""The folder of an evaluation run: what it must hold to be gone on with after an interruption.

Everything in it is written so that a kill leaves whole files, or a trace file with one half line at its end that the
next writer removes. Going on is refused where settings or items are not those of the run: figures of two different
runs in one table look like one experiment.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterable, Sequence
from dataclasses import MISSING, asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitar.data.example import Example, ImageRef, Region, open_image
from vitar.files import write_atomically
from vitar.grading import grade_example
from vitar.protocol.trace import ImageStore, StopReason, Trace, read_traces
from vitar.run_record import RECORD_NAME, write_run_record

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

EXAMPLES_NAME = "examples.jsonl"
METRICS_NAME = "metrics.json"
WEIGHT_SUFFIXES = (".safetensors", ".bin", ".pt")

_BLOCK, _BLOCKS = 4096, 256  # bytes of a block, and blocks of a weight file that enter its digest


class RunError(ValueError):
    """A run cannot begin or go on with these items in this folder; the message says what is wrong or what differs."""


def claim(folder: Path, config: DataclassInstance) -> list[str]:
    """Makes ``folder`` that of a run with ``config``, or checks that it already is.

    Args:
        config: a dataclass with a field ``conditions``. Conditions may be added to a run; all else must be the same. A
            setting that the run's record lacks, since it is younger than the run, had its default there.

    Returns:
        the conditions of the run: those that it had, then those that are new.

    Raises:
        RunError: the folder holds a run with other settings, or something that is no run.
    """
    wanted: dict[str, Any] = json.loads(json.dumps(asdict(config)))
    record = folder / RECORD_NAME
    if not record.is_file():
        if folder.exists() and (
            not folder.is_dir() or any(e.name != f".{RECORD_NAME}.partial" for e in folder.iterdir())
        ):
            raise RunError(f"{folder} exists and is no evaluation run (it has no {RECORD_NAME}); give another folder")
        write_run_record(folder, config)
        return wanted["conditions"]
    defaults = {field.name: field.default for field in fields(config) if field.default is not MISSING}
    had = json.loads(json.dumps(defaults)) | _read_config(record)
    names = [name for name in wanted if name != "conditions" and had.get(name) != wanted[name]]
    if names or not isinstance(had.get("conditions"), list):
        differing = ", ".join(f"{name} ({had.get(name)!r} there, {wanted[name]!r} now)" for name in names)
        raise RunError(
            f"{folder} holds a run with other settings: {differing or 'it names no conditions'}. "
            "Give the same settings to go on with it, or another folder."
        )
    conditions = list(dict.fromkeys([*had["conditions"], *wanted["conditions"]]))
    write_run_record(folder, replace(config, conditions=tuple(conditions)))
    return conditions


def keep_examples(folder: Path, examples: Iterable[Example]) -> list[Example]:
    """Writes ``examples`` with their images into a run's folder, or checks that they are the ones in it.

    Returns:
        the same examples with their images in the folder.

    Raises:
        RunError: other examples are there, there is none, two have one id, or one has no image or cannot be graded.
        ImageError: an image cannot be read.
    """
    store, path = ImageStore(folder / "images"), folder / EXAMPLES_NAME
    before = [_record_of(line) for line in path.read_bytes().split(b"\n") if line] if path.is_file() else None
    records: dict[str, dict[str, Any]] = {}
    for number, example in enumerate(examples):
        if not example.images:
            raise RunError(f"example {example.id!r} has no image; a run asks about images, so leave it out of the data")
        if example.id in records:
            raise RunError(f"two examples have the id {example.id!r}; ids must be unique in a run")
        try:
            grade_example(example, None)
        except ValueError as error:
            raise RunError(f"example {example.id!r} cannot be graded: {error}; mend it or leave it out") from error
        record = _example_record(example, [store.put(open_image(ref)) for ref in example.images])
        if before is not None and (number >= len(before) or before[number] != record):
            there = before[number] if number < len(before) else {}
            names = ", ".join(name for name in record if there.get(name) != record[name])
            raise RunError(
                f"item {number + 1} ({example.id}) is not the one in {path}: it differs in {names}. The data, or the "
                "code that makes them, have changed since the run began; begin another one in another folder."
            )
        records[example.id] = record
    if not records:
        raise RunError("there are no examples to evaluate")
    if before is None:
        write_atomically(path, "".join(json.dumps(record) + "\n" for record in records.values()))
    elif len(before) != len(records):
        raise RunError(f"{path} has {len(before)} items and the data {len(records)}; begin a run in another folder")
    return [_example(record, store.folder) for record in records.values()]


def kept_traces(path: Path, condition: str, ids: Collection[str]) -> set[str]:
    """The ids of the examples that need not be run again.

    Episodes that a failure of the infrastructure ended are taken out of the file, so that they are tried again.

    Raises:
        RunError: a trace is of another condition or example, or an example has two.
        TraceError: the file holds a line that is no trace.
    """
    if not path.is_file():
        return set()
    traces = list(read_traces(path))
    done: set[str] = set()
    for trace in traces:
        if trace.condition != condition or trace.example_id not in ids or trace.example_id in done:
            raise RunError(
                f"{path} holds a trace that does not belong there or is there twice: {trace.example_id} under "
                f"{trace.condition}; remove the file to run the condition again"
            )
        done.add(trace.example_id)
    whole = [trace for trace in traces if trace.stop_reason is not StopReason.BACKEND_ERROR]
    if len(whole) < len(traces):
        write_atomically(path, "".join(trace.model_dump_json() + "\n" for trace in whole))
    return {trace.example_id for trace in whole}


@dataclass(frozen=True)
class StoredRun:
    """What an evaluation left, without its figures.

    Args:
        config: as ``run.json`` has it.
        examples: in the order of the run, their images in its folder.
        traces: condition -> one trace per example.
    """

    config: dict[str, Any]
    examples: tuple[Example, ...]
    traces: dict[str, tuple[Trace, ...]]


def read_run(folder: Path) -> StoredRun:
    """Reads a run that has ended.

    Raises:
        RunError: the folder is no run, or a condition has not come to its end.
        TraceError: a trace file holds a line that is no trace.
    """
    for name in (RECORD_NAME, EXAMPLES_NAME):
        if not (folder / name).is_file():
            raise RunError(f"{folder} is no evaluation run: it has no {name}; give a folder that vitar eval wrote")
    config = _read_config(folder / RECORD_NAME)
    store = ImageStore(folder / "images")
    try:
        lines = (folder / EXAMPLES_NAME).read_bytes().split(b"\n")
        examples = tuple(stored_example(line, store.folder) for line in lines if line.strip())
        names = [str(name) for name in config["conditions"]]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{folder} cannot be read as an evaluation run: {error}") from error
    ids = {example.id for example in examples}
    traces: dict[str, tuple[Trace, ...]] = {}
    for name in names:
        path = folder / "traces" / f"{name}.jsonl"
        traces[name] = tuple(read_traces(path)) if path.is_file() else ()
        if len(traces[name]) != len(ids) or {trace.example_id for trace in traces[name]} != ids:
            raise RunError(
                f"{path} has {len(traces[name])} traces for {len(ids)} items, or not one for each; give the same vitar "
                "eval command again to go on with the run to its end"
            )
    return StoredRun(config, examples, traces)


def stored_example(line: bytes, images: Path) -> Example:
    """The example that a line of `EXAMPLES_NAME` holds.

    Args:
        images: folder of the files that it names.

    Raises:
        ValueError, KeyError, TypeError, AttributeError: the line holds no example.
    """
    return _example(_record_of(line), images)


def weights_digest(model: Path) -> str:
    """A short name for the weights in a model's folder, the same for a copy of it.

    A checkpoint that was trained on under the same path is another model. Of each weight file the size and blocks
    spread over its whole length are read, which training changes and which is quick for a model of any size.

    Returns:
        16 hexadecimal digits, or "" where ``model`` is no folder with weights (a Hub id).
    """
    found = sorted(path for path in model.iterdir() if path.suffix in WEIGHT_SUFFIXES) if model.is_dir() else []
    if not found:
        return ""
    digest = hashlib.sha256()
    for path in found:
        size = path.stat().st_size
        digest.update(f"{path.name} {size} ".encode())
        with path.open("rb") as file:
            for place in range(0, size, max(_BLOCK, size // _BLOCKS)):
                file.seek(place)
                digest.update(file.read(_BLOCK))
    return digest.hexdigest()[:16]


def _read_config(record: Path) -> dict[str, Any]:
    try:
        config = json.loads(record.read_text(encoding="utf-8"))["config"]
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{record} is no record of a run; give another folder") from error
    if not isinstance(config, dict):
        raise RunError(f"{record} is no record of a run; give another folder")
    return config


def _example_record(example: Example, images: Sequence[str]) -> dict[str, Any]:
    """An example as a line of `EXAMPLES_NAME`, its ``images`` the names of files of the store.

    Regions are their boxes, which is what an evaluation measures; masks stay with the data set.
    """
    record: dict[str, Any] = {"id": example.id, "images": images}
    record |= {name: value for name, value in asdict(example).items() if name not in ("id", "images")}
    record["regions"] = [{"label": region.label, "box_xyxy": region.box_xyxy} for region in example.regions]
    return json.loads(json.dumps(record))


def _record_of(line: bytes) -> dict[str, Any]:
    """A line of `EXAMPLES_NAME`. Runs from before questions had several images name their one in ``image``."""
    record = json.loads(line)
    if "image" in record:
        record["images"] = [record.pop("image")]
    return record


def _example(record: dict[str, Any], images: Path) -> Example:
    texts = {name: value for name, value in record.items() if name not in ("images", "options", "regions")}
    regions = tuple(Region(region["label"], tuple(region["box_xyxy"])) for region in record["regions"])
    references = tuple(ImageRef(str(images / name)) for name in record["images"])
    return Example(images=references, options=tuple(record["options"]), regions=regions, **texts)
