"""A real HTTP server on the loopback interface that replies as a test wants it to, and misbehaves on purpose."""

from __future__ import annotations

import json
import random
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self


@dataclass(frozen=True)
class Answer:
    """What is sent back.

    Args:
        drop: close the connection without a word.
        share: of the body's bytes that are sent before the connection is closed.
        delay_s: before the first byte.
    """

    body: str
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    drop: bool = False
    share: float = 1.0
    delay_s: float = 0.0


Body = dict[str, Any]
Respond = Callable[[Body], Answer]


def completion(
    text: str | None, *, finish: str = "stop", usage: tuple[int, int] | None = (10, 5), **said: Any
) -> Answer:
    """A chat completion as servers send it; ``said`` are more fields of the message."""
    body: Body = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [{"index": 0, "finish_reason": finish, "message": {"role": "assistant", "content": text, **said}}],
    }
    if usage:
        body["usage"] = {"prompt_tokens": usage[0], "completion_tokens": usage[1], "total_tokens": sum(usage)}
    return Answer(json.dumps(body))


def refusal(status: int, message: str, **headers: str) -> Answer:
    return Answer(json.dumps({"error": {"message": message, "code": None}}), status, headers)


SLOW_S = 4.0
FAULTS: dict[str, Callable[[Answer], Answer]] = {
    "busy": lambda good: refusal(429, "too many requests", **{"Retry-After": "0.01"}),
    "broken": lambda good: refusal(500, "internal error"),
    "overloaded": lambda good: Answer("<html>bad gateway</html>", 502, {"Content-Type": "text/html"}),
    "dropped": lambda good: replace(good, drop=True),
    "slow": lambda good: replace(good, delay_s=SLOW_S),
    "truncated": lambda good: replace(good, share=0.5),
    "not JSON": lambda good: replace(good, body=good.body[:-9]),
    "not a completion": lambda good: Answer('{"error": {"message": "upstream failed"}}'),
    "cut text": lambda good: _with_text(good, lambda text: text[: len(text) // 2], finish="length"),
    "wrong shape": lambda good: _with_text(good, lambda text: json.dumps({"colour": "blue"}), finish="stop"),
}
WEIGHTS = {name: 1 if name == "slow" else 6 for name in FAULTS}  # a slow one costs the client its whole patience


def _with_text(good: Answer, change: Callable[[str], str], finish: str) -> Answer:
    body = json.loads(good.body)
    choice = body["choices"][0]
    choice["finish_reason"], choice["message"]["content"] = finish, change(choice["message"]["content"])
    return replace(good, body=json.dumps(body))


class Loopback:
    """The server; a context manager.

    Args:
        respond: the good answer to a request's body.
        fault_share: share of the requests that meet one of `FAULTS`, drawn with ``seed``.

    Attributes:
        requests: bodies in the order in which they came.
        headers: of the same requests, by names in small letters.
        good: how often each request (see `fingerprint`) got its good answer.
        faults: how often each fault was met.
    """

    def __init__(self, respond: Respond, *, fault_share: float = 0.0, seed: int = 0) -> None:
        self.respond, self.fault_share = respond, fault_share
        self.requests: list[Body] = []
        self.headers: list[dict[str, str]] = []
        self.good: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self._random, self._change, self._stop = random.Random(seed), threading.Condition(), threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._server.shutdown()
        self._server.server_close()

    def wait_for_good(self, count: int, timeout_s: float) -> bool:
        """Waits until ``count`` good answers were sent in all."""
        with self._change:
            return self._change.wait_for(lambda: self.good.total() >= count, timeout_s)

    def _next(self, body: Body, headers: dict[str, str]) -> tuple[Answer, bool]:
        """The answer, and whether it is the good one."""
        with self._change:
            self.requests.append(body)
            self.headers.append(headers)
            fault = ""
            if self._random.random() < self.fault_share:
                fault = self._random.choices(list(WEIGHTS), list(WEIGHTS.values()))[0]
                self.faults[fault] += 1
        good = self.respond(body)
        return (FAULTS[fault](good), False) if fault else (good, True)

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        server = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                answer, good = server._next(body, {name.lower(): value for name, value in self.headers.items()})
                server._stop.wait(answer.delay_s)
                if answer.drop:
                    self.close_connection = True
                    return
                sent = answer.body.encode()
                self.send_response(answer.status)
                for name, value in {"Content-Type": "application/json", **answer.headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(sent)))
                self.end_headers()
                self.wfile.write(sent[: int(len(sent) * answer.share)])
                self.close_connection = answer.share < 1
                if good:
                    with server._change:
                        server.good[fingerprint(body)] += 1
                        server._change.notify_all()

            def log_message(self, *_: object) -> None:
                """The server says nothing on stderr."""

            def handle(self) -> None:
                try:
                    super().handle()
                except (BrokenPipeError, ConnectionResetError):  # the client was killed, or lost its patience
                    self.close_connection = True

        return Handler


def fingerprint(body: Mapping[str, Any]) -> str:
    return json.dumps(body, sort_keys=True)
