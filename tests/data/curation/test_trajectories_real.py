"""Trajectories about real blood smears: every one is carried out on the photograph that it is about."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.first_look import answer_values
from vitar.data.curation.judge import RuleJudge
from vitar.data.curation.scripted_teacher import ScriptedTeacher
from vitar.data.curation.trajectories import ITEMS_NAME, Workshop, curate_trajectories
from vitar.data.curation.trajectory_report import read_items
from vitar.data.example import Example
from vitar.data.sources import open_annotated
from vitar.imaging.environment import EnvironmentConfig

SHARED = Path(os.environ.get("VITAR_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
IMAGES = 12
LABELS = ("RBC", "WBC", "Platelets")


def questions_about(image: AnnotatedImage) -> Iterator[Example]:
    """What is the first object of each label, and how many are there of each."""
    for label in LABELS:
        regions = tuple(region for region in image.regions if region.label == label)
        if not regions:
            continue
        for kind, question, options, answer, about in (
            ("type", "What is the marked object?", LABELS, label, regions[:1]),
            ("count", f"How many {label} are there?", (), str(len(regions)), regions),
        ):
            yield Example(
                id=f"{image.id}/{kind}/{label}",
                images=(image.image,),
                question=question,
                options=options,
                answer=answer,
                answer_type="choice" if options else "closed",
                regions=about,
                modality=image.modality,
                anatomy=image.anatomy,
                kind=kind,
                source=image.source,
                split=image.split,
                licence=image.licence,
                group=image.group,
            )


def test_blood_cells(tmp_path: Path) -> None:
    folder = SHARED / "bccd"
    if not folder.is_dir():
        pytest.skip(f"the real data are not there: {folder}; $VITAR_SHARED_DATA names another place")
    source = open_annotated(f"voc:{folder}?modality=light microscopy&anatomy=blood&licence=MIT")
    examples = [example for image in source[:IMAGES] for example in questions_about(image)]
    environment = EnvironmentConfig()
    shop = Workshop(ScriptedTeacher(environment.tools), [RuleJudge()], environment, answer_values(examples))
    report = asyncio.run(curate_trajectories(examples, tmp_path, shop))
    assert sum(report.outcomes.values()) == len(examples)
    crowded = sum(len(example.regions) > environment.max_boxes for example in examples)
    assert crowded > 0  # red cells fill most images
    assert report.outcomes == {"kept": len(examples) - crowded, "too_many_regions": crowded}
    assert report.mean_iou is not None
    assert report.mean_iou > 0.95
    for item in read_items(tmp_path / ITEMS_NAME):
        if item.trace:
            first = item.trace.rounds[0].thought
            assert item.kind == "count" or not any(label in first for label in ("RBC", "WBC", "latelet"))
    assert Counter(item.kind for item in read_items(tmp_path / ITEMS_NAME))["type"] > 20
