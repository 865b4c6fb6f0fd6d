"""HuatuoGPT-Vision's combined evaluation file: six benchmarks as multiple-choice questions; ViTAR's evaluation data.

A row of ``medical_multimodel_evaluation_data.json`` (sic), beside ``images.zip`` or its folder ``images/``::

    {"question": "What can be observed in this image?", "image": ["images/ankle071718.png"],
     "options": ["Shin splints", "Tennis elbow", "Plantar fascia pathology", "Meniscal tear"],
     "answer": "Plantar fascia pathology", "dataset": "OmniMedVQA", "subset": "MR (Mag-netic Resonance Imaging)"}

The answer is an option's text. Yes/no questions are choices too. ``subset`` is the modality of OmniMedVQA rows,
spelled as above, and empty elsewhere.

Traps: the parts are not the benchmarks of the same name, in number or form (of VQA-RAD the 251 yes/no questions, of
SLAKE the 416 closed ones, of OmniMedVQA a choice of 11,124): a figure names its part and n. Rows without options are
short answers, which the kit's own scorer skips; here they stay. MedVLThinker's authors found fault with the VQA-RAD
rows and took others.

Licence: Apache 2.0, on top of the parts' own. Revision: none is pinned; the archive's inner root is not known and may
be any. Items: 17,303. The figures of ViTAR's paper and of HuatuoGPT-Vision's are on these parts; none is on record
here.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

from vitar.data.benchmarks.files import json_records, one_of, open_files
from vitar.data.benchmarks.prompts import HUATUOGPT, VITAR
from vitar.data.benchmarks.record import Benchmark, LeftOut, Row

FILE = "medical_multimodel_evaluation_data.json"

PARTS = {
    "OmniMedVQA": ("huatuo-omni-med-vqa", 11124),
    "PathVQA_test": ("huatuo-path-vqa", 3362),
    "PMC-VQA_test": ("huatuo-pmc-vqa", 2000),
    "SLAKE_test": ("huatuo-slake", 416),
    "VQA-RAD_test": ("huatuo-vqa-rad", 251),
    "MMMU_Medical_Validation": ("huatuo-mmmu", 150),
}
"""Value of ``dataset`` -> name and number of the items."""


def _rows(folder: Path, *, part: str | None = None) -> Iterator[Row | LeftOut]:
    path = one_of(folder, FILE)
    records = json_records(
        path.read_bytes(), path.name, ("question", "image", "options", "answer", "dataset", "subset")
    )
    with open_files(folder, "images", "images.zip") as images:
        for place, record in enumerate(records):
            if part is not None and record["dataset"] != part:
                continue
            name = f"row-{place}"
            if isinstance(record["options"], str):
                yield LeftOut(name, "options_as_text", "its options are one text; expected a list")
                continue
            options = tuple(str(option).strip() for option in record["options"] or ())
            files = tuple(file.removeprefix("images/") for file in record["image"])
            yield Row(
                id=name,
                images=tuple(images.image(file) for file in files),
                question=record["question"].strip(),
                answer=str(record["answer"]).strip(),
                answer_type="choice" if options else "closed",
                options=options,
                modality=record["subset"] or "",
                part=record["dataset"],
                group=" ".join(files),
            )


def _benchmark(name: str, about: str, items: int, part: str | None = None) -> Benchmark:
    return Benchmark(
        name=name,
        family="huatuo-eval",
        about=about,
        items=items,
        hub_id="FreedomIntelligence/Medical_Multimodal_Evaluation_Data",
        files=(FILE, "images.zip"),
        split="test",
        licence="Apache-2.0",
        access="open",
        rows=partial(_rows, part=part),
        prompts=(HUATUOGPT, VITAR),
    )


VARIANTS = (
    _benchmark("huatuo-eval", "HuatuoGPT-Vision's combined file, all parts", 17303),
    *(_benchmark(name, f"its part {part}", items, part) for part, (name, items) in PARTS.items()),
)
