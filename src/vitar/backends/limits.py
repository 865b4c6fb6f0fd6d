"""How much may be asked of a server: at once per minute, and in all."""

from __future__ import annotations

import asyncio
import math
import time
from collections import deque
from dataclasses import dataclass

from vitar.backends.chat_api import ChatReply, EndpointError

WINDOW_S = 60.0


class BudgetSpent(EndpointError):
    """A limit of the whole budget is reached. What was asked so far is kept."""


@dataclass(frozen=True)
class Limits:
    """Rates and budgets; None sets no limit.

    Args:
        requests_per_minute: attempts, retries included.
        tokens_per_minute: prompt and completion tokens of the replies of the last minute.
        max_requests: attempts of this run, retries included, and replies that the cache holds from earlier ones.
        max_tokens: prompt and completion tokens of all replies, the cached ones included.
        max_cost: of all replies, in the currency of the prices.
        prompt_price, completion_price: per million tokens.

    Raises:
        ValueError: a limit is not positive, or the cost is limited without a price.
    """

    requests_per_minute: int | None = None
    tokens_per_minute: int | None = None
    max_requests: int | None = None
    max_tokens: int | None = None
    max_cost: float | None = None
    prompt_price: float = 0.0
    completion_price: float = 0.0

    def __post_init__(self) -> None:
        for name in ("requests_per_minute", "tokens_per_minute", "max_requests", "max_tokens", "max_cost"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                raise ValueError(f"{name} is a positive number, got {value}")
        if min(self.prompt_price, self.completion_price) < 0:
            raise ValueError(f"prices are at least 0, got {self.prompt_price} and {self.completion_price}")
        if self.max_cost is not None and self.prompt_price == self.completion_price == 0:
            raise ValueError("a limit of the cost needs the prices per million tokens, of the prompt and of the reply")

    @property
    def budgeted(self) -> bool:
        """Whether there is a limit that earlier runs count towards."""
        return (self.max_requests, self.max_tokens, self.max_cost) != (None, None, None)

    @property
    def counts_tokens(self) -> bool:
        return (self.tokens_per_minute, self.max_tokens, self.max_cost) != (None, None, None)


class Meter:
    """Counts what was asked and holds back what the limits do not allow yet.

    A request in flight when a budget runs out is finished and paid for. So tokens and cost can exceed their limit by
    what as many requests use as are in flight at a time; the number of requests never does.

    Args:
        window_s: the minute of the rates.
    """

    def __init__(self, limits: Limits, window_s: float = WINDOW_S) -> None:
        self.limits = limits
        self.requests = self.prompt_tokens = self.completion_tokens = 0
        self._request_rate = _Rate(limits.requests_per_minute, window_s)
        self._token_rate = _Rate(limits.tokens_per_minute, window_s)

    @property
    def tokens(self) -> int:
        return self.prompt_tokens + self.completion_tokens

    @property
    def cost(self) -> float:
        """In the currency of the prices."""
        prompt = self.prompt_tokens * self.limits.prompt_price
        return (prompt + self.completion_tokens * self.limits.completion_price) / 1e6

    async def admit(self) -> None:
        """Waits until the rates allow one more attempt, and counts it.

        Raises:
            BudgetSpent: a budget is used up.
        """
        while (wait_s := max(self._request_rate.wait_s(), self._token_rate.wait_s())) > 0:
            await asyncio.sleep(wait_s)
        self._check_budget()
        self.requests += 1
        self._request_rate.add(1)

    def record(self, reply: ChatReply) -> None:
        """Counts the tokens of a reply that just came.

        Raises:
            EndpointError: tokens are limited and the server does not say how many there were.
        """
        self._count(reply)
        self._token_rate.add((reply.prompt_tokens or 0) + (reply.completion_tokens or 0))

    def record_earlier(self, reply: ChatReply) -> None:
        """Counts a reply of an earlier run towards the budgets, and towards no rate."""
        self.requests += 1
        self._count(reply)

    def _count(self, reply: ChatReply) -> None:
        if self.limits.counts_tokens and (reply.prompt_tokens is None or reply.completion_tokens is None):
            raise EndpointError(
                "tokens or cost are limited, and the server's replies have no usage to count them by; "
                "limit the number of requests instead"
            )
        self.prompt_tokens += reply.prompt_tokens or 0
        self.completion_tokens += reply.completion_tokens or 0

    def _check_budget(self) -> None:
        limits = self.limits
        used = (
            ("requests", self.requests, limits.max_requests),
            ("tokens", self.tokens, limits.max_tokens),
            ("cost", self.cost, limits.max_cost),
        )
        for name, spent, limit in used:
            if limit is not None and spent >= limit:
                raise BudgetSpent(
                    f"the budget is used up: {spent:g} of {limit:g} {name}. The replies so far are kept; "
                    "the same command with a larger budget goes on from here."
                )


class _Rate:
    """What happened within the last ``window_s`` seconds, against a limit."""

    def __init__(self, limit: int | None, window_s: float) -> None:
        self.limit, self.window_s = limit, window_s
        self._recent: deque[tuple[float, int]] = deque()  # when, how much
        self._sum = 0

    def wait_s(self) -> float:
        """Seconds after which to ask again; 0 if there is room now."""
        now = time.monotonic()
        while self._recent and self._recent[0][0] <= now - self.window_s:
            self._sum -= self._recent.popleft()[1]
        if self.limit is None or self._sum < self.limit:
            return 0.0
        return self._recent[0][0] + self.window_s - now

    def add(self, amount: int) -> None:
        if self.limit is not None:
            self._recent.append((time.monotonic(), amount))
            self._sum += amount
