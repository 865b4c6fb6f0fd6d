"""The client alone: its cache, its errors, its limits, and what becomes of the key."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Loopback, completion, refusal
from PIL import Image

from vitar.backends.chat_api import (
    BadReply,
    ChatReply,
    ChatRequest,
    EndpointError,
    RequestFailed,
    image_part,
    read_reply,
    shrunk_size,
)
from vitar.backends.endpoint import KEY_VARIABLE, Endpoint, EndpointConfig, in_order, run_to_end
from vitar.backends.limits import BudgetSpent, Limits, Meter
from vitar.backends.reply_cache import ReplyCache

KEY = "sk-0123456789-secret"


def config(server: Loopback, **settings: Any) -> EndpointConfig:
    patient = {"timeout_s": 5.0, "attempts": 4, "first_wait_s": 0.001, "longest_wait_s": 0.002}
    return EndpointConfig(**{"base_url": server.url, "model": "m", **patient, **settings})


def question(text: str = "Left or right?", **settings: Any) -> ChatRequest:
    return ChatRequest(({"role": "user", "content": text},), max_tokens=9, **settings)


def ask(endpoint: Endpoint, *requests: ChatRequest) -> list[ChatReply]:
    """All at once, in one session."""

    async def session() -> list[ChatReply]:
        async with endpoint:
            return await asyncio.gather(*(endpoint.ask(request) for request in requests))

    return asyncio.run(session())


def echo(body: dict[str, Any]) -> Answer:
    return completion(f"You said: {body['messages'][-1]['content']}")


def test_what_is_sent_and_what_comes_back(tmp_path: Path) -> None:
    said = {"reasoning_content": "Hm.", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "zoom"}}]}
    with Loopback(lambda body: completion(None, finish="tool_calls", usage=(31, 7), **said)) as server:
        endpoint = Endpoint(config(server), ReplyCache(tmp_path))
        (reply,) = ask(endpoint, question(tools=({"type": "function", "function": {"name": "zoom"}},)))
        ask(endpoint, question(temperature=0.7, top_p=0.9, seed=5), question(temperature=None))
    assert replace(reply, seconds=0) == ChatReply("", "Hm.", (("zoom", ""),), "tool_calls", 31, 7, 0)
    assert reply.seconds > 0
    messages = [{"role": "user", "content": "Left or right?"}]
    common = {"model": "m", "messages": messages, "max_completion_tokens": 9}
    tools = [{"type": "function", "function": {"name": "zoom"}}]
    sampled, default = sorted(server.requests[1:], key=len, reverse=True)
    assert server.requests[0] == {**common, "temperature": 0.0, "tools": tools}
    assert sampled == {**common, "temperature": 0.7, "top_p": 0.9, "seed": 5}
    assert default == common


def test_a_reply_is_kept_and_every_part_of_the_request_counts(tmp_path: Path) -> None:
    with Loopback(echo) as server:
        endpoint = Endpoint(config(server), ReplyCache(tmp_path))
        first, again = ask(endpoint, question(), question())  # at the same time, and asked once
        assert first == again
        assert len(server.requests) == 1
        assert ask(Endpoint(config(server), ReplyCache(tmp_path)), question()) == [first]
        assert len(server.requests) == 1
        others = [
            question("Up?"),
            question(temperature=0.5),
            question(temperature=0.5, seed=1),
            question(temperature=1),
        ]
        ask(endpoint, *others, replace(question(), max_tokens=8))
        assert len(server.requests) == 6
        ask(Endpoint(config(server, model="n"), ReplyCache(tmp_path)), question())
        assert len(server.requests) == 7
    with Loopback(echo) as elsewhere:  # the same name of a model at another address may be another model
        ask(Endpoint(config(elsewhere), ReplyCache(tmp_path)), question())
        assert len(elsewhere.requests) == 1


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    with Loopback(echo) as server:
        endpoint = Endpoint(config(server), ReplyCache(tmp_path))
        ask(endpoint, question())
        (path,) = tmp_path.glob("*/*.json")
        path.write_text(path.read_text()[:40])
        with pytest.raises(EndpointError, match=rf"{path.name} holds no reply .*remove the file"):
            ask(endpoint, question())


def test_an_image_is_a_data_url_of_its_own_pixels_up_to_the_limit(tmp_path: Path) -> None:
    def decoded(part: dict[str, Any]) -> Image.Image:
        head, _, code = part["image_url"]["url"].partition(",")
        assert head == "data:image/png;base64"
        return Image.open(io.BytesIO(base64.b64decode(code)))

    image = Image.effect_noise((40, 30), 80)
    kept = decoded(image_part(image, max_pixels=1200))
    assert (kept.mode, kept.tobytes()) == ("L", image.tobytes())
    assert decoded(image_part(image, max_pixels=1199)).size == (39, 29)
    assert shrunk_size(4000, 1000, 1_000_000) == (2000, 500)
    assert shrunk_size(100_000, 1, 100) == (3162, 1)  # a line stays one: no side becomes nothing

    with Loopback(lambda body: completion("seen")) as server:
        message = {"role": "user", "content": [image_part(image, 1200)]}
        ask(Endpoint(config(server), ReplyCache(tmp_path)), ChatRequest((message,), 9))
    (path,) = tmp_path.glob("*/*.json")
    assert "sha256:" in path.read_text()
    assert "base64" not in path.read_text()


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_passing_failures_are_tried_again(status: int, tmp_path: Path) -> None:
    answers = iter([refusal(status, "later"), refusal(status, "later"), completion("yes")])
    with Loopback(lambda body: next(answers)) as server:
        assert ask(Endpoint(config(server), ReplyCache(tmp_path)), question())[0].text == "yes"
        assert len(server.requests) == 3


def test_a_server_that_says_how_long_to_wait_is_obeyed(tmp_path: Path) -> None:
    answers = iter([refusal(429, "slowly", **{"Retry-After": "0.5"}), completion("yes")])
    with Loopback(lambda body: next(answers)) as server:
        started = time.monotonic()
        ask(Endpoint(config(server), ReplyCache(tmp_path)), question())
        assert time.monotonic() - started >= 0.5


def test_a_request_that_always_fails_says_how_and_is_not_kept(tmp_path: Path) -> None:
    with Loopback(lambda body: Answer("", drop=True)) as server:
        with pytest.raises(RequestFailed, match=r"no reply after 4 attempts, the last one: .*disconnected"):
            ask(Endpoint(config(server), ReplyCache(tmp_path)), question())
        assert len(server.requests) == 4
    with pytest.raises(RequestFailed, match="no reply after 4 attempts, the last one: ConnectError"):
        ask(Endpoint(config(server), ReplyCache(tmp_path)), question())  # nobody listens there any more
    assert not list(tmp_path.glob("*/*"))


def test_a_refused_request_is_not_repeated_and_others_go_on(tmp_path: Path) -> None:
    def too_long_or_fine(body: dict[str, Any]) -> Answer:
        return refusal(400, "context length exceeded") if body["messages"][0]["content"] == "long" else completion("ok")

    async def session() -> list[ChatReply | BaseException]:
        async with Endpoint(config(server), ReplyCache(tmp_path)) as endpoint:
            asked = (endpoint.ask(question("long")), endpoint.ask(question("short")))
            return await asyncio.gather(*asked, return_exceptions=True)

    with Loopback(too_long_or_fine) as server:
        failed, reply = asyncio.run(session())
        assert len(server.requests) == 2
    assert isinstance(failed, RequestFailed)
    assert failed.status == 400
    assert "context length exceeded" in str(failed)
    assert isinstance(reply, ChatReply)


@pytest.mark.parametrize("status", [401, 403, 404])
def test_what_no_request_survives_says_what_to_check(
    status: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Loopback(lambda body: refusal(status, "no")) as server:
        for held in ("is not set", "holds a key"):
            with pytest.raises(EndpointError, match=rf"HTTP {status}.*{KEY_VARIABLE} {held}") as error:
                ask(Endpoint(config(server), ReplyCache(tmp_path)), question())
            assert not isinstance(error.value, RequestFailed)
            monkeypatch.setenv(KEY_VARIABLE, KEY)
        assert len(server.requests) == 2


def test_the_key_is_sent_and_stays_out_of_logs_errors_and_the_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MY_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    answers = iter(
        [
            refusal(500, f"while serving {KEY}"),
            completion(f"Your header was Bearer {KEY}."),
            refusal(400, f"bad request of {KEY}"),
            refusal(401, f"Incorrect API key provided: {KEY}"),
        ]
    )
    told: list[str] = []
    with Loopback(lambda body: next(answers)) as server:
        endpoint = Endpoint(config(server, key_variable="MY_KEY"), ReplyCache(tmp_path))
        told += [ask(endpoint, question())[0].text, repr(endpoint.config)]
        for other in ("b", "c"):
            with pytest.raises(EndpointError) as error:
                ask(endpoint, question(other))
            told.append(f"{error.value!r} {error.value.__cause__} ")
        assert {headers["authorization"] for headers in server.headers} == {f"Bearer {KEY}"}
    written = "".join(path.read_text() for path in tmp_path.glob("*/*.json"))
    assert "attempt 1 of 4 failed: HTTP 500" in caplog.text
    assert "Your header was Bearer [key]." in written
    for text in (caplog.text, written, *told):
        assert KEY not in text


def test_a_spent_quota_is_not_waited_for(tmp_path: Path) -> None:
    spent = Answer(json.dumps({"error": {"message": "You exceeded your quota.", "code": "insufficient_quota"}}), 429)
    with Loopback(lambda body: spent) as server:
        with pytest.raises(EndpointError, match="You exceeded your quota"):
            ask(Endpoint(config(server), ReplyCache(tmp_path)), question())
        assert len(server.requests) == 1


def test_a_word_in_place_of_a_key_does_not_change_replies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(KEY_VARIABLE, "EMPTY")  # as vLLM's examples have it
    with Loopback(lambda body: completion("The box is EMPTY.")) as server:
        assert ask(Endpoint(config(server), ReplyCache(tmp_path)), question())[0].text == "The box is EMPTY."


def test_a_key_of_another_provider_is_not_sent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    with Loopback(echo) as server:
        ask(Endpoint(config(server), ReplyCache(tmp_path)), question())
    assert KEY not in str(server.headers)


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"base_url": "http://me:secret@host/v1"}, "holds a user, a password or a query"),
        ({"base_url": "https://host/v1?api-key=secret"}, "environment variable VITAR_API_KEY"),
        ({"base_url": "localhost:8000/v1"}, "expected a base URL such as"),
        ({"model": ""}, "name of the model is empty"),
        ({"concurrency": 0}, "concurrency and attempts are at least 1"),
        ({"timeout_s": 0}, "times above 0 seconds"),
    ],
)
def test_settings_that_make_no_sense(settings: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as error:
        EndpointConfig(**{"base_url": "http://host/v1", "model": "m", **settings})
    assert "secret" not in str(error.value)


def test_no_more_requests_at_a_time_than_allowed(tmp_path: Path) -> None:
    under_way: list[int] = []
    most = 0

    def slow(body: dict[str, Any]) -> Answer:
        nonlocal most
        under_way.append(1)
        most = max(most, len(under_way))
        time.sleep(0.02)
        under_way.pop()
        return completion("x")

    with Loopback(slow) as server:
        ask(Endpoint(config(server, concurrency=3), ReplyCache(tmp_path)), *(question(str(n)) for n in range(12)))
    assert most == 3


@pytest.mark.parametrize(
    ("limits", "asked"),
    [
        (Limits(max_requests=4), 4),
        (Limits(max_tokens=45), 3),  # of 15 each
        (Limits(max_cost=0.065, prompt_price=1000, completion_price=2000), 4),  # of 0.02 each: 0.06 is not enough
    ],
)
def test_a_budget_holds_across_runs_and_can_be_raised(limits: Limits, asked: int, tmp_path: Path) -> None:
    requests = [question(str(n)) for n in range(8)]
    with Loopback(echo) as server:
        settings = config(server, concurrency=1, limits=limits)
        for _ in range(2):  # the second run finds the budget of the same cache spent
            with pytest.raises(BudgetSpent, match="the budget is used up"):
                ask(Endpoint(settings, ReplyCache(tmp_path)), *requests)
            assert len(server.requests) == asked
        ask(Endpoint(config(server), ReplyCache(tmp_path)), *requests)
        assert len(server.requests) == 8


def test_failed_attempts_count_as_requests(tmp_path: Path) -> None:
    with Loopback(lambda body: refusal(500, "x")) as server:
        with pytest.raises(BudgetSpent, match="2 of 2 requests"):
            ask(Endpoint(config(server, limits=Limits(max_requests=2)), ReplyCache(tmp_path)), question())
        assert len(server.requests) == 2


def test_tokens_cannot_be_limited_where_nobody_counts_them(tmp_path: Path) -> None:
    with Loopback(lambda body: completion("x", usage=None)) as server:
        assert ask(Endpoint(config(server), ReplyCache(tmp_path)), question())[0].prompt_tokens is None
        with pytest.raises(EndpointError, match="no usage to count them by"):
            ask(Endpoint(config(server, limits=Limits(max_tokens=9)), ReplyCache(tmp_path / "new")), question())


@pytest.mark.parametrize(("limits", "at_once"), [(Limits(requests_per_minute=3), 3), (Limits(tokens_per_minute=30), 2)])
def test_rates_hold_back(limits: Limits, at_once: int) -> None:
    reply = ChatReply("", "", (), "stop", 10, 5, 0.0)

    async def moments() -> list[float]:
        meter, started, seen = Meter(limits, window_s=0.2), time.monotonic(), []
        for _ in range(2 * at_once + 1):
            await meter.admit()
            meter.record(reply)
            seen.append(time.monotonic() - started)
        return seen

    seen = asyncio.run(moments())
    for earlier, later in zip(seen, seen[at_once:], strict=False):
        assert later - earlier >= 0.19, "within one window there are no more than the limit"
    assert seen[-1] < 2.0


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({"max_tokens": 0}, "max_tokens is a positive number"),
        ({"requests_per_minute": -1}, "requests_per_minute is a positive number"),
        ({"max_cost": float("nan")}, "max_cost is a positive number"),
        ({"max_cost": 1.0}, "needs the prices"),
        ({"prompt_price": -1.0}, "prices are at least 0"),
    ],
)
def test_limits_that_make_no_sense(limits: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        Limits(**limits)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("", "the body: Invalid JSON"),
        ('{"choices": []}', "choices: "),
        ('{"error": {"message": "x"}}', "choices: Field required"),
        ('{"choices": [{"message": {"content": 3}}]}', "content: "),
        ('{"choices": [{"message": {"tool_calls": [{"function": {}}]}}]}', "name: Field required"),
    ],
)
def test_bodies_that_are_no_completion(body: str, problem: str) -> None:
    with pytest.raises(BadReply, match=problem):
        read_reply(body, 0.0)


def test_forms_of_a_reply_that_servers_differ_in() -> None:
    arguments = {"box": [1, 2, 3, 4], "image": 1}
    said = {"content": None, "reasoning": "Hm.", "tool_calls": [{"function": {"name": "zoom", "arguments": arguments}}]}
    reply = read_reply(json.dumps({"choices": [{"message": said}], "usage": None}), 1.0)
    assert reply == ChatReply("", "Hm.", (("zoom", json.dumps(arguments)),), "stop", None, None, 1.0)
    refused = {"choices": [{"message": {"content": None, "refusal": "I cannot."}, "finish_reason": "stop"}]}
    assert read_reply(json.dumps(refused), 1.0).text == "I cannot."


def test_results_come_in_order_with_few_under_way() -> None:
    under_way = 0
    most = 0

    async def work(item: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        await asyncio.sleep(0.001 * (7 - item % 7))
        under_way -= 1
        return item * 10

    async def collect() -> list[int]:
        return [result async for result in in_order(range(20), work, at_once=4)]

    assert asyncio.run(collect()) == [10 * item for item in range(20)]
    assert most == 4


def test_an_error_waits_for_what_is_under_way() -> None:
    ended: list[int] = []

    async def work(item: int) -> None:
        if item == 1:
            raise BudgetSpent("spent")
        await asyncio.sleep(0.02)
        ended.append(item)

    async def collect() -> None:
        async for _ in in_order(range(20), work, at_once=4):
            pass

    with pytest.raises(BudgetSpent):
        asyncio.run(collect())
    assert ended == [0, 2, 3, 4]


def test_a_coroutine_runs_to_its_end_inside_a_running_loop_too() -> None:
    async def inner() -> str:
        await asyncio.sleep(0)
        return "done"

    async def notebook(call: Callable[[Awaitable[str]], str]) -> str:
        return call(inner())

    assert run_to_end(inner()) == asyncio.run(notebook(run_to_end)) == "done"  # type: ignore[arg-type]
