"""The verdict on one answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Whether an answer is right, with the reason.

    Args:
        correct: the verdict.
        extracted: what the answer was read as (a letter, ``yes`` or ``no``, a normalised text); empty if unreadable.
        rule: name of the rule that decided, for counting.
        token_f1: of an open answer, how far its words agree with the right one's, 0 to 1; None for the other types.
    """

    correct: bool
    extracted: str
    rule: str
    token_f1: float | None = None
