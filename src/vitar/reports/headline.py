"""What the paired comparisons of a run say, in sentences.

A difference counts as shown when the exact McNemar p is below `ALPHA`. The sentences never say more than that: a
difference that is not shown is called not shown, not absent.
"""

from __future__ import annotations

from dataclasses import dataclass

from vitar.reports.load import SINGLE, THINK, Comparison, Run
from vitar.reports.wording import listed, p_clause, percent, signed_points

ALPHA = 0.05
CONTROLS = {
    "random_box": "a random box of the same size",
    "unmarked": "a second look at the unmarked image",
}
"""Conditions that take away the choice of the region but leave the second look."""


@dataclass(frozen=True)
class Headline:
    """The claim in a few words, and the sentences that back it."""

    claim: str
    sentences: tuple[str, ...]


def headline(run: Run) -> Headline:
    """Whether the second look helped, and whether it is the region that helps."""
    look = run.metrics.compare(THINK, SINGLE)
    if look is None or look.difference is None:
        claim = "Whether looking twice helps was not measured."
        return Headline(claim, (f"This run does not compare {THINK} with {SINGLE}.", *_region(run)))
    claim = {
        1: "Looking twice helped.",
        0: "Looking twice made no difference that these questions can show.",
        -1: "Looking twice hurt.",
    }[_sign(look)]
    return Headline(claim, (_look_sentence(run, look), *_region(run)))


def _look_sentence(run: Run, look: Comparison) -> str:
    assert look.difference is not None
    think, single = run.metrics.cell(THINK), run.metrics.cell(SINGLE)
    amount = _amount(look)
    if think and single and think.n == single.n == look.n:  # else the accuracies are of other items than the difference
        right = f"{percent(think.accuracy)} of {look.n:,} questions right with two looks"
        return f"{run.metrics.model} answered {right} and {percent(single.accuracy)} with one: {amount}."
    return f"On {look.n:,} questions answered both ways, two looks were {amount} right than one."


def _region(run: Run) -> tuple[str, ...]:
    """Sentences on what the chosen region is worth, against the controls and against the true region."""
    sentences = []
    found = {name: c for name in CONTROLS if (c := run.metrics.compare(THINK, name)) and c.difference is not None}
    above = [name for name, c in found.items() if _sign(c) > 0]
    below = [name for name, c in found.items() if _sign(c) < 0]
    open_ = [name for name, c in found.items() if _sign(c) == 0]
    if not found:
        sentences.append("No control was run, so it is open whether the region is what matters.")
    elif below:
        sentences.append(f"The model's region is worse than {_against(below, found)}.")
    elif not open_ and len(found) == len(CONTROLS):
        sentences.append(f"The region is what helps: it is better than {_against(above, found)}.")
    elif above:
        sentences.append(f"The region is better than {_against(above, found)}.")
    if open_:
        start = "It is not shown that the region matters" if not (above or below) else "It is not shown to differ from"
        joint = ": against " if not (above or below) else " "
        sentences.append(f"{start}{joint}{_against(open_, found)}.")
    oracle = run.metrics.compare("oracle_box", THINK)
    if oracle is not None and oracle.difference is not None:
        sentences.append(
            {
                1: f"The true region does better still: {_amount(oracle)}, so better boxes would pay.",
                0: f"The true region is not shown to do better than the model's: {_amount(oracle)}.",
                -1: f"The true region does worse than the model's: {_amount(oracle)}.",
            }[_sign(oracle)]
        )
    return tuple(sentences)


def _against(names: list[str], found: dict[str, Comparison]) -> str:
    return listed([f"{CONTROLS[name]} ({_figures(found[name])})" for name in names])


def _amount(comparison: Comparison) -> str:
    """``21.0 points more (95% interval …)``."""
    difference = comparison.difference or 0.0
    size = f"{abs(100 * difference):.1f} points"
    way = "more" if difference > 0 else "fewer" if difference < 0 else "of difference"
    return f"{size} {way} ({_interval(comparison)}{p_clause(comparison.p)})"


def _figures(comparison: Comparison) -> str:
    return f"{signed_points(comparison.difference)} points, {_interval(comparison)}{p_clause(comparison.p)}"


def _interval(comparison: Comparison) -> str:
    if comparison.low is None or comparison.high is None:
        return ""
    return f"95% interval {signed_points(comparison.low)} to {signed_points(comparison.high)}, "


def _sign(comparison: Comparison) -> int:
    """1 or -1 for a difference that is shown, else 0."""
    if comparison.p is None or comparison.p >= ALPHA or not comparison.difference:
        return 0
    return 1 if comparison.difference > 0 else -1
