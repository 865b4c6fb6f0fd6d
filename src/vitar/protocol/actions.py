"""The closed set of things a model may do in a turn.

A turn ends in an action on an image (`MarkRegion` or `Zoom`) or in an `Answer`; whatever is neither is a
`ParseFailure`, a value that names its reason. The names and the fields that appear on the wire are the constants
of this module: the prompt, the parser, the serialiser and the JSON tool schemas all take them from here.

Boxes are ``[x0, y0, x1, y1]``, left, top, right, bottom, in whatever unit the model's family writes
(`vitar.imaging.environment.Coordinates` knows it). Nothing here says whether a box makes sense: that needs the image,
so the environment judges it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, TypeAlias

from vitar.protocol.messages import ToolCall

MARK_REGION = "mark_region"
ZOOM = "zoom"
BOXES = "boxes"
BOX = "box"
IMAGE = "image"

ANSWER_OPEN, ANSWER_CLOSE = "<answer>", "</answer>"
CALL_OPEN, CALL_CLOSE = "<tool_call>", "</tool_call>"

WireBox: TypeAlias = tuple[float, float, float, float]
"""Left, top, right, bottom, in the units the model writes; a whole number that the model wrote stays an ``int``."""

MAX_EXACT_INT = 2**53
"""Above this size a whole number becomes a float: no image is that large, and a float never overflows later on."""


class FailureReason(StrEnum):
    """Why a turn holds neither an action nor an answer. Compare with ``is``: every member is a true value."""

    EMPTY = "empty"
    NO_ACTION_OR_ANSWER = "no_action_or_answer"
    UNCLOSED_THINK = "unclosed_think"
    UNCLOSED_TOOL_CALL = "unclosed_tool_call"
    UNCLOSED_ANSWER = "unclosed_answer"
    BAD_JSON = "bad_json"
    UNKNOWN_TOOL = "unknown_tool"
    BAD_ARGUMENTS = "bad_arguments"
    SEVERAL_TOOL_CALLS = "several_tool_calls"
    SEVERAL_ANSWERS = "several_answers"
    TOOL_CALL_AND_ANSWER = "tool_call_and_answer"
    EMPTY_ANSWER = "empty_answer"
    TEXT_AFTER_END = "text_after_end"


@dataclass(frozen=True)
class ParseFailure:
    """A turn, or a call, that could not be read.

    Args:
        reason: what kind of mistake it is.
        span: start and end of the offending part, in characters of the text that was parsed; ``(0, 0)`` for a call
            that was not read from text.
        detail: one sentence for a person or a model to read.
    """

    reason: FailureReason
    span: tuple[int, int]
    detail: str


@dataclass(frozen=True)
class MarkRegion:
    """Draw the outlines of ``boxes`` on image number ``image`` (those of the question come first, from 1)."""

    boxes: tuple[WireBox, ...]
    image: int = 1


@dataclass(frozen=True)
class Zoom:
    """Cut ``box`` out of image number ``image`` and enlarge it."""

    box: WireBox
    image: int = 1


@dataclass(frozen=True)
class Answer:
    """The end of an episode: what the model answers, without tags."""

    text: str


Action: TypeAlias = MarkRegion | Zoom

_IMAGE_SCHEMA = {"type": "integer", "description": "Number of the image to use; the first image of the question is 1."}
_BOX_SCHEMA: dict[str, Any] = {"type": "array", "items": {"type": "number"}}


def _schema(name: str, description: str, field: str, field_schema: dict[str, Any]) -> dict[str, Any]:
    parameters = {"type": "object", "properties": {field: field_schema, IMAGE: _IMAGE_SCHEMA}, "required": [field]}
    return {
        "type": "function",
        "function": {"name": name, "description": description, "parameters": parameters},
    }


TOOLS: dict[str, dict[str, Any]] = {
    MARK_REGION: _schema(
        MARK_REGION,
        "Outline one or more regions on an image and look at it again.",
        BOXES,
        {"type": "array", "items": _BOX_SCHEMA, "description": "The regions, each as [left, top, right, bottom]."},
    ),
    ZOOM: _schema(
        ZOOM,
        "Enlarge one region of an image and look at it.",
        BOX,
        {**_BOX_SCHEMA, "description": "The region as [left, top, right, bottom]."},
    ),
}
"""Tool name -> schema, in the OpenAI form and as `transformers.utils.get_json_schema` would print it."""


def tool_schemas(names: tuple[str, ...] | list[str]) -> list[dict[str, Any]]:
    """The schemas of the named tools, in the order given. Raises KeyError for a name that is not a tool."""
    return [TOOLS[name] for name in names]


def tool_call(action: Action) -> ToolCall:
    """The action as an entry of an assistant message's ``tool_calls``; boxes first, then the image."""
    arguments: dict[str, Any]
    if isinstance(action, MarkRegion):
        name, arguments = MARK_REGION, {BOXES: [list(box) for box in action.boxes]}
    else:
        name, arguments = ZOOM, {BOX: list(action.box)}
    arguments[IMAGE] = action.image
    return {"type": "function", "function": {"name": name, "arguments": arguments}}


def call_text(action: Action) -> str:
    """The action as the JSON inside ``<tool_call>``, character for character what Qwen3-VL's chat template prints.

    Numbers that are not finite print as ``NaN`` and ``Infinity``, which the parser reads back.
    """
    function = tool_call(action)["function"]
    return json.dumps({"name": function["name"], "arguments": function["arguments"]}, ensure_ascii=False)


def action_from_call(name: object, arguments: object) -> Action | ParseFailure:
    """Reads a call that is already decoded from JSON.

    Types are checked strictly: a box is a list of four numbers (``true`` is not one), ``boxes`` a list of at least one
    box, ``image`` a whole number of at least 1, and no other argument is accepted. NaN and infinity pass, since the
    environment has better words for them.

    Returns:
        The action, or a failure with reason ``UNKNOWN_TOOL`` or ``BAD_ARGUMENTS`` and span ``(0, 0)``.
    """
    if not isinstance(name, str) or name not in TOOLS:
        shown = json.dumps(name) if isinstance(name, str) else f"a {type(name).__name__}"
        return _failure(FailureReason.UNKNOWN_TOOL, f"There is no tool named {shown[:60]}; there is {_listed(TOOLS)}.")
    field = BOXES if name == MARK_REGION else BOX
    if not isinstance(arguments, Mapping):
        return _bad(f"The arguments of {name} must be a JSON object.")
    if unknown := [key for key in arguments if key not in (field, IMAGE)]:
        return _bad(f"{name} has no argument {json.dumps(str(unknown[0])[:40])}; it takes {field} and {IMAGE}.")
    if field not in arguments:
        return _bad(f"{name} needs the argument {field}.")
    image = arguments.get(IMAGE, 1)
    if not isinstance(image, int) or isinstance(image, bool) or image < 1:
        return _bad(f"The argument {IMAGE} of {name} must be a whole number of at least 1.")
    if name == ZOOM:
        box = _wire_box(arguments[field])
        return Zoom(box, image) if box else _bad("The box of zoom must be four numbers, [left, top, right, bottom].")
    if not isinstance(arguments[field], list | tuple) or not arguments[field]:
        return _bad("The boxes of mark_region must be a list of at least one box.")
    boxes = [_wire_box(item) for item in arguments[field]]
    if None in boxes:
        return _bad(f"Box {boxes.index(None) + 1} of mark_region must be four numbers, [left, top, right, bottom].")
    return MarkRegion(tuple(box for box in boxes if box), image)


def _wire_box(value: object) -> WireBox | None:
    if not isinstance(value, list | tuple) or len(value) != 4:
        return None
    if not all(isinstance(v, int | float) and not isinstance(v, bool) for v in value):
        return None
    x0, y0, x1, y1 = (_bounded(v) for v in value)
    return (x0, y0, x1, y1)


def _bounded(value: float) -> float:
    if isinstance(value, int) and abs(value) > MAX_EXACT_INT:
        try:
            return float(value)
        except OverflowError:  # more than about 308 digits
            return math.inf if value > 0 else -math.inf
    return value


def _bad(detail: str) -> ParseFailure:
    return _failure(FailureReason.BAD_ARGUMENTS, detail)


def _failure(reason: FailureReason, detail: str) -> ParseFailure:
    return ParseFailure(reason, (0, 0), detail)


def _listed(names: Mapping[str, object]) -> str:
    return " and ".join(names)
