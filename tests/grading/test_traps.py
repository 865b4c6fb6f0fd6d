"""Mistakes that published graders make; each test names its trap."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from vitar.grading import Score, grade, grade_example

OPTIONS = ("benign", "malignant", "both", "neither")


@dataclass(frozen=True)
class Question:
    answer_type: str
    answer: str
    options: tuple[str, ...] | None = None


CASES = [
    Question("choice", "benign", OPTIONS),
    Question("yes_no", "no"),
    Question("closed", "left lung"),
    Question("open", "left lung"),
]


@pytest.mark.parametrize("question", CASES)
@pytest.mark.parametrize(("answer", "rule"), [(None, "no_answer"), ("", "empty"), (" \n", "empty")])
def test_no_answer_is_wrong_and_still_scored(question: Question, answer: str | None, rule: str) -> None:
    """An index that defaults to 0 made an empty response right whenever the gold was A; others dropped such items."""
    words = 0.0 if question.answer_type == "open" else None
    assert grade_example(question, answer) == Score(False, "", rule, words)


def test_normal_is_not_no() -> None:
    """A substring search found "no" in "normal", and "yes" in "eyes"."""
    assert not grade("yes_no", "no", None, "The findings are normal").correct
    assert not grade("yes_no", "yes", None, "Both eyes are visible").correct


def test_the_first_letter_of_a_word_is_no_choice() -> None:
    """Comparing the first character made "Both" right for B."""
    assert not grade("choice", "malignant", OPTIONS, "Both").correct
    assert not grade("choice", "malignant", OPTIONS, "Because it is large").correct


def test_case_of_the_letter_does_not_matter() -> None:
    """A case-sensitive search refused "b" for B."""
    assert grade("choice", "malignant", OPTIONS, "b").correct


def test_letters_need_no_exact_format() -> None:
    """A raw comparison with the letter refused "B." and "(B)"."""
    for answer in ("B.", "(B)", "B. malignant", "malignant", "The answer is B."):
        assert grade("choice", "malignant", OPTIONS, answer).correct


def test_most_similar_option_is_never_taken() -> None:
    """Fuzzy matching gave credit for the nearest option text."""
    for answer in ("malignan", "malignantt", "non-malignant", "not malignant", "malignant or benign"):
        assert not grade("choice", "malignant", OPTIONS, answer).correct


def test_unreadable_answers_never_score_by_chance() -> None:
    """A random option on a parse failure gives a quarter of the points for noise."""
    for gold in OPTIONS:
        assert not any(grade("choice", gold, OPTIONS, "I cannot tell from this image").correct for _ in range(20))


def test_a_text_is_not_read_as_its_characters() -> None:
    """An open answer passed as a string was compared one character at a time."""
    assert not grade("open", "l", None, "left lung").correct
    assert not grade("open", "left lung", None, "l").correct


def test_capital_yes_in_the_data_is_yes() -> None:
    """A branch for ``["yes", "no"]`` never ran, since the data says ``Yes`` and ``No``."""
    assert grade("yes_no", "Yes", None, "yes").correct
    assert grade("yes_no", "No", None, "no").correct


def test_the_same_answer_always_scores_the_same() -> None:
    """Rule-based hits were counted twice when a judge ran as well; here a score is one value of one call."""
    assert len({grade("closed", "left lung", None, "Left lung") for _ in range(3)}) == 1


def test_unknown_type_raises() -> None:
    with pytest.raises(ValueError, match="unknown answer type"):
        grade("multiple", "x", None, "x")
