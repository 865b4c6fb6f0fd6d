"""What a kit makes of one answer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class KitScore:
    """A kit's verdict.

    Args:
        correct: the verdict.
        extracted: what the kit read; "" if nothing.
        counted: False where the kit leaves the item out of the denominator of its headline.
        error: what ends the kit's own program here; the item counts as wrong then.
        f1: what the kit reports under that name for an open answer; None where it reports none.
    """

    correct: bool
    extracted: str
    counted: bool = True
    error: str = ""
    f1: float | None = None
