"""Boxes against true regions, by hand."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from made_up_episodes import BOX, example, trace

from vitar.analysis.grounding import MEASURES, RegionsPart, measure, measure_regions, size_of
from vitar.data.example import Example
from vitar.protocol.trace import Trace

Xyxy = tuple[float, float, float, float]
SIZE = (300, 400)  # a diagonal of 500


def by_name(boxes: Sequence[Xyxy], true: Sequence[Xyxy]) -> dict[str, float]:
    return dict(zip(MEASURES, measure(boxes, true, SIZE), strict=True))


def test_one_box_and_one_region() -> None:
    found = by_name([(10, 10, 30, 20)], [(20, 10, 40, 20)])  # half of each is shared, a third of both together
    assert found["iou"] == pytest.approx(1 / 3)
    assert [found[name] for name in ("hit_10", "hit_25", "hit_50", "hit_75")] == [1, 1, 0, 0]
    assert (found["pointing"], found["coverage"], found["excess"]) == (1, 0.5, 0.5)
    assert found["centre_distance"] == pytest.approx(10 / 500)


def test_a_box_around_everything_covers_and_exceeds() -> None:
    found = by_name([(0, 0, 300, 400)], [(0, 0, 30, 40), (270, 360, 300, 400)])
    assert found["coverage"] == 1
    assert found["excess"] == pytest.approx(0.98)
    assert (found["pointing"], found["hit_10"]) == (0, 0)


def test_several_boxes_are_matched_by_their_centres_and_counted_once() -> None:
    true = [(0, 0, 20, 20), (100, 0, 120, 20)]
    found = by_name([(103, 4, 123, 24), (0, 0, 20, 20), (0, 0, 20, 20)], true)
    assert found["centre_distance"] == pytest.approx((0 + 5) / 2 / 500)
    assert found["coverage"] == pytest.approx((400 + 17 * 16) / 800)
    assert found["excess"] == pytest.approx(1 - (400 + 17 * 16) / 800)
    assert found["pointing"] == 1
    assert found["iou"] == pytest.approx((1 + 17 * 16 / (800 - 17 * 16)) / 3)


def test_a_box_far_away() -> None:
    found = by_name([(200, 300, 220, 320)], [(0, 0, 20, 20)])
    assert [found[name] for name in ("iou", "hit_10", "pointing", "coverage")] == [0, 0, 0, 0]
    assert found["excess"] == 1
    assert found["centre_distance"] == pytest.approx(math.hypot(200, 300) / 500)


def parts_of(items: Sequence[Example], traces: Sequence[Trace]) -> dict[tuple[str, str], RegionsPart]:
    sizes = {item.id: SIZE for item in items}
    return {(p.by, p.part): p for p in measure_regions(items, {"think_twice": traces}, sizes)}


def test_parts_by_size_and_modality() -> None:
    items = [
        example("a", [BOX]),
        example("b", [(0, 0, 30, 39)], "MR"),
        example("c", [(0, 0, 300, 80)], "MR"),
        example("d", [(0, 0, 29, 40), (0, 0, 30, 40)], ""),
        example("e", []),
        example("f", [BOX]),
    ]
    traces = [
        trace(items[0], [BOX]),
        trace(items[1], [(0, 0, 30, 39)]),
        trace(items[2], [(0, 200, 300, 280)]),
        trace(items[3], [BOX]),
        trace(items[4], [BOX]),
        trace(items[5], []),
    ]
    found = parts_of(items, traces)
    assert {key: part.n for key, part in found.items()} == {
        ("all", "all"): 4,
        ("size", "under 1% of the image"): 1,
        ("size", "1% to 5%"): 2,
        ("size", "20% and more"): 1,
        ("modality", "CT"): 1,
        ("modality", "MR"): 2,
        ("modality", "unknown"): 1,
    }
    assert found["modality", "MR"].measures["iou"].mean == pytest.approx(0.5)
    whole = found["all", "all"].measures["iou"]
    assert (whole.n, whole.mean) == (4, pytest.approx((1 + 1 + 0 + 0.5) / 4))
    assert (whole.low, whole.high) == (None, None), "four are too few"
    alone = found["modality", "CT"].measures["iou"]
    assert (alone.mean, alone.low, alone.high) == (1, None, None)


def test_other_images_and_failures_are_left_out() -> None:
    item = example("a", [BOX])
    assert parts_of([item], [trace(item, [BOX], image="a.png")])["all", "all"].n == 1
    assert parts_of([item], [trace(item, [BOX], image="b.png")]) == {}
    assert parts_of([item], [trace(item, [BOX], failed=True)]) == {}


def test_an_action_on_another_image_of_the_question_misses_the_regions() -> None:
    item = example("a", [BOX])
    acted = trace(item, [BOX])
    elsewhere = acted.model_copy(update={"rounds": (acted.rounds[0].model_copy(update={"source": 2}),)})
    found = parts_of([item], [elsewhere])["all", "all"]
    means = {name: estimate.mean for name, estimate in found.measures.items()}
    assert found.n == 1
    assert means == {name: {"excess": 1, "centre_distance": None}.get(name, 0) for name in MEASURES}


def test_regions_beyond_the_image_count_inside_it() -> None:
    assert size_of(example("a", [(-50, -50, 30, 39)]), SIZE) == "under 1% of the image"
    assert size_of(example("a", [(0, 0, 300, 400)]), SIZE) == "20% and more"
