"""One grader, for the reward in training and for the score in evaluation.

An answer that is missing or blank is wrong and stays in the denominator; nothing is drawn at random and nothing is
guessed from a part of the text. Each answer type has its rules in its own module; which part of a longer answer counts,
where its writer marked one, is `designated`'s question.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

from vitar.grading.choice import chosen_option, grade_choice
from vitar.grading.closed import grade_closed, listed_items
from vitar.grading.designated import designated
from vitar.grading.normalise import plain, without_lead_in
from vitar.grading.open_ended import grade_open
from vitar.grading.score import Score
from vitar.grading.yes_no import grade_yes_no, said_yes_or_no

__all__ = ["Gradable", "Score", "grade", "grade_example", "reading"]


class Gradable(Protocol):
    """What a grader needs to know of an example."""

    @property
    def answer_type(self) -> str: ...
    @property
    def answer(self) -> str: ...
    @property
    def options(self) -> Sequence[str] | None: ...


def grade(answer_type: str, gold: str, options: Sequence[str] | None, answer: str | None) -> Score:
    """Grades one answer.

    Args:
        answer_type: ``choice``, ``yes_no``, ``closed`` or ``open``.
        gold: the right answer; for ``choice`` the option's text.
        options: texts in the order of their letters; needed for ``choice`` only.
        answer: what the model said, without tags; None if it did not get to an answer.

    Raises:
        ValueError: the question itself cannot be graded: unknown type, no options, or a gold that does not fit.
    """
    said = designated((answer or "").strip())
    if answer_type == "choice":
        score = grade_choice(gold, _needed(options), said)
    elif answer_type == "yes_no":
        score = grade_yes_no(gold, said)
    elif answer_type == "closed":
        score = grade_closed(gold, said)
    elif answer_type == "open":
        score = grade_open(gold, said)
    else:
        raise _unknown(answer_type)
    return score if said else replace(score, extracted="", rule="no_answer" if answer is None else "empty")


def grade_example(example: Gradable, answer: str | None) -> Score:
    """`grade` with the question's side taken from an example."""
    return grade(example.answer_type, example.answer, example.options, answer)


def reading(answer_type: str, options: Sequence[str] | None, answer: str | None) -> str:
    """What an answer says, whatever is right: two answers that are graded as one have the same reading.

    Returns:
        the chosen option's text, ``yes`` or ``no``, or the sorted items of a free answer; "" if nothing can be read.

    Raises:
        ValueError: the answer type is unknown, or a choice has no options.
    """
    said = designated((answer or "").strip())
    if answer_type == "choice":
        index, _ = chosen_option(_needed(options), said)
        return "" if index is None else _needed(options)[index]
    if answer_type == "yes_no":
        return said_yes_or_no(said)[0]
    if answer_type in ("closed", "open"):
        return ", ".join(sorted(listed_items(without_lead_in(plain(said)))))
    raise _unknown(answer_type)


def _needed(options: Sequence[str] | None) -> Sequence[str]:
    if not options:
        raise ValueError("a choice question needs options")
    return options


def _unknown(answer_type: str) -> ValueError:
    return ValueError(f"unknown answer type {answer_type!r}; known are choice, yes_no, closed and open")
