"""Random images without anatomy."""

from __future__ import annotations

import numpy as np
from PIL import Image


def clouds(seed: int, size: tuple[int, int] = (200, 150)) -> Image.Image:
    """A random texture with as much in it at every scale as a natural image has."""
    rng = np.random.default_rng(seed)
    width, height = size
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    frequency[0, 0] = 1
    spectrum = (rng.normal(size=frequency.shape) + 1j * rng.normal(size=frequency.shape)) / frequency**1.5
    spectrum[0, 0] = 0
    values = np.fft.irfft2(spectrum, s=(height, width))
    return Image.fromarray(np.clip(128 + 45 * values / values.std(), 0, 255).astype(np.uint8))
