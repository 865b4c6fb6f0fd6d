"""Trajectories to imitate: written by a teacher, carried out in the environment, and kept only if nothing is wrong.

The output is a folder:

    run.json        settings
    items.jsonl     what became of each item, in order: every attempt with all its rejections, and the trace if kept
    examples/       the examples with a trajectory, a stored set; absent if there is none
    traces.jsonl    their traces in the same order, boxes in thousandths
    report.json     counts; it is written last, so a folder that has it is complete

A killed run goes on after the last item in ``items.jsonl``.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from tqdm import tqdm

from vitar.backends.chat_api import RequestFailed
from vitar.data.curation.execution import play, rejections
from vitar.data.curation.first_look import Values, hidden_texts
from vitar.data.curation.judge import Judge
from vitar.data.curation.teacher import Reason, Rejection, Task, Teacher
from vitar.data.curation.trajectory_report import (
    Attempt,
    ItemRecord,
    TrajectoryReport,
    item_record,
    read_items,
    trajectory_report,
)
from vitar.data.example import Example, open_image, save_examples
from vitar.files import write_atomically
from vitar.imaging.environment import TOOL_NAMES, EnvironmentConfig
from vitar.imaging.loading import ImageError
from vitar.protocol.trace import Trace
from vitar.run_record import RECORD_NAME, write_run_record

if TYPE_CHECKING:
    from _typeshed import DataclassInstance
    from PIL import Image

ITEMS_NAME, EXAMPLES_NAME, TRACES_NAME, REPORT_NAME = "items.jsonl", "examples", "traces.jsonl", "report.json"

AT_ONCE = 64
"""Items under way at a time. A teacher behind a server is asked about all of them at once."""


class CurationError(ValueError):
    """A folder cannot take this run; the message says what is in it."""


@dataclass(frozen=True)
class TrajectoryConfig:
    """What decides a run, for its record.

    Args:
        data: sources; see `pool.Pool`.
        teacher: ``scripted`` or ``endpoint``.
        judge: ``rules`` or ``endpoint``.
        server: model and address behind them; "" without one.
        tools: that a trajectory may use, in alphabetical order.
        min_iou, attempts: see `Workshop`.
        enough: see `curate_trajectories`.
        seed: of the order of the items and the wording of the scripted teacher.

    Raises:
        ValueError: a setting makes no sense.
    """

    data: tuple[str, ...]
    teacher: str
    judge: str
    server: str
    tools: tuple[str, ...]
    min_iou: float
    attempts: int
    enough: int | None
    seed: int

    def __post_init__(self) -> None:
        if not set(self.tools) <= set(TOOL_NAMES):
            raise ValueError(f"tools are {' and '.join(TOOL_NAMES)}, got {', '.join(self.tools)}")
        if not 0 < self.min_iou <= 1:
            raise ValueError(f"the IoU asked for is above 0 and up to 1, got {self.min_iou}")
        if self.attempts < 1 or (self.enough is not None and self.enough < 1) or self.seed < 0:
            raise ValueError(
                f"attempts and the number that is enough are at least 1 and the seed at least 0, got {self.attempts}, "
                f"{self.enough} and {self.seed}"
            )


@dataclass(frozen=True)
class Workshop:
    """How trajectories are made.

    Args:
        teacher: writes them.
        judges: all of them must accept; those that cost nothing come first.
        environment: limits and tools of the episodes.
        values: what answers can be; see `first_look.Values`.
        min_iou: agreement of the first action's boxes with the true regions that is asked for, 0 to 1.
        attempts: of the teacher at one item.
    """

    teacher: Teacher
    judges: Sequence[Judge]
    environment: EnvironmentConfig
    values: Values
    min_iou: float = 0.5
    attempts: int = 3

    async def record(self, place: int, example: Example) -> ItemRecord:
        """Asks, carries out and asks again until a trajectory can be kept or the attempts are used up.

        Raises:
            EndpointError: a server is needed and can never reply.
        """
        image = self._unfit_or_image(example)
        if isinstance(image, Rejection):
            return item_record(place, example, unfit=image)
        task = Task(example, image, hidden_texts(example, self.values))
        attempts: list[Attempt] = []
        while len(attempts) < self.attempts:
            attempt, trace = await self._attempt(task)
            attempts.append(attempt)
            if trace is not None:
                return item_record(place, example, attempts=attempts, trace=trace)
            task = replace(task, attempt=len(attempts), rejections=attempt.rejections)
        return item_record(place, example, attempts=attempts)

    async def _attempt(self, task: Task) -> tuple[Attempt, Trace | None]:
        """What the teacher writes now, and its trace if nothing is wrong with it."""
        try:
            texts = tuple(await self.teacher.write(task))
        except RequestFailed as error:
            return Attempt(texts=(), rejections=(Rejection(Reason.TEACHER_FAILED, str(error)),)), None
        trace = play(task.example, texts, self.environment, self.teacher.name)
        found = rejections(task.example, trace, task.hidden, self.min_iou)
        if not found:
            found = await self._judged(task.example, trace)
        return Attempt(texts=texts, rejections=tuple(found)), None if found else trace

    async def _judged(self, example: Example, trace: Trace) -> list[Rejection]:
        for judge in self.judges:
            try:
                if objection := await judge.objection(example, trace):
                    return [Rejection(Reason.JUDGED_BAD, objection)]
            except RequestFailed as error:
                return [Rejection(Reason.JUDGE_FAILED, str(error))]
        return []

    def _unfit_or_image(self, example: Example) -> Rejection | Image.Image:
        """The image of an item that a teacher can be asked about, or why it cannot."""
        if len(example.images) != 1:
            return Rejection(Reason.NOT_ONE_IMAGE, f"{len(example.images)} images; the loop acts on exactly one")
        if not example.regions:
            return Rejection(Reason.NO_REGION, "no true region is known")
        if len(example.regions) > self.environment.max_boxes:
            most = f"{len(example.regions)} regions; an action takes up to {self.environment.max_boxes}"
            return Rejection(Reason.TOO_MANY_REGIONS, most)
        try:
            image = open_image(example.images[0])
        except ImageError as error:
            return Rejection(Reason.UNREADABLE_IMAGE, str(error))
        for region in example.regions:
            if not region.box(*image.size).is_valid:
                where = f"{region.label!r} at {region.box_xyxy} in an image of {image.width} x {image.height}"
                return Rejection(Reason.REGION_OUTSIDE_IMAGE, where)
        return image


async def curate_trajectories(
    examples: Sequence[Example], out: Path, workshop: Workshop, *, enough: int | None = None, at_once: int = AT_ONCE
) -> TrajectoryReport:
    """Writes the folder ``out``, or goes on with it, and returns its report.

    Args:
        examples: in the order in which they are tried; the same ones if the run is gone on with.
        enough: the run ends once so many trajectories are kept.
        at_once: items under way at a time; never more than could still be kept.

    Raises:
        CurationError: the items in ``out`` are others.
        EndpointError: a server is needed and can never reply; what was done until then is kept.
        OSError: ``out`` cannot be written.
    """
    out.mkdir(parents=True, exist_ok=True)
    if (out / REPORT_NAME).is_file():
        return TrajectoryReport.model_validate_json((out / REPORT_NAME).read_text(encoding="utf-8"))
    items = out / ITEMS_NAME
    done, seen, kept = _earlier_items(items, examples)
    with items.open("ab") as file, tqdm(total=len(examples), initial=done, desc="items", disable=None) as progress:
        while wanted := min(at_once, len(examples) - done, at_once if enough is None else enough - kept):
            places = range(done, done + wanted)
            done += wanted
            work = [_record_once(workshop, place, examples[place], seen) for place in places]
            results = await asyncio.gather(*work, return_exceptions=True)  # replies that are under way are paid for
            for result in results:
                if isinstance(result, BaseException):
                    raise result
                file.write(result.model_dump_json().encode() + b"\n")
                kept += result.trace is not None
                progress.update()
            file.flush()
            os.fsync(file.fileno())
            progress.set_postfix(kept=kept)
    return _finish(out, examples)


def claim(out: Path, config: DataclassInstance) -> None:
    """Makes ``out`` the folder of a run with ``config``, or checks that it already is.

    Raises:
        CurationError: it holds something else, or a run with other settings.
    """
    record = out / RECORD_NAME
    wanted = json.loads(json.dumps(asdict(config)))
    if not record.is_file():
        if out.exists() and (
            not out.is_dir() or any(entry.name != f".{RECORD_NAME}.partial" for entry in out.iterdir())
        ):
            raise CurationError(f"{out} exists and is no run of this kind; give a new or empty folder")
    else:
        had = json.loads(record.read_text(encoding="utf-8")).get("config", {})
        if differing := [name for name in wanted if had.get(name) != wanted[name]]:
            listed = ", ".join(f"{name} ({had.get(name)!r} there, {wanted[name]!r} now)" for name in differing)
            raise CurationError(f"{out} holds a run with other settings: {listed}. Give the same, or another folder.")
    write_run_record(out, config)


async def _record_once(workshop: Workshop, place: int, example: Example, seen: set[str]) -> ItemRecord:
    """The record of an item; of two items with one id the first counts."""
    if example.id in seen:
        return item_record(place, example, unfit=Rejection(Reason.DUPLICATE_ID, "an earlier item has the same id"))
    seen.add(example.id)
    return await workshop.record(place, example)


def _earlier_items(path: Path, examples: Sequence[Example]) -> tuple[int, set[str], int]:
    """How many items are done, their ids, and how many trajectories were kept; a half line at the end goes."""
    if not path.is_file():
        return 0, set(), 0
    with path.open("r+b") as file:
        file.truncate(file.read().rfind(b"\n") + 1)
    ids: set[str] = set()
    kept, last = 0, None
    for last in read_items(path):
        ids.add(last.id)
        kept += last.trace is not None
    if last is None:
        return 0, set(), 0
    if last.place >= len(examples) or examples[last.place].id != last.id:
        raise CurationError(f"{path}: item {last.place} is {last.id!r}, and not that of the data; give another folder")
    return last.place + 1, ids, kept


def _finish(out: Path, examples: Sequence[Example]) -> TrajectoryReport:
    """Writes what follows from the items."""
    items, stored = out / ITEMS_NAME, out / EXAMPLES_NAME
    if stored.exists():  # a run was killed between this and its report
        shutil.rmtree(stored)
    report = trajectory_report(read_items(items), len(examples))
    if report.kept:
        save_examples((examples[each.place] for each in read_items(items) if each.trace), stored)
    lines = (f"{each.trace.model_dump_json()}\n" for each in read_items(items) if each.trace)
    write_atomically(out / TRACES_NAME, "".join(lines))
    write_atomically(out / REPORT_NAME, report.model_dump_json(indent=1) + "\n")
    return report
