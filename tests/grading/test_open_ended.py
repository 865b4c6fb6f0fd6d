"""Agreement of words, by hand."""

from __future__ import annotations

import pytest

from vitar.grading import grade, reading
from vitar.grading.open_ended import grade_open, token_f1


@pytest.mark.parametrize(
    ("gold", "said", "f1"),
    [
        ("left lung", "left lung", 1),
        ("left lung", "lung", 2 * 1 / (2 + 1)),
        ("left lung", "the left upper lung", 2 * 2 / (2 + 3)),
        ("left lung", "lung lung", 2 * 1 / (2 + 2)),
        ("left upper lobe", "upper left lobe", 1),
        ("liver", "liver spleen kidney", 2 * 1 / (1 + 3)),
        ("two nodules", "2 nodules", 1),
        ("left lung", "right kidney", 0),
        ("left lung", "", 0),
        ("left lung", "The answer is: left lung", 1),
        ("liver", "l", 0),
    ],
)
def test_token_f1(gold: str, said: str, f1: float) -> None:
    assert token_f1(gold, said) == pytest.approx(f1)


def test_correct_is_equality_and_no_share_of_words() -> None:
    assert (grade_open("liver, spleen", "spleen and liver").correct, grade_open("liver", "liver").token_f1) == (True, 1)
    partly = grade_open("left lung", "lung")
    assert (partly.correct, partly.rule, partly.token_f1) == (False, "no_match", pytest.approx(2 / 3))


def test_only_open_answers_have_an_agreement_of_words() -> None:
    assert grade("closed", "lung", None, "lung").token_f1 is None
    assert grade("open", "lung", None, None).token_f1 == 0


@pytest.mark.parametrize(
    ("answer_type", "options", "same", "other"),
    [
        ("choice", ("smooth", "round"), ("A", "(a)", "smooth", "\\boxed{A}"), ("B", "C", "", None)),
        ("yes_no", None, ("yes", "Yes, it is.", "Answer: yes"), ("no", "perhaps", None)),
        ("closed", None, ("liver, spleen", "Spleen and the liver"), ("liver", "", None)),
        ("open", None, ("two", "2"), ("three", None)),
    ],
)
def test_answers_that_are_graded_as_one_have_one_reading(
    answer_type: str, options: tuple[str, ...] | None, same: tuple[str, ...], other: tuple[str | None, ...]
) -> None:
    first, *rest = (reading(answer_type, options, answer) for answer in same)
    assert first
    assert set(rest) <= {first}
    assert first not in {reading(answer_type, options, answer) for answer in other}
    assert reading(answer_type, options, None) == ""


def test_a_reading_needs_a_known_type() -> None:
    with pytest.raises(ValueError, match="unknown answer type"):
        reading("multiple", None, "x")
    with pytest.raises(ValueError, match="needs options"):
        reading("choice", (), "x")
