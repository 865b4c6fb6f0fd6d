"""Short answers: equal texts in different spelling, and different texts that look alike."""

from __future__ import annotations

import pytest

from vitar.grading.closed import grade_closed


@pytest.mark.parametrize(
    ("gold", "answer", "rule"),
    [
        ("Left lung", "left lung", "exact"),
        ("left lung", "The left lung.", "exact"),
        ("nodule", "A nodule", "exact"),
        ("abscess", "an abscess", "exact"),
        ("base of the skull", "base of skull", "exact"),
        ("X-ray", "x ray", "exact"),
        ("Crohn's disease", "Crohn’s disease", "exact"),
        ("T2-weighted", "T2 weighted", "exact"),
        ("3", "three", "exact"),
        ("Two lesions", "2 lesions", "exact"),
        ("1,000", "1000", "exact"),
        ("COVID–19", "covid-19", "exact"),
        ("liver", "The answer is liver.", "exact"),
        ("liver", "  liver \n", "exact"),
        ("liver, spleen", "spleen and liver", "list"),
        ("Liver and the spleen", "spleen; liver", "list"),
        ("liver, spleen, and kidney", "kidney, liver & spleen", "list"),
        ("hand", "Hand", "exact"),
    ],
)
def test_equal(gold: str, answer: str, rule: str) -> None:
    score = grade_closed(gold, answer)
    assert (score.correct, score.rule) == (True, rule)


@pytest.mark.parametrize(
    ("gold", "answer"),
    [
        ("lung", "left lung"),
        ("left lung", "lung"),
        ("left lung", "lung left"),
        ("left", "right"),
        ("liver, spleen", "liver"),
        ("liver", "liver, spleen"),
        ("liver, liver", "liver"),
        ("nodule", "nodules"),
        ("normal", "abnormal"),
        ("12", "1"),
        ("1.5", "15"),
        ("-2", "2"),
        ("hepatitis A", "hepatitis"),
        ("hepatitis A", "hepatitis B"),
        ("one", "none"),
        ("lung", "l"),
        ("lung", ""),
        ("lung", "the"),
        ("lung", "?!"),
        ("lung", "lung or heart"),
    ],
)
def test_different(gold: str, answer: str) -> None:
    score = grade_closed(gold, answer)
    assert (score.correct, score.rule) == (False, "no_match")


def test_extracted_is_the_normalised_answer() -> None:
    assert grade_closed("liver", "The Spleen and two Kidneys").extracted == "spleen, 2 kidneys"


def test_a_gold_of_punctuation_raises() -> None:
    with pytest.raises(ValueError, match="nothing to compare"):
        grade_closed("...", "x")
