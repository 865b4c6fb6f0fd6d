"""What the paired comparisons of a run say, in sentences.

A difference counts as shown when its exact McNemar p, adjusted by Holm for the other comparisons of its family, is
below `ALPHA`, and its interval, where there is one, does not hold zero. The p takes questions as independent; the
interval knows which of them belong to one patient, and of too few patients nothing is shown. The sentences never say
more than that: a difference that is not shown is called not shown, not absent.
"""

from __future__ import annotations

from dataclasses import dataclass

from vitar.evaluation.metrics import Comparison
from vitar.reports.run import SINGLE, THINK, Run
from vitar.reports.wording import SHOWN, listed, p_clause, percent, signed_points
from vitar.statistics import MIN_GROUPS

ALPHA = 0.05
MALFORMED_SHARE = 0.05
"""Share of episodes without a well-formed answer above which a sentence says so."""
CONTROLS = {
    "random_box": "a random box of the same size",
    "wrong_region": "another region that looks alike",
    "unmarked": "a second look at the unmarked image",
}
"""Conditions that take away the choice of the region but leave the second look."""

DECISIVE = {"random_box", "unmarked"}
"""Controls without which nothing is said about what it is that helps."""

BLIND = {
    (THINK, "blank_image"): "an empty image",
    (THINK, "shuffled_image"): "another patient's image",
    (SINGLE, "text_only"): "no image, asked once",
}
"""(condition, the same without its image) -> what the model saw instead."""


@dataclass(frozen=True)
class Headline:
    """The claim in a few words, and the sentences that back it."""

    claim: str
    sentences: tuple[str, ...]


def headline(run: Run) -> Headline:
    """Whether the second look helped, and whether it is the region that helps."""
    if failed := [name for name in run.conditions if (cell := run.metrics.cell(name)) and cell.refused]:
        claim = "Too many episodes failed for a result."
        return Headline(claim, (f"The backend failed in more than 1% of the episodes under {listed(failed)}.",))
    look = run.metrics.compare(THINK, SINGLE)
    if look is None:
        claim = "Whether looking twice helps was not measured."
        return Headline(claim, (f"This run does not compare {THINK} with {SINGLE}.", *_on_the_region(run, False)))
    claim = {
        1: "Looking twice helped.",
        0: "Looking twice made no difference that these questions can show.",
        -1: "Looking twice hurt.",
    }[sign(look)]
    sentences = (_on_the_look(run, look), *_on_the_form(run), *_on_the_region(run, sign(look) > 0), *_on_the_image(run))
    return Headline(claim, sentences)


def _on_the_look(run: Run, look: Comparison) -> str:
    think, single = run.metrics.cell(THINK), run.metrics.cell(SINGLE)
    if think and single and think.n == single.n == look.n:  # else the accuracies are of other items than the difference
        right = f"{percent(think.accuracy)} of {look.n:,} questions right with two looks"
        return f"{run.metrics.model} answered {right} and {percent(single.accuracy)} with one: {_amount(look)}."
    return f"On the {look.n:,} questions that count both ways, two looks differ from one by {in_figures(look)}."


def _on_the_form(run: Run) -> list[str]:
    """A sentence on answers that were not well-formed, where they are many enough to matter for the difference."""
    said = []
    for name, words in ((THINK, "two looks"), (SINGLE, "one")):
        cell = run.metrics.cell(name)
        if cell and cell.valid is not None and cell.valid < 1 - MALFORMED_SHARE:
            said.append(f"{percent(1 - cell.valid)} of the episodes with {words}")
    return [f"{listed(said)} ended without a well-formed answer, which counts as wrong."] if said else []


def _on_the_region(run: Run, helped: bool) -> list[str]:
    """Sentences on what the chosen region is worth, against the controls and against the true region.

    Args:
        helped: whether the second look is shown to help; else nothing can be what helps.
    """
    found = {name: comparison for name in CONTROLS if (comparison := run.metrics.compare(THINK, name))}
    better = _against([name for name, c in found.items() if sign(c) > 0], found)
    unclear = _against([name for name, c in found.items() if sign(c) == 0], found)
    worse = _against([name for name, c in found.items() if sign(c) < 0], found)
    if not found:
        sentences = ["No control was run, so it is open whether the region is what matters."]
    elif better and not (unclear or worse) and found.keys() >= DECISIVE:
        start = "It is the region that helps" if helped else "The region matters all the same"
        sentences = [f"{start}: the model's own does better than {better}."]
    elif unclear and not (better or worse):
        sentences = [f"It is not shown that the region matters: the difference to {unclear}."]
    else:
        sentences = [f"The model's region does better than {better}."] if better else []
        sentences += [f"The model's region does worse than {worse}."] if worse else []
        sentences += [f"It is not shown to differ from {unclear}."] if unclear else []
    if oracle := run.metrics.compare("oracle_box", THINK):
        sentences.append(
            {
                1: f"The true region does better still, {_amount(oracle)}: better boxes would pay.",
                0: f"The true region is not shown to do better than the model's: {_amount(oracle)}.",
                -1: f"The true region does worse than the model's: {_amount(oracle)}.",
            }[sign(oracle)]
        )
    return sentences


def _on_the_image(run: Run) -> list[str]:
    """A sentence on whether the image matters at all, where that was measured."""
    found = {words: c for pair, words in BLIND.items() if (c := run.metrics.compare(*pair))}
    sentences = []
    for start, chosen in (
        ("The model uses the image: it does better than with", {w: c for w, c in found.items() if sign(c) > 0}),
        ("The image is not shown to matter against", {w: c for w, c in found.items() if sign(c) == 0}),
        ("The model does worse with the image than with", {w: c for w, c in found.items() if sign(c) < 0}),
    ):
        if chosen:
            sentences.append(f"{start} {listed([f'{words} ({in_figures(c)})' for words, c in chosen.items()])}.")
    return sentences


def _against(names: list[str], found: dict[str, Comparison]) -> str:
    return listed([f"{CONTROLS[name]} ({in_figures(found[name])})" for name in names])


def _amount(comparison: Comparison) -> str:
    """``21.0 points more (95% interval …)``."""
    difference = comparison.difference or 0.0
    size = f"{abs(100 * difference):.1f} points"
    way = "more" if difference > 0 else "fewer" if difference < 0 else "of difference"
    return f"{size} {way} ({certainty(comparison)})"


def in_figures(comparison: Comparison) -> str:
    """``+10.0 points, 95% interval +5.0 to +15.0, p < 0.001``."""
    return f"{signed_points(comparison.difference)} points, {certainty(comparison)}"


def certainty(comparison: Comparison) -> str:
    """The interval, where there is one, and the adjusted p."""
    return f"{_interval(comparison)}{p_clause(_p(comparison))}"


def _interval(comparison: Comparison) -> str:
    if comparison.low is None or comparison.high is None:
        return ""
    return f"95% interval {signed_points(comparison.low)} to {signed_points(comparison.high)}, "


def sign(comparison: Comparison) -> int:
    """1 or -1 for a difference that is shown, else 0."""
    p, low, high = _p(comparison), comparison.low, comparison.high
    if p is None or p >= ALPHA or not comparison.difference:
        return 0
    if low is not None and high is not None and low <= 0 <= high:
        return 0
    if comparison.groups is not None and comparison.groups < MIN_GROUPS:
        return 0
    return 1 if comparison.difference > 0 else -1


def mark(comparison: Comparison | None) -> str:
    """`SHOWN` for a difference that is shown, else nothing."""
    return SHOWN if comparison is not None and sign(comparison) else ""


def _p(comparison: Comparison) -> float | None:
    return comparison.p if comparison.p_holm is None else comparison.p_holm
