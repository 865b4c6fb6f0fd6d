"""Teacher and judge behind a real HTTP server, which fails at 30 % of what it is asked and is told its mistakes."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vitar.cli.main import main
from vitar.data.curation.asking import EndpointAsker
from vitar.data.curation.endpoint_teacher import EndpointTeacher
from vitar.data.curation.judge import EndpointJudge, RuleJudge
from vitar.data.curation.trajectories import ITEMS_NAME, REPORT_NAME, Workshop, curate_trajectories
from vitar.data.curation.trajectory_report import TrajectoryReport, read_items
from vitar.data.example import Example, save_examples
from vitar.imaging.environment import EnvironmentConfig

pytest.importorskip("openai", reason="the extra endpoint is not installed")

from loopback import Answer, Loopback, completion  # type: ignore[import-not-found]

Make = Callable[..., Example]

ITEMS = 5


def respond(body: dict[str, Any]) -> Answer:
    """A judge that refuses what looks rough, and a teacher that says too much, then too little, then what it should."""
    system, user = body["messages"][0]["content"][0]["text"], body["messages"][1]["content"]
    text = "".join(part["text"] for part in user if part["type"] == "text")
    if system.startswith("You examine"):
        refused = "rough" in text
        return completion(json.dumps({"reason": "It may be anything." if refused else "Fine.", "accept": not refused}))
    box = json.loads(re.search(r"True regions: \w+ (\[.*?\])", text)[1])  # type: ignore[index]
    thought, rethought = "Something stands out here.", "The second look shows a stone."
    if "sent back" not in text:
        thought = "I see a stone here."
    elif "It may be anything" not in text:
        rethought = "A rough thing, as a stone is."
    written = {"thought": thought, "tool": "zoom", "boxes": [box], "rethought": rethought, "answer": "B"}
    return completion(json.dumps(written))


def curate(examples: list[Example], out: Path, url: str) -> TrajectoryReport:
    from vitar.backends.endpoint import Endpoint, EndpointConfig
    from vitar.backends.reply_cache import ReplyCache

    async def work() -> TrajectoryReport:
        config = EndpointConfig(url, "m", first_wait_s=0.01, longest_wait_s=0.05, timeout_s=3.0, attempts=20)
        async with Endpoint(config, ReplyCache(out / "replies")) as endpoint:
            asker, environment = EndpointAsker(endpoint), EnvironmentConfig()
            judges = (RuleJudge(), EndpointJudge(asker, environment))
            shop = Workshop(EndpointTeacher(asker, environment.tools), judges, environment, {})
            return await curate_trajectories(examples, out, shop)

    return asyncio.run(work())


def test_faults_change_nothing(make_example: Make, tmp_path: Path) -> None:
    examples = [make_example(number) for number in range(ITEMS)]
    with Loopback(respond) as server:
        report = curate(examples, tmp_path / "calm", server.url)
        assert len(server.good) == 5 * ITEMS  # different requests: three drafts, two verdicts
    assert report.attempts_of_kept == {3: ITEMS}
    assert report.rejected_attempts == {"tells_early": ITEMS, "judged_bad": ITEMS}
    with Loopback(respond, fault_share=0.3, seed=5) as server:
        curate(examples, tmp_path / "rough", server.url)
        assert server.faults.total() >= ITEMS
    for name in (ITEMS_NAME, REPORT_NAME):
        assert (tmp_path / "rough" / name).read_bytes() == (tmp_path / "calm" / name).read_bytes()


def test_the_command_with_a_server(make_example: Make, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_examples([make_example(number) for number in range(3)], tmp_path / "set")
    out = tmp_path / "out"
    command = ["curate", "trajectories", "--data", str(tmp_path / "set"), "--out", str(out), "--model", "m"]
    with Loopback(respond) as server:
        command += ["--teacher", "endpoint", "--judge", "endpoint", "--base-url", server.url]
        assert main([*command, "--budget-requests", "7"]) == 2
        assert "budget is used up" in capsys.readouterr().err
        assert not (out / REPORT_NAME).exists()
        assert main([*command, "--budget-requests", "100"]) == 0
        assert "3 trajectories" in capsys.readouterr().out
        assert max(server.good.values()) == 1  # none was asked for again
    assert [item.outcome for item in read_items(out / ITEMS_NAME)] == ["kept"] * 3
