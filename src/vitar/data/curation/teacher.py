"""What a teacher is asked for, what it may be told, and why its work may be sent back."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from PIL import Image

from vitar.data.example import Example


class Reason(StrEnum):
    """Why an item has no trajectory. The first group is found before a teacher is asked."""

    DUPLICATE_ID = "duplicate_id"
    NOT_ONE_IMAGE = "not_one_image"
    UNREADABLE_IMAGE = "unreadable_image"
    NO_REGION = "no_region"
    TOO_MANY_REGIONS = "too_many_regions"
    REGION_OUTSIDE_IMAGE = "region_outside_image"

    TEACHER_FAILED = "teacher_failed"
    UNPARSABLE = "unparsable"
    NO_ACTION = "no_action"
    ACTION_REFUSED = "action_refused"
    NO_ANSWER = "no_answer"
    MISSES_REGION = "misses_region"
    TELLS_EARLY = "tells_early"
    WRONG_ANSWER = "wrong_answer"
    JUDGED_BAD = "judged_bad"
    JUDGE_FAILED = "judge_failed"


UNTOLD = (Reason.TEACHER_FAILED, Reason.JUDGE_FAILED)
"""Failures of a server, which say nothing about what the teacher wrote: it is asked again as it was before."""


@dataclass(frozen=True)
class Rejection:
    """One thing wrong with an item or with what a teacher wrote about it.

    Args:
        detail: a sentence that the teacher can act on.
    """

    reason: Reason
    detail: str


@dataclass(frozen=True)
class Task:
    """An item for a teacher to write a trajectory about.

    Args:
        example: with its answer and its true regions, of which there is at least one.
        image: of the question, decoded.
        hidden: texts that the first thought may not state.
        attempt: from 0; a scripted teacher words each attempt in another way.
        rejections: of the attempt before.
    """

    example: Example
    image: Image.Image
    hidden: tuple[str, ...]
    attempt: int = 0
    rejections: tuple[Rejection, ...] = ()


class Teacher(Protocol):
    """Writes trajectories.

    Attributes:
        name: what a trace calls it.
    """

    name: str

    async def write(self, task: Task) -> Sequence[str]:
        """The turns of an assistant as texts, in order: looks, and then an answer.

        Boxes are thousandths of the image that the turn acts on. Whether the turns can be used is not the teacher's
        business: they are carried out and examined.

        Raises:
            RequestFailed: a server gave no reply that can be read.
            EndpointError: no request to the server can succeed.
        """
        ...
