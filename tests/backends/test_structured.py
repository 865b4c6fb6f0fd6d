"""Replies of a declared shape: what is asked, what is refused, and how it is asked for again."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from loopback import Answer, Loopback, completion, refusal
from pydantic import BaseModel, Field

from vitar.backends.chat_api import ChatRequest, EndpointError, RequestFailed
from vitar.backends.endpoint import Endpoint, EndpointConfig
from vitar.backends.reply_cache import ReplyCache
from vitar.backends.structured import ask_for


class Verdict(BaseModel):
    """What the picture shows."""

    side: Literal["left", "right"]
    sure: int = Field(description="per cent", ge=0, le=100)


GOOD = '{"side": "left", "sure": 80}'
SIDE = "side: Input should be 'left' or 'right'"


def ask(server: Loopback, cache: Path, content: Any = "Which side?", times: int = 1) -> list[Verdict]:
    config = EndpointConfig(server.url, "m", attempts=2, first_wait_s=0.001)

    async def session() -> list[Verdict]:
        async with Endpoint(config, ReplyCache(cache)) as endpoint:
            request = ChatRequest(({"role": "user", "content": content},), 99)
            return [await ask_for(endpoint, request, Verdict) for _ in range(times)]

    return asyncio.run(session())


def test_the_schema_is_a_field_and_part_of_the_words(tmp_path: Path) -> None:
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AA"}}
    with Loopback(lambda body: completion(GOOD)) as server:
        assert ask(server, tmp_path, [image, {"type": "text", "text": "Which side?"}]) == [
            Verdict(side="left", sure=80)
        ]
    (body,) = server.requests
    form = body["response_format"]
    assert (form["type"], form["json_schema"]["name"], form["json_schema"]["strict"]) == (
        "json_schema",
        "Verdict",
        True,
    )
    schema = form["json_schema"]["schema"]
    assert schema["additionalProperties"] is False  # OpenAI's strict form
    assert schema["required"] == ["side", "sure"]
    (message,) = body["messages"]  # one user message, since many chat templates demand that roles alternate
    assert message["content"][:2] == [image, {"type": "text", "text": "Which side?"}]
    assert json.dumps(schema) in message["content"][2]["text"]


@pytest.mark.parametrize(
    "text",
    [
        f"```json\n{GOOD}\n```",
        f"Here it is: {GOOD} I hope that helps.",
        f"\n{GOOD}\n",
        f'<think>{{"side": "right"}}?</think>{GOOD}',
    ],
)
def test_an_object_in_a_wrapping_is_taken_out(text: str, tmp_path: Path) -> None:
    with Loopback(lambda body: completion(text)) as server:
        assert ask(server, tmp_path) == [Verdict(side="left", sure=80)]
        assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("text", "finish", "reason"),
    [
        ('{"side": "top", "sure": 80}', "stop", SIDE),
        ('{"side": "left", "sure": 101}', "stop", "sure: Input should be less than or equal to 100"),
        ('{"side": "left"}', "stop", "sure: Field required"),
        ("I cannot say.", "stop", "the reply: Invalid JSON"),
        ("", "stop", "the reply: Invalid JSON"),
        ('{"side": "le', "length", "it was cut at the token limit"),
    ],
)
def test_a_reply_that_does_not_fit_is_asked_for_again_with_the_reason(
    text: str, finish: str, reason: str, tmp_path: Path
) -> None:
    answers = iter([completion(text, finish=finish), completion(GOOD)])
    with Loopback(lambda body: next(answers)) as server:
        assert ask(server, tmp_path) == [Verdict(side="left", sure=80)]
        first, second = (body["messages"] for body in server.requests)
        assert second[:-1] == [*first, {"role": "assistant", "content": text}]
        assert second[-1]["role"] == "user"
        assert reason in second[-1]["content"]
        assert ask(server, tmp_path) == [Verdict(side="left", sure=80)]  # the whole exchange is in the cache
        assert len(server.requests) == 2


def test_a_model_that_never_fits_fails_with_the_last_reason(tmp_path: Path) -> None:
    with Loopback(lambda body: completion('{"side": "top", "sure": 1}')) as server:
        with pytest.raises(RequestFailed, match=f"no reply out of 6 fits Verdict; the last one: {SIDE}"):
            ask(server, tmp_path)
        assert len(server.requests) == 6


def test_a_server_without_structured_output_is_asked_in_words_alone(tmp_path: Path) -> None:
    def old(body: dict[str, Any]) -> Answer:
        return refusal(400, "unknown field response_format") if "response_format" in body else completion(GOOD)

    with Loopback(old) as server:
        assert ask(server, tmp_path, times=2) == 2 * [Verdict(side="left", sure=80)]
        assert ["response_format" in body for body in server.requests] == [True, False]  # found out once


def test_a_request_that_is_refused_for_another_reason_stays_refused(tmp_path: Path) -> None:
    with Loopback(lambda body: refusal(400, "too long")) as server, pytest.raises(EndpointError, match="too long"):
        ask(server, tmp_path)
