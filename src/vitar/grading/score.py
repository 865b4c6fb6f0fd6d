"""The verdict on one answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Score:
    """Whether an answer is right, with the reason.

    Args:
        correct: the verdict; there is no partial credit.
        extracted: what the answer was read as (a letter, ``yes`` or ``no``, a normalised text); empty if unreadable.
        rule: name of the rule that decided, for counting.
    """

    correct: bool
    extracted: str
    rule: str
