"""MedXpertQA-MM: five-way board examination questions with one to six images.

A row of ``MM/test.jsonl``, beside ``images.zip`` or its folder ``images/``::

    {"id": "MM-26", "question": "A 70-year-old female patient ... What is the most probable diagnosis?\\nAnswer
     Choices: (A) Erythema infectiosum (B) Cutaneous larva migrans (C) Cold agglutinin disease ...", "options": {"A":
     "Erythema infectiosum", "B": "Cutaneous larva migrans", "C": "Cold agglutinin disease", ...}, "label": "C",
     "images": ["MM-26-a.jpeg"], "medical_task": "Diagnosis", "body_system": "Lymphatic", "question_type": "Reasoning"}

Images come before the question, in the order of the list; the text has no tokens for them.

Trap: the question ends in its own list of options, which is cut off here, or a prompt shows them twice (as
MedEvalKit's does). The official prompt is the question with that list, and is `prompts.MEDXPERTQA`.

Licence: MIT. Revision: none is pinned. Items: 2,000, of which 1,581 have one image. To reproduce: Lingshu-7B 26.7
(Lingshu paper, MedEvalKit).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from vitar.data.benchmarks.files import json_records, one_of, open_files
from vitar.data.benchmarks.prompts import MEDEVALKIT_CHOICE, MEDVLTHINKER, MEDXPERTQA, VLMEVALKIT_CHOICE
from vitar.data.benchmarks.record import Benchmark, LeftOut, Row, lingshu_table

CHOICES = "\nAnswer Choices:"
_COLUMNS = ("id", "question", "options", "label", "images")


def _rows(folder: Path) -> Iterator[Row | LeftOut]:
    path = one_of(folder, "MM/test.jsonl")
    records = json_records(path.read_bytes(), path.name, _COLUMNS)
    with open_files(folder, "images", "images.zip") as images:
        for record in records:
            options = dict(sorted(record["options"].items()))
            if record["label"] not in options:
                yield LeftOut(
                    record["id"], "no_label", f"its label {record['label']!r} is none of {', '.join(options)}"
                )
                continue
            yield Row(
                id=record["id"],
                images=tuple(images.image(name) for name in record["images"]),
                question=_without_choices(record["question"]),
                answer=options[record["label"]].strip(),
                answer_type="choice",
                options=tuple(text.strip() for text in options.values()),
                anatomy=record.get("body_system", ""),
            )


def _without_choices(question: str) -> str:
    text, found, _ = question.rpartition(CHOICES)
    return (text if found else question).strip()


VARIANTS = (
    Benchmark(
        name="med-xpert-qa",
        family="med-xpert-qa",
        about="MedXpertQA-MM test, one to six images per question",
        items=2000,
        hub_id="TsinghuaC3I/MedXpertQA",
        files=("MM/test.jsonl", "images.zip"),
        split="test",
        licence="MIT",
        access="open",
        rows=_rows,
        prompts=(MEDXPERTQA, MEDEVALKIT_CHOICE, VLMEVALKIT_CHOICE, MEDVLTHINKER),
        published=lingshu_table(22.3, 26.7, 30.9),
    ),
)
