"""Means with intervals as a reader sees them, and what is shown by them."""

from __future__ import annotations

from vitar.analysis.estimates import Estimate
from vitar.reports.figures import Dot
from vitar.reports.wording import between, decimals


def in_words(found: Estimate, places: int = 2, *, signed: bool = False) -> str:
    """``0.53 (0.51 to 0.55)``."""
    return between(found.mean, found.low, found.high, places, signed=signed)


def shown_sign(found: Estimate) -> int:
    """1 or -1 for a difference whose interval lies on one side of zero, else 0; 0 without an interval."""
    if found.mean is None or found.low is None or found.high is None or found.low <= 0 <= found.high:
        return 0
    return 1 if found.mean > 0 else -1


def dot(label: str, found: Estimate, style: int) -> Dot:
    """Its row in an interval plot."""
    return Dot(label, found.mean, found.low, found.high, decimals(found.mean, 2), style)
