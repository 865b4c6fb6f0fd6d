"""Which questions stage II can learn from: those that the model gets right at one time and wrong at another.

Where all episodes of a group earn the same, none has an advantage and the group teaches nothing. DAPO (arXiv
2503.14476, section 3.2) draws such groups anew while it trains; here the model is sampled before, by ``vitar eval``
with a temperature and several seeds, which works for every backend and goes on where it was stopped.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from vitar.backends.pretrained import resolve
from vitar.evaluation.run_folder import RunError, read_run, weights_digest
from vitar.grading import grade_example
from vitar.training.config import ConfigError

CONDITION = "think_twice"


def undecided(runs: Sequence[str], data: str, model: str) -> list[int]:
    """The numbers of the examples of ``data`` that were answered right in some of the runs and wrong in others.

    Args:
        runs: folders of runs under `CONDITION` on the same examples, sampled with different seeds.
        data, model: what they must have been made of.

    Raises:
        ConfigError: a folder holds no such run, the runs differ in more than their seeds, or no example is left.
    """
    if len(runs) < 2:
        raise ConfigError(f"sampled_runs needs two runs or more, to see an answer change; got {len(runs)}")
    right: Counter[int] = Counter()
    weights = weights_digest(Path(resolve(model)))
    seeds: set[int] = set()
    start, count = 0, 0
    for place, folder in enumerate(runs):
        try:
            run = read_run(Path(folder))
        except RunError as error:
            raise ConfigError(f"sampled_runs: {error}") from error
        made = run.config
        if made["data"] != data or CONDITION not in run.traces or not made["temperature"] > 0:
            raise ConfigError(
                f"sampled_runs: {folder} was made on {made['data']} under {', '.join(run.traces)} with temperature "
                f"{made['temperature']}; expected {data}, {CONDITION} and a temperature above 0"
            )
        if weights and made["weights"] and weights != made["weights"]:
            raise ConfigError(f"sampled_runs: {folder} was made with other weights than {model}; sample that model")
        if place and (made["start"], made["count"]) != (start, count):
            raise ConfigError(f"sampled_runs: {folder} has other examples than {runs[0]}; give all the same range")
        if made["seed"] in seeds:
            raise ConfigError(f"sampled_runs: {folder} has seed {made['seed']}, as another run has; draw each anew")
        seeds.add(made["seed"])
        start, count = made["start"], made["count"]
        answers = {trace.example_id: trace.answer for trace in run.traces[CONDITION]}
        for number, example in enumerate(run.examples, start):
            right[number] += grade_example(example, answers[example.id]).correct
    mixed = [number for number in range(start, start + count) if 0 < right[number] < len(runs)]
    if not mixed:
        raise ConfigError(f"sampled_runs: every one of {count} questions was answered alike in all {len(runs)} runs")
    return mixed
