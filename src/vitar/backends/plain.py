"""A conversation with tools as one without, for chat templates and servers that know no tools.

The system prompt lists the tools as our Hermes template prints them, and what the environment answered stands in a turn
of the user, between the tags that the template puts around it. What the model is to write stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from vitar.protocol.actions import tool_schemas
from vitar.protocol.messages import Message, message_text, system_message, text_part

RESPONSE_OPEN, RESPONSE_CLOSE = "<tool_response>\n", "\n</tool_response>"
"""What the Hermes template puts around an observation in a user turn."""


def without_tools(messages: Sequence[Message], tools: Sequence[str], template: str) -> list[Message]:
    """The conversation in system, user and assistant turns alone.

    Args:
        tools: names of the tools to announce; empty for none.
        template: chat template whose announcement of the tools the system prompt gets.
    """
    plain: list[Message] = []
    for message in messages:
        if message["role"] == "tool":
            images = [part for part in message["content"] if part["type"] == "image"]
            closed = text_part(message_text(message) + RESPONSE_CLOSE)
            plain.append({"role": "user", "content": [text_part(RESPONSE_OPEN), *images, closed]})
        else:
            plain.append(message)
    if tools:
        has_system = plain[0]["role"] == "system"
        system = message_text(plain.pop(0)) if has_system else ""
        plain.insert(0, system_message(announcement(system, tools, template)))
    return plain


def announcement(system: str, tools: Sequence[str], template: str) -> str:
    """The system prompt with the tools listed in it, as a chat template of ours prints it."""
    from transformers.utils.chat_template_utils import render_jinja_template

    messages: Any = [[system_message(system)]]
    schemas: Any = tool_schemas(list(tools))
    rendered: Any = render_jinja_template(conversations=messages, tools=schemas, chat_template=template)[0]
    text: str = rendered[0]
    return text.removeprefix("<|im_start|>system\n").removesuffix("<|im_end|>\n")
