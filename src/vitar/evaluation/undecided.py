"""The questions that a model gets right at one time and wrong at another.

Reinforcement in groups learns from these alone: where all episodes of a group earn the same, none has an advantage.
DAPO (arXiv 2503.14476, section 3.2) draws such groups anew while it trains. Here the model is sampled before, by runs
with a temperature that differ in their seeds.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from vitar.data.example import Example
from vitar.evaluation.run_folder import RunError, StoredRun
from vitar.grading import grade_example
from vitar.protocol.trace import StopReason


def undecided(runs: Sequence[StoredRun], condition: str) -> list[Example]:
    """The examples that some of the runs answered right and others wrong, in the order of the runs.

    An example of which an episode was ended by the infrastructure, not by the model, is left out.

    Raises:
        RunError: there are fewer than two runs, one lacks the condition or samples nothing, two have one seed, or they
            differ in something else than their seeds.
    """
    if len(runs) < 2:
        raise RunError(f"an answer that changes takes two runs or more to be seen, got {len(runs)}")
    first = runs[0].config
    right: Counter[str] = Counter()
    failed: set[str] = set()
    for number, run in enumerate(runs, start=1):
        if condition not in run.traces:
            raise RunError(
                f"run {number} has {', '.join(run.traces)} and not {condition}; give a condition of all runs"
            )
        if not run.config["temperature"] > 0:
            raise RunError(
                f"run {number} has no temperature, so it answers alike each time; give --temperature to vitar eval"
            )
        for name, value in first.items():
            if name not in ("seed", "conditions", "batch_size") and run.config.get(name) != value:
                raise RunError(f"run {number} differs from run 1: {name} is {run.config.get(name)!r} and not {value!r}")
        failed |= {t.example_id for t in run.traces[condition] if t.stop_reason is StopReason.BACKEND_ERROR}
        answers = {trace.example_id: trace.answer for trace in run.traces[condition]}
        right.update(e.id for e in run.examples if grade_example(e, answers[e.id]).correct)
    if len({run.config["seed"] for run in runs}) < len(runs):
        raise RunError("two runs have one seed, so they drew the same; give each its own --seed to vitar eval")
    return [e for e in runs[0].examples if 0 < right[e.id] < len(runs) and e.id not in failed]
