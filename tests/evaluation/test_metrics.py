"""Figures from traces, each against a count by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from vitar.data.example import Example
from vitar.evaluation.metrics import Cell, Comparison, Metrics, compute_metrics
from vitar.evaluation.power import detectable_difference
from vitar.protocol.actions import Zoom
from vitar.protocol.trace import Failure, Round, StopReason, Trace, action_record
from vitar.statistics import mcnemar, wilson

MakeExample = Callable[..., Example]
Xyxy = tuple[float, float, float, float]
TRUE: Xyxy = (20, 30, 40, 50)


def trace(
    example: Example,
    answer: str | None,
    *,
    boxes: Sequence[Xyxy] = (),
    stop: StopReason = StopReason.ANSWERED,
    condition: str = "think_twice",
    rounds: int = 1,
) -> Trace:
    looks = [Round(text="x", generated_tokens=10, seconds=0.5) for _ in range(rounds)]
    if boxes:
        looks[0] = looks[0].model_copy(update={"action": action_record(Zoom((0, 0, 9, 9))), "boxes": tuple(boxes)})
    failure = None if answer else Failure(reason=stop.value, detail="No answer.")
    return Trace(
        example_id=example.id,
        model="m",
        condition=condition,
        rounds=tuple(looks),
        answer=answer,
        stop_reason=stop,
        failure=failure,
    )


def cell(metrics: Metrics, condition: str = "think_twice", kind: str = "all", answer_type: str = "all") -> Cell:
    (found,) = (c for c in metrics.cells if (c.condition, c.kind, c.answer_type) == (condition, kind, answer_type))
    return found


def metrics_of(examples: Sequence[Example], **traces: list[Trace]) -> Metrics:
    return compute_metrics(examples, traces, model="m", data="made up")


def test_every_figure_of_a_cell_by_hand(make_example: MakeExample) -> None:
    items = [make_example(number) for number in range(6)]
    found = metrics_of(
        items,
        think_twice=[
            trace(items[0], "yes", boxes=[TRUE], rounds=2),
            trace(items[1], "Yes.", boxes=[(30, 30, 50, 50)], rounds=2),  # half of each box: an IoU of a third
            trace(items[2], "no"),
            trace(items[3], None, stop=StopReason.MALFORMED),
            trace(items[4], None, stop=StopReason.TRUNCATED),
            trace(items[5], None, boxes=[TRUE], stop=StopReason.OUT_OF_TURNS, rounds=3),
        ],
    )
    assert (found.model, found.data, found.items, found.comparisons) == ("m", "made up", 6, ())
    got = cell(found)
    interval = wilson(2, 6)
    assert (got.n, got.correct, got.infrastructure_failures, got.boxes_n) == (6, 2, 0, 3)
    assert (got.accuracy, got.low, got.high) == pytest.approx((1 / 3, interval.low, interval.high))
    assert (got.valid, got.acted) == pytest.approx((0.5, 0.5))
    assert (got.mean_iou, got.hit_rate) == pytest.approx(((1 + 1 / 3 + 1) / 3, 2 / 3))
    assert (got.rounds, got.generated_tokens, got.seconds) == pytest.approx((10 / 6, 100 / 6, 5 / 6))


def test_the_first_action_that_was_carried_out_is_the_one_that_counts(make_example: MakeExample) -> None:
    item = make_example()
    refused = Round(text="x", action=action_record(Zoom((9, 9, 0, 0))), error="reversed")
    looks = [Round(text="x", action=action_record(Zoom((0, 0, 9, 9))), boxes=(box,)) for box in (TRUE, (0, 0, 5, 5))]
    acted = trace(item, "yes").model_copy(update={"rounds": (refused, *looks)})
    assert cell(metrics_of([item], think_twice=[acted])).mean_iou == 1


def test_cells_by_kind_answer_type_and_number_of_regions(make_example: MakeExample) -> None:
    choice = {"answer_type": "choice", "options": ("smooth", "spiculated"), "answer": "smooth"}
    items = [
        make_example(0),
        make_example(1, regions=()),
        make_example(2, kind="attribute", **choice),
        make_example(3, kind="attribute", regions=(TRUE, (60, 60, 80, 80)), **choice),
        make_example(4, kind=""),
    ]
    answers = ("yes", "yes", "A", "smooth", "yes")
    found = metrics_of(items, single_pass=[trace(i, a, boxes=[TRUE]) for i, a in zip(items, answers, strict=True)])
    sizes = {(c.kind, c.answer_type): (c.n, c.correct, c.boxes_n) for c in found.cells}
    assert sizes == {
        ("all", "all"): (5, 5, 4),
        ("all", "choice"): (2, 2, 2),
        ("all", "yes_no"): (3, 3, 2),
        ("single_region", "all"): (3, 3, 3),
        ("single_region", "choice"): (1, 1, 1),
        ("single_region", "yes_no"): (2, 2, 2),
        ("attribute", "all"): (2, 2, 2),
        ("attribute", "choice"): (2, 2, 2),
        ("presence", "all"): (2, 2, 1),
        ("presence", "yes_no"): (2, 2, 1),
    }
    assert cell(found, "single_pass", "attribute").mean_iou == pytest.approx((1 + 0.5) / 2)
    assert cell(found, "single_pass", "single_region").mean_iou == 1


def test_what_is_undefined_is_null(make_example: MakeExample) -> None:
    item = make_example()
    lost = trace(item, None, stop=StopReason.BACKEND_ERROR)
    got = cell(metrics_of([item], think_twice=[lost]))
    assert (got.n, got.correct, got.infrastructure_failures) == (0, 0, 1)
    written = json.loads(got.model_dump_json())
    undefined = ("accuracy", "low", "high", "valid", "acted", "mean_iou", "hit_rate", "rounds", "seconds")
    assert [written[name] for name in undefined] == [None] * len(undefined)
    plain = cell(metrics_of([item], think_twice=[trace(item, "yes")]))
    assert (plain.boxes_n, plain.mean_iou, plain.hit_rate, plain.acted) == (0, None, None, 0)


def test_failures_of_the_infrastructure_stay_out_and_refuse_the_headline_above_one_percent(
    make_example: MakeExample,
) -> None:
    items = [make_example(number) for number in range(200)]

    def failing(count: int) -> Cell:
        lost = [trace(item, None, stop=StopReason.BACKEND_ERROR) for item in items[:count]]
        return cell(metrics_of(items, think_twice=[*lost, *(trace(item, "yes") for item in items[count:])]))

    assert (failing(2).accuracy, failing(2).n, failing(2).refused) == (1, 198, False)
    assert (failing(3).accuracy, failing(3).n, failing(3).refused) == (1, 197, True)


def test_comparisons_are_paired_and_leave_out_what_failed(make_example: MakeExample) -> None:
    items = [make_example(number, kind="attribute" if number < 4 else "count") for number in range(8)]

    def told(condition: str, rights: str) -> list[Trace]:
        return [
            trace(item, None, stop=StopReason.BACKEND_ERROR, condition=condition)
            if right == "!"
            else trace(item, "yes" if right == "1" else "no", condition=condition)
            for item, right in zip(items, rights, strict=True)
        ]

    found = metrics_of(
        items,
        single_pass=told("single_pass", "0001000!"),
        think_twice=told("think_twice", "1110!111"),
        unmarked=told("unmarked", "11101111"),
    )
    pairs = [(c.first, c.second, c.kind) for c in found.comparisons]
    kinds = ("all", "single_region", "attribute", "count")
    assert pairs == [("think_twice", other, kind) for kind in kinds for other in ("single_pass", "unmarked")]
    first = found.comparisons[0]
    assert (first.n, first.first_only, first.second_only) == (6, 5, 1)
    assert (first.difference, first.p) == pytest.approx((4 / 6, mcnemar(5, 1)))
    assert first.p_holm == pytest.approx(2 * mcnemar(5, 1))
    assert first.low is not None
    assert first.high is not None
    assert first.low <= 4 / 6 <= first.high
    same = found.comparisons[1]
    assert (same.n, same.difference, same.low, same.high, same.p, same.p_holm) == (7, 0, None, None, 1, 1)
    attribute = found.comparisons[4]
    assert (attribute.n, attribute.first_only, attribute.second_only) == (4, 3, 1)


def test_without_two_looks_there_is_nothing_to_compare(make_example: MakeExample) -> None:
    item = make_example()
    assert metrics_of([item], single_pass=[trace(item, "yes")], unmarked=[trace(item, "no")]).comparisons == ()


def test_a_planted_effect_is_found_with_its_size(make_example: MakeExample) -> None:
    rng = np.random.default_rng(0)
    items = [make_example(number % 3, group=f"g{number}") for number in range(600)]
    items = [Example(**{**vars(item), "id": f"{number}"}) for number, item in enumerate(items)]
    single = rng.random(600) < 0.5
    think = single | (rng.random(600) < 0.4)  # helps on two in five of those that were wrong: 20 points
    blind = rng.random(600) < 0.5  # no better and no worse
    rights = {"single_pass": single, "think_twice": think, "unmarked": blind}
    found = metrics_of(
        items,
        **{
            name: [trace(item, "yes" if right else "no") for item, right in zip(items, column, strict=True)]
            for name, column in rights.items()
        },
    )
    by_pair: dict[str, Comparison] = {c.second: c for c in found.comparisons if c.kind == "all"}
    helped = by_pair["single_pass"]
    assert helped.low is not None
    assert helped.high is not None
    assert helped.p_holm is not None
    assert helped.low < 0.2 < helped.high
    assert helped.high - helped.low < 0.08
    assert helped.p_holm < 1e-20
    assert helped.second_only == 0


def test_traces_and_examples_must_pair_up(make_example: MakeExample) -> None:
    items = [make_example(0), make_example(1)]
    with pytest.raises(ValueError, match=r"do not pair up, 1 stand alone, .* item-1"):
        metrics_of(items, think_twice=[trace(items[0], "yes")])


def test_metrics_are_read_back_as_written(make_example: MakeExample) -> None:
    item = make_example()
    found = metrics_of([item], think_twice=[trace(item, "yes")], single_pass=[trace(item, "no")])
    assert Metrics.model_validate_json(found.model_dump_json()) == found
    assert json.loads(found.model_dump_json())["schema_version"] == 1


def test_families_are_adjusted_apart(make_example: MakeExample) -> None:
    items = [make_example(number) for number in range(20)]

    def told(condition: str, right: int) -> list[Trace]:
        return [trace(i, "yes" if n < right else "no", condition=condition) for n, i in enumerate(items)]

    rights = {"single_pass": 10, "think_twice": 20, "unmarked": 12, "blank_image": 10, "text_only": 11}
    rights |= {"think_0": 13, "think_1": 20, "majority_k": 14}
    found = metrics_of(items, **{name: told(name, right) for name, right in rights.items()})
    whole = [c for c in found.comparisons if c.kind == "all"]
    assert [(c.first, c.second, c.family) for c in whole] == [
        ("think_twice", "single_pass", "look"),
        ("think_twice", "unmarked", "look"),
        ("think_twice", "blank_image", "image"),
        ("think_twice", "text_only", "image"),
        ("single_pass", "text_only", "image"),
        ("think_twice", "think_0", "effort"),
        ("think_twice", "majority_k", "effort"),
    ]
    by_second = {(c.first, c.second): c for c in whole}
    assert by_second["think_twice", "single_pass"].p_holm == pytest.approx(2 * mcnemar(10, 0))
    assert by_second["think_twice", "blank_image"].p_holm == pytest.approx(3 * mcnemar(10, 0))
    assert (by_second["single_pass", "text_only"].difference, by_second["single_pass", "text_only"].second_only) == (
        pytest.approx(-0.05),
        1,
    )


def test_a_comparison_says_what_so_many_items_can_show(make_example: MakeExample) -> None:
    items = [make_example(number, group=f"g{number // 2}") for number in range(200)]
    first = [trace(item, "yes") for item in items]
    second = [
        trace(item, "no" if n % 20 in (0, 1, 2) else "yes", condition="single_pass") for n, item in enumerate(items)
    ]
    (found,) = (c for c in metrics_of(items, think_twice=first, single_pass=second).comparisons if c.kind == "all")
    # groups of two: of ten groups one is wholly discordant, one by half and eight not at all; the mean is 0.15
    independent = 0.15 * 0.85**2 + 0.85 * 0.15**2
    clustered = (1 * 1.7**2 + 1 * 0.7**2 + 8 * 0.3**2) / 10 / 2
    assert found.design_effect == pytest.approx(clustered / independent)
    assert found.detectable == pytest.approx(detectable_difference(200 / found.design_effect, 0.15))
    few = metrics_of(items[:5], think_twice=first[:5], single_pass=second[:5]).comparisons[0]
    assert few.detectable is None


def test_words_of_open_answers_and_tokens_read(make_example: MakeExample) -> None:
    items = [make_example(0, answer="left lung", answer_type="open"), make_example(1)]
    read = [
        t.model_copy(update={"rounds": tuple(r.model_copy(update={"prompt_tokens": 50}) for r in t.rounds)})
        for t in (trace(items[0], "lung"), trace(items[1], "yes", rounds=2))
    ]
    got = cell(metrics_of(items, think_twice=read))
    assert (got.correct, got.open_n, got.token_f1, got.prompt_tokens) == (1, 1, pytest.approx(2 / 3), 75)
    plain = cell(metrics_of(items[1:], think_twice=[trace(items[1], "yes")]))
    assert (plain.open_n, plain.token_f1, plain.prompt_tokens) == (0, None, None)


def test_boxes_on_another_image_say_nothing_about_the_true_regions(make_example: MakeExample) -> None:
    item = make_example()
    for images, known in (((), 1), (("0.png",), 1), (("1.png",), 0)):
        shown = trace(item, "yes", boxes=[TRUE]).model_copy(update={"images": images})
        got = cell(metrics_of([item], shuffled_image=[shown]), "shuffled_image")
        assert (got.acted, got.boxes_n) == (1, known)


def test_a_first_action_on_another_image_than_that_with_the_regions_misses_them(make_example: MakeExample) -> None:
    item = make_example()
    on_first = trace(item, "yes", boxes=[TRUE])
    elsewhere = on_first.model_copy(
        update={"rounds": tuple(r.model_copy(update={"source": 2}) for r in on_first.rounds)}
    )
    for shown, iou in ((on_first, 1), (elsewhere, 0)):
        got = cell(metrics_of([item], think_twice=[shown]))
        assert (got.acted, got.boxes_n, got.mean_iou, got.hit_rate) == (1, 1, iou, iou)


def test_metrics_of_earlier_versions_are_read(make_example: MakeExample) -> None:
    item = make_example()
    found = metrics_of([item], think_twice=[trace(item, "yes")], single_pass=[trace(item, "no")])
    record = json.loads(found.model_dump_json())
    for old in record["cells"]:
        for name in ("prompt_tokens", "open_n", "token_f1"):
            del old[name]
    for old in record["comparisons"]:
        for name in ("family", "design_effect", "detectable"):
            del old[name]
    assert Metrics.model_validate(record).cells[0].accuracy == 1
