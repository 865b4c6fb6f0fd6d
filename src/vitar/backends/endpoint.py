"""A client of one model behind an OpenAI-compatible server: patient, within limits, and with a memory.

Every reply is in the cache before it is returned, so that whoever computes its results from the replies can be killed
at any moment and be run again: no request with a reply is made twice. The key of the server is read from the
environment and sent to the server; it is struck out of everything that comes back.
"""

from __future__ import annotations

import asyncio
import logging
import os
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import openai
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception_type,
    stop_after_attempt,
    wait_random_exponential,
)

from vitar.backends.chat_api import BadReply, ChatReply, ChatRequest, EndpointError, RequestFailed, read_reply
from vitar.backends.limits import Limits, Meter
from vitar.backends.reply_cache import ReplyCache

logger = logging.getLogger(__name__)

KEY_VARIABLE = "VITAR_API_KEY"
"""Not the variable of a provider: that key would go to every server whose address somebody types."""

SHORTEST_SECRET = 8
"""Letters of a key that is struck out; servers without keys are often given a word such as EMPTY."""

LONGEST_RETRY_AFTER_S = 300.0
_SHOWN = 300  # characters of a server's message

T = TypeVar("T")
R = TypeVar("R")


@dataclass(frozen=True)
class EndpointConfig:
    """How to reach a model, and how patiently.

    Args:
        base_url: of the API, such as ``http://localhost:8000/v1``.
        model: the server's name for it.
        key_variable: environment variable that holds the key; servers without keys need none.
        concurrency: requests in flight at a time.
        timeout_s: of one attempt, until the last byte of the reply.
        attempts: of one request, before it counts as failed.
        first_wait_s, longest_wait_s: between attempts; the limit of a random wait, which doubles each time. A server
            that says how long to wait is obeyed, for up to `LONGEST_RETRY_AFTER_S`.
        limits: see `Limits`.

    Raises:
        ValueError: a setting makes no sense, or the URL holds credentials, which would end up in records.
    """

    base_url: str
    model: str
    key_variable: str = KEY_VARIABLE
    concurrency: int = 8
    timeout_s: float = 120.0
    attempts: int = 8
    first_wait_s: float = 0.5
    longest_wait_s: float = 30.0
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        url = urlsplit(self.base_url)
        if url.username is not None or url.password is not None or url.query:
            raise ValueError(
                "the base URL holds a user, a password or a query, which would be written into records; give the "
                f"URL alone and put the key into the environment variable {self.key_variable}"
            )
        if url.scheme not in ("http", "https") or not url.hostname:
            raise ValueError(f"expected a base URL such as http://localhost:8000/v1, got {self.base_url!r}")
        if not self.model:
            raise ValueError("the name of the model is empty; give the one that the server knows")
        if min(self.concurrency, self.attempts) < 1 or min(self.timeout_s, self.first_wait_s, self.longest_wait_s) <= 0:
            raise ValueError(
                "concurrency and attempts are at least 1 and times above 0 seconds, got "
                f"{self.concurrency}, {self.attempts}, {self.timeout_s}, {self.first_wait_s} and {self.longest_wait_s}"
            )


class Endpoint:
    """An asynchronous client; ``async with`` opens its connections, as often as needed, once at a time.

    Args:
        cache: where replies are kept; None keeps nothing, for questions about the server itself.

    Attributes:
        takes_schemas: False once the server refused ``response_format``.
    """

    def __init__(self, config: EndpointConfig, cache: ReplyCache | None) -> None:
        self.config, self.cache = config, cache
        self.meter = Meter(config.limits)
        if cache and config.limits.budgeted:
            for reply in cache.replies():
                self.meter.record_earlier(reply)
        self.takes_schemas = True
        self._locks: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def __aenter__(self) -> Self:
        self._key = os.environ.get(self.config.key_variable, "")
        self._slots = asyncio.Semaphore(self.config.concurrency)
        self._client = openai.AsyncOpenAI(
            base_url=self.config.base_url,
            api_key=self._key or "none",
            max_retries=0,  # attempts are made here, where the limits count them
            timeout=self.config.timeout_s,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._client.close()

    async def ask(self, request: ChatRequest) -> ChatReply:
        """The reply to one request, from the cache if it is there.

        Raises:
            RequestFailed: this request was refused, or all attempts failed.
            EndpointError: no request can succeed: the key is refused, there is no such model, a budget is used up.
        """
        body = request.body(self.config.model)
        if self.cache is None:
            async with self._slots:
                text, seconds = await self._fetch(body)
            return read_reply(text, seconds)
        asked = {"server": self.config.base_url, **body}
        name = self.cache.name(asked)
        async with self._locks.setdefault(name, asyncio.Lock()):  # the same request twice at once is made once
            if (kept := self.cache.get(asked)) is not None:
                return kept
            async with self._slots:
                text, seconds = await self._fetch(body)
            self.cache.put(asked, text, seconds)
            return read_reply(text, seconds)

    async def _fetch(self, body: dict[str, Any]) -> tuple[str, float]:
        """The body of a reply that can be read, and the seconds that it took."""
        retrying = AsyncRetrying(
            stop=stop_after_attempt(self.config.attempts),
            wait=self._wait_s,
            retry=retry_if_exception_type(_Passing),
            before_sleep=self._log_retry,
            reraise=True,
        )
        try:
            return await retrying(self._attempt, body)
        except _Passing as error:
            raise RequestFailed(f"no reply after {self.config.attempts} attempts, the last one: {error}") from None

    async def _attempt(self, body: dict[str, Any]) -> tuple[str, float]:
        await self.meter.admit()
        started = time.perf_counter()
        try:
            async with asyncio.timeout(self.config.timeout_s):
                response = await self._client.chat.completions.with_raw_response.create(**body)
            seconds = time.perf_counter() - started
            text = self._without_key(response.http_response.content.decode("utf-8"))
            reply = read_reply(text, seconds)
        except (TimeoutError, openai.APITimeoutError):
            raise _Passing(f"no whole reply within {self.config.timeout_s:g} s") from None
        except openai.APIStatusError as error:
            raise self._status_error(error) from None
        except openai.APIConnectionError as error:
            cause = error.__cause__ or error
            raise _Passing(self._without_key(f"{type(cause).__name__}: {cause}")) from None
        except (UnicodeDecodeError, BadReply) as error:
            raise _Passing(str(error)) from None
        self.meter.record(reply)
        return text, seconds

    def _status_error(self, error: openai.APIStatusError) -> Exception:
        status, config = error.status_code, self.config
        said = self._without_key(error.message)[:_SHOWN]
        if status in (401, 403, 404) or error.code == "insufficient_quota":
            held = "holds a key" if self._key else "is not set"
            return EndpointError(
                f"{config.base_url} refuses model {config.model!r} (HTTP {status}): {said}. Check the URL, the name of "
                f"the model and the key; the environment variable {config.key_variable} {held}."
            )
        if status in (408, 409, 425, 429) or status >= 500:
            return _Passing(f"HTTP {status}: {said}", _retry_after_s(error))
        return RequestFailed(f"the server refuses the request (HTTP {status}): {said}", status)

    def _wait_s(self, state: RetryCallState) -> float:
        assert state.outcome is not None
        error = state.outcome.exception()
        if isinstance(error, _Passing) and error.retry_after_s is not None:
            return error.retry_after_s
        config = self.config
        return wait_random_exponential(multiplier=config.first_wait_s, max=config.longest_wait_s)(state)

    def _log_retry(self, state: RetryCallState) -> None:
        assert state.outcome is not None
        assert state.next_action is not None
        logger.warning(
            "%s: attempt %d of %d failed: %s; the next one in %.1f s",
            self.config.base_url,
            state.attempt_number,
            self.config.attempts,
            state.outcome.exception(),
            state.next_action.sleep,
        )

    def _without_key(self, text: str) -> str:
        return text.replace(self._key, "[key]") if len(self._key) >= SHORTEST_SECRET else text


class _Passing(Exception):
    """A failure that another attempt may not meet."""

    def __init__(self, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


def _retry_after_s(error: openai.APIStatusError) -> float | None:
    """What the server asks to wait, if it says so in seconds."""
    try:
        wait_s = float(error.response.headers.get("retry-after", ""))
    except ValueError:  # none, or a date
        return None
    return min(wait_s, LONGEST_RETRY_AFTER_S) if wait_s >= 0 else None


async def in_order(items: Iterable[T], work: Callable[[T], Awaitable[R]], at_once: int) -> AsyncIterator[R]:
    """The results of ``work`` in the order of ``items``, of which at most ``at_once`` are under way.

    An error of ``work`` is raised after what is under way has ended, since its replies are paid for.
    """
    running: deque[asyncio.Future[R]] = deque()
    try:
        for item in items:
            if len(running) >= at_once:
                yield await running.popleft()
            running.append(asyncio.ensure_future(work(item)))
        while running:
            yield await running.popleft()
    except Exception:  # whatever it is, it is raised again; a caller that stops or is cancelled waits for nothing
        await asyncio.gather(*running, return_exceptions=True)
        raise
    finally:
        for task in running:
            task.cancel()


def run_to_end(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine, also where a loop runs already, as in a notebook."""
    if not _loop_is_running():
        return asyncio.run(work)
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(asyncio.run, work).result()


def _loop_is_running() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
