"""Whether a model looks where experts marked something.

Of every episode that acted on an item with true regions, the boxes of the first action that was carried out are held
against these regions, each measure a mean over episodes with a clustered interval:

- ``iou``: intersection over union, boxes and regions matched one to one (`region_iou`); ``hit_50`` and the like: the
  share of episodes with an IoU of at least 0.5.
- ``pointing``: share of the boxes whose centre lies in a true region.
- ``centre_distance``: from centre to centre, matched so that the distances are smallest, in diagonals of the image.
- ``coverage``: share of the area of the true regions that the boxes cover; ``excess``: share of the area of the boxes
  that lies outside of all true regions. One box around everything has full coverage, and excess tells.

Under a condition that moves the action, the boxes are the moved ones. The true regions are on a question's first image,
so an action on another one misses them all: everything is 0, ``excess`` is 1, and there is no distance.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from vitar.analysis.estimates import Estimate, estimates
from vitar.data.example import Example
from vitar.grading.overlap import region_iou
from vitar.imaging.geometry import Box, Frame, union_share
from vitar.protocol.trace import StopReason, Trace

REGIONS_NAME = "regions.json"
THRESHOLDS = (0.1, 0.25, 0.5, 0.75)
MEASURES = ("iou", *(f"hit_{100 * t:.0f}" for t in THRESHOLDS), "pointing", "centre_distance", "coverage", "excess")
SIZES = ((0.01, "under 1% of the image"), (0.05, "1% to 5%"), (0.2, "5% to 20%"), (1.01, "20% and more"))
"""Upper ends of the share of the image that the true regions cover, and what a part is called."""

Xyxy = tuple[float, float, float, float]

_MISSED = (0.0, *(0.0 for _ in THRESHOLDS), 0.0, np.nan, 0.0, 1.0)  # `MEASURES` of an action on another image


class RegionsPart(BaseModel):
    """The measures of one condition on one part of the episodes.

    Args:
        by: ``all``, ``size`` or ``modality``, by which items are parted; ``part`` is the name of the part.
        n: episodes that acted, on items with true regions.
        measures: name out of `MEASURES` -> its estimate.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    condition: str
    by: str
    part: str
    n: int
    measures: dict[str, Estimate]


def measure(boxes: Sequence[Xyxy], true: Sequence[Xyxy], size: tuple[int, int]) -> list[float]:
    """`MEASURES` of one action, in their order.

    Args:
        boxes, true: at least one each, in pixels of the original.
        size: width and height of the original.
    """
    frame = Frame.original(*size)
    found, regions = [Box(*box, frame) for box in boxes], [Box(*box, frame).clipped() for box in true]
    iou = region_iou(boxes, true)
    inside = [any(r.x0 <= b.center[0] <= r.x1 and r.y0 <= b.center[1] <= r.y1 for r in regions) for b in found]
    shared = union_share([_shared(b, r) for b in found for r in regions])
    covered, boxed = union_share(regions), union_share(found)
    hits = [float(iou >= threshold) for threshold in THRESHOLDS]
    coverage = shared / covered if covered else np.nan
    excess = 1 - shared / boxed if boxed else np.nan
    return [iou, *hits, sum(inside) / len(inside), _distance(found, regions) / np.hypot(*size), coverage, excess]


def measure_regions(
    examples: Sequence[Example],
    traces: Mapping[str, Iterable[Trace]],
    sizes: Mapping[str, tuple[int, int]],
    *,
    seed: int = 0,
) -> list[RegionsPart]:
    """All conditions, on all such episodes, by size of the true regions and by modality.

    Episodes with another image than the regions are of are left out, and so are those that the infrastructure ended.

    Args:
        traces: condition -> traces of the examples, in any order.
        sizes: example id -> width and height of its image.
        seed: of the bootstrap.
    """
    known = {example.id: example for example in examples}
    parts: list[RegionsPart] = []
    for condition, episodes in traces.items():
        acted = [(known[trace.example_id], trace) for trace in episodes if _counts(known[trace.example_id], trace)]
        rows = [
            measure(first.boxes, [region.box_xyxy for region in example.regions], sizes[example.id])
            if (first := trace.first_action) and first.source == 1
            else list(_MISSED)
            for example, trace in acted
        ]
        values_NF = np.array(rows, dtype=float).reshape(-1, len(MEASURES))
        groups = [example.group for example, _ in acted]
        names = {
            "all": ["all"] * len(acted),
            "size": [size_of(example, sizes[example.id]) for example, _ in acted],
            "modality": [example.modality or "unknown" for example, _ in acted],
        }
        for by, name_N in names.items():
            for part in _in_order(by, name_N):
                chosen = [place for place, name in enumerate(name_N) if name == part]
                found = estimates(values_NF[chosen], [groups[place] for place in chosen], seed)
                measures = dict(zip(MEASURES, found, strict=True))
                parts.append(RegionsPart(condition=condition, by=by, part=part, n=len(chosen), measures=measures))
    return parts


def size_of(example: Example, size: tuple[int, int]) -> str:
    """Which of `SIZES` the true regions of an example have, together."""
    share = union_share([region.box(*size).clipped() for region in example.regions])
    return next(name for end, name in SIZES if share < end)


def _counts(example: Example, trace: Trace) -> bool:
    shown = bool(example.images) and trace.is_about(example.images[0].uri)
    ended = trace.stop_reason is not StopReason.BACKEND_ERROR
    return bool(shown and ended and example.regions and trace.first_boxes)


def _in_order(by: str, names: Sequence[str]) -> list[str]:
    if by == "size":
        return [name for _, name in SIZES if name in names]
    return sorted(set(names))


def _shared(box: Box, region: Box) -> Box:
    x0, y0 = max(box.x0, region.x0), max(box.y0, region.y0)
    return Box(x0, y0, max(x0, min(box.x1, region.x1)), max(y0, min(box.y1, region.y1)), box.frame)


def _distance(found: Sequence[Box], regions: Sequence[Box]) -> float:
    """Mean distance of the centres of as many pairs as there can be, in pixels."""
    from scipy.optimize import linear_sum_assignment

    offset_NF2 = np.array([b.center for b in found])[:, None] - np.array([r.center for r in regions])[None]
    distance_NF = np.hypot(offset_NF2[..., 0], offset_NF2[..., 1])
    return float(distance_NF[linear_sum_assignment(distance_NF)].mean())
