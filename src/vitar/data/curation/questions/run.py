"""From annotated images to a set of questions, with an account of everything that was left out on the way.

The output is a folder:

    run.json            settings
    images.jsonl        what became of each image
    candidates.jsonl    what became of each candidate
    train/, ...         the items of each split, stored sets
    samples/            pictures for the report: some of what was kept, and some of what was left out for each reason
    report.json         counts; it is written last, so a folder that has it is complete

Images are dealt with first: a question about a copy, or about a benchmark's image, is not written at all.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from vitar.backends.base import Backend
from vitar.data.annotated import AnnotatedImage
from vitar.data.curation import filters
from vitar.data.curation.contamination import Benchmark, contaminated_images, contaminated_texts, read_benchmark
from vitar.data.curation.duplicates import Gallery, near_duplicates
from vitar.data.curation.questions import balance, baseline, models
from vitar.data.curation.questions.candidate import Candidate, Rejection
from vitar.data.curation.questions.config import QuestionsConfig
from vitar.data.curation.questions.generator import Generator, SplitImage, Verifier
from vitar.data.curation.questions.images import Survey, in_processes, split_of_groups, stored_reference, survey
from vitar.data.curation.questions.ledger import Ledger
from vitar.data.curation.questions.report import (
    CANDIDATES_NAME,
    IMAGES_NAME,
    REPORT_NAME,
    CandidateRecord,
    Fate,
    ImageRecord,
    QuestionsReport,
    Stage,
    TextOnly,
    item_counts,
)
from vitar.data.curation.questions.samples import write_samples
from vitar.data.example import Example, save_examples

DRAWN_NAME = ".drawn"
"""Folder of files of images that are drawn; it is gone once the run is complete."""

UNREADABLE, REPEATED_ID, COPY, CONTAMINATED = "unreadable", "repeated_id", "near_duplicate_image", "contamination"

ABOUT = {
    UNREADABLE: "The image can be decoded, and has the size at which it was annotated.",
    REPEATED_ID: "No earlier image has the same id.",
    COPY: "No earlier image shows the same, whatever its compression, size, brightness or border.",
    CONTAMINATED: "No prepared benchmark has the image, or asks the question in the same words.",
    filters.MALFORMED: "The record is in order, and the grader takes its answer, and only that, for right.",
    filters.LEAKED: "The text holds neither the answer nor coordinates nor a mark that nobody sees.",
    filters.UNVERIFIED: "A second reading of the words, without the answer, comes to the same answer.",
    filters.REPEATED: "No earlier question asks the same of the image in nearly the same words.",
    baseline.TEXT_ONLY: "A model of the text alone, fitted to other questions, does not know the answer.",
    models.BLANK: "The given model does not know the answer when it is shown a gray image.",
    models.DIFFICULTY: "The given model is right sometimes, and not always.",
    balance.BALANCE: "Every answer is equally frequent where the text is the same; no source or modality dominates.",
}
"""Filter -> what holds of what passes it."""


@dataclass(frozen=True)
class Workshop:
    """Who does what.

    Args:
        blank: the model that is asked without images; None leaves that filter out.
        sampling: the same model, drawing its answers, for the pass rate; None leaves that filter out.
    """

    generator: Generator
    verifier: Verifier
    blank: Backend | None = None
    sampling: Backend | None = None


@dataclass
class _Images:
    """The images of a run.

    Attributes:
        usable: those that questions may be about.
        by_id: of the usable ones.
    """

    usable: list[SplitImage] = field(default_factory=list)
    by_id: dict[str, AnnotatedImage] = field(default_factory=dict)


async def curate_questions(config: QuestionsConfig, out: Path, workshop: Workshop) -> QuestionsReport:
    """Makes the folder ``out``, or returns the report of one that is complete.

    Args:
        out: belongs to this run; see `claim` of `trajectories`.

    Raises:
        SourceError: a source cannot be opened or read.
        FileNotFoundError, ValueError: a benchmark's folder holds no stored set.
        EndpointError: a server is needed and can never reply.
        OSError: ``out`` cannot be written.
    """
    if (out / REPORT_NAME).is_file():
        return QuestionsReport.model_validate_json((out / REPORT_NAME).read_text(encoding="utf-8"))
    found = survey(config.sources, out / DRAWN_NAME, config.workers)

    def spread(work, parts):  # type: ignore[no-untyped-def]
        return in_processes(work, parts, config.workers, "benchmark")

    benchmarks = [read_benchmark(folder, spread) for folder in config.benchmarks]
    image_ledger = Ledger([each.image.id for each in found.images])
    images = _usable_images(found, benchmarks, config, image_ledger)
    candidates = await workshop.generator.generate(images.usable)
    ledger = Ledger([each.id for each in candidates])
    items, rates = await _filtered(candidates, images, benchmarks, config, workshop, ledger)
    audits = baseline.audit(items, baseline.guesses(items, config.seed + 1)) if items else []
    _write(out, config, found, images, candidates, items, ledger, image_ledger, rates)
    report = QuestionsReport(
        sources=config.sources,
        source_issues=found.issues,
        benchmarks={each.name: len(each.items) for each in benchmarks},
        generator=workshop.generator.name,
        verifier=workshop.verifier.name,
        model=workshop.sampling.name if workshop.sampling else workshop.blank.name if workshop.blank else "",
        generated=workshop.generator.account,
        image_stages=tuple(image_ledger.stages),
        stages=tuple(ledger.stages),
        items=len(items),
        counts=item_counts(items),
        text_only=tuple(TextOnly.of(each) for each in audits),
    )
    partial = out / f".{REPORT_NAME}.partial"
    partial.write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    partial.replace(out / REPORT_NAME)
    shutil.rmtree(out / DRAWN_NAME)
    return report
