"""An account of every image and every candidate of a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from vitar.data.curation.questions.baseline import Audit
from vitar.data.curation.questions.candidate import Candidate, Rejection
from vitar.protocol.prompts import OPTION_LETTERS

KEPT = "kept"

IMAGES_NAME, CANDIDATES_NAME, SAMPLES_NAME, REPORT_NAME = "images.jsonl", "candidates.jsonl", "samples", "report.json"
SAMPLE_LIST_NAME = "samples.json"
"""In the folder of samples."""


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Fate(_Record):
    """What became of an image or a candidate.

    Args:
        filter: `KEPT`, or the filter that left it out.
        reason, detail: see `Rejection`; "" if it was kept.
    """

    filter: str
    reason: str = ""
    detail: str = ""

    @classmethod
    def of(cls, rejection: Rejection | None) -> Fate:
        if rejection is None:
            return cls(filter=KEPT)
        return cls(filter=rejection.filter, reason=rejection.reason, detail=rejection.detail)


class ImageRecord(_Record):
    """One image of the sources; a line of ``images.jsonl``."""

    id: str
    source: str
    modality: str
    group: str
    split: str
    regions: int
    fate: Fate


class CandidateRecord(_Record):
    """One candidate; a line of ``candidates.jsonl``.

    Args:
        pass_rate: of the given model; None if it was not asked.
    """

    id: str
    image_id: str
    split: str
    source: str
    modality: str
    kind: str
    answer_type: str
    question: str
    options: tuple[str, ...]
    answer: str
    generator: str
    pass_rate: float | None = None
    fate: Fate

    @classmethod
    def of(cls, candidate: Candidate, rejection: Rejection | None, pass_rate: float | None) -> CandidateRecord:
        same = ("id", "image_id", "split", "source", "modality", "kind", "answer_type", "question", "options", "answer")
        fields = {name: getattr(candidate, name) for name in (*same, "generator")}
        return cls(**fields, pass_rate=pass_rate, fate=Fate.of(rejection))


class Stage(_Record):
    """One filter: what came to it, and why what did not go on was left out.

    Args:
        about: what it checks, as a sentence.
        skipped: why it was not run; "" if it was.
    """

    name: str
    about: str
    entered: int
    dropped: dict[str, int]
    skipped: str = ""

    @property
    def passed(self) -> int:
        return self.entered - sum(self.dropped.values())


class TextOnly(_Record):
    """Accuracy of the text-only baseline on the items, with Wilson's 95% interval; see `baseline.Audit`."""

    kind: str
    n: int
    accuracy: float
    low: float
    high: float
    chance: float
    at_chance: bool

    @classmethod
    def of(cls, audit: Audit) -> TextOnly:
        names = ("kind", "n", "accuracy", "low", "high", "chance", "at_chance")
        return cls(**{name: getattr(audit, name) for name in names})


class QuestionsReport(_Record):
    """Counts over everything; the images of `image_stages` and the candidates of `stages` add up.

    Args:
        sources: specs.
        source_issues: spec -> reason -> number of marks and images that the source left out as it was read.
        benchmarks: name -> number of items against which images and questions were compared.
        generator, verifier, model: who wrote, who confirmed, who was asked about difficulty; "" for nobody.
        generated: what the generator counted beside candidates.
        items: that were kept.
        counts: by what -> value -> items: split, source, modality, kind, answer_type, letter, yes_no, images.
        text_only: over all items, and for each question kind.
    """

    schema_version: Literal[1] = 1
    sources: tuple[str, ...]
    source_issues: dict[str, dict[str, int]]
    benchmarks: dict[str, int]
    generator: str
    verifier: str
    model: str
    generated: dict[str, int]
    image_stages: tuple[Stage, ...]
    stages: tuple[Stage, ...]
    items: int
    counts: dict[str, dict[str, int]]
    text_only: tuple[TextOnly, ...]


def item_counts(items: Sequence[Candidate]) -> dict[str, dict[str, int]]:
    """How the items are spread."""
    counts = {name: _sorted(getattr(each, name) or "unknown" for each in items) for name in _SPREAD}
    letters = (
        f"{OPTION_LETTERS[each.options.index(each.answer)]} of {len(each.options)}" for each in items if each.options
    )
    counts["letter"] = dict(sorted(Counter(letters).items(), key=lambda pair: pair[0].split(" of ")[::-1]))
    counts["yes_no"] = _sorted(each.answer for each in items if each.answer_type == "yes_no")
    numbers = Counter(each.image_id for each in items).values()
    counts["images"] = _sorted(f"{n} question" + "s" * (n > 1) for n in numbers)
    return counts


_SPREAD = ("split", "source", "modality", "kind", "answer_type")


def _sorted(values: Iterable[str]) -> dict[str, int]:
    """Most frequent first."""
    return dict(sorted(Counter(values).items(), key=lambda pair: (-pair[1], pair[0])))


class Sample(_Record):
    """A picture for the report.

    Args:
        filter, reason: `KEPT` with the question kind, or what left it out.
        text: the question, or what the image is.
        options, answer: of a question.
        detail: why it was left out.
        picture: file in the folder of samples; "" if there is none.
        width, height: of the original, in pixels.
        boxes: of the evidence, xyxy in original pixels.
    """

    filter: str
    reason: str
    id: str
    text: str
    options: tuple[str, ...] = ()
    answer: str = ""
    detail: str = ""
    picture: str = ""
    width: int = 0
    height: int = 0
    boxes: tuple[tuple[float, float, float, float], ...] = ()


class SampleList(_Record):
    """The pictures of a run."""

    samples: tuple[Sample, ...]


def read_samples(folder: Path) -> tuple[Sample, ...]:
    """The samples of a run. Raises OSError or pydantic.ValidationError."""
    text = (folder / SAMPLES_NAME / SAMPLE_LIST_NAME).read_text(encoding="utf-8")
    return SampleList.model_validate_json(text).samples
