"""Nulls on planted attention: what follows the region is found, what follows the place is not."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from vitar.analysis.attention.looking import EpisodeAttention, Glance
from vitar.analysis.attention.nulls import other_images, shuffled_region
from vitar.analysis.attention.occlusion import Occluded
from vitar.analysis.attention.record import Measured
from vitar.analysis.attention.summary import Item, Summary

GRID = (8, 8)


def glance(token: int, boxes: Sequence[Sequence[float]], look: int = 1, image: int = 1, share: float = 0.5) -> Glance:
    """Even attention of which one token has twice as much as all others together."""
    attention_T = np.full(64, share / 3 / 63)
    attention_T[token] = share * 2 / 3
    boxes_N4 = np.array(boxes, dtype=float).reshape(-1, 4)
    kept_T = np.ones(64, dtype=bool)
    return Glance(look, image, GRID, kept_T, attention_T, boxes_N4, 0.25, np.full((1, 2), share), np.zeros((1, 2, 3)))


def cell(token: int) -> list[float]:
    row, column = divmod(token, 8)
    return [column / 8, row / 8, (column + 1) / 8, (row + 1) / 8]


def items(glances: Sequence[Sequence[Glance]], groups: Sequence[str] = ()) -> list[Item]:
    names = groups or [str(number) for number in range(len(glances))]
    return [
        Item(f"i{number}", group, EpisodeAttention(tuple(seen), ()), None)
        for number, (seen, group) in enumerate(zip(glances, names, strict=True))
    ]


def measured(summary: Summary, look: int, image: int | None, name: str) -> Measured:
    (found,) = [m for m in summary.measures() if (m.look, m.image, m.measure) == (look, image, name)]
    return found


def test_shuffled_regions_are_chance() -> None:
    null = shuffled_region(glance(0, [[0.4, 0.4, 0.6, 0.6]]), np.random.default_rng(0))
    rng = np.random.default_rng(1)
    average = np.mean([shuffled_region(glance(9, [[0.4, 0.4, 0.6, 0.6]]), rng) for _ in range(60)], axis=0)
    assert null.shape == (3,)
    assert average == pytest.approx([1, 9 / 64, 0.5], abs=0.25)
    assert np.isnan(shuffled_region(glance(0, []), rng)).all()


def test_a_model_that_looks_at_the_same_place_always_is_no_better_than_on_other_images() -> None:
    """Lesions lie where the model looks anyway: enriched against shuffled regions, not against other images."""
    fixed = Summary(items([[glance(27, [cell(27)])] for _ in range(30)]), 0)
    by_null = {null.name: null for null in measured(fixed, 1, 1, "enrichment").nulls}
    assert by_null["shuffled_region"].difference.mean > 10
    assert by_null["other_image"].difference.mean == pytest.approx(0)


def test_a_model_that_follows_the_region_beats_both() -> None:
    following = Summary(items([[glance(2 * number, [cell(2 * number)])] for number in range(30)]), 0)
    found = measured(following, 1, 1, "enrichment")
    assert found.value.mean == pytest.approx(64 * 2 / 3)
    assert [null.name for null in found.nulls] == ["shuffled_region", "other_image"]
    for null in found.nulls:
        assert null.difference.mean > 30
    assert measured(following, 1, 1, "auc").value.mean == 1
    assert measured(following, 1, 1, "pointing").nulls[1].expected.mean == pytest.approx(0, abs=0.01)


def test_other_images_are_those_of_other_groups() -> None:
    glances = [[glance(0, [cell(0)])], [glance(0, [cell(0)])], [glance(9, [cell(9)])]]
    by_image = Summary(items(glances, ["a", "a", "b"]), 0)
    null = measured(by_image, 1, 1, "pointing").nulls[1]
    assert null.expected.mean == 0  # the second of group a would have been a hit for the first
    alone = Summary(items(glances[:2], ["a", "a"]), 0)
    assert measured(alone, 1, 1, "pointing").nulls[1].expected.mean is None
    assert np.isnan(other_images(glances[0][0], [], np.random.default_rng(0))).all()


def test_a_region_is_laid_over_images_of_other_shapes() -> None:
    wide = Glance(1, 1, (1, 2), np.ones(2, dtype=bool), np.array([0.1, 0.3]), np.zeros((0, 4)), 0, *[np.zeros(1)] * 2)
    left = glance(0, [[0, 0, 0.5, 1]])
    assert other_images(left, [wide], np.random.default_rng(0)) == pytest.approx([0.5, 0, 0])


def test_rethinking_is_compared_with_thinking_on_the_same_items() -> None:
    seen = [
        [glance(0, [cell(9)]), glance(9, [cell(9)], 2, 1, 0.3), glance(9, [cell(9)], 2, 2, 0.3)],
        [glance(9, [cell(9)]), glance(9, [cell(9)], 2, 1, 0.3), glance(9, [], 2, 2, 0.3)],  # the zoom missed
    ]
    summary = Summary(items(seen), 0)
    pointing = measured(summary, 2, 1, "pointing")
    assert pointing.value.mean == 1
    (first,) = [null for null in pointing.nulls if null.name == "first_look"]
    assert (first.expected.mean, first.difference.mean, first.difference.n) == (0.5, 0.5, 2)
    second = measured(summary, 2, 2, "pointing")
    assert (second.value.mean, second.value.n) == (1, 1)
    assert "first_look" not in {null.name for null in second.nulls}, "a zoom shows the region in another size"
    together = measured(summary, 2, None, "share")
    assert together.value.mean == pytest.approx(0.6)
    assert [(null.name, null.expected.mean) for null in together.nulls] == [
        ("uniform", pytest.approx(0.5)),
        ("first_look", pytest.approx(0.5)),
    ]


def test_heads_are_added_up_one_by_one() -> None:
    (first, *_), table = (summary := Summary(items([[glance(0, [cell(0)])]] * 3), 0)).by_head(), {}
    table = {t.measure: t for t in summary.by_head()}
    assert first.measure == "share"
    assert table["share"].mean == ((0.5, 0.5),)
    assert table["share"].low == ((None, None),)  # all alike
    assert list(table) == ["share", "enrichment", "pointing", "auc"]


def test_the_change_is_against_the_same_items() -> None:
    one, two = (Item("i", group, EpisodeAttention((), ()), None) for group in "ab")
    three, four = (
        Item("i", group, EpisodeAttention((), ()), Occluded(np.array(answer), np.array([-5.0, -6, -7])))
        for group, answer in (("c", [-1.0, -3, -1.5]), ("d", [-1.0, -2, -1]))
    )
    answer, turn = Summary([one, two, three, four], 0).changes()
    assert (answer.part, answer.intact.mean, answer.region.mean, answer.elsewhere.mean) == ("answer", -1, -1.5, -0.25)
    assert (answer.contrast.mean, answer.contrast.n) == (-1.25, 2)
    assert (turn.part, turn.contrast.mean, turn.contrast.low) == ("turn", 1, None)
