"""``vitar eval`` and ``vitar regrade`` over a server, and ``vitar serve``, from their words to their exit codes."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Loopback, completion, refusal
from PIL import Image

from vitar.backends.dialect import DIALECTS
from vitar.backends.endpoint import KEY_VARIABLE
from vitar.backends.scripted import ScriptedBackend
from vitar.cli import endpoint_options, evaluate, regrade, serve
from vitar.data.example import ImageRef
from vitar.data.phantoms.dataset import phantom_example
from vitar.evaluation.runner import EvaluationConfig
from vitar.evaluation.runner import evaluate as run_evaluation
from vitar.grading.judge import Judgement
from vitar.protocol.actions import Zoom, call_text
from vitar.protocol.messages import Message, message_text
from vitar.protocol.trace import read_traces

CALL = f"A shadow.\n<tool_call>\n{call_text(Zoom((100, 200, 300, 400)))}\n</tool_call>"


def vitar_eval(*words: str) -> int:
    parser = argparse.ArgumentParser()
    evaluate.add_parser(parser.add_subparsers())
    return evaluate.run(parser.parse_args(["eval", *words]))


def respond(body: dict[str, Any]) -> Answer:
    """A model behind a server without tools, whose prompt has a token per 4 letters of JSON, so of an image too."""
    if "tools" in body or any(message["role"] == "tool" for message in body["messages"]):
        return refusal(400, "this model has no tools")
    acted = any(message["role"] == "assistant" for message in body["messages"])
    wants_call = "Tools" in json.dumps(body["messages"]) and not acted
    return completion(CALL if wants_call else "<answer>A</answer>", usage=(len(json.dumps(body)) // 4, 5))


def test_an_evaluation_over_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    with Loopback(respond) as server:
        words = ["--base-url", server.url, "--model", "my-model", "--data", "phantoms:test", "--count", "2"]
        words += ["--out", str(run), "--conditions", "single_pass,think_twice"]
        assert vitar_eval(*words) == 0
        shown = capsys.readouterr()
        assert f"{server.url}: dialect text, boxes in thousandths" in shown.err
        assert "think_twice         2" in shown.out
        asked = len(server.requests)
        (run / "traces" / "think_twice.jsonl").unlink()
        assert vitar_eval(*words) == 0
        probes = len(server.requests) - asked
        assert probes < 10, "replies are in the run's folder, and the server is asked about itself alone"
    config = json.loads((run / "run.json").read_text())["config"]
    assert (config["model"], config["weights"]) == ("my-model", "")
    assert config["server"] == f"{server.url}: dialect text, boxes in thousandths"
    assert [len(trace.rounds) for trace in read_traces(run / "traces" / "think_twice.jsonl")] == [2, 2]


def test_a_budget_ends_a_run_and_a_larger_one_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Loopback(respond) as server:
        words = ["--base-url", server.url, "--model", "m", "--data", "phantoms:test", "--count", "3"]
        words += ["--out", str(tmp_path / "run"), "--conditions", "single_pass", "--dialect", "text"]
        assert vitar_eval(*words, "--budget-requests", "2", "--batch-size", "1") == 2
        assert "vitar eval: the budget is used up: 2 of 2 requests" in capsys.readouterr().err
        assert vitar_eval(*words, "--budget-requests", "9", "--batch-size", "1") == 0


OPEN_ITEMS = 24


def judge(body: dict[str, Any]) -> Answer:
    """Says ``correct`` of everything about an even number."""
    (message,) = body["messages"]
    number = int(message["content"].partition("finding ")[2].split()[0])
    return completion(f"I compare.\n<verdict>{'wrong' if number % 2 else 'correct'}</verdict>")


def run_with_open_answers(out: Path) -> None:
    """A finished run in which a third of the answers has the words of the reference."""
    png = io.BytesIO()
    Image.new("L", (32, 32), 90).save(png, format="PNG")
    items = [
        replace(
            phantom_example("test", 0),
            images=(ImageRef("gray.png", png.getvalue()),),
            id=f"open/{number}",
            question=f"What is finding {number} ?",
            options=(),
            answer="an opacity",
            answer_type="open",
        )
        for number in range(OPEN_ITEMS)
    ]

    def say(conversation: Sequence[Message]) -> str:
        number = int(message_text(conversation[-1]).partition("finding ")[2].split()[0])
        return "an opacity" if number % 3 == 0 else "a shadow"

    run_evaluation(EvaluationConfig("m", "d", ("single_pass",), OPEN_ITEMS), ScriptedBackend(say), items, out)


@pytest.mark.parametrize("fault_share", [0.0, 0.3])
def test_a_judge_behind_a_server(fault_share: float, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = tmp_path / "run"
    run_with_open_answers(run)
    metrics = (run / "metrics.json").read_bytes()
    parser = argparse.ArgumentParser()
    regrade.add_parser(parser.add_subparsers())
    with Loopback(judge, fault_share=fault_share, seed=4) as server:
        words = ["regrade", str(run), "--base-url", server.url, "--model", "a-judge", "--timeout", "3"]
        assert regrade.run(parser.parse_args(words)) == 0
        shown, asked = capsys.readouterr().out, len(server.requests)
        assert regrade.run(parser.parse_args(words)) == 0
        assert len(server.requests) == asked, "what the judge said is in the run's folder"
    found = [
        Judgement.model_validate_json(line) for line in (run / "judgements/single_pass.jsonl").read_text().splitlines()
    ]
    assert [each.example_id for each in found] == [f"open/{number}" for number in range(OPEN_ITEMS)]
    assert {each.judge for each in found} == {"a-judge"}
    assert [each.rule_correct for each in found] == [number % 3 == 0 for number in range(OPEN_ITEMS)]
    unreadable = [each for each in found if each.verdict is None]
    # A reply that was cut or is about something else is a reply; every other fault is met by asking again.
    assert bool(unreadable) == bool(fault_share)
    assert len(unreadable) <= server.faults["cut text"] + server.faults["wrong shape"]
    assert [each.verdict for each in found if each not in unreadable] == [
        number % 2 == 0 for number, each in enumerate(found) if each not in unreadable
    ]
    assert all('"reference": "an opacity"' in each.prompt and (each.reply or each in unreadable) for each in found)
    assert f"unreadable {len(unreadable)}" in shown
    if not fault_share:
        # 24 answers: right by rule 0 3 6 … 21, by the judge 0 2 4 … 22, by both 0 6 12 18
        assert "judge a-judge: 12 of 24 right, by rule 8; agreement 50.0%, kappa 0.00, unreadable 0" in shown
    assert (run / "metrics.json").read_bytes() == metrics, "a judge never changes the score"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--base-url", "http://me:pw@localhost/v1"], "holds a user, a password or a query"),
        (["--base-url", "nowhere"], "expected a base URL such as"),
        (["--budget-cost", "1"], "a limit of the cost needs the prices"),
        (["--timeout", "0"], "times above 0 seconds"),
        (["--timeout", "1"], "no reply after 2 attempts, the last one: ConnectError"),
    ],
)
def test_bad_input_is_refused_in_one_paragraph(
    words: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Loopback(respond) as server:
        pass  # nobody listens at its address any more
    base = ["--base-url", server.url, "--model", "m", "--data", "phantoms:test", "--count", "1"]
    assert vitar_eval(*base, "--out", str(tmp_path / "run"), *words) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("vitar eval: ")
    assert problem in error
    assert not (tmp_path / "run").exists()


def test_a_client_that_is_not_installed_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delitem(sys.modules, "vitar.backends.endpoint", raising=False)
    monkeypatch.setitem(sys.modules, "openai", None)
    words = ["--base-url", "http://localhost/v1", "--model", "m", "--data", "phantoms:test", "--count", "1"]
    assert vitar_eval(*words, "--out", "run") == 2
    assert "pip install 'vitar-med[endpoint]'" in capsys.readouterr().err


def test_the_command_line_knows_the_dialects_and_the_variable_of_the_key() -> None:
    assert tuple(DIALECTS) == endpoint_options.DIALECTS
    assert endpoint_options.KEY_VARIABLE == KEY_VARIABLE


def test_serving_needs_its_packages(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("transformers.utils.import_utils.is_serve_available", lambda: False)
    parser = argparse.ArgumentParser()
    serve.add_parser(parser.add_subparsers())
    assert serve.run(parser.parse_args(["serve", "tiny"])) == 2
    assert "pip install 'vitar-med[serve]'" in capsys.readouterr().err
