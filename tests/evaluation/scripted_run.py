"""A small evaluation run without a model, importable by tests and runnable, to be killed: ``scripted_run.py OUT``."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from vitar.backends.scripted import ScriptedBackend
from vitar.data.example import Example, ImageRef, Region
from vitar.evaluation.runner import EvaluationConfig, evaluate
from vitar.protocol.actions import Zoom, call_text
from vitar.protocol.messages import Message, message_text

WIDTH, HEIGHT = 200, 100
NAMES = ("single_pass", "think_twice", "random_box", "unmarked")
ZOOM = "I look.\n<tool_call>\n" + call_text(Zoom((100, 200, 300, 400))) + "\n</tool_call>"
Xyxy = tuple[float, float, float, float]


def example(
    number: int = 0,
    regions: Sequence[Xyxy] = ((20, 30, 40, 50),),
    answer: str = "yes",
    kind: str = "presence",
    answer_type: str = "yes_no",
    options: Sequence[str] = (),
    group: str = "",
) -> Example:
    """An example with a small image of noise in memory."""
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


def config(**changes: object) -> EvaluationConfig:
    settings = {"model": "scripted", "data": "made up", "conditions": NAMES, "count": 10, "batch_size": 1}
    return EvaluationConfig(**{**settings, **changes})  # type: ignore[arg-type]


def reply(conversation: Sequence[Message]) -> str:
    """Right for some pictures and wrong for others, with and without a look."""
    question = next(message_text(message) for message in conversation if message["role"] == "user")
    number = int(question.partition("picture ")[2].split("?")[0])
    if conversation[-1]["role"] == "tool":
        return f"<answer>{'yes' if number % 3 else 'no'}</answer>"
    return ("yes", ZOOM, "<answer>no</answer>")[number % 3] if conversation[0]["role"] == "system" else "no"


def slowly(conversation: Sequence[Message]) -> str:
    time.sleep(0.01)
    return reply(conversation)


if __name__ == "__main__":
    evaluate(config(), ScriptedBackend(slowly), [example(number) for number in range(10)], Path(sys.argv[1]))
