"""MMMU and MMMU-Pro, the five subjects of Health and Medicine: college questions with images between the words.

A row of MMMU's ``Clinical_Medicine/validation-*.parquet``, one folder per subject::

    {"id": "validation_Clinical_Medicine_1", "question": "<image 1> shows ... Which is seen in <image 2>?",
     "options": "['Oedema', '<image 3>', ...]", "answer": "B", "explanation": "", "image_1": {"bytes": b"..."}, ...,
     "image_7": None, "img_type": "['CT']", "question_type": "multiple-choice", "subfield": "...",
     "topic_difficulty": "Hard"}

MMMU-Pro has one folder per setting (``standard (10 options)``, ``standard (4 options)``, ``vision``) with all
subjects in ``test-*.parquet`` and a column ``subject``; ``vision`` shows question and options inside one ``image``.

``<image 2>`` means ``image_2`` wherever it stands, in the question or in an option, and options are shuffled: a
prompt puts each image where its token is. Here the images are in the order of their numbers, and the tokens stay in
the text.

Traps: ``options`` and ``img_type`` are texts that hold a Python list; five of the 150 validation questions ask for a
short answer; "10 options" means 1 to 12, and a question with one option is left
out; the test answers of MMMU are not public; MedVLThinker's "MMMU-medical" is validation and dev, multiple-choice
only, 170 items. MedEvalKit shows ``image_1`` alone.

Licence: Apache 2.0. Revision: none is pinned. Items: 150 (30 per subject) and 286 (52, 59, 60, 57, 58 in the order of
`SUBJECTS`). To reproduce, on the 150: Lingshu-7B 54.0 (Lingshu paper, MedEvalKit). For MMMU-Pro's medical part no
figure is on record here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from vitar.data.benchmarks.answers import lettered_answer
from vitar.data.benchmarks.files import numbered_images, table_rows
from vitar.data.benchmarks.prompts import (
    LMMS_EVAL_MMMU,
    LMMS_EVAL_MMMU_PRO,
    MEDEVALKIT_MMMU_CHOICE,
    MEDEVALKIT_MMMU_SHORT,
    MMMU_PRO_DIRECT,
    MMMU_PRO_REASONED,
    MMMU_PRO_VISION_DIRECT,
    MMMU_PRO_VISION_REASONED,
    VLMEVALKIT_CHOICE,
)
from vitar.data.benchmarks.record import Benchmark, LeftOut, Row, lingshu_table

SUBJECTS = (
    "Basic_Medical_Science",
    "Clinical_Medicine",
    "Diagnostics_and_Laboratory_Medicine",
    "Pharmacy",
    "Public_Health",
)

VISION_QUESTION = "Answer the multiple-choice question in the image."
"""Stands for the question where it is part of the image."""

_IMAGE_TOKEN = re.compile(r"<image (\d+)>")


def _mmmu(folder: Path, *, splits: Sequence[str], only_choice: bool = False) -> Iterator[Row | LeftOut]:
    columns = ("id", "question", "options", "answer", "question_type", "image_1")
    for subject in SUBJECTS:
        for split in splits:
            for record in table_rows(folder, f"*{subject}/{split}-*.parquet", columns):
                if record["question_type"] == "multiple-choice" or not only_choice:
                    yield _row(record, subject)


def _pro(folder: Path, *, setting: str) -> Iterator[Row | LeftOut]:
    shown_as_one = setting == "vision"
    columns = ("id", "options", "answer", "subject", *(("image",) if shown_as_one else ("question", "image_1")))
    for record in table_rows(folder, f"*{setting}/test-*.parquet", columns):
        subject = record["subject"].replace(" ", "_")
        if subject in SUBJECTS:
            if shown_as_one:
                record = {**record, "question": VISION_QUESTION, "image_1": record["image"]}
            yield _row({"question_type": "multiple-choice", **record}, subject)


def _row(record: dict[str, Any], subject: str) -> Row | LeftOut:
    name = record["id"]
    images, gap = numbered_images(record, name)
    try:
        options, modalities = _listed(record["options"]), _listed(record.get("img_type"))
    except (ValueError, SyntaxError) as error:
        return LeftOut(name, "no_list", f"its options or img_type hold no list of Python ({error})")
    if gap:
        return LeftOut(name, "image_order", gap)
    is_choice = record["question_type"] == "multiple-choice"
    answer = lettered_answer(options, record["answer"]) if is_choice else record["answer"].strip()
    shown = [int(number) for number in _IMAGE_TOKEN.findall(" ".join((record["question"], *options)))]
    if shown and max(shown) > len(images):
        return LeftOut(name, "image_order", f"it speaks of image {max(shown)} and has {len(images)}")
    return Row(
        id=name,
        images=images,
        question=record["question"].strip(),
        answer=answer,
        answer_type="choice" if is_choice else "closed",
        options=options if is_choice else (),
        modality=", ".join(modalities),
        part=subject,
    )


def _listed(text: str | None) -> tuple[str, ...]:
    """The list that a column holds as text."""
    return tuple(str(part).strip() for part in ast.literal_eval(text or "[]"))


def _benchmark(name: str, about: str, items: int, splits: tuple[str, ...], **selection: Any) -> Benchmark:
    return Benchmark(
        name=name,
        family="mmmu-health",
        about=about,
        items=items,
        hub_id="MMMU/MMMU",
        files=tuple(f"*{subject}/{split}-*.parquet" for subject in SUBJECTS for split in splits),
        split="validation",
        licence="Apache-2.0",
        access="open",
        rows=partial(_mmmu, splits=splits, **selection),
        prompts=(MEDEVALKIT_MMMU_CHOICE, MEDEVALKIT_MMMU_SHORT, LMMS_EVAL_MMMU, VLMEVALKIT_CHOICE),
        published=lingshu_table(50.6, 54.0, 62.3) if name == "mmmu-health" else (),
    )


def _pro_benchmark(name: str, about: str, setting: str) -> Benchmark:
    standard = (MMMU_PRO_DIRECT, MMMU_PRO_REASONED, LMMS_EVAL_MMMU_PRO, VLMEVALKIT_CHOICE)
    return Benchmark(
        name=name,
        family=name,
        about=about,
        items=286,
        hub_id="MMMU/MMMU_Pro",
        files=(f"*{setting}/test-*.parquet",),
        split="test",
        licence="Apache-2.0",
        access="open",
        rows=partial(_pro, setting=setting),
        prompts=(MMMU_PRO_VISION_DIRECT, MMMU_PRO_VISION_REASONED) if setting == "vision" else standard,
    )


VARIANTS = (
    _benchmark("mmmu-health", "MMMU validation, Health and Medicine", 150, ("validation",)),
    _benchmark(
        "mmmu-health-choice",
        "MMMU validation and dev, multiple-choice only",
        170,
        ("validation", "dev"),
        only_choice=True,
    ),
    _pro_benchmark("mmmu-pro-health", "MMMU-Pro, Health and Medicine, up to 12 options", "standard (10 options)"),
    _pro_benchmark("mmmu-pro-health-4", "MMMU-Pro, Health and Medicine, 4 options", "standard (4 options)"),
    _pro_benchmark("mmmu-pro-health-vision", "MMMU-Pro, Health and Medicine, question in the image", "vision"),
)
