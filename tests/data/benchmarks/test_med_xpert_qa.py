"""MedXpertQA-MM: options that stand in the question too."""

from __future__ import annotations

from typing import Any

import pytest

STEM = "A patient has a rash.\nAnswer Choices: were given. What is it?"
EMBEDDED = "\nAnswer Choices: (A) Erythema (B) Cutis marmorata"


def record(number: int, *images: str, **fields: Any) -> dict[str, Any]:
    plain = {
        "id": f"MM-{number}",
        "question": STEM + EMBEDDED,
        "options": {"A": "Erythema", "B": "Cutis marmorata"},
        "label": "B",
        "images": list(images),
        "medical_task": "Diagnosis",
        "body_system": "Lymphatic",
        "question_type": "Reasoning",
    }
    return plain | fields


@pytest.fixture
def med_xpert_qa(repository: Any) -> Any:
    repository.images("images", *(f"MM-1-{letter}.jpeg" for letter in "abcdef"))
    return repository


def test_the_embedded_choices_are_cut_off_once(med_xpert_qa: Any, read: Any) -> None:
    med_xpert_qa.json_lines("MM/test.jsonl", [record(1, "MM-1-a.jpeg"), record(2, "MM-1-a.jpeg", question="Plain?")])
    med_xpert_qa.json_lines("Text/test.jsonl", [record(3)])
    examples, left_out = read("med-xpert-qa")
    assert not left_out
    assert [example.question for example in examples] == [STEM, "Plain?"]
    assert examples[0].options == ("Erythema", "Cutis marmorata")
    assert (examples[0].answer, examples[0].anatomy) == ("Cutis marmorata", "Lymphatic")


def test_up_to_six_images_stay_in_the_order_of_the_list(med_xpert_qa: Any, read: Any) -> None:
    names = [f"MM-1-{letter}.jpeg" for letter in "cabfed"]
    med_xpert_qa.json_lines("MM/test.jsonl", [record(1, *names)])
    (example,), _ = read("med-xpert-qa")
    assert [image.uri for image in example.images] == [str(med_xpert_qa.folder / "images" / name) for name in names]


def test_options_go_by_letter_and_a_label_must_be_one(med_xpert_qa: Any, read: Any) -> None:
    swapped = record(1, "MM-1-a.jpeg", options={"B": "second", "A": "first"}, label="A")
    med_xpert_qa.json_lines("MM/test.jsonl", [swapped, record(2, "MM-1-a.jpeg", label="E"), record(3, "MM-9-a.jpeg")])
    (example,), left_out = read("med-xpert-qa")
    assert (example.options, example.answer) == (("first", "second"), "first")
    assert [(row.id, row.reason) for row in left_out] == [("MM-2", "no_label"), ("MM-3", "no_image")]
