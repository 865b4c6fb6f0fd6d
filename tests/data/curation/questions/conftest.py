"""Annotated images made of a few boxes, and candidates about them."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitar.data.annotated import AnnotatedImage
from vitar.data.example import ImageRef, Region

WIDTH, HEIGHT = 200, 100

Mark = tuple[str, float, float, float, float]
"""Label and box, xyxy."""


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    pixels_hw = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    Image.fromarray(pixels_hw).save(file, format="PNG")
    return file.getvalue()


@pytest.fixture(scope="session")
def make_image() -> Callable[..., AnnotatedImage]:
    """``make_image(number, marks, **changes)``: 200 x 100 pixels with boxes ``(label, x0, y0, x1, y1)``."""

    def make(number: int, marks: list[Mark], **changes: Any) -> AnnotatedImage:
        fields: dict[str, Any] = {
            "id": f"made/{number}",
            "image": ImageRef(f"{number}.png", picture(number)),
            "width": WIDTH,
            "height": HEIGHT,
            "regions": tuple(Region(label, box) for label, *box in map(tuple, marks)),  # type: ignore[misc]
            "modality": "CT",
            "anatomy": "kidney",
            "source": "made",
            "split": "train",
            "licence": "CC0-1.0",
            "group": f"image {number}",
        }
        return AnnotatedImage(**{**fields, **changes})

    return make
