"""What decides a run of ``vitar curate questions``."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vitar.data.curation.questions.models import Band

RULES, ENDPOINT = "rules", "endpoint"


@dataclass(frozen=True)
class ModelCheck:
    """A model whose answers decide about items.

    Args:
        name: Hub id, path or embedded model.
        blank: ask it without images too.
        samples, min_pass_rate, max_pass_rate: see `Band`.
        temperature: of the samples.
        max_new_tokens: of an answer.
    """

    name: str
    blank: bool = True
    samples: int = 8
    min_pass_rate: float = 0.1
    max_pass_rate: float = 0.9
    temperature: float = 1.0
    max_new_tokens: int = 32

    def __post_init__(self) -> None:
        if not self.name or self.temperature <= 0 or self.max_new_tokens < 1:
            raise ValueError(
                "a model to check with needs a name, a temperature above 0 and at least one new token, got "
                f"{self.name!r}, {self.temperature} and {self.max_new_tokens}"
            )
        _ = self.band

    @property
    def band(self) -> Band:
        return Band(self.min_pass_rate, self.max_pass_rate, self.samples)


@dataclass(frozen=True)
class QuestionsConfig:
    """Settings of a run; the file of ``--config`` holds all but ``sources``.

    Args:
        sources: see `open_annotated`.
        generator: ``rules``, or ``endpoint`` for a model behind a server, which then verifies too.
        items: number of questions that the rules aim for, before the filters.
        max_per_image: questions about one image; that many are asked for of a model.
        max_count: the rules ask for no larger number.
        names: label -> what questions call it.
        nouns: source -> what questions call any region of it.
        incomplete: sources, or ``SOURCE:LABEL``, of which not every instance is marked; see `facts`.
        splits: split -> share of the groups; the rest is ``train``. What a source holds out stays held out.
        benchmarks: folders of prepared benchmarks that nothing may be taken from.
        text_margin: see `baseline.answerable`.
        model: None leaves out the filters that ask a model.
        max_source_share, max_modality_share: of all items.
        workers: processes that read images.
        seed: of everything that is drawn.

    Raises:
        ValueError: a setting makes no sense.
    """

    sources: tuple[str, ...] = ()
    generator: Literal["rules", "endpoint"] = "rules"
    items: int = 17_600
    max_per_image: int = 8
    max_count: int = 12
    names: dict[str, str] = field(default_factory=dict)
    nouns: dict[str, str] = field(default_factory=dict)
    incomplete: tuple[str, ...] = ()
    splits: dict[str, float] = field(default_factory=lambda: {"validation": 0.1})
    benchmarks: tuple[str, ...] = ()
    text_margin: float = 0.2
    model: ModelCheck | None = None
    max_source_share: float = 1.0
    max_modality_share: float = 1.0
    workers: int = 2
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.items, self.max_per_image, self.max_count, self.workers) < 1 or self.seed < 0:
            raise ValueError(
                "items, max_per_image, max_count and workers are at least 1 and the seed at least 0, got "
                f"{self.items}, {self.max_per_image}, {self.max_count}, {self.workers} and {self.seed}"
            )
        if not set(self.splits) <= {"validation", "test"} or not 0 <= sum(self.splits.values()) < 1:
            raise ValueError(f"splits are shares of validation and test that leave some for train, got {self.splits}")
        if min(self.splits.values(), default=0) < 0:
            raise ValueError(f"the share of a split cannot be negative, got {self.splits}")
        shares = (self.max_source_share, self.max_modality_share)
        if not all(0 < share <= 1 for share in shares) or not 0 <= self.text_margin < 1:
            raise ValueError(
                "max_source_share and max_modality_share are above 0 and up to 1, text_margin from 0 up to but not "
                f"including 1, got {shares[0]}, {shares[1]} and {self.text_margin}"
            )
