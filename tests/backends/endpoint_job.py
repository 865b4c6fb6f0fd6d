"""A run over many items by a model behind a server, as a program that a test can kill: URL CACHE OUT COUNT."""

from __future__ import annotations

import asyncio
import json
import re
import sys
from pathlib import Path
from typing import Any

from loopback import Answer, completion
from pydantic import BaseModel

from vitar.backends.chat_api import ChatRequest
from vitar.backends.endpoint import Endpoint, EndpointConfig, in_order
from vitar.backends.reply_cache import ReplyCache
from vitar.backends.structured import ask_for


class Reading(BaseModel):
    """A number with its square."""

    item: int
    square: int


def respond(body: dict[str, Any]) -> Answer:
    """What a model that knows squares says to a request of `run`, the first time and when it is asked again."""
    asked = re.search(r"item (\d+)\.", json.dumps(body["messages"]))
    assert asked
    item = int(asked.group(1))
    return completion(json.dumps({"item": item, "square": item * item}))


def config(url: str) -> EndpointConfig:
    return EndpointConfig(url, "m", concurrency=8, timeout_s=2.0, attempts=30, first_wait_s=0.01, longest_wait_s=0.05)


async def run(url: str, cache: Path, count: int) -> list[dict[str, int]]:
    async def read(item: int) -> Reading:
        question = {"role": "user", "content": f"This is item {item}. What is its square?"}
        return await ask_for(endpoint, ChatRequest((question,), max_tokens=50), Reading, asks=10)

    async with Endpoint(config(url), ReplyCache(cache)) as endpoint:
        return [reading.model_dump() async for reading in in_order(range(count), read, at_once=16)]


if __name__ == "__main__":
    url, cache, out, count = sys.argv[1:]
    results = asyncio.run(run(url, Path(cache), int(count)))
    Path(out).write_text(json.dumps(results))
