"""OmniMedVQA, open access: two- to four-way questions made from the labels of 42 public data sets.

A row of ``OmniMedVQA/QA_information/Open-access/*.json``, in ``OmniMedVQA.zip`` or unpacked::

    {"dataset": "...", "question_id": "...", "question_type": "...", "question": "...", "gt_answer": "Yes",
     "image_path": "Images/...", "option_A": "No", "option_B": "Yes", "modality_type": "..."}

``image_path`` is relative to ``OmniMedVQA/``.

Traps: ``Chest CT Scan.json`` says ``modality`` for ``modality_type``; ``option_C`` and ``option_D`` may be missing or
null; paths hold spaces and percent signs, which mean themselves; ``Restricted-access`` questions lie beside the open
ones, without their images, and are not read; where no option equals ``gt_answer`` the question has no right choice,
and is left out (MedEvalKit counts it as wrong).

Licence: not verified. Revision: none is pinned; ``OmniMedVQA.zip`` has about 10.7 GB. To reproduce, on the 88,996:
Lingshu-7B 82.9 (Lingshu paper, MedEvalKit).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from vitar.data.benchmarks.files import json_records, open_files
from vitar.data.benchmarks.prompts import MEDEVALKIT_CHOICE, VLMEVALKIT_CHOICE
from vitar.data.benchmarks.record import Benchmark, BenchmarkError, Row, lingshu_table

QUESTIONS = "QA_information/Open-access"
_COLUMNS = ("dataset", "question_id", "question", "gt_answer", "image_path", "option_A")


def _rows(folder: Path) -> Iterator[Row]:
    unpacked_here = (folder / QUESTIONS).is_dir()  # the folder OmniMedVQA itself was named
    with open_files(folder, "." if unpacked_here else "OmniMedVQA", "OmniMedVQA.zip") as files:
        tables = [name for name in files.names(QUESTIONS) if name.endswith(".json")]
        if not tables:
            raise BenchmarkError(f"{folder} has no JSON files in OmniMedVQA/{QUESTIONS}; expected 42 of them")
        for table in tables:
            for record in json_records(files.read(table), table, _COLUMNS):
                offered = (record.get(f"option_{letter}") for letter in "ABCD")
                yield Row(
                    id=f"{PurePosixPath(table).stem}/{record['question_id']}",
                    images=(files.image(record["image_path"]),),
                    question=record["question"].strip(),
                    answer=str(record["gt_answer"]).strip(),
                    answer_type="choice",
                    options=tuple(str(option).strip() for option in offered if option is not None),
                    modality=record.get("modality_type") or record.get("modality") or "",
                    part=record["dataset"],
                    group=record["image_path"],
                )


VARIANTS = (
    Benchmark(
        name="omni-med-vqa",
        family="omni-med-vqa",
        about="questions on open-access images, 42 data sets",
        items=88996,
        hub_id="foreverbeliever/OmniMedVQA",
        files=("OmniMedVQA.zip",),
        split="test",
        licence="not verified",
        access="open",
        rows=_rows,
        prompts=(MEDEVALKIT_CHOICE, VLMEVALKIT_CHOICE),
        published=lingshu_table(63.6, 82.9, 83.4),
    ),
)
