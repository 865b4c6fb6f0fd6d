"""SLAKE: questions in English and Chinese about CT, MR and radiographs with organs and lesions outlined.

A row of ``test.json`` (``train.json``, ``validation.json``), beside ``imgs.zip`` or its folder ``imgs/``::

    {"img_id": 102, "img_name": "xmlab102/source.jpg", "question": "What is the main organ in the image?",
     "answer": "Lung, Spinal Cord", "q_lang": "en", "location": "Lung", "modality": "CT", "answer_type": "OPEN",
     "base_type": "vqa", "triple": ["vhead", "_", "_"], "qid": 11936, "content_type": "Organ"}

Rows hold no image; ``img_name`` is its path in the archive.

Traps: both languages lie in one file, and 72 of the 96 images of the English test are images of the Chinese training
split, so training items are English here, and one whose image is an English test image stops the reading; CLOSED is
more than yes and no (416 of the 1,061, of which 355); 60 open answers are lists, whose order says nothing, which is
the grader's matter; one answer holds a double space, made single here.

MedEvalKit does not look at the language: its test has 2,094 items, which is ``slake-bilingual``, and the published
figures are of that set.

Licence: CC BY 4.0. Revision: none is pinned. To reproduce, on the 2,094: Lingshu-7B 83.1 (Lingshu paper, MedEvalKit).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from vitar.data.benchmarks.answers import yes_no_or
from vitar.data.benchmarks.files import json_records, one_of, open_files
from vitar.data.benchmarks.prompts import LMMS_EVAL_SLAKE, MEDEVALKIT_CLOSED, MEDEVALKIT_OPEN
from vitar.data.benchmarks.record import Benchmark, BenchmarkError, Row, lingshu_table

_COLUMNS = ("img_name", "question", "answer", "q_lang", "location", "modality", "answer_type", "qid")


def _rows(
    folder: Path, *, split: str, languages: Collection[str] = ("en",), types: Collection[str] | None = None
) -> Iterator[Row]:
    """The items of a split in these languages, and of these answer types; None means all."""
    records = [record for record in _records(folder, split) if record["q_lang"] in languages]
    if split != "test":
        _refuse_test_images(records, _records(folder, "test"))
    with open_files(folder, "imgs", "imgs.zip") as images:
        for record in records:
            marked = "closed" if record["answer_type"].strip() == "CLOSED" else "open"
            answer, answer_type = yes_no_or(marked, " ".join(str(record["answer"]).split()))
            if types is None or answer_type in types:
                yield Row(
                    id=str(record["qid"]),
                    images=(images.image(record["img_name"]),),
                    question=record["question"].strip(),
                    answer=answer,
                    answer_type=answer_type,
                    modality=record["modality"],
                    anatomy=record["location"],
                    group=record["img_name"],
                )


def _records(folder: Path, split: str) -> list[dict[str, Any]]:
    path = one_of(folder, f"{split}.json")
    return json_records(path.read_bytes(), path.name, _COLUMNS)


def _refuse_test_images(records: list[dict[str, Any]], test: list[dict[str, Any]]) -> None:
    tested = {record["img_name"] for record in test if record["q_lang"] == "en"}
    leaked = sorted({record["img_name"] for record in records} & tested)
    if leaked:
        raise BenchmarkError(
            f"{len(leaked)} images of these items are images of SLAKE's English test, {leaked[0]} first; expected "
            "splits that share none. Fetch the files again."
        )


def _benchmark(name: str, about: str, items: int, split: str = "test", **selection: Any) -> Benchmark:
    return Benchmark(
        name=name,
        family="slake",
        about=about,
        items=items,
        hub_id="BoKelvin/SLAKE",
        files=("test.json", f"{split}.json", "imgs.zip"),
        split=split,
        licence="CC-BY-4.0",
        access="open",
        rows=partial(_rows, split=split, **selection),
        prompts=(MEDEVALKIT_CLOSED, MEDEVALKIT_OPEN, LMMS_EVAL_SLAKE),
        published=lingshu_table(67.2, 83.1, 89.2) if name == "slake-bilingual" else (),
    )


VARIANTS = (
    _benchmark("slake", "English test questions", 1061),
    _benchmark("slake-closed", "English test questions marked CLOSED", 416, types=("yes_no", "closed")),
    _benchmark("slake-bilingual", "English and Chinese test questions", 2094, languages=("en", "zh")),
    _benchmark("slake-validation", "English validation questions", 1053, split="validation"),
    _benchmark("slake-train", "English training questions", 4919, split="train"),
)
