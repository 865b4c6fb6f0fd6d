"""Calls as values: strict types, one spelling on the wire, schemas that match a Python signature."""

from __future__ import annotations

import json
import math

import pytest
from transformers.utils import get_json_schema

from vitar.protocol.actions import (
    TOOLS,
    FailureReason,
    MarkRegion,
    ParseFailure,
    Zoom,
    action_from_call,
    call_text,
    tool_call,
    tool_schemas,
)

ZOOM = Zoom((620, 310, 740, 430))
MARK = MarkRegion(((1, 2, 3, 4), (5.5, 6, 7, 8)), image=2)


def test_call_text_is_the_json_that_qwens_template_prints() -> None:
    assert call_text(ZOOM) == '{"name": "zoom", "arguments": {"box": [620, 310, 740, 430], "image": 1}}'
    assert (
        call_text(MARK) == '{"name": "mark_region", "arguments": {"boxes": [[1, 2, 3, 4], [5.5, 6, 7, 8]], "image": 2}}'
    )


@pytest.mark.parametrize("action", [ZOOM, MARK])
def test_tool_call_reads_back(action: Zoom | MarkRegion) -> None:
    function = tool_call(action)["function"]
    assert action_from_call(function["name"], function["arguments"]) == action


def test_image_defaults_to_the_image_of_the_question() -> None:
    assert action_from_call("zoom", {"box": [0, 0, 1, 1]}) == Zoom((0, 0, 1, 1), image=1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "needs the argument box"),
        ({"boxes": [[0, 0, 1, 1]]}, 'no argument "boxes"'),
        ({"box": [0, 0, 1, 1], "label": "nodule"}, 'no argument "label"'),
        ({"box": [0, 0, 1]}, "four numbers"),
        ({"box": [0, 0, 1, 1, 1]}, "four numbers"),
        ({"box": [[0, 0, 1, 1]]}, "four numbers"),
        ({"box": [0, 0, "1", 1]}, "four numbers"),
        ({"box": [0, 0, True, 1]}, "four numbers"),
        ({"box": [0, 0, None, 1]}, "four numbers"),
        ({"box": "0, 0, 1, 1"}, "four numbers"),
        ({"box": None}, "four numbers"),
        ({"box": {"x0": 0, "y0": 0, "x1": 1, "y1": 1}}, "four numbers"),
        ({"box": [0, 0, 1, 1], "image": 0}, "at least 1"),
        ({"box": [0, 0, 1, 1], "image": -1}, "at least 1"),
        ({"box": [0, 0, 1, 1], "image": 1.0}, "at least 1"),
        ({"box": [0, 0, 1, 1], "image": True}, "at least 1"),
        ({"box": [0, 0, 1, 1], "image": "1"}, "at least 1"),
        ({"box": [0, 0, 1, 1], "image": None}, "at least 1"),
        ([0, 0, 1, 1], "JSON object"),
        ('{"box": [0, 0, 1, 1]}', "JSON object"),
        (None, "JSON object"),
    ],
)
def test_wrong_zoom_arguments_are_named(arguments: object, words: str) -> None:
    outcome = action_from_call("zoom", arguments)
    assert isinstance(outcome, ParseFailure)
    assert outcome.reason is FailureReason.BAD_ARGUMENTS
    assert words in outcome.detail
    assert outcome.detail.endswith(".")


@pytest.mark.parametrize(
    ("boxes", "words"),
    [([], "at least one"), ([0, 0, 1, 1], "Box 1"), ([[0, 0, 1, 1], [0, 0]], "Box 2"), ("x", "at least one")],
)
def test_wrong_boxes_are_named(boxes: object, words: str) -> None:
    outcome = action_from_call("mark_region", {"boxes": boxes})
    assert isinstance(outcome, ParseFailure)
    assert outcome.reason is FailureReason.BAD_ARGUMENTS
    assert words in outcome.detail


@pytest.mark.parametrize("name", ["crop", "", "Zoom", "zoom ", None, 1, ["zoom"], {"name": "zoom"}])
def test_unknown_tool(name: object) -> None:
    outcome = action_from_call(name, {"box": [0, 0, 1, 1]})
    assert isinstance(outcome, ParseFailure)
    assert outcome.reason is FailureReason.UNKNOWN_TOOL


def test_numbers_that_make_no_sense_pass_as_floats() -> None:
    outcome = action_from_call("zoom", {"box": [math.nan, math.inf, 10**400, -(10**400)]})
    assert isinstance(outcome, Zoom)
    assert math.isnan(outcome.box[0])
    assert outcome.box[1:] == (math.inf, math.inf, -math.inf)
    large = action_from_call("zoom", {"box": [2**53, 2**53 + 1, 0, 1]})
    assert isinstance(large, Zoom)
    assert [type(v) for v in large.box] == [int, float, int, int]


def test_schemas_are_those_of_a_python_signature() -> None:
    """A trainer that derives schemas from methods must show the model the same text as our own loop does."""

    def mark_region(boxes: list[list[float]], image: int = 1) -> None:
        """Outline one or more regions on an image and look at it again.

        Args:
            boxes: The regions, each as [left, top, right, bottom].
            image: Number of the image to use; the first image of the question is 1.
        """

    def zoom(box: list[float], image: int = 1) -> None:
        """Enlarge one region of an image and look at it.

        Args:
            box: The region as [left, top, right, bottom].
            image: Number of the image to use; the first image of the question is 1.
        """

    for function in (mark_region, zoom):
        schema = get_json_schema(function)
        schema["function"].pop("return", None)
        assert json.dumps(TOOLS[function.__name__]) == json.dumps(schema)


def test_tool_schemas_keep_the_order_asked_for() -> None:
    assert tool_schemas(["zoom", "mark_region"]) == [TOOLS["zoom"], TOOLS["mark_region"]]
    with pytest.raises(KeyError):
        tool_schemas(["crop"])
