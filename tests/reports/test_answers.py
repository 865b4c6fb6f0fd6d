"""The table of questions and answers, for what comparisons can say and for what is missing."""

from __future__ import annotations

from dataclasses import replace

import pytest
from made_up_figures import DOWN, FLAT, UP, cell_of, comparison_with, run_of

from vitar.evaluation.metrics import Cell, Comparison
from vitar.reports.answers import UNDEFINED, answers
from vitar.reports.headline import headline, sign
from vitar.reports.load import load_runs
from vitar.reports.run import Run
from vitar.reports.tables import answers_table

QUESTIONS = ("helps", "amount", "region", "boxes", "image", "rival", "cost")
ALL = ("single_pass", "think_twice", "oracle_box", "random_box", "wrong_region", "unmarked", "blank_image")
ALL += ("shuffled_image", "text_only", "majority_k")


def run_with(**given: tuple[float, float | None]) -> Run:
    """Comparisons of two looks with these; all conditions were run."""
    cells = tuple(cell_of(name, 50) for name in ALL)
    return run_of(given, cells)


def answered(run: Run) -> dict[str, tuple[str, str]]:
    found = answers(run)
    return {
        name: (a.answer, a.figures.replace("\N{NO-BREAK SPACE}", " ")) for name, a in zip(QUESTIONS, found, strict=True)
    }


@pytest.mark.parametrize(("look", "word"), [(UP, "yes"), (FLAT, "not shown"), (DOWN, "no, it hurts")])
def test_whether_the_look_helps(look, word):
    found = answered(run_with(single_pass=look))
    assert found["helps"] == (word, "50.0% right with two looks, 50.0% with one; 100 questions")


def test_the_amount_comes_with_what_could_have_been_shown():
    run = run_with(single_pass=UP)
    assert answered(run)["amount"] == (
        "+20.0 points",
        "95% interval +15.0 to +25.0, p = 0.001; the smallest difference that this many questions show in four of five "
        "runs: undefined",
    )
    (comparison,) = run.metrics.comparisons
    better = run.metrics.model_copy(update={"comparisons": (comparison.model_copy(update={"detectable": 0.034}),)})
    assert answered(replace(run, metrics=better))["amount"][1].endswith("in four of five runs: 3.4 points")


@pytest.mark.parametrize(
    ("random_box", "wrong_region", "unmarked", "word"),
    [
        (UP, None, UP, "yes"),
        (UP, UP, UP, "yes"),
        (UP, FLAT, UP, "in part"),
        (UP, None, FLAT, "in part"),
        (FLAT, None, FLAT, "not shown"),
        (DOWN, None, FLAT, "no"),
        (UP, None, None, UNDEFINED),
        (None, UP, UP, UNDEFINED),
    ],
)
def test_whether_it_is_the_region(random_box, wrong_region, unmarked, word):
    given = {"random_box": random_box, "wrong_region": wrong_region, "unmarked": unmarked}
    found = answered(run_with(**{name: values for name, values in given.items() if values}))
    assert found["region"][0] == word


def test_the_region_explains_no_help_that_is_not_there():
    region = {"random_box": UP, "unmarked": UP}
    assert answered(run_with(single_pass=UP, **region))["region"][0] == "yes"
    for look, words in ((FLAT, "is not shown to help"), (DOWN, "hurts")):
        said = answered(run_with(single_pass=look, **region))["region"][0]
        assert said == f"the region matters, but the look {words}"
    assert answered(run_with(single_pass=DOWN, random_box=FLAT, unmarked=FLAT))["region"][0] == "not shown"


def test_whether_the_image_is_used():
    assert answered(run_with(blank_image=UP, shuffled_image=UP))["image"][0] == "yes"
    assert answered(run_with(blank_image=UP, shuffled_image=FLAT))["image"][0] == "in part"
    assert answered(run_with(blank_image=FLAT))["image"][0] == "not shown"
    assert answered(run_with(blank_image=DOWN))["image"][0] == "to its harm"
    text = answered(run_with(blank_image=UP))["image"][1]
    assert text.startswith("against an empty image: +20.0 points, 95% interval +15.0 to +25.0, p = 0.001; ")
    assert "no question counts under both single_pass and text_only" in text


def test_a_single_pass_without_its_image_counts_too():
    run = run_with()
    blind = comparison_with("text_only", *UP).model_copy(update={"first": "single_pass"})
    run = replace(run, metrics=run.metrics.model_copy(update={"comparisons": (blind,)}))
    assert answered(run)["image"][0] == "yes"
    sentences = headline(
        replace(
            run, metrics=run.metrics.model_copy(update={"comparisons": (blind, comparison_with("single_pass", *UP))})
        )
    )
    assert sentences.sentences[-1].startswith(
        "The model uses the image: it does better than with no image, asked once ("
    )


def test_true_region_and_rival():
    found = answered(run_with(oracle_box=DOWN, majority_k=UP))
    assert found["boxes"][0] == "yes"  # two looks minus the true region is negative
    assert found["rival"][0] == "no, the look is worth more"
    found = answered(run_with(oracle_box=UP, majority_k=DOWN))
    assert (found["boxes"][0], found["rival"][0]) == ("no, worse", "yes, and better")
    found = answered(run_with(oracle_box=FLAT, majority_k=FLAT))
    assert (found["boxes"][0], found["rival"][0]) == ("not shown", "not shown to differ")


def test_the_cost_is_a_ratio_with_its_parts():
    cells = (cell_of("single_pass", 50), cell_of("think_twice", 60))
    dear = {"seconds": 2.5, "prompt_tokens": 480.0, "generated_tokens": 60.2, "rounds": 2.0}
    cells = (cells[0], cells[1].model_copy(update=dear))
    answer, figures = answered(run_of({}, cells))["cost"]
    assert answer == "2.5 times the seconds"
    assert figures == (
        "per question, two looks against one: 2.50 against 1.00 seconds, 480 against undefined tokens read, "
        "60.2 against 1.0 tokens written, 2.00 against 2.00 turns"
    )


def test_what_is_missing_is_undefined_and_named():
    cells: tuple[Cell, ...] = (cell_of("think_twice", 60), cell_of("random_box", 50, n=90, failed=10))
    found = answered(run_of({"random_box": UP}, cells))
    assert {answer for answer, _ in found.values()} == {UNDEFINED}
    assert found["helps"][1] == found["cost"][1] == "not run: single_pass"
    assert found["boxes"][1] == "not run: oracle_box"
    assert found["image"][1] == "not run: blank_image, shuffled_image, single_pass and text_only"
    assert found["region"][1] == "not run: wrong_region and unmarked; the backend failed too often under random_box"


def test_an_interval_with_zero_shows_nothing_whatever_p_says():
    comparison: Comparison = comparison_with("single_pass", 0.1, 0.01)
    assert sign(comparison) == 1
    assert sign(comparison.model_copy(update={"low": -0.01})) == 0
    assert sign(comparison.model_copy(update={"low": None, "high": None})) == 1


def test_the_table_has_a_row_per_question(write_run):
    (run,) = load_runs([write_run()])
    table = answers_table(run)
    assert table.caption == "What the run answers; run run"
    assert [row["question"] for row in table.rows] == [a.question for a in answers(run)]
    assert {column.title for column in table.columns} == {"Question", "Answer", "Figures"}
