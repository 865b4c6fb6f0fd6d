"""What a given model says about the candidates: without the image, and several times with it."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from PIL import Image

from vitar.backends.base import Backend
from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.questions.baseline import beats_chance
from vitar.data.curation.questions.candidate import Candidate, Rejection
from vitar.data.example import Example, ImageRef
from vitar.grading import grade_example
from vitar.protocol.trace import StopReason
from vitar.rollout import rollout

BLANK, DIFFICULTY = "answerable_on_blank_image", "difficulty"

AT_ONCE = 64
"""Questions that a model is asked at a time."""

_GRAY = 128


@dataclass(frozen=True)
class Band:
    """The pass rates between which a question is worth asking, both ends included.

    Args:
        samples: answers drawn to each question.
    """

    low: float
    high: float
    samples: int

    def __post_init__(self) -> None:
        if not 0 <= self.low <= self.high <= 1 or self.samples < 1:
            raise ValueError(
                f"a difficulty band needs 0 <= low <= high <= 1 and samples of at least 1, got {self.low}, "
                f"{self.high} and {self.samples}"
            )


def answerable_blank(
    candidates: Sequence[Candidate], images: Mapping[str, AnnotatedImage], backend: Backend
) -> dict[str, Rejection]:
    """Candidates that ``backend`` answers rightly when it is shown a gray image; id -> rejection.

    A choice has to be answered rightly with its options in every rotation, so that a favourite letter does not count
    (circular evaluation: Y. Liu et al., MMBench, 2023). Right answers count only where the model beats chance on such
    questions, since one that always says yes is right half of the time.
    """
    shown = [shown for each in candidates for shown in _presentations(each, images[each.image_id])]
    verdicts = _verdicts(backend, shown)
    by_candidate: list[list[bool | str]] = []
    for each in candidates:
        by_candidate.append([next(verdicts) for _ in range(max(1, len(each.options)))])
    found = _failed(candidates, by_candidate, BLANK)
    groups: defaultdict[tuple[str, ...], list[tuple[Candidate, list[bool | str]]]] = defaultdict(list)
    for each, said in zip(candidates, by_candidate, strict=True):
        if each.id not in found:
            groups[each.source, each.kind, each.answer_type].append((each, said))
    for group in groups.values():
        right = [verdict is True for _, said in group for verdict in said]
        chance = [
            1 / len(each.possible_answers) if each.possible_answers else 0.0 for each, said in group for _ in said
        ]
        if beats_chance(right, chance):
            for each, said in group:
                if all(verdict is True for verdict in said):
                    detail = f"{backend.name} answers {each.answer!r} to a gray image"
                    found[each.id] = Rejection(BLANK, "model_right_without_image", detail)
    return found


def pass_rates(
    candidates: Sequence[Candidate], images: Mapping[str, AnnotatedImage], backend: Backend, samples: int
) -> tuple[dict[str, float], dict[str, Rejection]]:
    """The share of ``samples`` answers to each candidate that are right, and the candidates that have none.

    Args:
        backend: draws its answers; the same question several times in a batch gives as many answers.
    """
    shown = [each.example(images[each.image_id]) for each in candidates for _ in range(samples)]
    verdicts = _verdicts(backend, shown, at_once=samples * max(1, AT_ONCE // samples))
    drawn = [[next(verdicts) for _ in range(samples)] for _ in candidates]
    failed = _failed(candidates, drawn, DIFFICULTY)
    rates = {
        each.id: sum(verdict is True for verdict in said) / samples
        for each, said in zip(candidates, drawn, strict=True)
        if each.id not in failed
    }
    return rates, failed


def outside_band(rates: Mapping[str, float], band: Band, model: str) -> dict[str, Rejection]:
    """Candidates that the model always or never gets right, by the ends of ``band``; id -> rejection."""
    found = {}
    for name, rate in rates.items():
        if not band.low <= rate <= band.high:
            reason = "hopeless" if rate < band.low else "too_easy"
            found[name] = Rejection(DIFFICULTY, reason, f"{model} is right in {rate:.0%} of {band.samples} answers")
    return found


def _presentations(candidate: Candidate, image: AnnotatedImage) -> Iterator[Example]:
    """The question over a gray image, a choice once for each rotation of its options."""
    file = io.BytesIO()
    Image.new("L", (image.width, image.height), _GRAY).save(file, format="PNG")
    example = candidate.example(image)
    example = replace(example, images=(ImageRef("blank", file.getvalue()),), regions=())
    for start in range(max(1, len(candidate.options))):
        yield replace(example, options=(*candidate.options[start:], *candidate.options[:start]))


def _verdicts(backend: Backend, examples: Sequence[Example], at_once: int = AT_ONCE) -> Iterator[bool | str]:
    """Whether each direct answer is right; a text where the backend failed."""
    traces = rollout(backend, examples, mode="direct", at_once=at_once)
    for example, trace in zip(examples, traces, strict=True):
        if trace.stop_reason is StopReason.BACKEND_ERROR:
            yield trace.failure.detail if trace.failure else "no reply"
        else:
            yield grade_example(example, trace.answer).correct


def _failed(
    candidates: Sequence[Candidate], verdicts: Sequence[Sequence[bool | str]], filter: str
) -> dict[str, Rejection]:
    """Candidates to which the backend failed to answer, which says nothing about them either way."""
    found = {}
    for each, said in zip(candidates, verdicts, strict=True):
        if failure := next((verdict for verdict in said if isinstance(verdict, str)), None):
            found[each.id] = Rejection(filter, "model_failed", failure)
    return found
