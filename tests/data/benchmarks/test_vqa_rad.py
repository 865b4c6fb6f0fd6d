"""VQA-RAD: the real file, its traps one by one, and its two copies on the Hub."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import datasets
import pytest

from vitar.data.benchmarks.record import BenchmarkError

OFFICIAL = "VQA_RAD Dataset Public.json"
TEXT = datasets.Value("string")


def record(qid: int | str, answer: Any, answer_type: str = "OPEN", **fields: Any) -> dict[str, Any]:
    plain = {
        "qid": qid,
        "phrase_type": "test_freeform",
        "qid_linked_id": "03f451ca",
        "image_case_url": "https://medpix.nlm.nih.gov/case?id=1",
        "image_name": "synpic1.jpg",
        "image_organ": "CHEST",
        "evaluation": "evaluated",
        "question": f"Question {qid}?",
        "question_rephrase": "NULL",
        "question_relation": "NULL",
        "question_frame": "NULL",
        "question_type": "PRES",
        "answer": answer,
        "answer_type": answer_type,
    }
    return plain | fields


@pytest.mark.parametrize(
    ("name", "items", "types"),
    [
        ("vqa-rad", 451, {"yes_no": 251, "closed": 21, "open": 179}),
        ("vqa-rad-yes-no", 251, {"yes_no": 251}),
        ("vqa-rad-closed", 272, {"yes_no": 251, "closed": 21}),
        ("vqa-rad-train", 1793, {"yes_no": 940, "closed": 85, "open": 768}),
    ],
)
def test_the_real_file_gives_the_known_counts(
    name: str, items: int, types: dict[str, int], real_vqa_rad: Path, read: Any
) -> None:
    examples, left_out = read(name, real_vqa_rad)
    assert (len(examples), left_out) == (items, [])
    assert Counter(example.answer_type for example in examples) == types
    assert all(Path(example.images[0].uri).is_file() for example in examples)


def test_the_real_file_has_its_traps(real_vqa_rad: Path, read: Any) -> None:
    """The facts that the docstring states, so that the fixtures below stand for something."""
    records = json.loads((real_vqa_rad / OFFICIAL).read_text(encoding="utf-8"))
    assert [r["qid"] for r in records if r["answer_type"] == "CLOSED "] == [2156, 2157]
    assert [r["qid"] for r in records if isinstance(r["answer"], int)] == [1511, 1568, 1683, 2234, 2235]
    train = {example.id: example for example in read("vqa-rad-train", real_vqa_rad)[0]}
    assert train["vqa-rad/train/2156"].answer_type == "closed"  # "Maybe"
    assert train["vqa-rad/train/2234"].answer == "12"
    test = read("vqa-rad", real_vqa_rad)[0]
    assert len({example.group for example in test}) == 203
    assert len({example.group for example in test} & {example.group for example in train.values()}) == 202


def test_a_row_becomes_an_example(repository: Any, read: Any) -> None:
    repository.json(OFFICIAL, [record("0", " Both ", "CLOSED ", question="On which side? ")])
    repository.images("images", "synpic1.jpg", "never_referenced.jpg")
    (example,), left_out = read("vqa-rad-closed")
    assert not left_out
    assert (example.id, example.group, example.source) == ("vqa-rad/test/0", "synpic1.jpg", "vqa-rad")
    assert (example.question, example.answer, example.answer_type) == ("On which side?", "Both", "closed")
    assert (example.anatomy, example.split, example.licence) == ("chest", "test", "CC0-1.0")
    assert example.images[0].uri == str(repository.folder / "images" / "synpic1.jpg")


def test_integers_and_capitals_in_answers(repository: Any, read: Any) -> None:
    repository.json(OFFICIAL, [record(1, 4), record(2, "Yes", "CLOSED"), record(3, "NO", "CLOSED")])
    repository.images("images", "synpic1.jpg")
    examples, _ = read("vqa-rad")
    assert [(e.answer, e.answer_type) for e in examples] == [("4", "open"), ("yes", "yes_no"), ("no", "yes_no")]
    assert [e.answer for e in read("vqa-rad-yes-no")[0]] == ["yes", "no"]


def test_training_triplets_once_and_not_those_of_the_test(repository: Any, read: Any) -> None:
    same = {"question": "Where is it?", "answer": "left"}
    train = {"phrase_type": "freeform"}
    repository.json(
        OFFICIAL,
        [
            record(1, "Yes", **train),
            record(2, **(same | {"phrase_type": "para"})),
            record(3, **(same | train)),
            record(4, "12", question="How many?", **train),
            record(5, 12, question="How many?", phrase_type="test_para"),
        ],
    )
    repository.images("images", "synpic1.jpg")
    assert [example.id for example in read("vqa-rad-train")[0]] == ["vqa-rad/train/1", "vqa-rad/train/2"]
    assert [example.id for example in read("vqa-rad")[0]] == ["vqa-rad/test/5"]


def test_the_hub_copy_has_no_marker(repository: Any, read: Any, picture: Any) -> None:
    rows = [
        {"image": picture(1), "question": "is there a mass?", "answer": "Yes"},
        {"image": picture(1), "question": "mri or ct?", "answer": "mri"},
        {"image": picture(2), "question": "is it normal?", "answer": "no"},
    ]
    repository.parquet("data/test-00000-of-00001-e5bc3d208bb4deeb.parquet", rows)
    repository.parquet("data/train-00000-of-00001-eb8844602202be60.parquet", rows[:1])
    examples, _ = read("vqa-rad")
    assert [example.answer_type for example in examples] == ["yes_no", "open", "yes_no"]
    assert [example.id for example in examples] == ["vqa-rad/test/row-0", "vqa-rad/test/row-1", "vqa-rad/test/row-2"]
    assert examples[0].images[0].encoded == picture(1)
    assert examples[0].group == examples[1].group != examples[2].group
    assert len(read("vqa-rad-train")[0]) == 1
    with pytest.raises(BenchmarkError, match=r"no file \*vqa_rad/\*\.arrow"):
        read("vqa-rad-closed")


def test_the_other_hub_copy_tells_closed_questions(repository: Any, read: Any, picture: Any) -> None:
    rows = [
        {"image": picture(1), "input": "Is it cystic or solid?", "label": "Cystic", "answer_type": "CLOSED"},
        {"image": picture(1), "input": "Where is it?", "label": "liver", "answer_type": "OPEN"},
        {"image": picture(1), "input": "Is there a mass?", "label": "yes", "answer_type": "CLOSED"},
    ]
    for folder in ("vqa_rad", "SLAKE"):
        saved = datasets.Dataset.from_list(
            [row | {"image": {"bytes": row["image"], "path": None}} for row in rows],
            features=datasets.Features({name: datasets.Image() if name == "image" else TEXT for name in rows[0]}),
        )
        saved.save_to_disk(str(repository.folder / folder))
    examples, _ = read("vqa-rad-closed")
    assert [(e.question, e.answer, e.answer_type) for e in examples] == [
        ("Is it cystic or solid?", "Cystic", "closed"),
        ("Is there a mass?", "yes", "yes_no"),
    ]
