"""Replies of a declared shape: a pydantic model goes out as a JSON schema, and what comes back is checked by it.

The schema is always part of the words, since some servers ignore ``response_format`` without saying so and some refuse
it. A reply that does not fit is told what is wrong with it and asked for again, in the same conversation.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any, TypeVar

import openai
from pydantic import BaseModel, ValidationError

from vitar.backends.chat_api import CUT, ChatReply, ChatRequest, RequestFailed, text_part
from vitar.backends.endpoint import Endpoint
from vitar.protocol.parsing import THINK_CLOSE

ASKS = 6
_NO_SUCH_FIELD = (400, 415, 422, 501)
"""How servers refuse a field that they do not offer."""

Shape = TypeVar("Shape", bound=BaseModel)


async def ask_for(endpoint: Endpoint, request: ChatRequest, shape: type[Shape], asks: int = ASKS) -> Shape:
    """The reply to ``request`` as a value of ``shape``.

    Args:
        request: ends in a user message; its ``response_format`` is set here.
        shape: its docstring and field descriptions are shown to the model.
        asks: how often, with the reason of the last failure each time.

    Raises:
        RequestFailed: no reply fits, or there is none.
        EndpointError: see `Endpoint.ask`.
    """
    function = openai.pydantic_function_tool(shape)["function"]  # the public way to a schema in OpenAI's strict form
    schema: dict[str, Any] = function["parameters"]
    wanted = f"Reply with one JSON object and nothing else. It must fit this JSON schema:\n{json.dumps(schema)}"
    json_schema = {"name": function["name"], "strict": True, "schema": schema}
    *before, last = request.messages
    request = replace(
        request,
        messages=(*before, _with_text(last, wanted)),  # no second user message: many chat templates demand turns
        response_format={"type": "json_schema", "json_schema": json_schema},
    )
    reason = ""
    for _ in range(asks):
        reply = await _ask(endpoint, request)
        try:
            return shape.model_validate_json(_json_in(reply.text))
        except ValidationError as error:
            reason = _reason(error, reply)
        complaint = f"That reply cannot be used: {reason}. Reply again with the JSON object alone."
        again = ({"role": "assistant", "content": reply.text}, {"role": "user", "content": complaint})
        request = replace(request, messages=(*request.messages, *again))
    raise RequestFailed(f"no reply out of {asks} fits {shape.__name__}; the last one: {reason}")


async def _ask(endpoint: Endpoint, request: ChatRequest) -> ChatReply:
    """Asks with the schema as a field, or without it where the server refuses that field."""
    if endpoint.takes_schemas:
        try:
            return await endpoint.ask(request)
        except RequestFailed as error:
            if error.status not in _NO_SUCH_FIELD:
                raise
    reply = await endpoint.ask(replace(request, response_format=None))
    endpoint.takes_schemas = False  # what was refused with the field came without it
    return reply


def _with_text(message: dict[str, Any], text: str) -> dict[str, Any]:
    content = message["content"]
    parts = [text_part(content)] if isinstance(content, str) else list(content)
    return {**message, "content": [*parts, text_part(f"\n\n{text}")]}


def _json_in(text: str) -> str:
    """From the first brace to the last, after any thinking: models like to put a fence or a sentence around."""
    text = text.rpartition(THINK_CLOSE)[2]
    return text[text.find("{") : text.rfind("}") + 1] if "{" in text else text


def _reason(error: ValidationError, reply: ChatReply) -> str:
    if reply.finish == CUT:
        return "it was cut at the token limit; be shorter"
    first = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(key) for key in first["loc"]) or "the reply"
    return f"{where}: {first['msg']}"
