"""Examples with small images, made in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from vitar.data.example import Example, ImageRef, Region

WIDTH, HEIGHT = 200, 100
Xyxy = tuple[float, float, float, float]


def _example(
    number: int = 0,
    regions: Sequence[Xyxy] = ((20, 30, 40, 50),),
    answer: str = "yes",
    kind: str = "presence",
    answer_type: str = "yes_no",
    options: Sequence[str] = (),
    group: str = "",
) -> Example:
    pixels = np.random.default_rng(number).integers(40, 200, (HEIGHT, WIDTH), dtype=np.uint8)
    buffer = BytesIO()
    Image.fromarray(pixels).save(buffer, format="PNG")
    return Example(
        id=f"item-{number}",
        images=(ImageRef(f"{number}.png", buffer.getvalue()),),
        question=f"Is there a nodule in picture {number}?",
        options=tuple(options),
        answer=answer,
        answer_type=answer_type,
        regions=tuple(Region("nodule", box) for box in regions),
        modality="radiograph",
        anatomy="chest",
        kind=kind,
        source="made up",
        split="test",
        licence="CC0-1.0",
        group=group or f"patient-{number}",
    )


@pytest.fixture
def make_example() -> Callable[..., Example]:
    """``make_example(number, regions=…, answer=…, kind=…, answer_type=…, options=…, group=…)``; 200 x 100 pixels."""
    return _example
