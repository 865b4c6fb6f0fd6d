"""How far a model agrees with each of several annotators, beside how far these agree with each other.

Experts differ: in VinDr-CXR three radiologists marked every image. A model that agrees with each of them as well as
they do with each other has reached what such a reference can show. On every item with boxes of two annotators or more,
the model's IoU is taken with each of them, and theirs with each other, and both are averaged over the item's pairs.
"""

from __future__ import annotations

import csv
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from vitar.analysis.estimates import Estimate, estimates
from vitar.data.example import Example
from vitar.grading.overlap import region_iou
from vitar.protocol.trace import Trace

COLUMNS = ("example_id", "annotator", "x_min", "y_min", "x_max", "y_max")

Xyxy = tuple[float, float, float, float]
Annotations = Mapping[str, Mapping[str, Sequence[Xyxy]]]
"""Example id -> annotator -> boxes, in pixels of the original; an annotator who saw nothing has none."""


class AnnotationError(ValueError):
    """A file of annotations cannot be read; the message names the line."""


class AnnotatorAgreement(BaseModel):
    """Mean IoU of one condition's first action with annotators, and of annotators with each other.

    Args:
        n: items with a first action and two annotators or more.
        model: of the model with the annotators; ``annotators``: of these with each other; ``difference``: the first
            minus the second, item by item.
        by_annotator: of the model with each.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    condition: str
    n: int
    model: Estimate
    annotators: Estimate
    difference: Estimate
    by_annotator: dict[str, Estimate]


def read_annotations(path: Path) -> dict[str, dict[str, list[Xyxy]]]:
    """Reads a CSV file with `COLUMNS`, a row per box; a row without coordinates says that an annotator saw nothing.

    Raises:
        AnnotationError: columns are missing, or a row has no box and no blanks either.
        OSError: the file cannot be read.
    """
    found: defaultdict[str, dict[str, list[Xyxy]]] = defaultdict(dict)
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.DictReader(file)
        if missing := set(COLUMNS) - set(reader.fieldnames or ()):
            raise AnnotationError(
                f"{path} lacks the columns {', '.join(sorted(missing))}; expected {','.join(COLUMNS)}"
            )
        for row in reader:
            boxes = found[row["example_id"]].setdefault(row["annotator"], [])
            written = [(row[name] or "").strip() for name in COLUMNS[2:]]
            if any(written):
                boxes.append(_box(written, f"{path}:{reader.line_num}"))
    return dict(found)


def annotator_agreement(
    condition: str,
    examples: Sequence[Example],
    traces: Iterable[Trace],
    annotations: Annotations,
    seed: int = 0,
) -> AnnotatorAgreement:
    """Agreement on the items that annotations are there for.

    Two annotators who both saw nothing have no overlap to speak of and are left out, and so is an item where nobody saw
    anything; where one of two saw something, their IoU is 0.

    Args:
        condition: of the ``traces``.
        seed: of the bootstrap.
    """
    by_id = {trace.example_id: trace for trace in traces}
    names = sorted({name for by_annotator in annotations.values() for name in by_annotator})
    rows: list[list[float]] = []
    groups: list[str] = []
    for example in examples:
        marked, trace = annotations.get(example.id, {}), by_id.get(example.id)
        if len(marked) < 2 or trace is None or trace.first_action is None:
            continue
        if not (example.images and trace.is_about(example.images[0].uri)):
            continue
        boxes = trace.first_action.boxes if trace.first_action.source == 1 else ()
        each = [_iou(boxes, marked[name]) if name in marked else math.nan for name in names]
        pairs = [_iou(marked[a], marked[b]) for a, b in combinations(sorted(marked), 2)]
        model, others = _mean(each), _mean(pairs)
        if math.isnan(others):  # nobody marked anything, so there is no agreement to compare the model's with
            continue
        rows.append([model, others, model - others, *each])
        groups.append(example.group)
    values_NF = np.array(rows, dtype=float).reshape(-1, 3 + len(names))
    model_all, annotators_all, difference, *by_annotator = estimates(values_NF, groups, seed)
    return AnnotatorAgreement(
        condition=condition,
        n=len(rows),
        model=model_all,
        annotators=annotators_all,
        difference=difference,
        by_annotator=dict(zip(names, by_annotator, strict=True)),
    )


def _iou(first: Sequence[Xyxy], second: Sequence[Xyxy]) -> float:
    if not first and not second:
        return math.nan
    return region_iou(first, second) if first and second else 0.0


def _mean(values: Sequence[float]) -> float:
    defined = [value for value in values if not math.isnan(value)]
    return sum(defined) / len(defined) if defined else math.nan


def _box(written: Sequence[str], where: str) -> Xyxy:
    try:
        x0, y0, x1, y1 = map(float, written)
    except ValueError:
        raise AnnotationError(f"{where}: expected four numbers or four blanks, got {', '.join(written)}") from None
    if not all(map(math.isfinite, (x0, y0, x1, y1))) or x1 <= x0 or y1 <= y0:
        raise AnnotationError(
            f"{where}: the box {', '.join(written)} is empty or reversed; expected left, top, right, bottom"
        )
    return (x0, y0, x1, y1)
