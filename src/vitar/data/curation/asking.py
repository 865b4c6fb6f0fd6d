"""Asking a model for a reply of a declared shape: all that curation needs to know of a server."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from pydantic import BaseModel

from vitar.protocol.messages import Message

if TYPE_CHECKING:
    from vitar.backends.endpoint import Endpoint

MAX_REPLY_TOKENS = 4096
"""Of a teacher or a judge, the thinking of a model that thinks included."""

MAX_PIXELS = 1_048_576
"""Of an image that is sent; a larger one is made smaller."""

Shape = TypeVar("Shape", bound=BaseModel)


class Asker(Protocol):
    """A model that fills in a shape.

    Attributes:
        name: of the model.
    """

    name: str

    async def ask(self, messages: Sequence[Message], shape: type[Shape]) -> Shape:
        """The model's reply to a conversation of system and user messages.

        Raises:
            RequestFailed: no reply fits the shape, or there is none.
            EndpointError: no request can succeed.
        """
        ...


class EndpointAsker:
    """An `Asker` behind an OpenAI-compatible server.

    Args:
        endpoint: is open while questions are asked.
    """

    def __init__(self, endpoint: Endpoint) -> None:
        self.name, self._endpoint = endpoint.config.model, endpoint

    async def ask(self, messages: Sequence[Message], shape: type[Shape]) -> Shape:
        from vitar.backends.chat_api import ChatRequest, image_part, text_part
        from vitar.backends.structured import ask_for

        wire = tuple(
            {
                "role": message["role"],
                "content": [
                    text_part(part["text"]) if part["type"] == "text" else image_part(part["image"], MAX_PIXELS)
                    for part in message["content"]
                ],
            }
            for message in messages
        )
        return await ask_for(self._endpoint, ChatRequest(messages=wire, max_tokens=MAX_REPLY_TOKENS), shape)
