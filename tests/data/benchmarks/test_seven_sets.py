"""The seven benchmarks on the command line, from their published layouts to one report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vitar.cli.main import main
from vitar.data.benchmarks.mmmu_health import SUBJECTS
from vitar.evaluation.run_folder import read_run

CONDITIONS = "single_pass,think_twice,text_only"
IMAGES = {
    "vqa-rad": [1, 1],
    "slake": [1, 1],
    "path-vqa": [1, 1],
    "pmc-vqa": [1],
    "omni-med-vqa": [1],
    "mmmu-health": [2, *(1 for _ in SUBJECTS[1:])],
    "med-xpert-qa": [3],
}
"""Images of each item in the copies below."""


@pytest.fixture
def copies(repository_of: Callable[[str], Any], picture: Callable[..., bytes]) -> dict[str, Path]:
    """A copy of each benchmark with an item or two."""
    made = {name: repository_of(name) for name in IMAGES}

    case: dict[str, Any] = {"phrase_type": "test_freeform", "image_name": "synpic1.jpg", "image_organ": "CHEST"}
    rad = [
        case | {"qid": 1, "question": "Is it normal?", "answer": "Yes", "answer_type": "CLOSED"},
        case | {"qid": 2, "question": "What is seen?", "answer": "a nodule", "answer_type": "OPEN"},
    ]
    made["vqa-rad"].images("images", "synpic1.jpg")
    made["vqa-rad"].json("VQA_RAD Dataset Public.json", rad)

    scan: dict[str, Any] = {"img_name": "xmlab1/source.jpg", "q_lang": "en", "location": "Lung", "modality": "CT"}
    slake = [
        scan | {"qid": 1, "question": "Is the lung healthy?", "answer": "No", "answer_type": "CLOSED"},
        scan | {"qid": 2, "question": "Which organs?", "answer": "Lung, Heart", "answer_type": "OPEN"},
    ]
    made["slake"].images("imgs", "xmlab1/source.jpg")
    made["slake"].json("test.json", slake)

    path = [("is a cyst present?", "yes"), ("what is present?", "necrosis")]
    rows = [{"image": picture(1), "question": question, "answer": answer} for question, answer in path]
    made["path-vqa"].parquet("data/test-0.parquet", rows)

    choices = ("Choice A", "Choice B", "Choice C", "Choice D")
    pmc = ("PMC1_F1.jpg", "Which pattern?", "Focal", "A:Diffuse", "B:Focal", "C:None", "D:Both", "B")
    made["pmc-vqa"].images("images", "PMC1_F1.jpg")
    made["pmc-vqa"].csv("test_clean.csv", ("Figure_path", "Question", "Answer", *choices, "Answer_label"), pmc)

    omni = {
        "dataset": "ACRIMA",
        "question_id": "ACRIMA_0000",
        "question_type": "Disease Diagnosis",
        "question": "Is it normal?",
        "gt_answer": "Yes",
        "image_path": "Images/ACRIMA/1.png",
        "option_A": "No",
        "option_B": "Yes",
        "modality_type": "Fundus Photography",
    }
    made["omni-med-vqa"].images("OmniMedVQA/Images", "ACRIMA/1.png")
    made["omni-med-vqa"].json("OmniMedVQA/QA_information/Open-access/ACRIMA.json", [omni])

    for number, subject in enumerate(SUBJECTS):
        shown = IMAGES["mmmu-health"][number]
        row = {f"image_{place}": picture(place) if place <= shown else None for place in range(1, 8)} | {
            "id": f"validation_{subject}_1",
            "question": "What does <image 1> show?",
            "options": "['Aspirin', 'Neither']",
            "answer": "B",
            "question_type": "multiple-choice",
            "img_type": "['Tables']",
            "subfield": subject,
        }
        made["mmmu-health"].parquet(f"{subject}/validation-00000-of-00001.parquet", [row])

    expert = {
        "id": "MM-1",
        "question": "What is it?",
        "options": {"A": "Erythema", "B": "Cutis marmorata"},
        "label": "B",
        "images": [f"MM-1-{letter}.jpeg" for letter in "abc"],
        "medical_task": "Diagnosis",
        "body_system": "Skin",
        "question_type": "Reasoning",
    }
    made["med-xpert-qa"].images("images", *expert["images"])
    made["med-xpert-qa"].json_lines("MM/test.jsonl", [expert])
    return {name: copy.folder for name, copy in made.items()}


def test_from_published_layouts_to_one_report(
    copies: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, copy in copies.items():
        prepared = ["data", "prepare", name, "--from", str(copy), "--out", str(tmp_path / name)]
        assert main([*prepared, "--allow-count", str(len(IMAGES[name]))]) == 0
    sets = ",".join(str(tmp_path / name) for name in IMAGES)
    options = ["--conditions", CONDITIONS, "--max-new-tokens", "32", "--prompt", "MedEvalKit"]
    assert main(["eval", "--model", "tiny", "--data", sets, "--out", str(tmp_path / "runs"), *options]) == 0

    runs = [tmp_path / "runs" / name for name in IMAGES]
    for run, images in zip(runs, IMAGES.values(), strict=True):
        stored = read_run(run)
        assert [len(trace.images) for trace in stored.traces["think_twice"]] == images
        assert [len(trace.images) for trace in stored.traces["text_only"]] == [0] * len(images)
        before = (run / "metrics.json").read_bytes()
        assert main(["regrade", str(run)]) == 0
        assert (run / "metrics.json").read_bytes() == before

    page = tmp_path / "report.html"
    assert main(["report", *map(str, runs), "--out", str(page)]) == 0
    capsys.readouterr()
    assert json.loads((tmp_path / "report-tables.json").read_text())["tables"]["benchmarks"]
    rows = (tmp_path / "report-models.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == list(IMAGES)
    for kind in ("csv", "tex"):
        assert "think_twice" in (tmp_path / f"report-benchmarks.{kind}").read_text().replace("\\_", "_")
