"""Which part of an answer counts, by hand."""

from __future__ import annotations

import pytest

from vitar.grading import grade
from vitar.grading.designated import designated

MARGINS = ("smooth", "lobulated", "spiculated")


@pytest.mark.parametrize(
    ("text", "marked"),
    [
        ("C", "C"),
        ("", ""),
        ("It is \\boxed{C}.", "C"),
        ("\\boxed{B} \\boxed{B}", "B"),
        ("\\boxed{\\text{left lung}}", "left lung"),
        ("\\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("\\boxed{C", "\\boxed{C"),
        ("\\boxed{B} or \\boxed{C}", "\\boxed{B} or \\boxed{C}"),
        ("\\boxed{}", ""),
        ("Spikes.\nAnswer: C", "Answer: C"),
        ("Spikes.\n**Answer:** C", "Answer: C"),
        ("Spikes. So the answer is C.", "So the answer is C."),
        ("Answer: B\nNo, wait.\nFinal answer: C", "Final answer: C"),
        ("Spikes: the answer is C", "the answer is C"),
        ("I doubt that the answer is C.", "I doubt that the answer is C."),
        ("Is that the answer? It is C", "Is that the answer? It is C"),
        ("The answer is C. Or B.", "The answer is C. Or B."),
    ],
)
def test_marked(text: str, marked: str) -> None:
    assert designated(text) == marked


@pytest.mark.parametrize(
    ("answer", "correct", "rule"),
    [
        ("Spikes.\nThe answer is C.", True, "letter"),
        ("Spikes. Answer: spiculated", True, "text"),
        ("The answer is C. Or B.", False, "letter_text_conflict"),
        ("\\boxed{B}, not \\boxed{C}", False, "no_match"),
        ("\\boxed{}", False, "empty"),
        ("Spikes.\nAnswer:", False, "no_match"),
    ],
)
def test_what_is_marked_passes_the_rules_of_its_type(answer: str, correct: bool, rule: str) -> None:
    score = grade("choice", "spiculated", MARGINS, answer)
    assert (score.correct, score.rule) == (correct, rule)


def test_every_answer_type_reads_marks() -> None:
    assert grade("yes_no", "no", None, "It is hard to see. The answer is no.").correct
    assert grade("closed", "liver, spleen", None, "\\boxed{spleen and liver}").correct
    assert grade("open", "left lung", None, "A shadow.\nFinal answer: the left lung").token_f1 == 1
