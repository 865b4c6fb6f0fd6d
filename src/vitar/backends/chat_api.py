"""What is asked of an OpenAI-compatible server, what it replies, and what may go wrong between the two."""

from __future__ import annotations

import base64
import io
import json
from dataclasses import dataclass
from typing import Annotated, Any

from PIL import Image
from pydantic import BaseModel, Field, ValidationError

CUT, WITHHELD = "length", "content_filter"
"""Values of ``finish_reason``: the token limit was reached; the provider kept the text to itself."""


class EndpointError(RuntimeError):
    """A server cannot be used as asked; the message says what was found and what to do. Ends a run."""


class RequestFailed(EndpointError):
    """One request has no reply: it was refused, or all its attempts failed. Others may succeed.

    Args:
        status: HTTP status of a refusal; None where the attempts ran out.
    """

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class BadReply(ValueError):
    """A body that is not a chat completion."""


@dataclass(frozen=True)
class ChatRequest:
    """One request to ``/chat/completions``, all but the model.

    Args:
        messages: in the form of the wire, images as data URLs.
        max_tokens: limit of the reply.
        temperature: 0 takes the most likely token; None leaves it to the server, as some hosted models demand.
        top_p, seed: of sampling; sent with a temperature above 0 only. Another seed is another request.
        tools: OpenAI function schemas.
        response_format: as the API defines it, for structured output.
    """

    messages: tuple[dict[str, Any], ...]
    max_tokens: int
    temperature: float | None = 0.0
    top_p: float = 1.0
    seed: int = 0
    tools: tuple[dict[str, Any], ...] = ()
    response_format: dict[str, Any] | None = None

    def body(self, model: str) -> dict[str, Any]:
        """The JSON object that is sent."""
        body: dict[str, Any] = {
            "model": model,
            "messages": list(self.messages),
            "max_completion_tokens": self.max_tokens,
        }
        if self.temperature is not None:
            body["temperature"] = self.temperature
        if self.temperature:
            body |= {"top_p": self.top_p, "seed": self.seed}
        if self.tools:
            body["tools"] = list(self.tools)
        if self.response_format is not None:
            body["response_format"] = self.response_format
        return body


@dataclass(frozen=True)
class ChatReply:
    """The first choice of a chat completion.

    Args:
        text: ``content``, or the words of a refusal.
        reasoning: what a thinking model wrote before, where the server takes it apart.
        calls: name and arguments of each tool call; the arguments are the text that was sent, JSON or not.
        finish: ``finish_reason``; ``stop`` where there is none.
        prompt_tokens, completion_tokens: as the server counts them; None where it does not say.
        seconds: from the request to the last byte of the reply.
    """

    text: str
    reasoning: str
    calls: tuple[tuple[str, str], ...]
    finish: str
    prompt_tokens: int | None
    completion_tokens: int | None
    seconds: float


def read_reply(body: str, seconds: float) -> ChatReply:
    """Reads a response body.

    Raises:
        BadReply: it is not JSON, or not a chat completion with at least one choice.
    """
    try:
        completion = _Completion.model_validate_json(body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(key) for key in first["loc"]) or "the body"
        raise BadReply(f"not a chat completion: {where}: {first['msg']}") from None
    choice = completion.choices[0]
    said, usage = choice.message, completion.usage
    return ChatReply(
        text=said.content or said.refusal or "",
        reasoning=said.reasoning_content or said.reasoning or "",
        calls=tuple((call.function.name, call.function.text) for call in said.tool_calls or ()),
        finish=choice.finish_reason or "stop",
        prompt_tokens=usage.prompt_tokens if usage else None,
        completion_tokens=usage.completion_tokens if usage else None,
        seconds=seconds,
    )


def shrunk_size(width: int, height: int, max_pixels: int) -> tuple[int, int]:
    """(width, height) with the same proportions and at most ``max_pixels``; unchanged where it fits already."""
    if width * height <= max_pixels:
        return width, height
    scale = (max_pixels / (width * height)) ** 0.5
    return max(1, int(width * scale)), max(1, int(height * scale))


def image_part(image: Image.Image, max_pixels: int) -> dict[str, Any]:
    """An image as a part of a message: a PNG in a data URL, made smaller where it has more than ``max_pixels``."""
    size = shrunk_size(*image.size, max_pixels)
    if size != image.size:
        image = image.resize(size, Image.Resampling.LANCZOS)
    file = io.BytesIO()
    image.save(file, format="PNG")
    url = "data:image/png;base64," + base64.b64encode(file.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": url}}


def text_part(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


class _Function(BaseModel):
    name: str
    arguments: str | dict[str, Any] = ""

    @property
    def text(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments, ensure_ascii=False)


class _Call(BaseModel):
    function: _Function


class _Said(BaseModel):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None  # DeepSeek's name, which vLLM, SGLang and transformers took over
    reasoning: str | None = None  # the same thing in newer vLLM and in OpenRouter
    tool_calls: list[_Call] | None = None


class _Choice(BaseModel):
    message: _Said
    finish_reason: str | None = None


class _Usage(BaseModel):
    prompt_tokens: int | None = None
    completion_tokens: int | None = None


class _Completion(BaseModel):
    choices: Annotated[list[_Choice], Field(min_length=1)]
    usage: _Usage | None = None
