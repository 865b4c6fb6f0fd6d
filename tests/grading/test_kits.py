"""Published graders as they are, beyond what the table of misleading answers shows."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from vitar.grading import Gradable
from vitar.grading.kits import KITS


def question(answer_type: str, answer: str, options: tuple[str, ...] = ()) -> Gradable:
    return SimpleNamespace(answer_type=answer_type, answer=answer, options=options)


def test_the_official_scorer_reads_its_own_wire_format() -> None:
    said = '{"thought": "x", "actions": [{"name": "Terminate", "arguments": {"answer": "b) malignant"}}]}'
    score = KITS["official"](question("choice", "malignant", ("benign", "malignant")), said, None)
    assert (score.correct, score.extracted, score.counted) == (True, "B", True)


@pytest.mark.parametrize("answer", [None, ""])
def test_the_official_scorer_leaves_out_what_it_cannot_read(answer: str | None) -> None:
    score = KITS["official"](question("choice", "benign", ("benign", "malignant")), "", answer)
    assert (score.correct, score.counted) == (False, False)


def test_the_official_scorer_has_no_rule_without_options() -> None:
    assert KITS["official"](question("yes_no", "yes"), "<answer>yes</answer>", "yes") is None


def test_medevalkit_reports_the_recall_as_f1() -> None:
    """The function returns f1, precision and recall; its caller unpacks precision, recall and f1."""
    score = KITS["medevalkit"](question("open", "left lung"), "<answer>lung</answer>", "lung")
    assert score.f1 == 1 / 2  # precision 1, recall 1/2, and an F1 of 2/3
    assert KITS["vitar"](question("open", "left lung"), "", "lung").f1 == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("said", "extracted"),
    [
        ("C\n\nbecause of the spikes", "C"),
        ("It has spikes.\n\nC. spiculated", "C"),
        ("**Answer**: c", "C"),
        ("The final answer is: spiculated", "C"),
        ("\\boxed{c}", "C"),
        ("no box but the word boxed", "B"),  # its reader gives the word None, and "lobulated" is the most like that
    ],
)
def test_medevalkit_reads_choices(said: str, extracted: str) -> None:
    score = KITS["medevalkit"](question("choice", "spiculated", ("smith", "lobulated none", "spiculated")), said, None)
    assert (score.extracted, score.correct) == (extracted, extracted == "C")


def test_medevalkit_gives_silence_the_first_option() -> None:
    options = ("smooth", "lobulated")
    assert [KITS["medevalkit"](question("choice", gold, options), "", None).correct for gold in options] == [
        True,
        False,
    ]


@pytest.mark.parametrize(
    ("gold", "said", "correct"),
    [
        ("left lung", "Left\nLung.", False),
        ("leftlung", "Left\nLung.", True),
        ("left lung", "left lung ", False),
        ("left lung", "left lung.", True),
    ],
)
def test_medevalkit_closed_answers(gold: str, said: str, correct: bool) -> None:
    assert KITS["medevalkit"](question("closed", gold), said, None).correct is correct
