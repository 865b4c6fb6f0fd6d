"""From intensities of any depth to the 8 bits of a picture, by a window or by the image's own range."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

FUNCTIONS = ("LINEAR_EXACT", "LINEAR", "SIGMOID")


@dataclass(frozen=True)
class Window:
    """A diagnostic window: the intensities that become the grays between black and white.

    Args:
        center, width: in the unit of the intensities, Hounsfield units for a CT.
        function: one of `FUNCTIONS`, as DICOM defines them (PS3.3 C.11.2.1.2 and C.11.2.1.3). ``LINEAR_EXACT`` runs
            from ``center - width / 2`` to ``center + width / 2``; ``LINEAR``, the default of DICOM, is made for whole
            numbers and half a unit off.

    Raises:
        ValueError: the numbers are not finite, the width is not positive (for ``LINEAR``, below 1), or the function
            is unknown.
    """

    center: float
    width: float
    function: str = "LINEAR_EXACT"

    def __post_init__(self) -> None:
        if self.function not in FUNCTIONS:
            raise ValueError(f"unknown window function {self.function!r}; expected one of {', '.join(FUNCTIONS)}")
        least = 1.0 if self.function == "LINEAR" else 0.0
        enough = self.width >= 1 if self.function == "LINEAR" else self.width > 0
        if not (math.isfinite(self.center) and math.isfinite(self.width) and enough):
            bound = f"at least {least:g}" if least else "above 0"
            raise ValueError(f"a window needs a finite centre and a width {bound}, got {self.center}, {self.width}")

    def to_8_bit(self, values: np.ndarray) -> np.ndarray:
        """The grays of ``values``, of any shape: uint8, 0 below the window and 255 above it; NaN becomes 0."""
        values = np.nan_to_num(values.astype(np.float64), nan=-np.inf, posinf=np.inf, neginf=-np.inf)
        if self.function == "SIGMOID":
            with np.errstate(over="ignore"):  # far below the window: exp gives inf, and the share is 0
                share = 1 / (1 + np.exp(-4 * (values - self.center) / self.width))
        elif self.function == "LINEAR" and self.width == 1:  # a step: there is nothing between black and white
            share = (values > self.center - 0.5).astype(np.float64)
        elif self.function == "LINEAR":
            share = (values - (self.center - 0.5)) / (self.width - 1) + 0.5
        else:
            share = (values - self.center) / self.width + 0.5
        return np.rint(share.clip(0, 1) * 255).astype(np.uint8)


def to_8_bit(values: np.ndarray) -> np.ndarray:
    """Stretch gray values linearly so that the image's smallest becomes 0 and its largest 255, rounded.

    The rule needs no knowledge of the bits that were used, so a dim 12-bit image stored in 16 bits stays visible. It
    is not a diagnostic window: choose a `Window` if absolute intensities matter. An image of one value becomes
    0. Of the not finite values only +inf becomes 255; NaN and -inf become 0, and none of them takes part in the range.

    Args:
        values: (H, W), integer or float, at least one of them finite.
    """
    values = values.astype(np.float64)
    finite = values[np.isfinite(values)]
    low, high = finite.min(), finite.max()
    span = high - low if high > low else 1.0
    values = np.nan_to_num(values, nan=low, posinf=low + span, neginf=low)
    return np.rint((values - low) / span * 255).clip(0, 255).astype(np.uint8)
