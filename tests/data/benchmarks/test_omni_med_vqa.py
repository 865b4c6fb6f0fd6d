"""OmniMedVQA: an odd key, options that are not there, and paths that look encoded."""

from __future__ import annotations

import json
from typing import Any

import pytest

from vitar.data.benchmarks.record import BenchmarkError

OPEN = "OmniMedVQA/QA_information/Open-access"


def record(number: int, image: str = "Images/Chest CT Scan/test/000 (6).png", **fields: Any) -> dict[str, Any]:
    plain = {
        "dataset": "Chest CT Scan",
        "question_id": f"Chest CT Scan_{number:04}",
        "question_type": "Disease Diagnosis",
        "question": "Is it normal?",
        "gt_answer": "Yes",
        "image_path": image,
        "option_A": "No",
        "option_B": "Yes",
        "modality_type": "CT",
    }
    return plain | fields


@pytest.fixture
def omni(repository: Any) -> Any:
    repository.images("OmniMedVQA/Images", "Chest CT Scan/test/000 (6).png", "RUS CHN/50%20 off.png")
    return repository


def test_the_odd_key_of_one_file(omni: Any, read: Any) -> None:
    odd = record(1, modality="CT(Computed Tomography)")
    del odd["modality_type"]
    omni.json(f"{OPEN}/Chest CT Scan.json", [odd])
    omni.json(f"{OPEN}/ACRIMA.json", [record(0, dataset="ACRIMA", modality_type="Fundus Photography")])
    examples, left_out = read("omni-med-vqa")
    assert not left_out
    assert [(e.id, e.modality, e.source) for e in examples] == [
        ("omni-med-vqa/test/ACRIMA/Chest CT Scan_0000", "Fundus Photography", "omni-med-vqa/ACRIMA"),
        ("omni-med-vqa/test/Chest CT Scan/Chest CT Scan_0001", "CT(Computed Tomography)", "omni-med-vqa/Chest CT Scan"),
    ]


def test_two_to_four_options(omni: Any, read: Any) -> None:
    omni.json(
        f"{OPEN}/a.json",
        [
            record(0),
            record(1, option_C="Perhaps"),
            record(2, option_C=None, option_D=None),
            record(3, option_C="Perhaps", option_D=" Never"),
        ],
    )
    examples, _ = read("omni-med-vqa")
    assert [example.options for example in examples] == [
        ("No", "Yes"),
        ("No", "Yes", "Perhaps"),
        ("No", "Yes"),
        ("No", "Yes", "Perhaps", "Never"),
    ]


def test_an_answer_that_no_option_gives_is_left_out(omni: Any, read: Any) -> None:
    """MedEvalKit keeps the text as the gold letter, and counts any reply as wrong."""
    omni.json(f"{OPEN}/a.json", [record(0, gt_answer="Perhaps"), record(1, gt_answer="Yes ")])
    examples, left_out = read("omni-med-vqa")
    assert [example.answer for example in examples] == ["Yes"]
    assert [row.reason for row in left_out] == ["answer_not_an_option"]


def test_spaces_and_percent_signs_in_paths_mean_themselves(omni: Any, read: Any) -> None:
    omni.json(f"{OPEN}/a.json", [record(0, image="Images/RUS CHN/50%20 off.png")])
    (example,), _ = read("omni-med-vqa")
    assert example.images[0].uri == str(omni.folder / "OmniMedVQA" / "Images" / "RUS CHN" / "50%20 off.png")


def test_restricted_questions_are_not_read(omni: Any, read: Any) -> None:
    omni.json(f"{OPEN}/a.json", [record(0)])
    omni.json("OmniMedVQA/QA_information/Restricted-access/b.json", [record(1)])
    assert len(read("omni-med-vqa")[0]) == 1


def test_the_archive_and_the_folder_inside_it_do_as_well(omni: Any, read: Any, picture: Any) -> None:
    omni.json(f"{OPEN}/a.json", [record(0)])
    inside, _ = read("omni-med-vqa", omni.folder / "OmniMedVQA")
    packed = omni.folder / "packed"
    omni.archive(
        "packed/OmniMedVQA.zip",
        {
            f"{OPEN}/a.json": json.dumps([record(0)]).encode(),
            "OmniMedVQA/QA_information/Restricted-access/b.json": json.dumps([record(1)]).encode(),
            "OmniMedVQA/Images/Chest CT Scan/test/000 (6).png": picture(5),
        },
    )
    (example,), _ = read("omni-med-vqa", packed)
    assert example.images[0].encoded == picture(5)
    assert inside[0].id == example.id


def test_an_empty_folder_is_refused(omni: Any, read: Any) -> None:
    with pytest.raises(BenchmarkError, match="no JSON files in OmniMedVQA/QA_information/Open-access; expected 42"):
        read("omni-med-vqa")
