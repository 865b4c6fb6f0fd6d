"""Servers that refuse or drop things, and what is found out about them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import pytest
from loopback import Answer, Body, Loopback, completion, refusal

from vitar.backends.chat_api import EndpointError
from vitar.backends.endpoint import EndpointConfig
from vitar.backends.probe import find_dialect
from vitar.protocol.templates import HERMES_TEMPLATE

Take = Callable[[Body], Body]
"""What reaches the model of a request; raises `Refused`."""


class Refused(Exception):
    pass


def server_that(take: Take, *, counts: bool = True) -> Callable[[Body], Answer]:
    """A server for which every word is a token and every image 64."""

    def respond(body: Body) -> Answer:
        try:
            taken = take(json.loads(json.dumps(body)))
        except Refused as error:
            return refusal(400, str(error))
        contents = [[{"text": c}] if isinstance(c := m["content"], str) else c for m in taken["messages"]]
        parts = [part for content in contents for part in content]
        calls = json.dumps([taken.get("tools"), *(m.get("tool_calls") for m in taken["messages"])])
        words = " ".join([calls, *(part.get("text", "") for part in parts)]).split()
        images = sum("image_url" in part for part in parts)
        return completion("x", usage=(len(words) + 64 * images, 1) if counts else None)

    return respond


def everything(body: Body) -> Body:
    return body


def no_images(body: Body) -> Body:
    for message in body["messages"]:
        if isinstance(message["content"], list):
            message["content"] = [part for part in message["content"] if part["type"] == "text"]
    return body


def text_in_tool_messages(body: Body) -> Body:
    if any(m["role"] == "tool" and not isinstance(m["content"], str) for m in body["messages"]):
        raise Refused("Image URLs are only allowed for messages with role 'user'")
    return body


def tool_images_dropped(body: Body) -> Body:
    for message in body["messages"]:
        if message["role"] == "tool" and isinstance(message["content"], list):
            message["content"] = [part for part in message["content"] if part["type"] == "text"]
    return body


def as_transformers_serve(body: Body) -> Body:
    """transformers 5.23: content beside ``tool_calls`` is left out."""
    for message in body["messages"]:
        if "tool_calls" in message:
            message["content"] = []
    return body


def no_tools(body: Body) -> Body:
    if "tools" in body or any(m["role"] == "tool" for m in body["messages"]):
        raise Refused("auto tool choice requires a tool-call parser")
    return body


def tools_ignored(body: Body) -> Body:
    body.pop("tools", None)
    return body


def strict_pairs(body: Body) -> Body:
    """As OpenAI: a tool message answers a call, and calls need tools."""
    called = {call["id"] for m in body["messages"] for call in m.get("tool_calls", ())}
    if any(m["role"] == "tool" and m["tool_call_id"] not in called for m in body["messages"]):
        raise Refused("tool messages must follow tool_calls")
    if called and "tools" not in body:
        raise Refused("tool_calls without tools")
    return text_in_tool_messages(body)


def find(take: Take, *names: str, counts: bool = True) -> tuple[str, int]:
    """The dialect, and how many requests it took to find it."""
    with Loopback(server_that(take, counts=counts)) as server:
        config = EndpointConfig(server.url, "m", first_wait_s=0.001)
        found = asyncio.run(find_dialect(config, HERMES_TEMPLATE, *([names] if names else [])))
        return found, len(server.requests)


@pytest.mark.parametrize(
    ("take", "dialect"),
    [
        (everything, "standard"),
        (text_in_tool_messages, "split"),
        (tool_images_dropped, "split"),
        (strict_pairs, "split"),
        (as_transformers_serve, "raw"),
        (no_tools, "text"),
        (tools_ignored, "text"),
    ],
)
def test_the_first_dialect_that_loses_nothing(take: Take, dialect: str) -> None:
    assert find(take)[0] == dialect


def test_a_good_server_is_asked_five_times() -> None:
    assert find(everything)[1] == 5


def test_a_server_that_drops_images_is_not_used() -> None:
    for names in ((), ("raw",)):
        with pytest.raises(EndpointError, match="no shorter without the image and without") as error:
            find(no_images, *names)
        assert "vitar serve" in str(error.value)


def test_a_dialect_that_was_named_is_checked_too() -> None:
    assert find(as_transformers_serve, "text")[0] == "text"
    with pytest.raises(EndpointError, match="no shorter without the thought before a call"):
        find(as_transformers_serve, "standard")


def test_a_server_that_does_not_count_tokens_is_trusted_where_its_dialect_is_named(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with pytest.raises(EndpointError, match=r"does not say how many tokens it read.*standard, split, raw, text"):
        find(everything, counts=False)
    assert find(everything, "split", counts=False)[0] == "split"
    assert "nobody knows if it looks at images" in caplog.text


def test_a_server_that_is_not_there_or_does_not_know_the_model() -> None:
    def unknown(body: dict[str, Any]) -> Answer:
        return refusal(404, "The model `m` does not exist.")

    with Loopback(unknown) as server, pytest.raises(EndpointError, match=r"refuses model 'm'.*does not exist"):
        asyncio.run(find_dialect(EndpointConfig(server.url, "m"), HERMES_TEMPLATE))
    with pytest.raises(EndpointError, match="no reply after 2 attempts"):
        asyncio.run(find_dialect(EndpointConfig(server.url, "m", first_wait_s=0.001), HERMES_TEMPLATE))
