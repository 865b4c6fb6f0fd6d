"""VQA-RAD: clinicians' questions about radiographs, CT and MR of head, chest and abdomen.

A row of the official file, ``VQA_RAD Dataset Public.json`` beside ``images/``::

    {"qid": 243, "phrase_type": "test_freeform", "image_name": "synpic40464.jpg", "image_organ": "ABD",
     "question": "Are there multiple or just 1 metastatic focus?", "answer": "one", "answer_type": "CLOSED", ...}

A row of flaviagiammarino/vqa-rad has ``image``, ``question``, ``answer``; one of AdaptLLM/biomed-VQA-benchmark
(folder ``vqa_rad``, an Arrow file of the test items) has ``image``, ``input``, ``label``, ``answer_type``.

Three test sets go by one name, so a figure needs its n: 451 (all), 251 (answer yes or no), 272 (marked CLOSED, of
which 21 ask for a word). What is closed but not yes/no is an open question to those who only have the first Hub copy;
so it is here, where that copy is read.

Traps: ``phrase_type`` that begins with ``test`` marks the test items; ``answer_type`` may be ``"CLOSED "``; five
answers are integers; three training triplets are doubles and one is a test triplet (left out here as in the Hub copy,
which makes 1,793 of 1,797); 202 of the 203 test images are training images as well, so the splits do not separate
images.

Licence: CC0 1.0. Revision: none is pinned. To reproduce, on the 451: Lingshu-7B 67.9 (Lingshu paper, MedEvalKit; open
answers graded by a judge model).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from vitar.data.benchmarks.answers import yes_no_or
from vitar.data.benchmarks.files import content_group, embedded, json_records, one_of, open_files, table_rows
from vitar.data.benchmarks.prompts import MEDEVALKIT_NOT_YES_NO, MEDEVALKIT_YES_NO
from vitar.data.benchmarks.record import Benchmark, Row, lingshu_table

OFFICIAL = "VQA_RAD Dataset Public.json"
_COLUMNS = ("qid", "phrase_type", "image_name", "image_organ", "question", "answer", "answer_type")


def _rows(folder: Path, *, train: bool = False, kind: str = "all") -> Iterator[Row]:
    """The items of a split; ``kind``: ``all``, ``yes_no``, or ``closed`` as the authors marked them."""
    if (folder / OFFICIAL).is_file():
        made = _official(folder, train)
    elif kind == "closed":
        made = _marked(folder)
    else:
        made = _plain(folder, "train" if train else "test")
    kinds = {"all": ("yes_no", "closed", "open"), "yes_no": ("yes_no",), "closed": ("yes_no", "closed")}[kind]
    return (row for row in made if row.answer_type in kinds)


def _official(folder: Path, train: bool) -> Iterator[Row]:
    path = one_of(folder, OFFICIAL)
    records = json_records(path.read_bytes(), path.name, _COLUMNS)
    taken = {_triplet(record) for record in records if _is_test(record)} if train else set()
    with open_files(folder, "images", "images.zip") as images:
        for record in records:
            if _is_test(record) == train or (train and _triplet(record) in taken):
                continue
            taken.add(_triplet(record))
            answer, answer_type = yes_no_or(_closed_or_open(record["answer_type"]), record["answer"])
            yield Row(
                id=str(record["qid"]),
                images=(images.image(record["image_name"]),),
                question=record["question"].strip(),
                answer=answer,
                answer_type=answer_type,
                anatomy=record["image_organ"].lower(),
                group=record["image_name"],
            )


def _is_test(record: dict[str, Any]) -> bool:
    return record["phrase_type"].startswith("test")


def _triplet(record: dict[str, Any]) -> tuple[str, str, str]:
    return record["image_name"], record["question"], str(record["answer"])


def _closed_or_open(marker: str) -> str:
    return "closed" if marker.strip() == "CLOSED" else "open"


def _plain(folder: Path, split: str) -> Iterator[Row]:
    """The Hub copy without a marker."""
    for place, record in enumerate(table_rows(folder, f"*{split}-*.parquet", ("image", "question", "answer"))):
        yield _of_table(place, record["image"], record["question"], *yes_no_or("open", record["answer"]))


def _marked(folder: Path) -> Iterator[Row]:
    """The Hub copy with the authors' marker."""
    records = table_rows(folder, "*vqa_rad/*.arrow", ("image", "input", "label", "answer_type"))
    for place, record in enumerate(records):
        answer_type = _closed_or_open(record["answer_type"])
        yield _of_table(place, record["image"], record["input"], *yes_no_or(answer_type, record["label"]))


def _of_table(place: int, image: dict[str, Any], question: str, answer: str, answer_type: str) -> Row:
    images = (embedded(image, f"image of row {place}"),)
    return Row(f"row-{place}", images, question.strip(), answer, answer_type, group=content_group(images))


def _benchmark(name: str, about: str, items: int, kind: str = "all", train: bool = False) -> Benchmark:
    split = "train" if train else "test"
    marked = kind == "closed"
    return Benchmark(
        name=name,
        family="vqa-rad",
        about=about,
        items=items,
        hub_id="AdaptLLM/biomed-VQA-benchmark" if marked else "flaviagiammarino/vqa-rad",
        files=("*vqa_rad/*.arrow",) if marked else (f"*{split}-*.parquet",),
        split=split,
        licence="CC0-1.0",
        access="open",
        rows=partial(_rows, train=train, kind=kind),
        prompts=(MEDEVALKIT_YES_NO, MEDEVALKIT_NOT_YES_NO),
        published=lingshu_table(64.5, 67.9, 76.5) if name == "vqa-rad" else (),
    )


VARIANTS = (
    _benchmark("vqa-rad", "all test questions", 451),
    _benchmark("vqa-rad-yes-no", "test questions whose answer is yes or no", 251, kind="yes_no"),
    _benchmark("vqa-rad-closed", "test questions that the authors marked CLOSED", 272, kind="closed"),
    _benchmark("vqa-rad-train", "training questions without repeated triplets", 1793, train=True),
)
