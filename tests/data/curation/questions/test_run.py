from __future__ import annotations

import asyncio
import io
import json
import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from vitar.backends.scripted import ScriptedBackend
from vitar.data.annotated import AnnotatedImage
from vitar.data.check import check_examples
from vitar.data.curation.questions.candidate import Candidate, Rejection
from vitar.data.curation.questions.config import ModelCheck, QuestionsConfig
from vitar.data.curation.questions.generator import SplitImage
from vitar.data.curation.questions.ledger import Ledger
from vitar.data.curation.questions.report import (
    CANDIDATES_NAME,
    IMAGES_NAME,
    KEPT,
    REPORT_NAME,
    CandidateRecord,
    ImageRecord,
    QuestionsReport,
    read_samples,
)
from vitar.data.curation.questions.rules import RuleGenerator
from vitar.data.curation.questions.run import DRAWN_NAME, Workshop, curate_questions
from vitar.data.curation.questions.verify import RuleVerifier
from vitar.data.example import Example, ImageRef, load_examples, save_examples
from vitar.data.phantoms.dataset import phantom
from vitar.protocol.messages import Message, message_text

pytest.importorskip("sklearn", reason="the extra curate is not installed")

CONFIG = QuestionsConfig(
    sources=("phantoms:train:24",),
    items=200,
    nouns={"phantoms": "lesion"},
    splits={"validation": 0.25},
    workers=1,
)


def workshop(config: QuestionsConfig, **changes: Any) -> Workshop:
    words = (config.names, config.nouns, config.incomplete)
    generator = RuleGenerator(
        items=config.items,
        max_per_image=config.max_per_image,
        max_count=config.max_count,
        names=config.names,
        nouns=config.nouns,
        incomplete=config.incomplete,
        seed=config.seed,
    )
    return Workshop(**{"generator": generator, "verifier": RuleVerifier(*words), **changes})


def curate(out: Path, config: QuestionsConfig = CONFIG, **changes: Any) -> QuestionsReport:
    out.mkdir(exist_ok=True)
    return asyncio.run(curate_questions(config, out, workshop(config, **changes)))


def records(out: Path) -> tuple[list[ImageRecord], list[CandidateRecord]]:
    images = [ImageRecord.model_validate_json(line) for line in (out / IMAGES_NAME).open()]
    return images, [CandidateRecord.model_validate_json(line) for line in (out / CANDIDATES_NAME).open()]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("curated") / "run"
    curate(folder)
    return folder


def items_of(out: Path) -> list[Example]:
    return [item for split in ("train", "validation") for item in load_examples(out / split)]


def test_everything_is_accounted_for(out: Path) -> None:
    report = QuestionsReport.model_validate_json((out / REPORT_NAME).read_text())
    images, candidates = records(out)
    assert len(images) == report.image_stages[0].entered == 24
    assert len(candidates) == report.stages[0].entered
    fates = Counter(each.fate.filter for each in candidates)
    assert fates[KEPT] == report.items == len(items_of(out)) > 60
    for stages, found in ((report.image_stages, images), (report.stages, candidates)):
        left = len(found)
        for stage in stages:
            assert stage.entered == left
            reasons = Counter(each.fate.reason for each in found if each.fate.filter == stage.name)  # type: ignore[attr-defined]
            assert reasons == Counter(stage.dropped)
            left = stage.passed
        assert left == sum(each.fate.filter == KEPT for each in found)  # type: ignore[attr-defined]


def test_items_are_what_the_records_say(out: Path) -> None:
    kept = {each.id: each for each in records(out)[1] if each.fate.filter == KEPT}
    items = items_of(out)
    assert {item.id for item in items} == set(kept)
    for item in items:
        record = kept[item.id]
        same = (item.question, item.options, item.answer, item.answer_type, item.kind, item.split)
        assert same == (record.question, record.options, record.answer, record.answer_type, record.kind, record.split)
        assert item.licence == "CC0-1.0"
        assert item.images[0].encoded is not None
        assert any(region.mask for region in item.regions) or not item.regions


def test_the_sets_are_in_order(out: Path) -> None:
    assert [item.findings for item in check_examples(out) if item.findings] == []
    groups = {split: {item.group for item in load_examples(out / split)} for split in ("train", "validation")}
    assert not groups["train"] & groups["validation"]


def test_the_baseline_is_at_chance_on_every_kind(out: Path) -> None:
    report = QuestionsReport.model_validate_json((out / REPORT_NAME).read_text())
    kinds = {"presence", "location", "count", "type", "attribute", "comparison"}
    assert {each.kind for each in report.text_only} == {"all", *kinds}
    assert all(each.at_chance for each in report.text_only)
    counts = report.counts
    assert counts["yes_no"]["yes"] == counts["yes_no"]["no"]
    assert sum(counts["kind"].values()) == report.items


def test_nothing_is_left_behind(out: Path) -> None:
    names = {path.name for path in out.iterdir()}
    assert names == {IMAGES_NAME, CANDIDATES_NAME, REPORT_NAME, "train", "validation", "samples"}
    samples = read_samples(out)
    assert all((out / "samples" / sample.picture).is_file() for sample in samples if sample.picture)


def test_the_same_run_gives_the_same_bytes(out: Path, tmp_path: Path) -> None:
    curate(tmp_path / "again")
    for name in (IMAGES_NAME, CANDIDATES_NAME, REPORT_NAME, "samples/samples.json"):
        assert (out / name).read_bytes() == (tmp_path / "again" / name).read_bytes()
    assert items_of(out) == items_of(tmp_path / "again")


def test_a_complete_run_is_not_made_again(out: Path) -> None:
    class Refusing:
        name = "refusing"

    report = asyncio.run(curate_questions(CONFIG, out, Workshop(Refusing(), Refusing())))  # type: ignore[arg-type]
    assert report.items == len(items_of(out))


def test_a_run_that_was_killed_before_its_report_is_made_again(out: Path, tmp_path: Path) -> None:
    folder = tmp_path / "killed"
    shutil.copytree(out, folder)
    (folder / REPORT_NAME).unlink()
    (folder / DRAWN_NAME).mkdir()
    (folder / CANDIDATES_NAME).write_text("half a li")
    curate(folder)
    assert (folder / CANDIDATES_NAME).read_bytes() == (out / CANDIDATES_NAME).read_bytes()
    assert items_of(folder) == items_of(out)


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=70)
    return file.getvalue()


def test_what_a_benchmark_has_is_left_out(tmp_path: Path, make_example: Callable[..., Example], out: Path) -> None:
    """Two planted images, one saved as JPEG and darker, and one planted question in other words order."""
    first = Image.fromarray(phantom("chest", "train", 2).image)
    second = ImageEnhance.Brightness(Image.fromarray(phantom("fundus", "train", 5).image)).enhance(0.8)
    asked = next(each for each in records(out)[1] if each.fate.filter == KEPT)
    words = asked.question.rstrip("?").split()
    np.random.default_rng(0).shuffle(words)
    questions = ("What is this?", "Is it a lesion?", " ".join(words))
    images = (first, second, Image.effect_noise((64, 64), 60))
    examples = [
        make_example(i, images=(ImageRef(f"{i}.jpg", encoded(image)),), question=question)
        for i, (image, question) in enumerate(zip(images, questions, strict=True))
    ]
    save_examples(examples, tmp_path / "bench")
    report = curate(tmp_path / "run", replace(CONFIG, benchmarks=(str(tmp_path / "bench"),)))
    found, candidates = records(tmp_path / "run")
    taken = [each.id for each in found if each.fate.filter == "contamination"]
    assert taken == ["phantom:chest/train/2", "phantom:fundus/train/5"]
    assert found[8].fate.detail.startswith("made/0 has it: ")
    planted = [each for each in candidates if each.question == asked.question]
    assert {each.fate.reason for each in planted} <= {"text_in_bench"}
    assert not any(each.image_id in taken for each in candidates)
    assert report.benchmarks == {"bench": 3}


def test_a_missing_benchmark_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no prepared benchmark; `vitar data prepare"):
        curate(tmp_path / "run", replace(CONFIG, benchmarks=(str(tmp_path / "nowhere"),)))


def test_a_model_takes_out_what_is_too_easy_and_hopeless(tmp_path: Path) -> None:
    """It always knows where something lies, never a type, and a number half of the time."""
    turns = Counter[str]()

    def reply(conversation: Sequence[Message]) -> str:
        text = message_text(conversation[-1])
        turns[text] += 1
        if "How many" in text:
            return "ABCD"[turns[text] % 4] if "A. " in text else "0"
        return "nothing"

    config = replace(CONFIG, items=60, model=ModelCheck("scripted", samples=4, min_pass_rate=0.1, max_pass_rate=0.9))
    backend = ScriptedBackend(reply)
    report = curate(tmp_path / "run", config, sampling=backend)
    stages = {stage.name: stage for stage in report.stages}
    assert stages["difficulty"].dropped["hopeless"] > 0
    assert set(report.counts["kind"]) <= {"count"}
    kept = [each for each in records(tmp_path / "run")[1] if each.fate.filter == KEPT]
    assert all(each.pass_rate is not None and 0.1 <= each.pass_rate <= 0.9 for each in kept)
    assert report.model == "scripted"
    assert stages["answerable_on_blank_image"].skipped == "no model was given"


class OddGenerator:
    """One good question, and one for each filter."""

    name = "odd"

    def __init__(self) -> None:
        self.account: dict[str, int] = {}

    async def generate(self, images: Sequence[SplitImage]) -> list[Candidate]:
        image = next(each.image for each in images if each.image.regions)
        label = image.regions[0].label
        texts = {
            "good": f"Is there a {label} in this {image.modality}?",
            "again": f"Is there, in this {image.modality}, a {label}?",
            "leak": f"Is there a {label} at (120, 40)?",
            "statement": f"There is a {label}.",
            "wrong": f"Is there a {label} in the left half of this MRI?",
        }
        common = {"image_id": image.id, "split": "train", "source": image.source, "modality": image.modality}
        rest: dict[str, Any] = {
            "options": (),
            "answer": "yes",
            "answer_type": "yes_no",
            "kind": "presence",
            "regions": (),
        }
        found = [
            Candidate(id=f"{image.id}#{name}", question=text, frame="", generator="odd", **common, **rest)
            for name, text in texts.items()
        ]
        return [*found, replace(found[0], id=f"{image.id}#unwritten", problem="no reply")]


def test_every_filter_gives_its_own_reason(tmp_path: Path) -> None:
    curate(tmp_path / "run", replace(CONFIG, sources=("phantoms:train:8",)), generator=OddGenerator())
    fates = {each.id.split("#")[1]: (each.fate.filter, each.fate.reason) for each in records(tmp_path / "run")[1]}
    assert fates == {
        "good": ("balance", "answer_without_counterpart"),
        "again": ("near_duplicate_question", "same_image_same_words"),
        "leak": ("answer_leaked", "coordinates"),
        "statement": ("malformed", "no_question_mark"),
        "wrong": ("unverified", "not_confirmed"),
        "unwritten": ("malformed", "not_written"),
    }
    report = json.loads((tmp_path / "run" / REPORT_NAME).read_text())
    assert report["items"] == 0
    assert report["text_only"] == []


def test_a_ledger_loses_nobody() -> None:
    ledger: Ledger[str] = Ledger(["a", "b", "c"])
    ledger.reject("first", "about", {"b": Rejection("", "reason", "detail")})
    ledger.skip("second", "about", "why")
    assert ledger.left == ["a", "c"]
    assert ledger.rejected["b"].filter == "first"
    assert [(stage.entered, stage.passed) for stage in ledger.stages] == [(3, 2), (2, 2)]
    with pytest.raises(ValueError, match="did not come to it"):
        ledger.reject("third", "about", {"b": Rejection("", "reason", "detail")})
    with pytest.raises(ValueError, match="same key"):
        Ledger(["a", "a"])


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"items": 0}, "at least 1"),
        ({"splits": {"train": 0.5}}, "shares of validation and test"),
        ({"splits": {"test": 1.0}}, "leave some for train"),
        ({"splits": {"test": -0.1, "validation": 0.3}}, "cannot be negative"),
        ({"max_source_share": 0.0}, "above 0"),
        ({"text_margin": 1.0}, "not including 1"),
    ],
)
def test_settings_that_make_no_sense(changes: dict[str, Any], part: str) -> None:
    with pytest.raises(ValueError, match=part):
        replace(CONFIG, **changes)


def test_a_model_check_that_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="temperature above 0"):
        ModelCheck("tiny", temperature=0)
    with pytest.raises(ValueError, match="low <= high"):
        ModelCheck("tiny", min_pass_rate=0.9, max_pass_rate=0.1)


def test_nothing_to_ask_about(tmp_path: Path, make_image: Callable[..., AnnotatedImage]) -> None:
    report = curate(tmp_path / "run", replace(CONFIG, sources=("phantoms:train:0",)))
    assert report.items == 0
    assert report.image_stages[0].entered == 0
