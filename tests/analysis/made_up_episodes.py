"""Items and episodes with boxes of choice."""

from __future__ import annotations

from collections.abc import Sequence

from vitar.data.example import Example, ImageRef, Region
from vitar.protocol.actions import Zoom
from vitar.protocol.trace import Round, StopReason, Trace, action_record

Xyxy = tuple[float, float, float, float]


def example(name: str, regions: Sequence[Xyxy], modality: str = "CT", group: str = "") -> Example:
    return Example(
        id=name,
        images=(ImageRef(f"images/{name}.png"),),
        question="Where?",
        options=(),
        answer="there",
        answer_type="closed",
        regions=tuple(Region("lesion", box) for box in regions),
        modality=modality,
        anatomy="",
        kind="",
        source="made up",
        split="test",
        licence="CC0-1.0",
        group=group or name,
    )


def trace(item: Example, boxes: Sequence[Xyxy], image: str | None = None, failed: bool = False) -> Trace:
    look = Round(text="x", action=action_record(Zoom((0, 0, 9, 9))), boxes=tuple(boxes))
    return Trace(
        example_id=item.id,
        model="m",
        condition="think_twice",
        images=() if image is None else (image,),
        rounds=(look,) if boxes else (Round(text="x"),),
        answer=None if failed else "there",
        stop_reason=StopReason.BACKEND_ERROR if failed else StopReason.ANSWERED,
    )


BOX: Xyxy = (0, 0, 30, 40)  # one in a hundred of the image
PART: Xyxy = (0, 0, 30, 20)
