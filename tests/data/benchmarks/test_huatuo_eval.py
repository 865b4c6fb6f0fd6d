"""HuatuoGPT-Vision's combined file: parts that are not the benchmarks of the same name."""

from __future__ import annotations

from typing import Any

import pytest

from vitar.data.benchmarks.huatuo_eval import FILE, PARTS
from vitar.data.benchmarks.registry import benchmark

FIRST = {
    "question": "What can be observed in this image?",
    "image": ["images/ankle071718.png"],
    "options": ["Shin splints", "Tennis elbow", "Plantar fascia pathology", "Meniscal tear"],
    "answer": "Plantar fascia pathology",
    "dataset": "OmniMedVQA",
    "subset": "MR (Mag-netic Resonance Imaging)",
}
SECOND = {
    "question": " Where does the contrast track into? ",
    "image": ["images/PMC8672462_Fig3.jpg"],
    "options": ["The bladder", "The ureters"],
    "answer": "The ureters",
    "dataset": "PMC-VQA_test",
    "subset": "",
}


@pytest.fixture
def huatuo(repository: Any) -> Any:
    repository.images("images", "ankle071718.png", "PMC8672462_Fig3.jpg")
    return repository


def test_rows_keep_their_part_and_the_spelling_of_the_subset(huatuo: Any, read: Any) -> None:
    huatuo.json(FILE, [FIRST, SECOND])
    examples, left_out = read("huatuo-eval")
    assert not left_out
    assert [(e.id, e.source, e.modality, e.question, e.answer) for e in examples] == [
        (
            "huatuo-eval/test/row-0",
            "huatuo-eval/OmniMedVQA",
            "MR (Mag-netic Resonance Imaging)",
            "What can be observed in this image?",
            "Plantar fascia pathology",
        ),
        (
            "huatuo-eval/test/row-1",
            "huatuo-eval/PMC-VQA_test",
            "",
            "Where does the contrast track into?",
            "The ureters",
        ),
    ]
    assert [example.id for example in read("huatuo-pmc-vqa")[0]] == ["huatuo-eval/test/row-1"]
    assert read("huatuo-slake")[0] == []


def test_parts_add_up() -> None:
    assert sum(items for _, items in PARTS.values()) == benchmark("huatuo-eval").items == 17303


def test_short_answers_stay_and_odd_rows_are_named(huatuo: Any, read: Any) -> None:
    """The kit's scorer skips rows without options."""
    rows = [
        FIRST | {"options": [], "answer": "7"},
        FIRST | {"options": "A. Shin splints B. Tennis elbow"},
        FIRST | {"answer": "C"},
        FIRST | {"image": ["images/gone.png"]},
        FIRST | {"image": []},
        FIRST | {"image": ["images/PMC8672462_Fig3.jpg", "images/ankle071718.png"]},
    ]
    huatuo.json(FILE, rows)
    (short, double), left_out = read("huatuo-eval")
    assert (short.answer, short.answer_type) == ("7", "closed")
    assert [image.uri.rpartition("/")[2] for image in double.images] == ["PMC8672462_Fig3.jpg", "ankle071718.png"]
    assert [(row.id, row.reason) for row in left_out] == [
        ("row-1", "options_as_text"),
        ("row-2", "answer_not_an_option"),
        ("row-3", "no_image"),
        ("row-4", "no_image"),
    ]


@pytest.mark.parametrize("root", ["images/", "", "some/where/images/"])
def test_any_root_inside_the_archive(repository: Any, read: Any, picture: Any, root: str) -> None:
    repository.json(FILE, [FIRST])
    repository.archive(
        "images.zip", {root: b"", f"{root}ankle071718.png": picture(1)} if root else {"ankle071718.png": picture(1)}
    )
    (example,), _ = read("huatuo-eval")
    assert example.images[0].encoded == picture(1)
