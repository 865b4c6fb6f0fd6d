"""The embedded model behind ``transformers serve``, a server not written here, against the same model loaded here.

``VITAR_SERVE_ITEMS=200 python -m pytest tests/backends/test_transformers_serve.py -m slow -s`` compares 200 items.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from vitar.backends.chat_api import EndpointError
from vitar.backends.endpoint import EndpointConfig
from vitar.backends.local import LocalBackend, Sampling
from vitar.backends.pretrained import resolve
from vitar.backends.server import ServerBackend
from vitar.evaluation.data_sources import open_source
from vitar.protocol.trace import StopReason, Trace
from vitar.rollout import rollout

pytestmark = pytest.mark.slow

ITEMS = int(os.environ.get("VITAR_SERVE_ITEMS", "12"))
TWO_IMAGE_ITEMS = 6  # besides these
PATIENCE_S = 300.0
SAMPLING = Sampling(max_new_tokens=120)


@contextmanager
def serving(log: Path, *command: str) -> Iterator[str]:
    """The base URL of a server that ``command`` starts, once it is ready; its words are in ``log``."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    words = [sys.executable, "-m", *command, "--host", "127.0.0.1", "--port", str(port)]
    with log.open("w") as file, subprocess.Popen(words, stdout=file, stderr=file, env=environment) as server:
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}/health", server, log)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.kill()


def _wait_until_ready(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.5)
    raise AssertionError(f"not ready after {PATIENCE_S:g} s: {log.read_text()}")


def config(url: str) -> EndpointConfig:
    return EndpointConfig(url, resolve("tiny"), concurrency=4, timeout_s=PATIENCE_S)


def without_time(trace: Trace) -> dict[str, Any]:
    """Everything but whose trace it is, how long it took, and what only one of the backends counts."""
    left_out = {"rounds": {"__all__": {"seconds", "image_tokens", "peak_memory_bytes"}}, "model": True}
    return trace.model_dump(exclude=left_out)


def test_a_served_model_gives_the_traces_of_a_local_one(tmp_path: Path) -> None:
    phantoms = open_source("phantoms:test", 0, ITEMS)
    of_two_images = [
        replace(one, id=f"{one.id} and {other.id}", images=one.images + other.images)
        for one, other in pairwise(phantoms[: TWO_IMAGE_ITEMS + 1])
    ]
    examples = [*phantoms, *of_two_images]
    local = [without_time(t) for t in rollout(LocalBackend.load("tiny", device="cpu", sampling=SAMPLING), examples)]
    with serving(tmp_path / "log", "vitar.cli.main", "serve", "tiny") as url:
        for dialect, found in ((None, "raw"), ("text", "text")):
            backend = ServerBackend.connect(config(url), tmp_path / found, dialect=dialect, sampling=SAMPLING)
            assert backend.dialect == found
            served = [without_time(t) for t in rollout(backend, examples)]
            same = sum(ours == theirs for ours, theirs in zip(local, served, strict=True))
            sys.stdout.write(f"dialect {found}: {same} of {len(examples)} traces are identical\n")
            assert served == local
    acted = sum(len(trace["rounds"]) > 1 for trace in local)
    assert acted > ITEMS / 2, "the comparison is worth something only if there are second looks"
    assert all(trace["stop_reason"] is not StopReason.BACKEND_ERROR for trace in local)


def test_a_server_that_drops_images_is_found_out(tmp_path: Path) -> None:
    """Without this project's processors, transformers 5.23 serves the embedded model as a text model."""
    command = ("transformers.cli.transformers", "serve", resolve("tiny"), "--dtype", "float32", "--device", "cpu")
    with (
        serving(tmp_path / "log", *command) as url,
        pytest.raises(EndpointError, match="no shorter without the image and"),
    ):
        ServerBackend.connect(config(url), tmp_path / "replies")
