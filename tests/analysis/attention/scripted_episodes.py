"""Scripted episodes about small images of noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

import numpy as np
from PIL import Image

from vitar.analysis.attention.replay import Episode, replay
from vitar.backends.base import Backend
from vitar.data.example import Example, ImageRef, Region
from vitar.imaging.environment import TOOL_NAMES
from vitar.protocol.actions import MarkRegion, Zoom, call_text
from vitar.protocol.trace import ImageStore, Trace

ANSWER = "It is round.\n<answer>yes</answer>"


def picture(number: int, width: int = 96, height: int = 64) -> Image.Image:
    """An image of noise."""
    pixels = np.random.default_rng(number).integers(0, 255, (height, width), dtype=np.uint8)
    return Image.fromarray(pixels)


@dataclass(frozen=True)
class Played:
    """One scripted episode, what it was about, and where its images are."""

    example: Example
    trace: Trace
    store: ImageStore

    def again(self, backend: Backend, tools: Sequence[str] = TOOL_NAMES, **changes: object) -> Episode:
        """`replay` of the episode, with some fields of the trace changed."""
        trace = self.trace.model_copy(update=changes)
        return replay(self.example, trace, self.store, backend.coordinates, backend.zoom_side_px, tools)


def make_example(number: int, regions: Sequence[tuple[float, float, float, float]] = ()) -> Example:
    """A question about an image of noise, 96 x 64 pixels."""
    buffer = BytesIO()
    picture(number).save(buffer, format="PNG")
    return Example(
        id=f"item/{number}",
        images=(ImageRef(f"{number}.png", buffer.getvalue()),),
        question="Is there a nodule?",
        options=(),
        answer="yes",
        answer_type="yes_no",
        regions=tuple(Region("nodule", box) for box in regions),
        modality="",
        anatomy="",
        kind="presence",
        source="made up",
        split="test",
        licence="CC0-1.0",
        group=f"patient-{number}",
    )


def zoom_turn(box: tuple[float, float, float, float]) -> str:
    return f"I look.\n<tool_call>\n{call_text(Zoom(box))}\n</tool_call>"


def mark_turn(box: tuple[float, float, float, float]) -> str:
    return f"I mark it.\n<tool_call>\n{call_text(MarkRegion((box,)))}\n</tool_call>"
