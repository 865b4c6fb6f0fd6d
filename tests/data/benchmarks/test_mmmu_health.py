"""MMMU and MMMU-Pro: lists as text, images between the words."""

from __future__ import annotations

from typing import Any

import pytest

from vitar.data.benchmarks.mmmu_health import SUBJECTS, VISION_QUESTION


def record(number: int, picture: Any, images: int = 1, **fields: Any) -> dict[str, Any]:
    shown = {f"image_{i}": picture(10 * number + i) if i <= images else None for i in range(1, 8)}
    plain = {
        "id": f"validation_Pharmacy_{number}",
        "question": "What does <image 1> show?",
        "options": "['Aspirin', \"Crohn's drug\", 'Neither']",
        "explanation": "",
        **shown,
        "img_type": "['Chemical Structures', 'Tables']",
        "answer": "B",
        "topic_difficulty": "Easy",
        "question_type": "multiple-choice",
        "subfield": "Medicinal Chemistry",
    }
    return plain | fields


@pytest.fixture
def mmmu(repository: Any, picture: Any) -> Any:
    """A repository with one plain question per subject; `put` replaces those of Pharmacy."""
    for number, subject in enumerate(SUBJECTS):
        name = f"validation_{subject}_{number}"
        repository.parquet(f"{subject}/validation-00000-of-00001.parquet", [record(number, picture, id=name)])

    def put(*records: dict[str, Any], split: str = "validation") -> None:
        repository.parquet(f"Pharmacy/{split}-00000-of-00001.parquet", records)

    repository.put = put
    return repository


def pharmacy(examples: Any) -> list[Any]:
    return [example for example in examples if example.source.endswith("Pharmacy")]


def test_the_five_subjects_and_no_other(mmmu: Any, read: Any, picture: Any) -> None:
    mmmu.parquet("Art/validation-00000-of-00001.parquet", [record(1, picture, id="validation_Art_1")])
    mmmu.parquet("Pharmacy/test-00000-of-00001.parquet", [record(1, picture, id="test_Pharmacy_1", answer="?")])
    examples, left_out = read("mmmu-health")
    assert not left_out
    assert [example.source for example in examples] == [f"mmmu-health/{subject}" for subject in SUBJECTS]


def test_stringified_lists_are_lists(mmmu: Any, read: Any, picture: Any) -> None:
    mmmu.put(record(1, picture))
    (example,) = pharmacy(read("mmmu-health")[0])
    assert example.options == ("Aspirin", "Crohn's drug", "Neither")
    assert example.answer == "Crohn's drug"
    assert example.modality == "Chemical Structures, Tables"
    mmmu.put(record(1, picture, options="['Aspirin', "))
    assert [row.reason for row in read("mmmu-health")[1]] == ["no_list"]


def test_images_keep_their_numbers_and_tokens_their_place(mmmu: Any, read: Any, picture: Any) -> None:
    """Options are shuffled, so the order in which tokens appear says nothing about the order of the images."""
    question = "Compare <image 2> with <image 1>. Which belongs?"
    mmmu.put(record(1, picture, images=4, question=question, options="['<image 4>', '<image 3>']", answer="A"))
    (example,) = pharmacy(read("mmmu-health")[0])
    assert [image.encoded for image in example.images] == [picture(11), picture(12), picture(13), picture(14)]
    assert (example.question, example.options, example.answer) == (question, ("<image 4>", "<image 3>"), "<image 4>")


def test_an_image_that_is_not_there_is_named(mmmu: Any, read: Any, picture: Any) -> None:
    gap = record(1, picture, images=3) | {"image_2": None}
    beyond = record(2, picture, images=1, options="['<image 2>', 'other']", answer="A")
    mmmu.put(gap, beyond, record(3, picture, images=0))
    examples, left_out = read("mmmu-health")
    assert not pharmacy(examples)
    assert [(row.id, row.reason, row.detail) for row in left_out] == [
        ("validation_Pharmacy_1", "image_order", "its images are numbered 1, 3; expected 1, 2, ... without a gap"),
        ("validation_Pharmacy_2", "image_order", "it speaks of image 2 and has 1"),
        ("validation_Pharmacy_3", "image_order", "it speaks of image 1 and has 0"),
    ]


def test_short_answers_are_text_even_where_they_look_like_letters(mmmu: Any, read: Any, picture: Any) -> None:
    mmmu.put(record(1, picture, options="[]", answer="C", question_type="open"))
    (example,) = pharmacy(read("mmmu-health")[0])
    assert (example.answer, example.answer_type, example.options) == ("C", "closed", ())


def test_the_170_are_validation_and_dev_without_short_answers(mmmu: Any, read: Any, picture: Any) -> None:
    for subject in SUBJECTS:
        name = f"dev_{subject}_1"
        mmmu.parquet(f"{subject}/dev-00000-of-00001.parquet", [record(1, picture, id=name)])
    mmmu.put(record(1, picture), record(2, picture, options="[]", answer="12", question_type="open"))
    examples, _ = read("mmmu-health-choice")
    assert len(examples) == 2 * len(SUBJECTS)
    assert {example.answer_type for example in examples} == {"choice"}


def test_pro_by_subject_with_one_to_twelve_options(repository: Any, read: Any, picture: Any) -> None:
    twelve = str([f"option {i}" for i in range(12)])
    rows = [
        record(1, picture, id="test_Pharmacy_1", subject="Pharmacy", options=twelve, answer="L"),
        record(2, picture, id="test_Clinical_2", subject="Clinical Medicine"),
        record(3, picture, id="test_Art_3", subject="Art"),
        record(4, picture, id="test_Pharmacy_4", subject="Pharmacy", options="['alone']", answer="A"),
    ]
    for row in rows:
        del row["question_type"]
    repository.parquet("standard (10 options)/test-00000-of-00001.parquet", rows)
    repository.parquet("standard (4 options)/test-00000-of-00001.parquet", rows[:1])
    examples, left_out = read("mmmu-pro-health")
    assert [(example.id, example.answer) for example in examples] == [
        ("mmmu-pro-health/test/test_Pharmacy_1", "option 11"),
        ("mmmu-pro-health/test/test_Clinical_2", "Crohn's drug"),
    ]
    assert [(row.id, row.reason) for row in left_out] == [("test_Pharmacy_4", "bad_options")]
    assert len(read("mmmu-pro-health-4")[0]) == 1


def test_pro_vision_shows_the_question_in_the_image(repository: Any, read: Any, picture: Any) -> None:
    row = {
        "id": "test_Pharmacy_1",
        "image": picture(1),
        "options": "['a', 'b']",
        "answer": "B",
        "subject": "Pharmacy",
    }
    repository.parquet("vision/test-00000-of-00004.parquet", [row])
    (example,), _ = read("mmmu-pro-health-vision")
    assert (example.question, example.answer) == (VISION_QUESTION, "b")
    assert example.images[0].encoded == picture(1)
