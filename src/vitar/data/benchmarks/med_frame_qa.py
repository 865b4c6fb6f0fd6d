"""MedFrameQA: multiple-choice questions about two to five frames of one medical video.

A row of ``data/test-*.parquet``::

    {"question_id": "...", "system": "...", "organ": "...", "keyword": "...", "modality": "CT", "video_id": "...",
     "question": "...", "options": ["...", ...], "correct_answer": "B", "image_1": {"bytes": b"..."}, ...,
     "image_5": None}

Images come before the question, in the order of their columns, which nulls fill up; the text has no tokens for them.
Questions on one video form a group.

Licence: CC BY 4.0. Revision: none is pinned. Items: 2,851. No figure to reproduce is on record here.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vitar.data.benchmarks.answers import lettered_answer
from vitar.data.benchmarks.files import numbered_images, table_rows
from vitar.data.benchmarks.prompts import MEDEVALKIT_CHOICE_MEDFRAMEQA
from vitar.data.benchmarks.record import Benchmark, LeftOut, Row

_COLUMNS = (
    "question_id",
    "video_id",
    "modality",
    "organ",
    "question",
    "options",
    "correct_answer",
    "image_1",
    "image_2",
)


def _rows(folder: Path) -> Iterator[Row | LeftOut]:
    for record in table_rows(folder, "*test-*.parquet", _COLUMNS):
        name = str(record["question_id"])
        images, gap = numbered_images(record, name)
        if gap:
            yield LeftOut(name, "image_order", gap)
            continue
        options = tuple(option.strip() for option in record["options"])
        yield Row(
            id=name,
            images=images,
            question=record["question"].strip(),
            answer=lettered_answer(options, record["correct_answer"]),
            answer_type="choice",
            options=options,
            modality=record["modality"] or "",
            anatomy=record["organ"] or "",
            group=str(record["video_id"]),
        )


VARIANTS = (
    Benchmark(
        name="med-frame-qa",
        family="med-frame-qa",
        about="two to five video frames per question",
        items=2851,
        hub_id="SuhaoYu1020/MedFrameQA",
        files=("*test-*.parquet",),
        split="test",
        licence="CC-BY-4.0",
        access="open",
        rows=_rows,
        prompts=(MEDEVALKIT_CHOICE_MEDFRAMEQA,),
    ),
)
