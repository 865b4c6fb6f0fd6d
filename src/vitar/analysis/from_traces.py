"""What the traces of a run say without a model: regions and costs, written into the run's folder."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from vitar.analysis.annotators import Annotations, annotator_agreement
from vitar.analysis.efficiency import COSTS_NAME, measure_costs
from vitar.analysis.grounding import REGIONS_NAME, measure_regions
from vitar.data.example import Example
from vitar.files import write_atomically
from vitar.protocol.trace import Trace

SCHEMA_VERSION = 1


def write_analyses(
    folder: Path,
    examples: Sequence[Example],
    traces: Mapping[str, Sequence[Trace]],
    *,
    seed: int = 0,
    annotations: Annotations | None = None,
) -> list[Path]:
    """Writes `REGIONS_NAME` and `COSTS_NAME`; returns their paths.

    Args:
        folder: of the run, with the images that the examples name.
        traces: condition -> traces of the examples.
        seed: of the bootstraps.
        annotations: of several annotators, where there are any.

    Raises:
        OSError: an image cannot be read, or a file not be written.
    """
    regions: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "parts": _records(measure_regions(examples, traces, _sizes(examples), seed=seed)),
        "annotators": [],
    }
    if annotations:
        found = (annotator_agreement(name, examples, episodes, annotations, seed) for name, episodes in traces.items())
        regions["annotators"] = _records(found)
    costs, tradeoffs = measure_costs(examples, traces, seed=seed)
    spent = {"schema_version": SCHEMA_VERSION, "costs": _records(costs), "tradeoffs": _records(tradeoffs)}
    return [_write(folder / REGIONS_NAME, regions), _write(folder / COSTS_NAME, spent)]


def _records(found: Iterable[Any]) -> list[dict[str, Any]]:
    return [record.model_dump() for record in found]


def _sizes(examples: Sequence[Example]) -> dict[str, tuple[int, int]]:
    """Example id -> width and height of its first image, from the head of its file."""
    sizes = {}
    for example in examples:
        if example.images:
            with Image.open(example.images[0].uri) as image:
                sizes[example.id] = image.size
    return sizes


def _write(path: Path, content: dict[str, Any]) -> Path:
    write_atomically(path, json.dumps(content, indent=1) + "\n")
    return path
