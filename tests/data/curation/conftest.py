"""Examples with known regions, and the loopback server of the backend tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitar.data.curation.questions.candidate import Candidate
from vitar.data.example import Example, ImageRef, Region

sys.path.insert(0, str(Path(__file__).parents[2] / "backends"))  # for loopback

WIDTH, HEIGHT = 200, 100


def picture(seed: int) -> bytes:
    buffer = BytesIO()
    pixels_hw = np.random.default_rng(seed).integers(0, 255, (HEIGHT, WIDTH), dtype=np.uint8)
    Image.fromarray(pixels_hw).save(buffer, format="PNG")
    return buffer.getvalue()


@pytest.fixture(scope="session")
def make_example() -> Callable[..., Example]:
    """``make_example(number, **changes)``: what is the cell in the lower right? A stone of 20 x 20 pixels."""

    def make(number: int = 0, **changes: Any) -> Example:
        fields: dict[str, Any] = {
            "id": f"made/{number}",
            "images": (ImageRef(f"{number}.png", picture(number)),),
            "question": "What is the finding?",
            "options": ("cyst", "stone", "left kidney"),
            "answer": "stone",
            "answer_type": "choice",
            "regions": (Region("stone", (150.0, 70.0, 170.0, 90.0)),),
            "modality": "CT",
            "anatomy": "kidney",
            "kind": "type",
            "source": "made",
            "split": "train",
            "licence": "CC0-1.0",
            "group": f"image {number}",
        }
        return Example(**{**fields, **changes})

    return make


@pytest.fixture(scope="session")
def make_candidate() -> Callable[..., Candidate]:
    """``make_candidate(number, **changes)``: what kind of lesion lies in the left half? A stone."""

    def make(number: int = 0, **changes: Any) -> Candidate:
        fields: dict[str, Any] = {
            "id": f"made/0#{number}",
            "image_id": "made/0",
            "split": "train",
            "source": "made",
            "modality": "CT",
            "question": "What kind of lesion does the left half of this CT show?",
            "options": ("cyst", "stone", "tumour"),
            "answer": "stone",
            "answer_type": "choice",
            "kind": "type",
            "regions": (Region("stone", (10.0, 10.0, 30.0, 30.0)),),
            "frame": "what_in",
            "generator": "rules",
        }
        return Candidate(**{**fields, **changes})

    return make
