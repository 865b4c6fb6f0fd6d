"""What a first thought may not say, case by case."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vitar.data.curation.first_look import answer_values, hidden_texts, named_letter, states, tells_early
from vitar.data.example import Example, Region

Make = Callable[..., Example]

VALUES = {
    ("made", "type"): {"cyst", "stone", "tumour"},
    ("made", "attribute"): {"smooth", "ill-defined"},
    ("made", "location"): {"upper pole", "lower pole"},
    ("made", "count"): {"1", "2", "3"},
    ("other", "type"): {"fracture"},
}
CLOSED = {"options": (), "answer_type": "closed"}
YES_NO = {"options": (), "answer_type": "yes_no", "answer": "yes"}


def told(make_example: Make, thought: str, **changes: Any) -> bool:
    example = make_example(**changes)
    return bool(tells_early(thought, example, hidden_texts(example, VALUES)))


@pytest.mark.parametrize(
    ("thought", "changes"),
    [
        ("I see a stone in the lower right.", {}),
        ("I see STONES there.", {}),
        ("This could be a cyst.", {}),  # a wrong option is a claim about what was not seen yet
        ("It lies near the left kidney.", {}),
        ("It is a tumour.", {}),  # no option here, but what such questions are about
        ("It looks smooth.", {}),
        ("The ill defined area matters.", {}),
        ("Option B seems right.", {}),
        ("I would say (B).", {}),
        ("It must be B, I enlarge it.", {}),
        ("The answer is A.", {}),
        ("There are two places.", {"kind": "count", **CLOSED, "answer": "2"}),
        ("I count 2.", {"kind": "count", **CLOSED, "answer": "2"}),
        ("It lies in the upper pole.", {**YES_NO, "kind": "location", "question": "Is it in the upper pole?"}),
        ("It is a cyst.", {**YES_NO, "question": "Is it a cyst?", "answer": "no"}),
        ("It is a stone.", {**YES_NO, "question": "Is it a cyst?", "answer": "no"}),  # the true label
        ("Yes, I can see it.", YES_NO),
        ("There is no sign of it yet.", {**YES_NO, "kind": "presence"}),
        ("The enlarged image shows it well.", {}),
        ("In image 2 it is plain.", {}),
        ("After zooming it is plain.", {}),
        ("The stone lies low.", {"kind": "location", **CLOSED, "answer": "lower pole"}),
    ],
)
def test_told_too_early(make_example: Make, thought: str, changes: dict[str, Any]) -> None:
    assert told(make_example, thought, **changes)


@pytest.mark.parametrize(
    ("thought", "changes"),
    [
        ("Something stands out in the lower right. I enlarge it to see what it is.", {}),
        ("A round opacity lies in the upper pole.", {}),  # where it lies is for everyone to see
        ("A nodule; I see it, and a closer look will tell.", {}),
        ("The stonework pattern of the couch is not part of it.", {}),  # no part of a word
        ("I look at the kidney.", {}),  # a part of an option is none
        (
            "The stone lies low.",
            {"question": "Where is the stone?", "kind": "location", **CLOSED, "answer": "lower pole"},
        ),
        ("It looks like a fracture.", {}),  # of another source
        ("The image shows a bright area; I mark it.", {}),
        ("I cannot know this yet.", {**YES_NO, "question": "Is it a cyst?"}),
    ],
)
def test_may_be_said(make_example: Make, thought: str, changes: dict[str, Any]) -> None:
    assert not told(make_example, thought, **changes)


def test_what_is_hidden_is_what_decides(make_example: Make) -> None:
    assert hidden_texts(make_example(), VALUES) == (
        "cyst", "ill-defined", "left kidney", "smooth", "stone", "tumour",
    )  # fmt: skip
    asked = make_example(question="How smooth is the stone?", kind="attribute", options=(), answer_type="closed")
    asked_about = hidden_texts(make_example(**{**vars(asked), "answer": "very"}), VALUES)
    assert asked_about == ("cyst", "ill-defined", "smooth", "tumour", "very")  # the question itself names the stone
    unknown = make_example(
        kind="", options=(), answer_type="open", answer="a big stone", regions=(Region("x", (0, 0, 1, 1)),)
    )
    assert hidden_texts(unknown, {("made", ""): {"anything"}}) == ("a big stone", "x")


def test_values_are_read_off_answers_and_options(make_example: Make) -> None:
    examples = [
        make_example(0),
        make_example(1, options=(), answer_type="closed", answer="gas"),
        make_example(2, **YES_NO),
        make_example(3, kind="", options=(), answer_type="open", answer="a long story"),
    ]
    assert answer_values(examples) == {("made", "type"): {"cyst", "stone", "left kidney", "gas"}}


@pytest.mark.parametrize(
    ("thought", "letter"),
    [
        ("That is option C.", "C"),
        ("So it is (A).", "A"),
        ("The answer: A", "A"),
        ("B fits best.", "B"),
        ("A nodule, and I see it.", ""),
        ("Vitamin D is not an option here.", ""),
        ("The C-shaped line", ""),
        ("option d", ""),
    ],
)
def test_letters_that_a_thought_names(thought: str, letter: str) -> None:
    assert named_letter(thought, 3) == letter


def test_no_letters_without_options() -> None:
    assert named_letter("option B", 0) == ""


def test_a_phrase_is_found_in_any_number_and_spelling() -> None:
    assert states("I count three cells.", "3")
    assert states("The masses are large.", "mass")
    assert states("Two ground-glass opacities.", "ground glass opacity")
    assert not states("The glass is ground.", "ground glass")
    assert not states("Anything.", "?!")
