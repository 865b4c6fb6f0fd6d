from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.filters import leaked, malformed, near_duplicates
from vitar.data.curation.questions.candidate import Candidate
from vitar.data.example import ImageRef, Region

MakeCandidate = Callable[..., Candidate]

IMAGE = AnnotatedImage("made/0", ImageRef("0.png"), 200, 100, (), "CT", "kidney", "made", "", "", "image 0")


def test_a_good_question_passes(make_candidate: MakeCandidate) -> None:
    assert malformed(make_candidate(), IMAGE) is None
    assert leaked(make_candidate(), IMAGE) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"problem": "the teacher gave no questions"}, "not_written"),
        ({"question": " "}, "no_question"),
        ({"options": ("cyst", "stone", "stone")}, "bad_options"),
        ({"options": ("stone",)}, "bad_options"),
        ({"options": ("cyst", "Stone", "stone")}, "bad_options"),  # one option to a grader that ignores case
        ({"options": ("cyst", "stone", "…")}, "bad_options"),
        ({"options": ("cyst", "tumour")}, "answer_not_an_option"),
        ({"answer_type": "yes_no", "options": (), "answer": "maybe"}, "bad_answer"),
        ({"answer_type": "closed", "options": (), "answer": ""}, "no_answer"),
        ({"answer_type": "closed", "options": (), "answer": "…"}, "ungradable"),
        ({"answer_type": "essay"}, "unknown_answer_type"),
        ({"question": "x" * 401 + "?"}, "too_long"),
        ({"question": "What is {label}?"}, "placeholder"),
        ({"question": "Describe the lesion."}, "no_question_mark"),
        ({"regions": (Region("stone", (10.0, 10.0, 230.0, 30.0)),)}, "region_outside_image"),
        ({"regions": (Region("stone", (30.0, 10.0, 10.0, 30.0)),)}, "bad_box"),
        ({"options": ("B", "stone", "tumour"), "answer": "B"}, "ungradable"),  # said alone it is the letter of stone
    ],
)
def test_malformed(changes: dict[str, Any], reason: str, make_candidate: MakeCandidate) -> None:
    found = malformed(make_candidate(**changes), IMAGE)
    assert found is not None
    assert found[0] == reason
    assert found[1]


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ("What is the lesion at image coordinates (0.4, 0.55)?", "coordinates"),  # the example of ViTAR-16K's card
        ("What lies in [120, 30, 150, 60]?", "coordinates"),
        ("What lies at x = 120 and y = 30?", "coordinates"),
        ("What lies 40% from the left of the image?", "coordinates"),
        ("What lies in the bounding box?", "coordinates"),
        ("What is the marked region?", "mark"),
        ("What does the red box show?", "mark"),
        ("What is it (the answer is below)?", "told"),
        ("Is this stone a stone or a cyst?", "answer_in_question"),  # names two of three options
        ("What is the name of the stone?", "answer_in_question"),
    ],
)
def test_leaked(question: str, reason: str, make_candidate: MakeCandidate) -> None:
    found = leaked(make_candidate(question=question), IMAGE)
    assert found is not None
    assert found[0] == reason


@pytest.mark.parametrize(
    "question",
    [
        "Is it a cyst, a stone or a tumour?",  # names all of them
        "Are there 3 (three) lesions in T2, grade 2?",
        "Does it measure 3 x 4 cm?",
        "Is there marked cardiomegaly?",
        "Is a milestone visible?",  # the answer inside a longer word
        "Is the number of lesions equal to 2?",
    ],
)
def test_what_is_no_leak(question: str, make_candidate: MakeCandidate) -> None:
    assert leaked(make_candidate(question=question), IMAGE) is None


@pytest.mark.parametrize(
    ("question", "answer", "is_leak"),
    [
        ("Which is larger, the left or the right lesion?", "left", False),
        ("What lies in the left half?", "left half", True),
        ("Is the cyst large?", "yes", False),
    ],
)
def test_short_answers_in_the_question(
    question: str, answer: str, is_leak: bool, make_candidate: MakeCandidate
) -> None:
    answer_type = "yes_no" if answer == "yes" else "closed"
    found = leaked(make_candidate(question=question, answer=answer, answer_type=answer_type, options=()), IMAGE)
    assert (found is not None) == is_leak


def test_near_duplicates_keep_the_first(make_candidate: MakeCandidate) -> None:
    asked = [
        make_candidate(1),
        make_candidate(2, question="What kind of lesion does the right half of this CT show?"),  # one word decides
        make_candidate(
            3, question="Of this CT, what kind of lesion does the left half show?", options=("cyst", "tumour", "stone")
        ),
        make_candidate(4, image_id="made/1"),
        make_candidate(5, options=("cyst", "stone", "abscess", "scar")),
    ]
    found = near_duplicates(asked)
    assert list(found) == ["made/0#3"]
    assert "made/0#1" in found["made/0#3"].detail
