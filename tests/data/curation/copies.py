"""Images and their copies, made as people make them by accident: saved again, resized, cropped, brightened."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageEnhance


def _jpeg(image: Image.Image, quality: int) -> Image.Image:
    file = io.BytesIO()
    image.save(file, format="JPEG", quality=quality)
    return Image.open(io.BytesIO(file.getvalue())).convert(image.mode)


def _crop(image: Image.Image, left: float, top: float, right: float, bottom: float) -> Image.Image:
    width, height = image.size
    return image.crop(
        (round(left * width), round(top * height), round((1 - right) * width), round((1 - bottom) * height))
    )


def _padded(image: Image.Image) -> Image.Image:
    width, height = image.size
    frame = Image.new(image.mode, (round(width * 1.05), round(height * 1.05)))
    frame.paste(image, (round(width * 0.025), round(height * 0.025)))
    return frame


def _resized(image: Image.Image, factor: float) -> Image.Image:
    return image.resize((round(image.width * factor), round(image.height * factor)), Image.Resampling.BICUBIC)


COPIES: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "exact": lambda image, rng: image.copy(),
    "jpeg 75": lambda image, rng: _jpeg(image, 75),
    "jpeg 40": lambda image, rng: _jpeg(image, 40),
    "half size": lambda image, rng: _resized(image, 0.5),
    "larger": lambda image, rng: _resized(image, 1.5),
    "square of 224": lambda image, rng: image.resize((224, 224), Image.Resampling.BILINEAR),
    "5% cut off": lambda image, rng: _crop(image, 0.025, 0.025, 0.025, 0.025),
    "5% cut off somewhere": lambda image, rng: _somewhere(image, rng),
    "5% added": lambda image, rng: _padded(image),
    "darker": lambda image, rng: ImageEnhance.Brightness(image).enhance(0.75),
    "brighter": lambda image, rng: ImageEnhance.Brightness(image).enhance(1.25),
    "all of it": lambda image, rng: _jpeg(
        _resized(ImageEnhance.Brightness(_somewhere(image, rng)).enhance(1.1), 0.7), 60
    ),
}
"""Name -> (image, rng) -> copy."""


def _somewhere(image: Image.Image, rng: np.random.Generator) -> Image.Image:
    left, top = rng.uniform(0, 0.05, 2)
    return _crop(image, left, top, 0.05 - left, 0.05 - top)


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
