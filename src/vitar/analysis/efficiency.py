"""What an answer costs: seconds, tokens, turns and memory per question, as distributions, and accuracy against them.

Tokens are as the backend counts them, summed over the turns of an episode: what is read again in a second turn counts
again, as it does where no cache of earlier turns is kept. ``total_tokens`` are those read and those written. Peak
memory is that of the batch that a question was in, weights included, and on a CPU that of the whole process
(`vitar.backends.memory`): compare conditions at one batch size, and on a CPU not by small differences.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from pydantic import BaseModel, ConfigDict

from vitar.analysis.estimates import Estimate, estimates
from vitar.data.example import Example
from vitar.grading import grade_example
from vitar.protocol.trace import StopReason, Trace

COSTS_NAME = "costs.json"
QUANTILES = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 1.0)

COSTS: dict[str, Callable[[Trace], float | None]] = {
    "seconds": lambda trace: trace.seconds,
    "prompt_tokens": lambda trace: trace.prompt_tokens or None,
    "image_tokens": lambda trace: trace.image_tokens,
    "generated_tokens": lambda trace: trace.generated_tokens,
    "total_tokens": lambda trace: trace.prompt_tokens + trace.generated_tokens if trace.prompt_tokens else None,
    "rounds": lambda trace: len(trace.rounds),
    "peak_memory_mib": lambda trace: None if trace.peak_memory_bytes is None else trace.peak_memory_bytes / 2**20,
}
"""Name -> what one episode took; None where the backend did not say."""


class Cost(BaseModel):
    """The distribution of one cost under one condition.

    Args:
        mean: with its clustered interval; its ``n`` are the episodes whose cost is known.
        quantiles: share -> cost that this share of the episodes does not exceed; empty without episodes.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    condition: str
    cost: str
    mean: Estimate
    quantiles: dict[str, float]


class Tradeoff(BaseModel):
    """Where a condition stands on the curves of accuracy against cost.

    Args:
        accuracy: with its clustered interval.
        costs: name -> mean; None where unknown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    condition: str
    accuracy: Estimate
    costs: dict[str, float | None]


def measure_costs(
    examples: Sequence[Example], traces: Mapping[str, Iterable[Trace]], *, seed: int = 0
) -> tuple[list[Cost], list[Tradeoff]]:
    """All costs of all conditions, over the episodes that the infrastructure did not end.

    Args:
        traces: condition -> traces of the examples, in any order.
        seed: of the bootstrap.
    """
    known = {example.id: example for example in examples}
    costs: list[Cost] = []
    tradeoffs: list[Tradeoff] = []
    for condition, episodes in traces.items():
        counted = [trace for trace in episodes if trace.stop_reason is not StopReason.BACKEND_ERROR]
        rows = [[_number(cost(trace)) for cost in COSTS.values()] for trace in counted]
        right = [[float(grade_example(known[trace.example_id], trace.answer).correct)] for trace in counted]
        groups = [known[trace.example_id].group for trace in counted]
        values_NF = np.array(rows, dtype=float).reshape(-1, len(COSTS))
        means = estimates(values_NF, groups, seed)
        for name, mean, column_N in zip(COSTS, means, values_NF.T, strict=True):
            costs.append(Cost(condition=condition, cost=name, mean=mean, quantiles=_quantiles(column_N)))
        (accuracy,) = estimates(np.array(right, dtype=float).reshape(-1, 1), groups, seed)
        named = dict(zip(COSTS, (mean.mean for mean in means), strict=True))
        tradeoffs.append(Tradeoff(condition=condition, accuracy=accuracy, costs=named))
    return costs, tradeoffs


def _quantiles(column_N: np.ndarray) -> dict[str, float]:
    defined = column_N[np.isfinite(column_N)]
    if not defined.size:
        return {}
    return {f"{share:g}": float(value) for share, value in zip(QUANTILES, np.quantile(defined, QUANTILES), strict=True)}


def _number(value: float | None) -> float:
    return np.nan if value is None else float(value)
