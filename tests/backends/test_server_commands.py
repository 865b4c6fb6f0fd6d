"""``vitar eval --base-url`` and ``vitar serve``, from their words to their exit codes."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import pytest
from loopback import Answer, Loopback, completion, refusal

from vitar.backends.dialect import DIALECTS
from vitar.backends.endpoint import KEY_VARIABLE
from vitar.cli import endpoint_options, evaluate, serve
from vitar.protocol.actions import Zoom, call_text
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
    assert (config["model"], config["weights"], config["server"]) == ("my-model", "", f"{server.url} (text)")
    assert [len(trace.rounds) for trace in read_traces(run / "traces" / "think_twice.jsonl")] == [2, 2]


def test_a_budget_ends_a_run_and_a_larger_one_goes_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Loopback(respond) as server:
        words = ["--base-url", server.url, "--model", "m", "--data", "phantoms:test", "--count", "3"]
        words += ["--out", str(tmp_path / "run"), "--conditions", "single_pass", "--dialect", "text"]
        assert vitar_eval(*words, "--budget-requests", "2", "--batch-size", "1") == 2
        assert "vitar eval: the budget is used up: 2 of 2 requests" in capsys.readouterr().err
        assert vitar_eval(*words, "--budget-requests", "9", "--batch-size", "1") == 0


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
