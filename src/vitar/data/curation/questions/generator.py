"""What writes questions and what confirms them, whether it goes by rules or asks a model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.questions.candidate import Candidate


@dataclass(frozen=True)
class SplitImage:
    """An annotated image and the split that its group belongs to."""

    image: AnnotatedImage
    split: str


class Generator(Protocol):
    """Writes questions about annotated images.

    Attributes:
        name: for the record.
        account: what it did beside writing candidates, name -> number; filled in by `generate`.
    """

    name: str
    account: dict[str, int]

    async def generate(self, images: Sequence[SplitImage]) -> list[Candidate]:
        """The questions in an order that depends on nothing but the images and the generator.

        What was written and cannot be a question is a candidate with a ``problem``.

        Raises:
            EndpointError: a server is needed and can never reply.
        """
        ...


class Verifier(Protocol):
    """Answers questions anew, without a look at the answer that they were written with.

    Attributes:
        name: for the record.
    """

    name: str

    async def objections(self, candidates: Sequence[tuple[Candidate, AnnotatedImage]]) -> list[str]:
        """For each candidate why it is not confirmed, as a sentence; "" if it is.

        Raises:
            EndpointError: a server is needed and can never reply.
        """
        ...
