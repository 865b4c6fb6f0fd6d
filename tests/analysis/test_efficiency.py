"""What questions cost, by hand."""

from __future__ import annotations

import pytest
from made_up_episodes import example

from vitar.analysis.efficiency import measure_costs
from vitar.data.example import Example
from vitar.protocol.trace import Round, StopReason, Trace


def trace(item: Example, *rounds: tuple[float, int, int | None, int], answer: str | None = "there") -> Trace:
    records = [
        Round(
            text="x",
            seconds=seconds,
            prompt_tokens=read,
            image_tokens=images,
            generated_tokens=written,
            peak_memory_bytes=read * 2**20 or None,
        )
        for seconds, read, images, written in rounds
    ]
    stop = StopReason.ANSWERED if answer else StopReason.BACKEND_ERROR
    return Trace(example_id=item.id, model="m", condition="c", rounds=tuple(records), answer=answer, stop_reason=stop)


def test_costs_are_sums_over_turns() -> None:
    items = [example(name, []) for name in "abc"]
    traces = {
        "think_twice": [
            trace(items[0], (0.5, 100, 64, 10), (0.25, 150, 80, 4)),
            trace(items[1], (0.25, 100, 64, 6), answer="elsewhere"),
            trace(items[2], (9.0, 900, 64, 9), answer=None),
        ]
    }
    costs, (tradeoff,) = measure_costs(items, traces)
    found = {cost.cost: cost for cost in costs}
    means = {name: cost.mean.mean for name, cost in found.items()}
    assert means == {
        "seconds": 0.5,
        "prompt_tokens": 175,
        "image_tokens": 104,
        "generated_tokens": 10,
        "total_tokens": 185,
        "rounds": 1.5,
        "peak_memory_mib": 125,  # the larger of two turns, and the one of the other episode
    }
    assert found["seconds"].mean.n == 2
    assert found["seconds"].quantiles["0.5"] == 0.5
    assert found["seconds"].quantiles["0.1"] == pytest.approx(0.3)
    assert found["rounds"].quantiles["1"] == 2
    assert (tradeoff.condition, tradeoff.accuracy.mean, tradeoff.costs) == ("think_twice", 0.5, means)


def test_what_the_backend_does_not_say_is_unknown() -> None:
    item = example("a", [])
    costs, (tradeoff,) = measure_costs([item], {"single_pass": [trace(item, (0.5, 0, None, 3))]})
    unknown = {cost.cost for cost in costs if cost.mean.mean is None}
    assert unknown == {"prompt_tokens", "image_tokens", "total_tokens", "peak_memory_mib"}
    assert all(cost.quantiles == {} for cost in costs if cost.cost in unknown)
    assert (tradeoff.costs["prompt_tokens"], tradeoff.costs["generated_tokens"]) == (None, 3)


def test_a_condition_whose_episodes_all_failed() -> None:
    item = example("a", [])
    costs, (tradeoff,) = measure_costs([item], {"single_pass": [trace(item, answer=None)]})
    assert {cost.mean.n for cost in costs} == {0}
    assert tradeoff.accuracy.mean is None
