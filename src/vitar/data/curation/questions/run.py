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
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pydantic import BaseModel

from vitar.backends.base import Backend
from vitar.data.annotated import AnnotatedImage
from vitar.data.curation import filters
from vitar.data.curation.contamination import Benchmark, contaminated_texts, read_benchmark
from vitar.data.curation.questions import balance, baseline, image_filters, models
from vitar.data.curation.questions.candidate import Candidate, Rejection
from vitar.data.curation.questions.config import QuestionsConfig
from vitar.data.curation.questions.generator import Generator, SplitImage, Verifier
from vitar.data.curation.questions.image_filters import CONTAMINATED, NO_BENCHMARK
from vitar.data.curation.questions.images import (
    SurveyedImage,
    in_processes,
    split_of_groups,
    stored_reference,
    survey,
)
from vitar.data.curation.questions.ledger import Ledger
from vitar.data.curation.questions.report import (
    CANDIDATES_NAME,
    IMAGES_NAME,
    REPORT_NAME,
    CandidateRecord,
    Fate,
    ImageRecord,
    QuestionsReport,
    TextOnly,
    item_counts,
)
from vitar.data.curation.questions.samples import write_samples
from vitar.data.example import Example, save_examples
from vitar.files import write_atomically

DRAWN_NAME = ".drawn"
"""Folder of files of images that are drawn; it is gone once the run is complete."""

BALANCE_AGAIN = "balance_again"

ABOUT = {
    CONTAMINATED: image_filters.ABOUT[CONTAMINATED],
    filters.MALFORMED: "The record is in order, and the grader takes its answer, and only that, for right.",
    filters.LEAKED: "The text holds neither the answer nor coordinates nor a mark that nobody sees.",
    filters.UNVERIFIED: "A second reading of the words, without the answer, comes to the same answer.",
    filters.REPEATED: "No earlier question asks the same of the image in nearly the same words.",
    baseline.TEXT_ONLY: "A model of the text alone, fitted to other questions, does not know the answer.",
    models.BLANK: "The given model does not know the answer when it is shown a gray image.",
    models.DIFFICULTY: "The given model is right sometimes, and not always.",
    balance.BALANCE: "Every answer is equally frequent where the text is the same; no source or modality dominates.",
    BALANCE_AGAIN: "The same once more, since the filters in between took answers out.",
}
"""Filter -> what holds of what passes it."""

NO_MODEL = "no model was given"


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


async def curate_questions(config: QuestionsConfig, out: Path, workshop: Workshop) -> QuestionsReport:
    """Makes the folder ``out``, or returns the report of one that is complete.

    Args:
        out: exists, and belongs to this run; see `claim` of `trajectories`.

    Raises:
        SourceError: a source cannot be opened or read.
        ValueError: a benchmark's folder holds no stored set.
        EndpointError: a server is needed and can never reply.
        OSError: ``out`` cannot be written.
    """
    if (out / REPORT_NAME).is_file():
        return QuestionsReport.model_validate_json((out / REPORT_NAME).read_text(encoding="utf-8"))
    benchmarks = [_benchmark(folder, config.workers) for folder in config.benchmarks]
    found = survey(config.sources, out / DRAWN_NAME, config.workers)
    image_ledger = image_filters.filter_images(found, benchmarks)
    splits = split_of_groups([each.image for each in found.images], config.splits, config.seed)
    usable = [found.images[place].image for place in image_ledger.left]
    images = {image.id: image for image in usable}

    candidates = await workshop.generator.generate([SplitImage(image, splits[image.group]) for image in usable])
    run = _Run(config, images, {each.id: each for each in candidates}, Ledger([each.id for each in candidates]))
    await run.filter(benchmarks, workshop)
    audits = baseline.audit(run.left, baseline.guesses(run.left, config.seed))

    records = (_image_record(each, splits, image_ledger.rejected.get(i)) for i, each in enumerate(found.images))
    _write_lines(out / IMAGES_NAME, records)
    _write_lines(out / CANDIDATES_NAME, run.records())
    for split in sorted({each.split for each in run.left}):
        run.save(split, out)
    write_samples(out, found.images, image_ledger.rejected, list(run.candidates.values()), run.ledger.rejected, images)
    asked = workshop.sampling or workshop.blank
    report = QuestionsReport(
        sources=config.sources,
        source_issues=found.issues,
        benchmarks={each.name: len(each.items) for each in benchmarks},
        generator=workshop.generator.name,
        verifier=workshop.verifier.name,
        model=asked.name if asked else "",
        generated=workshop.generator.account,
        image_stages=tuple(image_ledger.stages),
        stages=tuple(run.ledger.stages),
        items=len(run.left),
        counts=item_counts(run.left),
        text_only=tuple(TextOnly.of(each) for each in audits),
    )
    write_atomically(out / REPORT_NAME, report.model_dump_json(indent=1) + "\n")
    shutil.rmtree(out / DRAWN_NAME)
    return report


def _benchmark(folder: str, workers: int) -> Benchmark:
    try:
        return read_benchmark(folder, lambda work, parts: in_processes(work, parts, workers, Path(folder).name))
    except FileNotFoundError as error:
        raise ValueError(f"{folder}: no prepared benchmark; `vitar data prepare NAME --out DIR` writes one") from error


@dataclass
class _Run:
    """The candidates of a run on their way through the filters.

    Attributes:
        candidates: by id; balancing may put their options into another order.
        rates: id -> pass rate of the given model, of those that it was asked.
    """

    config: QuestionsConfig
    images: Mapping[str, AnnotatedImage]
    candidates: dict[str, Candidate]
    ledger: Ledger[str]
    rates: dict[str, float] = field(default_factory=dict)

    @property
    def left(self) -> list[Candidate]:
        return [self.candidates[name] for name in self.ledger.left]

    async def filter(self, benchmarks: Sequence[Benchmark], workshop: Workshop) -> None:
        """All filters in their order; what costs most comes last."""
        self._by_predicate(filters.MALFORMED, filters.malformed)
        self._by_predicate(filters.LEAKED, filters.leaked)
        self._reject(filters.REPEATED, filters.near_duplicates(self.left))
        if benchmarks:
            left = self.left
            same = contaminated_texts([each.question for each in left], benchmarks)
            found = {
                left[place].id: Rejection(CONTAMINATED, f"text_in_{each.benchmark}", f"{each.item}: {each.detail}")
                for place, each in same.items()
            }
            self._reject(CONTAMINATED, found)
        else:
            self.ledger.skip(CONTAMINATED, ABOUT[CONTAMINATED], NO_BENCHMARK)
        left = self.left
        objections = await workshop.verifier.objections([(each, self.images[each.image_id]) for each in left])
        found = {
            each.id: Rejection(filters.UNVERIFIED, "not_confirmed", text)
            for each, text in zip(left, objections, strict=True)
            if text
        }
        self._reject(filters.UNVERIFIED, found)

        self._balance(balance.BALANCE)
        self.candidates |= {each.id: each for each in balance.assign_letters(self.left, self.config.seed)}
        left = self.left
        guessed = baseline.guesses(left, self.config.seed)
        self._reject(baseline.TEXT_ONLY, baseline.answerable(left, guessed, self.config.text_margin))
        self._ask(workshop)
        self._balance(BALANCE_AGAIN)

    def _by_predicate(self, name: str, predicate: filters.Predicate) -> None:
        found = {}
        for each in self.left:
            if reason := predicate(each, self.images[each.image_id]):
                found[each.id] = Rejection(name, *reason)
        self._reject(name, found)

    def _reject(self, name: str, found: Mapping[str, Rejection]) -> None:
        self.ledger.reject(name, ABOUT[name], found)

    def _balance(self, name: str) -> None:
        shares = self.config.max_source_share, self.config.max_modality_share
        self._reject(name, balance.balance(self.left, *shares, self.config.seed)[1])

    def _ask(self, workshop: Workshop) -> None:
        """What the given model answers, without the image and with it."""
        if workshop.blank is None:
            self.ledger.skip(models.BLANK, ABOUT[models.BLANK], NO_MODEL)
        else:
            self._reject(models.BLANK, models.answerable_blank(self.left, self.images, workshop.blank))
        if workshop.sampling is None or self.config.model is None:
            self.ledger.skip(models.DIFFICULTY, ABOUT[models.DIFFICULTY], NO_MODEL)
            return
        band = self.config.model.band
        self.rates, failed = models.pass_rates(self.left, self.images, workshop.sampling, band.samples)
        outside = models.outside_band(self.rates, band, workshop.sampling.name)
        self._reject(models.DIFFICULTY, failed | outside)

    def records(self) -> Iterator[CandidateRecord]:
        """What became of each candidate."""
        for name, each in self.candidates.items():
            yield CandidateRecord.of(each, self.ledger.rejected.get(name), self.rates.get(name))

    def save(self, split: str, out: Path) -> None:
        """Writes the items of a split, those about one image one after the other."""
        if (out / split).exists():  # a run was killed between this and its report
            shutil.rmtree(out / split)
        by_image: dict[str, list[Candidate]] = {}
        for each in self.left:
            if each.split == split:
                by_image.setdefault(each.image_id, []).append(each)
        save_examples(self._examples(by_image, out / DRAWN_NAME), out / split)

    def _examples(self, by_image: Mapping[str, Sequence[Candidate]], drawn: Path) -> Iterator[Example]:
        for name, items in by_image.items():
            image = self.images[name]
            stored = replace(image, image=stored_reference(image.image, drawn))
            yield from (each.example(stored) for each in items)


def _image_record(each: SurveyedImage, splits: Mapping[str, str], rejection: Rejection | None) -> ImageRecord:
    image = each.image
    same = {name: getattr(image, name) for name in ("id", "source", "modality", "group")}
    return ImageRecord(**same, split=splits[image.group], regions=len(image.regions), fate=Fate.of(rejection))


def _write_lines(path: Path, records: Iterable[BaseModel]) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(record.model_dump_json() + "\n" for record in records)
