"""How conversations go over the wire, and that replies come back as the text that a local model writes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from PIL import Image
from transformers.utils.chat_template_utils import render_jinja_template

from vitar.backends.chat_api import ChatReply
from vitar.backends.dialect import DIALECTS, Dialect, reply_text, wire_messages
from vitar.backends.plain import announcement
from vitar.protocol.actions import Answer, FailureReason, MarkRegion, ParseFailure, Zoom, tool_schemas
from vitar.protocol.messages import Message, assistant_message, tool_message
from vitar.protocol.parsing import Turn, parse, render_turn
from vitar.protocol.prompts import direct_messages, interactive_messages
from vitar.protocol.templates import HERMES_TEMPLATE, TINY_TEMPLATE

TOOLS = ("mark_region", "zoom")
CALL_TEXT = '<tool_call>\n{"name": "zoom", "arguments": {"box": [1, 2, 30, 40], "image": 1}}\n</tool_call>'
THOUGHT = "A shadow lies there."
OBSERVED = "Image 2: the region [1, 2, 30, 40] of image 1, enlarged."
PIXELS = 64 * 64


def conversation(thought: str = THOUGHT) -> list[Message]:
    text = f"{thought}\n{CALL_TEXT}" if thought else CALL_TEXT
    return [
        *interactive_messages("Which side?", ("left", "right"), [Image.new("L", (8, 8))], TOOLS),
        assistant_message(text),
        tool_message("zoom", OBSERVED, Image.new("L", (4, 4))),
    ]


def wire(messages: list[Message], dialect: str, template: str = HERMES_TEMPLATE) -> list[dict[str, Any]]:
    return list(wire_messages(messages, TOOLS, DIALECTS[dialect], template, PIXELS))


def shape(message: dict[str, Any]) -> tuple[str, Any]:
    """The role, and the text or the kinds of the parts."""
    content = message["content"]
    if isinstance(content, str):
        return message["role"], content
    return message["role"], [part.get("text", part["type"]) for part in content]


def test_the_standard_dialect() -> None:
    system, user, assistant, tool = wire(conversation(), "standard")
    assert shape(system)[0] == "system"
    assert "Tools" not in system["content"]  # they are in the field
    assert shape(user) == ("user", ["image_url", "Which side?\nA. left\nB. right"])
    assert shape(assistant) == ("assistant", THOUGHT)
    (call,) = assistant["tool_calls"]
    assert call["function"] == {"name": "zoom", "arguments": '{"box": [1, 2, 30, 40], "image": 1}'}
    assert shape(tool) == ("tool", ["image_url", OBSERVED])
    assert tool["tool_call_id"] == call["id"] == "call00002"


def test_the_other_dialects_differ_in_what_they_are_for() -> None:
    standard = wire(conversation(), "standard")
    split = wire(conversation(), "split")
    assert split[:3] == standard[:3]
    assert [shape(message) for message in split[3:]] == [("tool", OBSERVED), ("user", ["image_url"])]
    raw = wire(conversation(), "raw")
    assert (raw[:2], raw[3]) == (standard[:2], standard[3])
    assert raw[2] == {"role": "assistant", "content": f"{THOUGHT}\n{CALL_TEXT}"}
    text = wire(conversation(), "text")
    assert (text[1], text[2]) == (raw[1], raw[2])
    assert shape(text[3]) == ("user", ["<tool_response>\n", "image_url", f"{OBSERVED}\n</tool_response>"])
    assert json.dumps(tool_schemas(TOOLS)[0]) in text[0]["content"]


def test_a_refused_action_has_no_image_and_a_question_without_tools_no_announcement() -> None:
    refused: list[Message] = [*conversation()[:3], tool_message("zoom", "The box is empty.")]
    assert shape(wire(refused, "standard")[3]) == ("tool", "The box is empty.")
    assert len(wire(refused, "split")) == 4
    direct = direct_messages("Which side?", (), "closed", [Image.new("L", (8, 8))])
    assert len(wire_messages(direct, (), DIALECTS["text"], HERMES_TEMPLATE, PIXELS)) == 1
    system, _ = wire_messages(direct, TOOLS, DIALECTS["text"], HERMES_TEMPLATE, PIXELS)
    assert system["content"].startswith("\n\n# Tools") or system["content"].startswith("# Tools")


def test_several_images_keep_their_places_among_the_words() -> None:
    images = [Image.new("L", (8, 8)), Image.new("L", (8, 8), 9)]
    direct = direct_messages("Is <image 2> sharper?", (), "yes_no", images)
    (message,) = wire_messages(direct, (), DIALECTS["standard"], HERMES_TEMPLATE, PIXELS)
    assert shape(message) == (
        "user",
        ["Image 1: ", "image_url", "\nIs <image 2>", "image_url", " sharper?\nAnswer yes or no."],
    )
    first, second = (part["image_url"]["url"] for part in message["content"] if part["type"] == "image_url")
    assert first != second


def rendered(messages: list[Any], tools: Any, template: str) -> str:
    return render_jinja_template(conversations=[messages], tools=tools, chat_template=template)[0][0]  # type: ignore[return-value]


def as_served(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """What a server gives to its chat template: arguments read from their JSON text."""
    served = json.loads(json.dumps(messages))
    for message in served:
        for call in message.get("tool_calls", ()):
            call["function"]["arguments"] = json.loads(call["function"]["arguments"])
    return served


@pytest.mark.parametrize("template", [HERMES_TEMPLATE, TINY_TEMPLATE], ids=["hermes", "tiny"])
@pytest.mark.parametrize("thought", [THOUGHT, ""])
@pytest.mark.parametrize("dialect", ["standard", "raw", "text"])
def test_a_served_model_reads_what_a_local_one_reads(dialect: str, thought: str, template: str) -> None:
    local = rendered(conversation(thought), tool_schemas(TOOLS), template)
    tools = tool_schemas(TOOLS) if DIALECTS[dialect].tools else None
    assert rendered(as_served(wire(conversation(thought), dialect, template)), tools, template) == local


def test_the_announcement_is_that_of_the_template() -> None:
    assert announcement("Look.", TOOLS, TINY_TEMPLATE) == "Look.\nTools: mark_region(boxes, image), zoom(box, image)."
    assert announcement("Look.", TOOLS, HERMES_TEMPLATE).startswith("Look.\n\n# Tools\n\nYou may call")


def reply(text: str = "", *calls: tuple[str, str], reasoning: str = "") -> ChatReply:
    return ChatReply(text, reasoning, calls, "stop", 1, 1, 0.0)


@pytest.mark.parametrize(
    "turn",
    [
        Turn(THOUGHT, Zoom((1, 2, 30, 40))),
        Turn("", Zoom((1, 2, 30, 40), image=2)),
        Turn("Zwei Schatten, übereinander.", MarkRegion(((0.5, 2, 3, 4), (5, 6, 7, 8)))),
    ],
)
def test_a_call_that_was_taken_apart_is_put_together_again(turn: Turn) -> None:
    text = render_turn(turn)
    thought, _, call = text.rpartition("<tool_call>\n")
    function = json.loads(call.removesuffix("\n</tool_call>"))
    arguments = json.dumps(function["arguments"], separators=(",", ":"))  # a server may print its JSON differently
    for content in (thought, thought.rstrip()):  # and may strip what stands before
        assert reply_text(reply(content, (function["name"], arguments))) == text
    assert parse(text) == turn


def test_replies_without_calls_are_left_alone() -> None:
    for text in ("I see.\n<answer>B</answer>", " B \n", f"{THOUGHT}\n{CALL_TEXT}", ""):
        assert reply_text(reply(text)) == text


def test_reasoning_that_was_taken_out_is_a_thought_again() -> None:
    turn = parse(reply_text(reply("So it is.\n<answer>B</answer>", reasoning="\nHm, <answer>A</answer>?\n")))
    assert turn == Turn("Hm, <answer>A</answer>?\nSo it is.", Answer("B"))


@pytest.mark.parametrize(
    ("calls", "reason"),
    [
        ([("zoom", "{box: 1}")], FailureReason.BAD_JSON),
        ([("zoom", '{"box": [1, 2]}')], FailureReason.BAD_ARGUMENTS),
        ([("crop", "{}")], FailureReason.UNKNOWN_TOOL),
        ([("zoom", '{"box": [1, 2, 3, 4]}')] * 2, FailureReason.SEVERAL_TOOL_CALLS),
    ],
)
def test_bad_calls_fail_to_parse_as_those_of_a_local_model_do(calls: list[tuple[str, str]], reason: object) -> None:
    outcome = parse(reply_text(reply(THOUGHT, *calls))).outcome
    assert isinstance(outcome, ParseFailure)
    assert outcome.reason is reason


def test_every_dialect_is_another_one() -> None:
    assert len(set(DIALECTS.values())) == len(DIALECTS)
    assert all(isinstance(dialect, Dialect) for dialect in DIALECTS.values())
