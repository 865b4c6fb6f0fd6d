"""Whether the report tells the truth: runs in which the second look helps by a known amount.

    python benchmarks/planted_truth.py [--runs 1000] [--items 1000]

A synthetic run has two conditions on the same items. On a fifth of the items, and on more where the effect needs it,
one of them alone is right; the effect decides which. A difference counts as shown by the report's own rule: exact
McNemar, adjusted for its family, and a clustered interval without zero. What is checked:

- without an effect, at most 5.5 % of the runs show one, also where every image has three questions that are alike;
- with an effect, as many runs show it as `mcnemar_power` claims; where questions are alike, at least as many as it
  claims for the items that these are worth, since the exact test is the more careful of the two there;
- a difference of just the size that the report calls detectable is shown in four of five runs;
- of five equal conditions, at most 5.5 % of the runs show any difference between the first and the others.

For every setting, one run also goes through traces, `compute_metrics` and the report's answers, to the same figures.
``p alone`` is the share of runs with p below 0.05 whatever the interval says: where questions are alike, too many.
"""

from __future__ import annotations

import argparse
import functools
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from vitar.data.example import Example, ImageRef
from vitar.evaluation.comparisons import Comparison, defined
from vitar.evaluation.metrics import Metrics, compute_metrics
from vitar.evaluation.power import ALPHA, POWER, design_effect, detectable_difference, mcnemar_power
from vitar.protocol.trace import Round, StopReason, Trace
from vitar.reports.answers import answers
from vitar.reports.headline import sign
from vitar.reports.run import Run
from vitar.statistics import holm, mcnemar, paired_difference

DISCORDANT = 0.2
BASE = 0.5  # of the items on which both agree, the share that both get right
FALSE_ALARMS = 0.055
CONTROLS = ("single_pass", "oracle_box", "random_box", "unmarked")

p_of = functools.cache(mcnemar)


@dataclass(frozen=True)
class Setting:
    """What is planted.

    Args:
        effect: share right with two looks minus share right with one.
        per_image: questions about one image.
        alike: chance that the questions about an image have one outcome for all of them.
    """

    name: str
    effect: float
    per_image: int = 1
    alike: float = 0.0

    @property
    def discordant(self) -> float:
        return max(DISCORDANT, abs(self.effect))


def draw(setting: Setting, items: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Right or wrong with two looks and with one [N each], and the image of each item."""
    images = items // setting.per_image
    first_only, second_only = ((setting.discordant + way * setting.effect) / 2 for way in (1, -1))
    agree = 1 - setting.discordant
    chances = (first_only, second_only, agree * BASE, agree * (1 - BASE))
    of_image = rng.choice(4, images, p=chances).repeat(setting.per_image)
    of_item = rng.choice(4, images * setting.per_image, p=chances)
    outcome = np.where((rng.random(images) < setting.alike).repeat(setting.per_image), of_image, of_item)
    groups = np.arange(images).repeat(setting.per_image).astype(str).tolist()
    return np.isin(outcome, (0, 2)), np.isin(outcome, (1, 2)), groups


def compared(first: np.ndarray, second: np.ndarray, groups: list[str], other: str = "single_pass") -> Comparison:
    """The comparison that an evaluation would write, without an interval where p alone says that nothing is shown."""
    first_only, second_only = int((first & ~second).sum()), int((second & ~first).sum())
    p = p_of(first_only, second_only)
    low = high = None
    if p < ALPHA:
        interval = paired_difference(first, second, groups).interval
        low, high = defined(interval.low), defined(interval.high)
    return Comparison(
        first="think_twice",
        second=other,
        kind="all",
        n=len(first),
        difference=float(first.mean() - second.mean()),
        low=low,
        high=high,
        first_only=first_only,
        second_only=second_only,
        p=p,
        p_holm=p,
    )


def settings(items: int) -> Iterator[Setting]:
    """The effects to plant, and the one that so many items should just show."""
    for points in (0, 3, 10):
        yield Setting(f"{points} points", points / 100)
    least = detectable_difference(items, DISCORDANT)
    yield Setting(f"detectable: {100 * least:.1f}", least)
    for points in (0, 3, 10):
        yield Setting(f"{points} points, 3 alike", points / 100, per_image=3, alike=0.5)


def main() -> int:
    """Prints a line per setting; the exit code tells whether one of them fails."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=1000, metavar="N", help="per setting; default: %(default)s")
    parser.add_argument("--items", type=int, default=1000, metavar="N", help="per run; default: %(default)s")
    args = parser.parse_args()
    columns = "{:<22}{:>8}{:>8}{:>10}{:>11}{:>12}{:>7}\n"
    sys.stdout.write(f"{args.runs:,} runs of {args.items:,} items\n")
    sys.stdout.write(columns.format("planted", "shown", "claimed", "p alone", "mean found", "through all", ""))
    failed = False
    for number, setting in enumerate(settings(args.items)):
        rng = np.random.default_rng(number)
        found: list[Comparison] = []
        effects: list[float] = []
        same = True
        for run in range(args.runs):
            first, second, groups = draw(setting, args.items, rng)
            found.append(compared(first, second, groups))
            if setting.per_image > 1:
                effects.append(design_effect(first, second, groups))
            if run == 0:
                same = agrees(found[0], first, second, groups)
        shown = float(np.mean([sign(comparison) > 0 for comparison in found]))
        false = float(np.mean([sign(comparison) != 0 for comparison in found]))
        p_alone = float(np.mean([(comparison.p or 0.0) < ALPHA for comparison in found]))
        worth = args.items / (float(np.mean(effects)) if effects else 1.0)
        claimed = mcnemar_power(math.floor(worth), setting.discordant, setting.effect)
        passed = same and _holds(setting, shown if setting.effect else false, claimed, args.runs)
        failed |= not passed
        figures = (f"{shown if setting.effect else false:.1%}", f"{claimed:.1%}", f"{p_alone:.1%}")
        mean = f"{100 * np.mean([c.difference for c in found]):+.2f}"
        sys.stdout.write(
            columns.format(setting.name, *figures, mean, "same" if same else "DIFFERS", "" if passed else "FAILS")
        )
        sys.stdout.flush()
    alarms = family_alarms(args.items, args.runs)
    sys.stdout.write(f"any of {len(CONTROLS)} differences between equal conditions: {alarms:.1%}\n")
    return int(failed or alarms > FALSE_ALARMS)


def _holds(setting: Setting, shown: float, claimed: float, runs: int) -> bool:
    """Whether the share of runs that show the effect is what was claimed, give or take three standard errors."""
    if setting.effect == 0:
        return shown <= FALSE_ALARMS
    error = 3 * math.sqrt(claimed * (1 - claimed) / runs) + 0.002
    if setting.per_image > 1:
        return shown >= claimed - error
    wanted = POWER if setting.name.startswith("detectable") else claimed
    return abs(shown - claimed) <= error and shown >= wanted - error


def family_alarms(items: int, runs: int) -> float:
    """Share of runs that show any difference between two looks and four conditions that are no different."""
    rng = np.random.default_rng(99)
    agree = 1 - DISCORDANT / 2  # of each condition with what the model knows; any two then differ on about a fifth
    alarms = 0
    for _ in range(runs):
        known = rng.random(items) < BASE
        first, *others = (known == (rng.random(items) < agree) for _ in range(1 + len(CONTROLS)))
        groups = list(map(str, range(items)))
        found = [compared(first, other, groups, name) for name, other in zip(CONTROLS, others, strict=True)]
        adjusted = holm([comparison.p or 0.0 for comparison in found])
        alarms += any(sign(c.model_copy(update={"p_holm": p})) for c, p in zip(found, adjusted, strict=True))
    return alarms / runs


def agrees(expected: Comparison, first: np.ndarray, second: np.ndarray, groups: list[str]) -> bool:
    """Whether traces, metrics and the report come to the same figures and the same answer."""
    examples = [_example(number, group) for number, group in enumerate(groups)]
    traces = {
        name: [_trace(example, name, bool(right)) for example, right in zip(examples, column, strict=True)]
        for name, column in (("think_twice", first), ("single_pass", second))
    }
    metrics: Metrics = compute_metrics(examples, traces, model="planted", data="planted")
    (found,) = (comparison for comparison in metrics.comparisons if comparison.kind == "all")
    helps = answers(Run("planted", Path(), {}, metrics, (), {}))[0].answer
    counts = ("n", "first_only", "second_only", "p", "p_holm", *(("low", "high") if (expected.p or 0) < ALPHA else ()))
    same = all(getattr(found, name) == getattr(expected, name) for name in counts)
    words = {1: "yes", 0: "not shown", -1: "no, it hurts"}
    return same and math.isclose(found.difference or 0.0, expected.difference or 0.0) and helps == words[sign(expected)]


def _example(number: int, group: str) -> Example:
    return Example(
        id=str(number),
        images=(ImageRef("none.png"),),
        question="Is there one?",
        options=(),
        answer="yes",
        answer_type="yes_no",
        regions=(),
        modality="",
        anatomy="",
        kind="",
        source="planted",
        split="test",
        licence="",
        group=group,
    )


def _trace(example: Example, condition: str, right: bool) -> Trace:
    answer = "yes" if right else "no"
    return Trace(
        example_id=example.id,
        model="planted",
        condition=condition,
        rounds=(Round(text=answer),),
        answer=answer,
        stop_reason=StopReason.ANSWERED,
    )


if __name__ == "__main__":
    sys.exit(main())
