"""SLAKE: one file with two languages, images elsewhere."""

from __future__ import annotations

from typing import Any

import pytest

from vitar.data.benchmarks.record import BenchmarkError
from vitar.grading import grade_example


def record(qid: int, answer: str, answer_type: str = "OPEN", lang: str = "en", image: int = 102) -> dict[str, Any]:
    return {
        "img_id": image,
        "img_name": f"xmlab{image}/source.jpg",
        "question": f"Question {qid}?" if lang == "en" else "图中有什么疾病?",
        "answer": answer,
        "q_lang": lang,
        "location": "Lung",
        "modality": "CT",
        "answer_type": answer_type,
        "base_type": "vqa",
        "triple": ["vhead", "_", "_"],
        "qid": qid,
        "content_type": "Organ",
    }


TEST = [
    record(1, "Lung, Spinal Cord"),
    record(2, "No", "CLOSED"),
    record(3, "Heart", "CLOSED"),
    record(4, "肺癌", lang="zh"),
    record(5, "Transverse  Plane"),
    record(6, "是", "CLOSED", lang="zh"),
]


@pytest.fixture
def slake(repository: Any) -> Any:
    repository.json("test.json", TEST)
    repository.images("imgs", "xmlab102/source.jpg", "xmlab7/source.jpg")
    return repository


def test_english_alone_unless_both_are_asked_for(slake: Any, read: Any) -> None:
    """MedEvalKit does not filter, and its SLAKE has 2,094 items."""
    examples, left_out = read("slake")
    assert not left_out
    assert [example.id for example in examples] == ["slake/test/1", "slake/test/2", "slake/test/3", "slake/test/5"]
    assert [example.answer_type for example in read("slake-bilingual")[0]] == [
        *("open", "yes_no", "closed", "open", "open", "closed")
    ]
    assert (examples[0].modality, examples[0].anatomy, examples[0].group) == ("CT", "Lung", "xmlab102/source.jpg")


def test_closed_is_more_than_yes_and_no(slake: Any, read: Any) -> None:
    examples, _ = read("slake-closed")
    assert [(e.answer, e.answer_type) for e in examples] == [("no", "yes_no"), ("Heart", "closed")]


def test_lists_and_double_spaces_in_answers_are_graded_fairly(slake: Any, read: Any) -> None:
    organs, *_, plane = read("slake")[0]
    assert plane.answer == "Transverse Plane"
    assert grade_example(plane, "transverse plane").correct
    assert grade_example(organs, "spinal cord, lung").correct
    assert not grade_example(organs, "lung").correct


def test_an_english_test_image_never_gets_into_training(slake: Any, read: Any) -> None:
    """72 of the 96 English test images occur in the Chinese training split."""
    slake.json("train.json", [record(10, "肺", lang="zh", image=102), record(11, "Lung", image=7)])
    examples, _ = read("slake-train")
    assert [example.group for example in examples] == ["xmlab7/source.jpg"]
    slake.json("train.json", [record(10, "Lung", image=102), record(11, "Lung", image=7)])
    with pytest.raises(BenchmarkError, match=r"1 images .* English test, xmlab102/source\.jpg first"):
        read("slake-train")


def test_an_image_of_the_chinese_test_alone_is_no_leak(slake: Any, read: Any) -> None:
    slake.json("test.json", [*TEST, record(12, "肺", lang="zh", image=7)])
    slake.json("validation.json", [record(13, "Lung", image=7)])
    assert len(read("slake-validation")[0]) == 1


def test_rows_without_an_image_file_are_named(slake: Any, read: Any) -> None:
    slake.json("test.json", [record(1, "Lung", image=5), record(2, "Lung"), {**record(3, "Lung"), "img_name": ""}])
    examples, left_out = read("slake")
    assert [example.id for example in examples] == ["slake/test/2"]
    assert [(row.id, row.reason) for row in left_out] == [("1", "no_image"), ("3", "no_image")]
    assert "xmlab5/source.jpg is missing" in left_out[0].detail


@pytest.mark.parametrize("root", ["imgs/", "", "Slake1.0/imgs/"])
def test_images_are_read_out_of_the_archive(repository: Any, read: Any, picture: Any, root: str) -> None:
    repository.json("test.json", TEST[:1])
    repository.archive("imgs.zip", {f"{root}xmlab102/source.jpg": picture(3), f"{root}xmlab102/mask.png": picture(4)})
    (example,), _ = read("slake")
    assert example.images[0].encoded == picture(3)


def test_files_that_are_not_there_are_named(repository: Any, read: Any) -> None:
    with pytest.raises(BenchmarkError, match=r"has no test\.json; there is no such folder"):
        read("slake")
    repository.json("test.json", TEST)
    with pytest.raises(BenchmarkError, match=r"neither a folder imgs nor imgs\.zip; it holds test\.json"):
        read("slake")
    (repository.folder / "imgs.zip").write_bytes(b"cut short")
    with pytest.raises(BenchmarkError, match=r"imgs\.zip is damaged"):
        read("slake")
    repository.json("test.json", [{"question": "?"}])
    with pytest.raises(BenchmarkError, match=r"test\.json: record 0 lacks answer, answer_type"):
        read("slake")
    (repository.folder / "test.json").write_text("[{")
    with pytest.raises(BenchmarkError, match=r"test\.json is no JSON"):
        read("slake")
    repository.json("test.json", {"data": []})
    with pytest.raises(BenchmarkError, match="holds no list of records"):
        read("slake")
