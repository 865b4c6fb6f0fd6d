"""Whether the Hub answers, asked before huggingface_hub would wait for it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from vitar.backends import pretrained


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pretrained.hub, "HF_HUB_OFFLINE", False)
    pretrained.hub_answers.cache_clear()
    yield
    pretrained.hub_answers.cache_clear()


@pytest.mark.parametrize("status", [200, 404, 503])
def test_a_server_that_answers_is_there_whatever_it_says(monkeypatch: pytest.MonkeyPatch, status: int) -> None:
    class Handler(BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(status)
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:
            """Keeps the test's output clean."""

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        monkeypatch.setattr(pretrained.hub, "ENDPOINT", f"http://127.0.0.1:{server.server_port}")
        assert pretrained.hub_answers()
        thread.join()


def test_a_closed_port_is_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        monkeypatch.setattr(pretrained.hub, "ENDPOINT", f"http://127.0.0.1:{taken.getsockname()[1]}")
        assert not pretrained.hub_answers()


def test_a_server_that_stays_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setattr(pretrained.hub, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        monkeypatch.setattr(pretrained, "HUB_PATIENCE_S", 0.1)
        assert not pretrained.hub_answers()


def test_a_name_that_does_not_resolve_is_no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained.hub, "ENDPOINT", "http://hub.invalid")
    assert not pretrained.hub_answers()


def test_offline_mode_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pretrained.hub, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("urllib.request.urlopen", lambda *args, **kwargs: pytest.fail("asked"))
    assert not pretrained.hub_answers()
