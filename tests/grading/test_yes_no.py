"""Only the words yes and no count."""

from __future__ import annotations

import pytest

from vitar.grading.yes_no import grade_yes_no


@pytest.mark.parametrize(
    ("answer", "said", "rule"),
    [
        ("yes", "yes", "word"),
        ("Yes.", "yes", "word"),
        ("**YES**", "yes", "word"),
        ("(no)", "no", "word"),
        (" No\n", "no", "word"),
        ("The answer is no.", "no", "word"),
        ("Answer: Yes", "yes", "word"),
        ("Yes, it is.", "yes", "word_and_clause"),
        ("Yes. There is a nodule in the left lung.", "yes", "word_and_clause"),
        ("No, there is no nodule.", "no", "word_and_clause"),
        ("No; the lungs are clear", "no", "word_and_clause"),
        ("Yes — a nodule", "yes", "word_and_clause"),
        ("No\nThe lungs are clear.", "no", "word_and_clause"),
        ("yes, it is abnormal", "yes", "word_and_clause"),
    ],
)
def test_read(answer: str, said: str, rule: str) -> None:
    for gold in ("yes", "no"):
        score = grade_yes_no(gold, answer)
        assert (score.correct, score.extracted, score.rule) == (said == gold, said, rule)


@pytest.mark.parametrize(
    "answer",
    [
        *(
            "",
            "...",
            "normal",
            "The findings are normal",
            "nodule",
            "None",
            "unknown",
            "not seen",
            "know",
            "eyes",
            "now",
        ),
        *("yes and no", "yes or no", "Yes, no", "No. Yes.", "yes/no", "Yes, but no nodule is left", "y", "n", "true"),
        *("No abnormality is seen", "No doubt it is there", "there is a nodule", "yesterday", "I would say yes", "1"),
    ],
)
def test_unreadable_is_wrong_for_either_gold(answer: str) -> None:
    for gold in ("yes", "no"):
        score = grade_yes_no(gold, answer)
        assert (score.correct, score.extracted, score.rule) == (False, "", "no_match")


def test_gold_is_normalised_too() -> None:
    assert grade_yes_no("Yes", "yes").correct
    assert grade_yes_no("No.", "NO").correct
    with pytest.raises(ValueError, match="must be yes or no"):
        grade_yes_no("maybe", "yes")
