"""One grader, for the reward in training and for the score in evaluation.

An answer that is missing or blank is wrong and stays in the denominator; nothing is drawn at random and nothing is
guessed from a part of the text. Each answer type has its rules in its own module.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from vitar.grading.choice import grade_choice
from vitar.grading.closed import grade_closed
from vitar.grading.score import Score
from vitar.grading.yes_no import grade_yes_no

__all__ = ["Gradable", "Score", "grade", "grade_example"]


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
        answer_type: ``choice``, ``yes_no``, ``closed`` or ``open``; an open answer is held to the rule of a closed one.
        gold: the right answer; for ``choice`` the option's text.
        options: texts in the order of their letters; needed for ``choice`` only.
        answer: what the model said, without tags; None if it did not get to an answer.

    Raises:
        ValueError: the question itself cannot be graded: unknown type, no options, or a gold that does not fit.
    """
    if answer_type not in ("choice", "yes_no", "closed", "open"):
        raise ValueError(f"unknown answer type {answer_type!r}; known are choice, yes_no, closed and open")
    said = (answer or "").strip()
    if answer_type == "choice":
        if not options:
            raise ValueError("a choice question needs options")
        score = grade_choice(gold, options, said)
    elif answer_type == "yes_no":
        score = grade_yes_no(gold, said)
    else:
        score = grade_closed(gold, said)
    return score if said else Score(False, "", "no_answer" if answer is None else "empty")


def grade_example(example: Gradable, answer: str | None) -> Score:
    """`grade` with the question's side taken from an example."""
    return grade(example.answer_type, example.answer, example.options, answer)
