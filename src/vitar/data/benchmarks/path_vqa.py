"""PathVQA: questions made from the captions of pathology textbooks and a digital library.

A row of ``data/test-*.parquet`` (``train``, ``validation``)::

    {"image": {"bytes": b"...", "path": None}, "question": "...", "answer": "..."}

Nothing marks closed questions; an answer yes or no does (3,362 of the 6,719). Repeated triplets were dropped by the
maintainer of the Hub copy; 4,289 images remain. No row names its image, so the group is the content of the image
file.

Licence: MIT, as the card says; the images' copyright is the publishers'. Revision: none is pinned. To reproduce, on
the 6,719: Lingshu-7B 61.9 (Lingshu paper, MedEvalKit; open answers graded by a judge model).
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from vitar.data.benchmarks.answers import yes_no_or
from vitar.data.benchmarks.files import content_group, embedded, table_rows
from vitar.data.benchmarks.prompts import MEDEVALKIT_NOT_YES_NO, MEDEVALKIT_YES_NO
from vitar.data.benchmarks.record import Benchmark, Row, lingshu_table


def _rows(folder: Path, *, split: str, only_yes_no: bool = False) -> Iterator[Row]:
    for place, record in enumerate(table_rows(folder, f"*{split}-*.parquet", ("image", "question", "answer"))):
        answer, answer_type = yes_no_or("open", record["answer"])
        if answer_type == "yes_no" or not only_yes_no:
            images = (embedded(record["image"], f"image of row {place}"),)
            yield Row(
                id=f"row-{place}",
                images=images,
                question=record["question"].strip(),
                answer=answer,
                answer_type=answer_type,
                modality="pathology",
                group=content_group(images),
            )


def _benchmark(name: str, about: str, items: int, split: str = "test", only_yes_no: bool = False) -> Benchmark:
    return Benchmark(
        name=name,
        family="path-vqa",
        about=about,
        items=items,
        hub_id="flaviagiammarino/path-vqa",
        files=(f"*{split}-*.parquet",),
        split=split,
        licence="MIT",
        access="open",
        rows=partial(_rows, split=split, only_yes_no=only_yes_no),
        prompts=(MEDEVALKIT_YES_NO, MEDEVALKIT_NOT_YES_NO),
        published=lingshu_table(44.1, 61.9, 65.9) if name == "path-vqa" else (),
    )


VARIANTS = (
    _benchmark("path-vqa", "all test questions", 6719),
    _benchmark("path-vqa-yes-no", "test questions whose answer is yes or no", 3362, only_yes_no=True),
    _benchmark("path-vqa-validation", "validation questions", 6259, split="validation"),
    _benchmark("path-vqa-train", "training questions", 19654, split="train"),
)
