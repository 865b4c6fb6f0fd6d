"""Messages have the shape that image-text processors take."""

from __future__ import annotations

from PIL import Image

from vitar.protocol.actions import Zoom, tool_call
from vitar.protocol.messages import (
    assistant_message,
    images_in,
    message_text,
    system_message,
    tool_message,
    user_message,
)

FIRST, SECOND = Image.new("L", (8, 8)), Image.new("L", (4, 4))


def test_images_come_before_text() -> None:
    user = user_message("What margin?", FIRST)
    assert user == {
        "role": "user",
        "content": [{"type": "image", "image": FIRST}, {"type": "text", "text": "What margin?"}],
    }
    tool = tool_message("zoom", "Image 2.", SECOND)
    assert tool == {
        "role": "tool",
        "name": "zoom",
        "content": [{"type": "image", "image": SECOND}, {"type": "text", "text": "Image 2."}],
    }


def test_assistant_message_with_and_without_a_call() -> None:
    call = tool_call(Zoom((1, 2, 3, 4)))
    assert assistant_message("I zoom.", call) == {
        "role": "assistant",
        "content": [{"type": "text", "text": "I zoom."}],
        "tool_calls": [
            {"type": "function", "function": {"name": "zoom", "arguments": {"box": [1, 2, 3, 4], "image": 1}}}
        ],
    }
    assert assistant_message("", call)["content"] == []
    assert "tool_calls" not in assistant_message("<answer>C</answer>")


def test_images_in_keeps_the_order_of_a_conversation() -> None:
    conversation = [
        system_message("Look."),
        user_message("What margin?", FIRST),
        assistant_message("I zoom.", tool_call(Zoom((1, 2, 3, 4)))),
        tool_message("zoom", "Image 2.", SECOND),
    ]
    assert [image is wanted for image, wanted in zip(images_in(conversation), [FIRST, SECOND], strict=True)]
    assert [message_text(message) for message in conversation] == ["Look.", "What margin?", "I zoom.", "Image 2."]
