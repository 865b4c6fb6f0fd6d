"""Chat messages in the OpenAI schema, with images as PIL objects, as transformers and TRL take them.

Content is a list of parts in every role, never a bare string: a list is what image-text processors require, and one
form for all keeps datasets of messages in one schema. An empty thought is an empty list, because Qwen3-VL's chat
template writes a line break before a tool call whenever the content is a true value.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypeAlias, TypedDict

if TYPE_CHECKING:
    from PIL.Image import Image


class TextPart(TypedDict):
    type: Literal["text"]
    text: str


class ImagePart(TypedDict):
    type: Literal["image"]
    image: Image


Part: TypeAlias = TextPart | ImagePart


class Function(TypedDict):
    """A call: the tool's name and its arguments as a dict (never as a JSON string)."""

    name: str
    arguments: dict[str, Any]


class ToolCall(TypedDict):
    type: Literal["function"]
    function: Function


class SystemMessage(TypedDict):
    role: Literal["system"]
    content: list[Part]


class UserMessage(TypedDict):
    role: Literal["user"]
    content: list[Part]


class AssistantMessage(TypedDict):
    """What a model wrote: text, or a thought followed by one tool call."""

    role: Literal["assistant"]
    content: list[Part]
    tool_calls: NotRequired[list[ToolCall]]


class ToolMessage(TypedDict):
    """What the environment answered to the call of the tool ``name``."""

    role: Literal["tool"]
    name: str
    content: list[Part]


Message: TypeAlias = SystemMessage | UserMessage | AssistantMessage | ToolMessage


def text_part(text: str) -> TextPart:
    return {"type": "text", "text": text}


def image_part(image: Image) -> ImagePart:
    return {"type": "image", "image": image}


def system_message(text: str) -> SystemMessage:
    return {"role": "system", "content": [text_part(text)]}


def user_message(text: str, image: Image | None = None) -> UserMessage:
    """The image, where there is one, comes before the text."""
    return {"role": "user", "content": _parts(text, image)}


def assistant_message(text: str, call: ToolCall | None = None) -> AssistantMessage:
    """``text`` is the whole turn, or only its thought when ``call`` is given."""
    message: AssistantMessage = {"role": "assistant", "content": _parts(text, None)}
    if call is not None:
        message["tool_calls"] = [call]
    return message


def tool_message(name: str, text: str, image: Image | None = None) -> ToolMessage:
    """The observation after a call of ``name``: the new image, where there is one, and then a sentence about it."""
    return {"role": "tool", "name": name, "content": _parts(text, image)}


def message_text(message: Message) -> str:
    """The text parts of a message, joined; tool calls are not text."""
    return "".join(part["text"] for part in message["content"] if part["type"] == "text")


def images_in(messages: Sequence[Message]) -> list[Image]:
    """Every image of a conversation in the order of its placeholders."""
    parts: Iterable[Part] = (part for message in messages for part in message["content"])
    return [part["image"] for part in parts if part["type"] == "image"]


def _parts(text: str, image: Image | None) -> list[Part]:
    parts: list[Part] = [] if image is None else [image_part(image)]
    if text:
        parts.append(text_part(text))
    return parts
