"""A run against a server that fails at 30 % of what it is asked, and under kill -9: nothing is lost or doubled."""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import endpoint_job
import pytest
from loopback import FAULTS, Loopback, fingerprint

FAULT_SHARE = 0.3
KILLED_AFTER = 6  # good answers, at most, that one life of the program gets


def expected(count: int) -> list[dict[str, int]]:
    return [{"item": item, "square": item * item} for item in range(count)]


def cached_requests(cache: Path) -> set[str]:
    """The requests whose replies are in a cache, as the server sees them."""
    records = [json.loads(path.read_text())["request"] for path in cache.glob("*/*.json")]
    return {fingerprint({key: value for key, value in record.items() if key != "server"}) for record in records}


def test_an_undisturbed_run_asks_once_for_every_item(tmp_path: Path) -> None:
    with Loopback(endpoint_job.respond) as server:
        assert asyncio.run(endpoint_job.run(server.url, tmp_path, 40)) == expected(40)
        assert asyncio.run(endpoint_job.run(server.url, tmp_path, 40)) == expected(40)
        assert len(server.requests) == 40
        assert cached_requests(tmp_path) == {fingerprint(body) for body in server.requests}


def test_faults_change_nothing_but_the_number_of_attempts(tmp_path: Path) -> None:
    with Loopback(endpoint_job.respond, fault_share=FAULT_SHARE, seed=1) as server:
        assert asyncio.run(endpoint_job.run(server.url, tmp_path, 100)) == expected(100)
    assert set(server.faults) == set(FAULTS), "every fault must have been met"
    assert 0.2 < server.faults.total() / len(server.requests) < 0.4
    assert max(server.good.values()) == 1, "no request that had its answer was made again"
    assert len(server.requests) == server.good.total() + server.faults.total()


@pytest.mark.parametrize(
    ("kills", "count"), [pytest.param(2, 60, id="2"), pytest.param(20, 300, id="20", marks=pytest.mark.slow)]
)
def test_a_killed_run_goes_on_without_asking_again(kills: int, count: int, tmp_path: Path) -> None:
    cache, out = tmp_path / "cache", tmp_path / "results.json"
    script, moments = Path(endpoint_job.__file__), random.Random(3)
    with Loopback(endpoint_job.respond, fault_share=FAULT_SHARE, seed=2) as server:
        command = [sys.executable, str(script), server.url, str(cache), str(out), str(count)]
        known: set[str] = set()
        for _ in range(kills):
            seen = len(server.requests)
            with subprocess.Popen(command) as child:
                assert server.wait_for_good(server.good.total() + moments.randint(1, KILLED_AFTER), timeout_s=120)
                os.kill(child.pid, signal.SIGKILL)
            assert child.returncode == -signal.SIGKILL
            assert not out.exists(), "the run was over before it was killed"
            assert known.isdisjoint(fingerprint(body) for body in server.requests[seen:])
            known = cached_requests(cache)
        seen = len(server.requests)
        subprocess.run(command, check=True)
        assert known.isdisjoint(fingerprint(body) for body in server.requests[seen:])
    assert json.loads(out.read_text()) == expected(count)
    in_flight = endpoint_job.config(server.url).concurrency
    assert sum(times - 1 for times in server.good.values()) <= kills * in_flight, "only what a kill cut off came twice"
