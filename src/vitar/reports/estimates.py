"""Means with intervals as a reader sees them, and what is shown by them."""

from __future__ import annotations

from typing import Protocol

from vitar.reports.wording import between


class Estimate(Protocol):
    """What `vitar.analysis` calls an estimate: a mean over items with its 95 % interval; None where undefined."""

    @property
    def mean(self) -> float | None: ...
    @property
    def low(self) -> float | None: ...
    @property
    def high(self) -> float | None: ...
    @property
    def n(self) -> int: ...


def in_words(found: Estimate, places: int = 2, *, signed: bool = False) -> str:
    """``0.53 (0.51 to 0.55)``."""
    return between(found.mean, found.low, found.high, places, signed=signed)


def shown_sign(found: Estimate) -> int:
    """1 or -1 for a difference whose interval lies on one side of zero, else 0; 0 without an interval."""
    if found.mean is None or found.low is None or found.high is None or found.low <= 0 <= found.high:
        return 0
    return 1 if found.mean > 0 else -1
