"""Letters and option texts: what counts, and the near misses that must not."""

from __future__ import annotations

import pytest

from vitar.grading import grade
from vitar.grading.choice import grade_choice

MARGINS = ("smooth", "lobulated", "spiculated", "ill-defined")


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        ("C", "letter"),
        ("c", "letter"),
        ("C.", "letter"),
        ("(C)", "letter"),
        ("[c]", "letter"),
        ("**C**", "letter"),
        (" C)\n", "letter"),
        ("Ｃ", "letter"),
        ('"C"', "letter"),
        ("Option C", "letter"),
        ("Answer: C", "letter"),
        ("answer (C).", "letter"),
        ("The answer is C.", "letter"),
        ("The correct option is (C)", "letter"),
        ("the final answer is option C", "letter"),
        ("Choice: c", "letter"),
        ("C. spiculated", "letter_and_text"),
        ("(C) Spiculated.", "letter_and_text"),
        ("C: spiculated", "letter_and_text"),
        ("c - spiculated", "letter_and_text"),
        ("**C.** spiculated", "letter_and_text"),
        ("The answer is C. spiculated", "letter_and_text"),
        ("spiculated", "text"),
        ("SPICULATED.", "text"),
        ("“spiculated”", "text"),
        ("Answer: spiculated", "text"),
    ],
)
def test_right(answer: str, rule: str) -> None:
    score = grade_choice("spiculated", MARGINS, answer)
    assert (score.correct, score.extracted, score.rule) == (True, "C", rule)


@pytest.mark.parametrize(
    "answer",
    [
        "Answer: Option C",
        "**Answer:** Option C",
        "The correct answer is: Option C.",
        "Answer: The correct option is C",
        "The best answer is the option C",
        "Therefore the answer is: choice C",
    ],
)
def test_one_opening_after_another(answer: str) -> None:
    assert grade_choice("spiculated", MARGINS, answer).rule == "letter"


@pytest.mark.parametrize(
    ("answer", "extracted", "rule"),
    [
        ("B", "B", "letter"),
        ("B. lobulated", "B", "letter_and_text"),
        ("smooth", "A", "text"),
        ("B. spiculated", "", "letter_text_conflict"),
        ("C. smooth", "", "letter_text_conflict"),
        ("C. it has fine lines", "", "letter_text_conflict"),
        ("C, D", "", "letter_text_conflict"),
        ("E", "", "no_match"),
        ("E. spiculated", "", "no_match"),
        ("C D", "", "no_match"),
        ("A or C", "", "no_match"),
        ("ABCD", "", "no_match"),
        ("Clearly smooth", "", "no_match"),
        ("Cannot tell", "", "no_match"),
        ("not spiculated", "", "no_match"),
        ("spiculated or smooth", "", "no_match"),
        ("spiculate", "", "no_match"),
        ("the margin is spiculated", "", "no_match"),
        ("The margin (C) is irregular", "", "no_match"),
        ("The answer is", "", "no_match"),
        ("The answer is the option", "", "no_match"),
        ("3", "", "no_match"),
        ("...", "", "no_match"),
    ],
)
def test_wrong(answer: str, extracted: str, rule: str) -> None:
    score = grade_choice("spiculated", MARGINS, answer)
    assert (score.correct, score.extracted, score.rule) == (False, extracted, rule)


@pytest.mark.parametrize("options", [("a", "b"), MARGINS, tuple(f"text {i}" for i in range(10)), ("x",)])
def test_any_number_of_options_and_each_letter(options: tuple[str, ...]) -> None:
    for index, option in enumerate(options):
        for other in range(len(options)):
            assert grade_choice(option, options, chr(ord("A") + other)).correct is (other == index)


def test_more_options_than_letters_are_answered_by_text() -> None:
    options = [f"text {i}" for i in range(30)]
    assert grade_choice("text 29", options, "Text 29").correct
    assert not grade_choice("text 29", options, "Z").correct


def test_options_that_look_like_a_letter_with_text() -> None:
    options = ("T-cell lymphoma", "C. difficile", "B-cell lymphoma", "E. coli")
    assert grade_choice("B-cell lymphoma", options, "B-cell lymphoma").correct
    assert grade_choice("C. difficile", options, "C. difficile").correct
    assert grade_choice("E. coli", options, "E. coli").correct
    assert grade_choice("B-cell lymphoma", options, "C. B-cell lymphoma").correct
    assert not grade_choice("E. coli", options, "C. difficile").correct


def test_single_letters_as_option_texts_are_read_as_letters_first() -> None:
    groups = ("B", "A", "O", "AB")
    assert grade_choice("A", groups, "B").correct
    assert not grade_choice("A", groups, "A").correct
    assert grade_choice("O", groups, "O").rule == "text"
    assert grade_choice("A", groups, "B. A").correct


@pytest.mark.parametrize(
    ("gold", "other"),
    [
        ("<5 mm", ">5 mm"),
        ("1.5 cm", "15 cm"),
        (".5 cm", "5 cm"),
        ("HER2+", "HER2-"),
        ("-5", "5"),
        ("hepatitis A", "hepatitis"),
        ("A positive", "positive"),
        ("2-3", "23"),
        ("10%", "10"),
    ],
)
def test_small_marks_tell_options_apart(gold: str, other: str) -> None:
    assert grade_choice(gold, (gold, other), gold).correct
    assert not grade_choice(gold, (gold, other), other).correct


def test_options_equal_after_normalisation() -> None:
    options = ("Left lung", "left lung!", "heart")
    assert grade_choice("left lung!", options, "left lung!").correct
    assert grade_choice("left lung!", options, "LEFT LUNG").rule == "ambiguous"
    assert grade_choice("lung", ("heart", "lung", "lung"), "C").correct
    assert grade_choice("lung", ("heart", "lung", "lung"), "lung").correct


def test_option_text_with_a_full_stop_inside_is_kept_whole() -> None:
    options = ("Start aspirin. Then observe", "Start aspirin")
    assert grade_choice(options[0], options, "A. Start aspirin. Then observe").correct
    assert not grade_choice(options[0], options, "Start aspirin").correct


def test_a_question_that_cannot_be_graded_raises() -> None:
    with pytest.raises(ValueError, match="none of the options"):
        grade_choice("irregular", MARGINS, "A")
    for options in (None, ()):
        with pytest.raises(ValueError, match="needs options"):
            grade("choice", "smooth", options, "A")
