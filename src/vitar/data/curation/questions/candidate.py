"""A question that may become an item, and what became of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import Example, Region

YES_NO = ("yes", "no")


@dataclass(frozen=True)
class Candidate:
    """One question about one image, not yet known to be good.

    Args:
        id: unique in the run.
        image_id: of the `AnnotatedImage`.
        split: where the image's group belongs.
        source, modality: of the image.
        question: text without the options.
        options: in the order of their letters; empty unless a choice.
        answer: for a choice the right option's text.
        answer_type, kind: as in `Example`.
        regions: the evidence.
        frame: what the question asks, whatever its words: candidates of one frame differ in image and answer alone,
            and answers are balanced among them. "" for a question that nobody else asks.
        generator: who wrote it.
        problem: why it cannot be an item at all, where its generator knows; "" otherwise.
    """

    id: str
    image_id: str
    split: str
    source: str
    modality: str
    question: str
    options: tuple[str, ...]
    answer: str
    answer_type: str
    kind: str
    regions: tuple[Region, ...]
    frame: str
    generator: str
    problem: str = ""

    @property
    def cell(self) -> tuple[str, ...]:
        """Everything about the candidate that does not depend on its answer. A text gives nothing away in its cell."""
        return (self.split, self.source, self.modality, self.kind, self.frame, self.answer_type, *sorted(self.options))

    @property
    def possible_answers(self) -> tuple[str, ...]:
        """What a reader of the text knows the answer to be one of; empty for a short answer."""
        return YES_NO if self.answer_type == "yes_no" else self.options

    def with_options(self, options: Sequence[str]) -> Candidate:
        """The same question with its options in another order."""
        return replace(self, options=tuple(options))

    def example(self, image: AnnotatedImage) -> Example:
        """The item that it becomes.

        Raises:
            ValueError: it contradicts itself.
        """
        return Example(
            id=self.id,
            images=(image.image,),
            question=self.question,
            options=self.options,
            answer=self.answer,
            answer_type=self.answer_type,
            regions=self.regions,
            modality=image.modality,
            anatomy=image.anatomy,
            kind=self.kind,
            source=image.source,
            split=self.split,
            licence=image.licence,
            group=image.group,
        )


@dataclass(frozen=True)
class Rejection:
    """Why an image or a candidate was left out.

    Args:
        filter: which one found it.
        reason: a short name for counting.
        detail: a sentence.
    """

    filter: str
    reason: str
    detail: str
