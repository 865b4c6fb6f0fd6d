"""What became of every item, one line of JSON each, and the counts over all of them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from vitar.data.curation.teacher import Rejection
from vitar.data.example import Example
from vitar.grading.overlap import region_iou
from vitar.protocol.trace import Trace

KEPT, NOT_REACHED = "kept", "not_reached"
"""Outcomes beside the reasons: a trajectory was kept; enough were kept before it was the item's turn."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Attempt(_Record):
    """What a teacher wrote once, and everything that was wrong with it."""

    texts: tuple[str, ...]
    rejections: tuple[Rejection, ...]


class ItemRecord(_Record):
    """What became of one item.

    Args:
        place: in the pool.
        unfit: why no teacher was asked; None if one was.
        attempts: in order; the last one has no rejection if the item was kept.
        trace: of the last attempt, if it was kept.
        iou: agreement of its action with the true regions.
    """

    place: int
    id: str
    source: str
    kind: str
    answer_type: str
    unfit: Rejection | None = None
    attempts: tuple[Attempt, ...] = ()
    trace: Trace | None = None
    iou: float | None = None

    @property
    def outcome(self) -> str:
        """`KEPT`, or the first reason against the last attempt."""
        if self.trace is not None:
            return KEPT
        rejection = self.unfit or self.attempts[-1].rejections[0]
        return rejection.reason.value


def item_record(
    place: int,
    example: Example,
    *,
    unfit: Rejection | None = None,
    attempts: Iterable[Attempt] = (),
    trace: Trace | None = None,
) -> ItemRecord:
    """The record of an item, with what counting needs of its example."""
    iou = region_iou(trace.first_boxes, [region.box_xyxy for region in example.regions]) if trace else None
    about = {"source": example.source, "kind": example.kind, "answer_type": example.answer_type}
    return ItemRecord(place=place, id=example.id, **about, unfit=unfit, attempts=tuple(attempts), trace=trace, iou=iou)


def read_items(path: Path) -> Iterator[ItemRecord]:
    """The records of a file, in order. Raises pydantic.ValidationError for a line that is none."""
    with path.open("rb") as file:
        for line in file:
            yield ItemRecord.model_validate_json(line)


class TrajectoryReport(_Record):
    """Counts over all items.

    Args:
        items: of the pool. The outcomes add up to it, and so do those of all sources and of all kinds.
        kept: trajectories.
        outcomes: `KEPT`, `NOT_REACHED` and reasons -> items.
        attempts: of the teacher, over all items.
        rejected_attempts: first reason -> attempts that were sent back for it.
        attempts_of_kept: number of attempts -> trajectories that needed it.
        by_source, by_kind: source or question kind -> outcome -> items.
        actions: tool -> trajectories.
        mean_iou: of the actions with the true regions, over the trajectories; None without any.
        distinct_thoughts: different first thoughts among the trajectories.
    """

    schema_version: Literal[1] = 1
    items: int
    kept: int
    outcomes: dict[str, int]
    attempts: int
    rejected_attempts: dict[str, int]
    attempts_of_kept: dict[int, int]
    by_source: dict[str, dict[str, int]]
    by_kind: dict[str, dict[str, int]]
    actions: dict[str, int]
    mean_iou: float | None
    distinct_thoughts: int


def trajectory_report(records: Iterable[ItemRecord], items: int) -> TrajectoryReport:
    """Counts ``records``, the first ones of a pool of ``items``."""
    outcomes, rejected, actions, needed = Counter[str](), Counter[str](), Counter[str](), Counter[int]()
    by_source: defaultdict[str, Counter[str]] = defaultdict(Counter)
    by_kind: defaultdict[str, Counter[str]] = defaultdict(Counter)
    attempts, ious, thoughts = 0, [], set()
    for record in records:
        for counter in (outcomes, by_source[record.source], by_kind[record.kind]):
            counter[record.outcome] += 1
        attempts += len(record.attempts)
        rejected.update(attempt.rejections[0].reason.value for attempt in record.attempts if attempt.rejections)
        if record.trace is not None:
            needed[len(record.attempts)] += 1
            ious.append(record.iou or 0.0)
            thoughts.add(record.trace.rounds[0].thought)
            actions.update(each.action["name"] for each in record.trace.rounds if each.action)
    if left := items - outcomes.total():
        outcomes[NOT_REACHED] = left
    return TrajectoryReport(
        items=items,
        kept=outcomes[KEPT],
        outcomes=_sorted(outcomes),
        attempts=attempts,
        rejected_attempts=_sorted(rejected),
        attempts_of_kept=dict(sorted(needed.items())),
        by_source={name: _sorted(counter) for name, counter in sorted(by_source.items())},
        by_kind={name: _sorted(counter) for name, counter in sorted(by_kind.items())},
        actions=_sorted(actions),
        mean_iou=sum(ious) / len(ious) if ious else None,
        distinct_thoughts=len(thoughts),
    )


def _sorted(counter: Counter[str]) -> dict[str, int]:
    """Most frequent first; nothing that was never counted."""
    return {name: count for name, count in counter.most_common() if count}
