"""The sentences of the headline for every outcome that the comparisons can have."""

from __future__ import annotations

import pytest
from made_up_figures import DOWN, FLAT, UP, cell_of, comparison_with, run_of

from vitar.reports.headline import headline, sign


@pytest.mark.parametrize(
    ("difference", "p", "claim", "amount"),
    [
        (0.1, 0.0004, "Looking twice helped.", "10.0 points more (95% interval +5.0 to +15.0, p < 0.001)"),
        (-0.1, 0.04, "Looking twice hurt.", "10.0 points fewer (95% interval −15.0 to −5.0, p = 0.040)"),
        (0.1, 0.05, "Looking twice made no difference that these questions can show.", "10.0 points more"),
        (0.0, 1.0, "Looking twice made no difference that these questions can show.", "0.0 points of difference"),
    ],
)
def test_the_claim_follows_the_adjusted_p(difference: float, p: float, claim: str, amount: str):
    result = headline(run_of({"single_pass": (difference, p)}))
    assert result.claim == claim
    first = result.sentences[0].replace("\N{NO-BREAK SPACE}", " ")
    assert first.startswith("tiny answered 60.0% of 100 questions right with two looks and 50.0% with one: " + amount)


def test_accuracies_over_other_items_than_the_difference_are_not_quoted():
    cells = (cell_of("single_pass", 50, n=99), cell_of("think_twice", 60))
    first = headline(run_of({"single_pass": (0.1, 0.01)}, cells)).sentences[0]
    assert "50" not in first
    assert first.startswith("On the 100 questions that count both ways, two looks differ from one by +10.0 points")


@pytest.mark.parametrize(
    ("look", "random_box", "unmarked", "start"),
    [
        (UP, UP, UP, "It is the region that helps: the model's own does better than a random box of the same size ("),
        (FLAT, UP, UP, "The region matters all the same: "),
        (UP, FLAT, FLAT, "It is not shown that the region matters: the difference to a random box"),
        (UP, UP, FLAT, "The model's region does better than a random box"),
        (UP, UP, None, "The model's region does better than a random box"),
        (UP, None, None, "No control was run"),
        (UP, DOWN, FLAT, "The model's region does worse than a random box"),
    ],
)
def test_the_controls_say_whether_it_is_the_region(look, random_box, unmarked, start):
    given = {"single_pass": look, "random_box": random_box, "unmarked": unmarked}
    result = headline(run_of({name: values for name, values in given.items() if values}))
    assert result.sentences[1].startswith(start)


def test_mixed_controls_are_each_named():
    result = headline(run_of({"single_pass": UP, "random_box": UP, "unmarked": FLAT}))
    start = "It is not shown to differ from a second look at the unmarked image (+1.0 points, "
    assert result.sentences[2].startswith(start)


@pytest.mark.parametrize(
    ("oracle", "start"),
    [
        (DOWN, "The true region does better still, 20.0 points more"),  # two looks minus the true region
        (FLAT, "The true region is not shown to do better than the model's: 1.0 points fewer"),
        (UP, "The true region does worse than the model's: 20.0 points fewer"),
    ],
)
def test_the_true_region_is_compared_with_the_models(oracle, start):
    result = headline(run_of({"single_pass": UP, "oracle_box": oracle}))
    assert result.sentences[-1].startswith(start)


def test_without_a_single_pass_nothing_is_claimed():
    result = headline(run_of({"random_box": UP, "unmarked": UP}))
    assert result.claim == "Whether looking twice helps was not measured."
    assert result.sentences[1].startswith("The region matters all the same")


def test_a_run_with_too_many_failures_has_no_result():
    cells = (cell_of("single_pass", 50), cell_of("think_twice", 60, n=90, failed=10))
    result = headline(run_of({"single_pass": UP}, cells))
    assert result.claim == "Too many episodes failed for a result."
    assert result.sentences == ("The backend failed in more than 1% of the episodes under think_twice.",)


def test_many_malformed_answers_are_said():
    cells = (cell_of("single_pass", 50), cell_of("think_twice", 60).model_copy(update={"valid": 0.9}))
    assert "10.0% of the episodes with two looks ended without a well-formed answer" in " ".join(
        headline(run_of({"single_pass": UP}, cells)).sentences
    )
    few = (cells[0], cells[1].model_copy(update={"valid": 0.96}))
    assert "well-formed" not in " ".join(headline(run_of({"single_pass": UP}, few)).sentences)


def test_of_too_few_groups_nothing_is_shown():
    found = comparison_with("single_pass", 0.2, 0.001).model_copy(update={"low": None, "high": None})
    assert [sign(found.model_copy(update={"groups": groups})) for groups in (None, 6, 5, 1)] == [1, 1, 0, 0]
