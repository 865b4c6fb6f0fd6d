"""The questions that a run is there to answer, each with its answer in words and the figures behind it.

What was not measured, or cannot be computed, is `UNDEFINED`, and the figures then say what is missing.
"""

from __future__ import annotations

from dataclasses import dataclass

from vitar.evaluation.metrics import Cell, Comparison
from vitar.reports.headline import BLIND, CONTROLS, DECISIVE, certainty, in_figures, sign
from vitar.reports.run import SINGLE, THINK, Run
from vitar.reports.wording import UNDEFINED, decimals, listed, percent, points, signed_points


@dataclass(frozen=True)
class Answered:
    """One question with its answer.

    Args:
        answer: a few words.
        figures: what it rests on, or what is missing.
    """

    question: str
    answer: str
    figures: str


def answers(run: Run) -> tuple[Answered, ...]:
    """All questions, in their order; those that the run cannot answer too."""
    return (
        _helps(run),
        _by_how_much(run),
        _region(run),
        _better_boxes(run),
        _image(run),
        _rival(run),
        _cost(run),
    )


def _helps(run: Run) -> Answered:
    question = "Does the second look help?"
    look = _comparison(run, THINK, SINGLE)
    if isinstance(look, str):
        return Answered(question, UNDEFINED, look)
    think, single = run.metrics.cell(THINK), run.metrics.cell(SINGLE)
    right = f"{percent(think.accuracy if think else None)} right with two looks, "
    right += f"{percent(single.accuracy if single else None)} with one; {look.n:,} questions"
    return Answered(question, {1: "yes", 0: "not shown", -1: "no, it hurts"}[sign(look)], right)


def _by_how_much(run: Run) -> Answered:
    question = "By how much?"
    look = _comparison(run, THINK, SINGLE)
    if isinstance(look, str):
        return Answered(question, UNDEFINED, look)
    least = UNDEFINED if look.detectable is None else f"{points(look.detectable)} points"
    shown = f"the smallest difference that this many questions show in four of five runs: {least}"
    return Answered(question, f"{signed_points(look.difference)} points", f"{certainty(look)}; {shown}")


def _region(run: Run) -> Answered:
    question = "Is it because of the region?"
    found, missing = _found(run, {(THINK, name): words for name, words in CONTROLS.items()})
    if not {name for _, name in found} >= DECISIVE:
        return Answered(question, UNDEFINED, _figures(found, missing))
    signs = {sign(comparison) for _, comparison in found.values()}
    answer = "yes" if signs == {1} else "in part" if 1 in signs else "no" if -1 in signs else "not shown"
    look = _comparison(run, THINK, SINGLE)
    if 1 in signs and not isinstance(look, str) and sign(look) != 1:
        answer = f"the region matters, but the look {'hurts' if sign(look) == -1 else 'is not shown to help'}"
    return Answered(question, answer, _figures(found, missing))


def _better_boxes(run: Run) -> Answered:
    question = "Would the true region do better?"
    oracle = _comparison(run, "oracle_box", THINK)
    if isinstance(oracle, str):
        return Answered(question, UNDEFINED, oracle)
    return Answered(question, {1: "yes", 0: "not shown", -1: "no, worse"}[sign(oracle)], in_figures(oracle))


def _image(run: Run) -> Answered:
    question = "Does the model use the image at all?"
    found, missing = _found(run, BLIND)
    if not found:
        return Answered(question, UNDEFINED, _figures(found, missing))
    signs = {sign(comparison) for _, comparison in found.values()}
    answer = "yes" if signs == {1} else "in part" if 1 in signs else "to its harm" if -1 in signs else "not shown"
    return Answered(question, answer, _figures(found, missing))


def _rival(run: Run) -> Answered:
    question = "Would the same tokens do as well without a second look?"
    rival = _comparison(run, THINK, "majority_k")
    if isinstance(rival, str):
        return Answered(question, UNDEFINED, rival)
    answer = {1: "no, the look is worth more", 0: "not shown to differ", -1: "yes, and better"}[sign(rival)]
    return Answered(question, answer, f"two looks minus a vote of samples: {in_figures(rival)}")


def _cost(run: Run) -> Answered:
    question = "At what cost?"
    think, single = run.metrics.cell(THINK), run.metrics.cell(SINGLE)
    if think is None or single is None:
        missing = listed([name for name, cell in ((THINK, think), (SINGLE, single)) if cell is None])
        return Answered(question, UNDEFINED, f"not run: {missing}")
    times = _ratio(think.seconds, single.seconds)
    answer = UNDEFINED if times is None else f"{times:.1f} times the seconds"
    return Answered(question, answer, f"per question, two looks against one: {_spent(think, single)}")


def _spent(think: Cell, single: Cell) -> str:
    parts = [
        ("seconds", think.seconds, single.seconds, 2),
        ("tokens read", think.prompt_tokens, single.prompt_tokens, 0),
        ("tokens written", think.generated_tokens, single.generated_tokens, 1),
        ("turns", think.rounds, single.rounds, 2),
    ]
    return ", ".join(
        f"{decimals(two, places)} against {decimals(one, places)} {what}" for what, two, one, places in parts
    )


def _ratio(first: float | None, second: float | None) -> float | None:
    return first / second if first is not None and second else None


def _comparison(run: Run, first: str, second: str) -> Comparison | str:
    """The comparison, or what is missing for it."""
    if absent := [name for name in (first, second) if name not in run.conditions]:
        return f"not run: {listed(absent)}"
    if failed := [name for name in (first, second) if (cell := run.metrics.cell(name)) and cell.refused]:
        return f"the backend failed too often under {listed(failed)}"
    return run.metrics.compare(first, second) or f"no question counts under both {first} and {second}"


Found = dict[tuple[str, str], tuple[str, Comparison]]


def _found(run: Run, wanted: dict[tuple[str, str], str]) -> tuple[Found, list[str]]:
    """The comparisons that there are, by their pairs with words for the second side, and what is missing for others."""
    absent = list(dict.fromkeys(name for pair in wanted for name in pair if name not in run.conditions))
    missing = [f"not run: {listed(absent)}"] if absent else []
    found: Found = {}
    for pair, words in wanted.items():
        if set(pair) & set(absent):
            continue
        comparison = _comparison(run, *pair)
        if isinstance(comparison, str):
            missing.append(comparison)
        else:
            found[pair] = (words, comparison)
    return found, list(dict.fromkeys(missing))


def _figures(found: Found, missing: list[str]) -> str:
    parts = [f"against {words}: {in_figures(comparison)}" for words, comparison in found.values()]
    return "; ".join([*parts, *missing])
