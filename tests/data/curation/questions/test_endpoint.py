"""Questions written and verified behind a real HTTP server, which fails at 30 % of what it is asked."""

from __future__ import annotations

import asyncio
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from vitar.cli.main import main
from vitar.data.curation.asking import EndpointAsker
from vitar.data.curation.questions.config import QuestionsConfig
from vitar.data.curation.questions.report import CANDIDATES_NAME, REPORT_NAME, QuestionsReport
from vitar.data.curation.questions.run import Workshop, curate_questions
from vitar.data.curation.questions.teacher import TeacherGenerator, TeacherVerifier

pytest.importorskip("openai", reason="the extra endpoint is not installed")
pytest.importorskip("sklearn", reason="the extra curate is not installed")

from loopback import Answer, Loopback, completion  # type: ignore[import-not-found]

IMAGES, PER_IMAGE = 5, 3


def respond(body: dict[str, Any]) -> Answer:
    """A teacher that writes two good questions and one with coordinates; a reader who finds the last lesion unclear."""
    system, user = body["messages"][0]["content"][0]["text"], body["messages"][1]["content"]
    text = "".join(part["text"] for part in user if part["type"] == "text")
    if system.startswith("You answer"):
        clear = "texture" not in text
        return completion(json.dumps({"reason": "Seen.", "answerable": clear, "answer": "A"}))
    assert f"Write {PER_IMAGE} questions." in text
    turn = zlib.crc32(json.dumps(user).encode()) % 3  # another shape for another image
    shapes = ["round", "oval", "lobed"]
    options = shapes[turn:] + shapes[:turn]
    common = {"answer_type": "choice", "options": options, "answer": options[0], "regions": []}
    asked = ("Which shape has it?", "Which texture has it?", "Which shape lies at (12, 30)?")
    return completion(json.dumps({"questions": [{**common, "kind": "attribute", "question": each} for each in asked]}))


def command(out: Path, url: str) -> list[str]:
    recipe = Path(__file__).parents[4] / "recipes" / "curate" / "questions.yaml"
    settings = [
        "generator=endpoint",
        f"max_per_image={PER_IMAGE}",
        "workers=1",
        "max_source_share=1",
        "max_modality_share=1",
    ]
    return [
        *("curate", "questions", "--sources", f"phantoms:train:{IMAGES}", "--config", str(recipe), "--out", str(out)),
        *(part for setting in settings for part in ("--set", setting)),
        *("--model", "m", "--base-url", url),
    ]


def test_a_teacher_behind_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "calm"
    with Loopback(respond) as server:
        assert main([*command(out, server.url), "--budget-requests", "5"]) == 2
        assert "budget is used up" in capsys.readouterr().err
        assert not (out / REPORT_NAME).exists()
        assert main([*command(out, server.url), "--budget-requests", "1000"]) == 0
        assert max(server.good.values()) == 1  # none was asked for again
    report = QuestionsReport.model_validate_json((out / REPORT_NAME).read_text())
    dropped = {stage.name: stage.dropped for stage in report.stages if stage.dropped}
    assert dropped["answer_leaked"] == {"coordinates": IMAGES}
    assert dropped["unverified"] == {"not_confirmed": IMAGES}
    assert report.items == IMAGES
    assert report.generator == report.verifier == "m"
    assert report.generated["images_asked_about"] == IMAGES


def curated(out: Path, url: str) -> bytes:
    """The candidates of a run over eight phantoms, with a client that does not wait long."""
    from vitar.backends.endpoint import Endpoint, EndpointConfig
    from vitar.backends.reply_cache import ReplyCache

    async def work() -> None:
        server = EndpointConfig(url, "m", first_wait_s=0.01, longest_wait_s=0.05, timeout_s=3.0, attempts=20)
        config = QuestionsConfig(sources=(f"phantoms:train:{IMAGES}",), workers=1)
        async with Endpoint(server, ReplyCache(out / "replies")) as endpoint:
            asker = EndpointAsker(endpoint)
            await curate_questions(config, out, Workshop(TeacherGenerator(asker, PER_IMAGE), TeacherVerifier(asker)))

    out.mkdir()
    asyncio.run(work())
    return (out / CANDIDATES_NAME).read_bytes()


def test_faults_change_nothing(tmp_path: Path) -> None:
    with Loopback(respond) as server:
        calm = curated(tmp_path / "calm", server.url)
    with Loopback(respond, fault_share=0.3, seed=5) as server:
        assert curated(tmp_path / "rough", server.url) == calm
        assert server.faults.total() > 0
