"""How a conversation with tools and images is put to a server, since servers differ in what they take.

The standard way has the tools in a field, calls as objects, and the new image in the tool's message. Three things go
wrong with it: some servers take no tools at all; some take text alone in a tool's message; some drop the thought of an
assistant turn that holds a call. A `Dialect` says which of this a server does, `vitar.backends.probe` finds out, and
whatever the dialect, what the model wrote comes back as the same text that a local model would have written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from vitar.backends.chat_api import ChatReply, image_part, text_part
from vitar.backends.plain import without_tools
from vitar.protocol.actions import CALL_CLOSE, CALL_OPEN, Answer, ParseFailure, tool_call
from vitar.protocol.messages import AssistantMessage, Message, ToolMessage, images_in, message_text
from vitar.protocol.parsing import THINK_CLOSE, THINK_OPEN, parse


@dataclass(frozen=True)
class Dialect:
    """What a server takes.

    Args:
        tools: the tools are sent in the field ``tools``, and there are ``tool`` messages; otherwise the conversation is
            one `without_tools`.
        calls: earlier calls are sent as ``tool_calls``; otherwise as the text that the model wrote.
        split: a ``tool`` message takes text alone, and the image follows in a user message.
    """

    tools: bool = True
    calls: bool = True
    split: bool = False


DIALECTS = {
    "standard": Dialect(),
    "split": Dialect(split=True),
    "raw": Dialect(calls=False),
    "text": Dialect(tools=False, calls=False),
}
"""``standard`` for vLLM and SGLang with a tool-call parser; ``split`` where tool messages are text, as OpenAI's are;
``raw`` for ``transformers serve``, which drops the thought before a call; ``text`` for servers without tools."""


def wire_messages(
    messages: Sequence[Message], tools: Sequence[str], dialect: Dialect, template: str, max_pixels: int
) -> tuple[dict[str, Any], ...]:
    """A conversation as the server takes it.

    Args:
        tools: names of the tools to announce; empty for none.
        template: chat template whose announcement of the tools the system prompt gets, for a dialect without them.
        max_pixels: of an image; a larger one is made smaller.
    """
    if not dialect.tools:
        messages = without_tools(messages, tools, template)
    wire: list[dict[str, Any]] = []
    call_id = ""
    for number, message in enumerate(messages):
        if message["role"] == "assistant":
            call_id = f"call{number:05d}"  # nine letters and digits, the only form that Mistral's templates take
            wire.append(_assistant(message, call_id, dialect))
        elif message["role"] == "tool":
            wire += _observation(message, call_id, dialect, max_pixels)
        else:
            wire.append({"role": message["role"], "content": _content(message, max_pixels)})
    return tuple(wire)


def reply_text(reply: ChatReply) -> str:
    """A reply as the text that the model wrote, so that `parse` and a trace see what they see of a local model.

    Calls become ``<tool_call>`` blocks with the JSON that Qwen3-VL's template prints. What a server takes apart loses
    its white space, and the text that stood after a call comes before it.
    """
    parts = [reply.text.rstrip()] if reply.calls else [reply.text]
    parts += [f"{CALL_OPEN}\n{_call_json(name, arguments)}\n{CALL_CLOSE}" for name, arguments in reply.calls]
    text = "\n".join(part for part in parts if part)
    return f"{THINK_OPEN}\n{reply.reasoning.strip()}\n{THINK_CLOSE}\n\n{text}" if reply.reasoning.strip() else text


def _call_json(name: str, arguments: str) -> str:
    try:
        return json.dumps({"name": name, "arguments": json.loads(arguments)}, ensure_ascii=False)
    except (ValueError, RecursionError):  # not JSON: it stays as it is, for the parser to refuse
        return f'{{"name": {json.dumps(name, ensure_ascii=False)}, "arguments": {arguments}}}'


def _assistant(message: AssistantMessage, call_id: str, dialect: Dialect) -> dict[str, Any]:
    text = message_text(message)
    turn = parse(text)
    if not dialect.calls or isinstance(turn.outcome, Answer | ParseFailure):
        return {"role": "assistant", "content": text}
    function = tool_call(turn.outcome)["function"]
    arguments = json.dumps(function["arguments"], ensure_ascii=False)
    call = {"id": call_id, "type": "function", "function": {"name": function["name"], "arguments": arguments}}
    return {"role": "assistant", "content": turn.thought, "tool_calls": [call]}


def _observation(message: ToolMessage, call_id: str, dialect: Dialect, max_pixels: int) -> list[dict[str, Any]]:
    images = [image_part(image, max_pixels) for image in images_in([message])]
    text = message_text(message)
    answer = {"role": "tool", "tool_call_id": call_id}
    if not dialect.split:
        return [{**answer, "content": [*images, text_part(text)] if images else text}]
    return [{**answer, "content": text}] + [{"role": "user", "content": images} for _ in images[:1]]


def _content(message: Message, max_pixels: int) -> str | list[dict[str, Any]]:
    """Text alone goes as a string, which every server takes in every role."""
    if not images_in([message]):
        return message_text(message)
    return [
        text_part(part["text"]) if part["type"] == "text" else image_part(part["image"], max_pixels)
        for part in message["content"]
    ]
