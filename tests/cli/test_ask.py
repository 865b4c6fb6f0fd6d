"""``vitar ask``: what it prints, what it saves, what the model is asked, and which exit code it gives."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from vitar.backends.scripted import ScriptedBackend
from vitar.cli.main import main
from vitar.protocol.messages import Message, message_text
from vitar.protocol.trace import Trace

ZOOM = 'It lies high up.\n<tool_call>\n{"name": "zoom", "arguments": {"box": [500, 100, 700, 300]}}\n</tool_call>'
REVERSED = '<tool_call>\n{"name": "zoom", "arguments": {"box": [700, 100, 500, 300]}}\n</tool_call>'
MARK = (
    "Two spots.\n<tool_call>\n"
    '{"name": "mark_region", "arguments": {"boxes": [[0, 0, 100, 100], [500, 500, 600, 600]]}}\n</tool_call>'
)
OPTIONS = ["--option", "smooth", "lobulated", "spiculated"]

Install = Callable[..., list[list[Message]]]


@pytest.fixture
def scan(tmp_path: Path) -> Path:
    """An image of 200 x 100 pixels."""
    path = tmp_path / "scan.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (100, 200), dtype=np.uint8)).save(path)
    return path


@pytest.fixture
def install(monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a model that says the given turns in the place of every model; returns the conversations that it hears."""

    def put(*turns: str) -> list[list[Message]]:
        heard: list[list[Message]] = []
        scripted = ScriptedBackend.from_texts(*turns)

        def reply(conversation: Any) -> str:
            heard.append(list(conversation))
            return scripted.reply(conversation)

        backend = ScriptedBackend(reply)
        monkeypatch.setattr("vitar.backends.local.LocalBackend.load", lambda model, **settings: backend)
        return heard

    return put


def test_two_looks_as_json(scan: Path, install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(ZOOM, "Fine lines leave it.\n<answer>C</answer>")
    assert main(["ask", str(scan), "What is the margin?", *OPTIONS, "--model", "m", "--json"]) == 0
    streams = capsys.readouterr()
    assert json.loads(streams.out) == {
        "answer": "C",
        "rounds": [
            {"thought": "It lies high up.", "action": "zoom", "boxes": [[100.0, 10.0, 140.0, 30.0]], "image": None},
            {"thought": "Fine lines leave it.", "action": None, "boxes": [], "image": None},
        ],
        "stop_reason": "answered",
        "seconds": 0.0,
    }
    assert streams.out.count("\n") == 1
    assert streams.err == ""


def test_two_looks_for_a_person(
    scan: Path, install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    install(MARK, "Both are dense.\n<answer>spiculated</answer>")
    folder = tmp_path / "new" / "looks"
    assert main(["ask", str(scan), "What is the margin?", *OPTIONS, "--model", "m", "--save", str(folder)]) == 0
    assert capsys.readouterr().out == (
        "Round 1\n"
        "  Two spots.\n"
        f"  mark_region [0, 0, 20, 10] and [100, 50, 120, 60] px\n"
        f"  saved as {folder / 'image-2.png'}\n"
        "Round 2\n"
        "  Both are dense.\n"
        "Answer: C. spiculated\n"
        "answered after 2 rounds, 0.00 s\n"
        f"the question's image, trace.json and question.json are in {folder}\n"
    )


def test_what_is_saved(scan: Path, install: Install, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    install(ZOOM, "<answer>round</answer>")
    folder = tmp_path / "looks"
    assert main(["ask", str(scan), "What shape?", "--model", "m", "--save", str(folder), "--json"]) == 0
    assert {path.name for path in folder.iterdir()} == {"image-1.png", "image-2.png", "trace.json", "question.json"}
    with Image.open(folder / "image-1.png") as first, Image.open(scan) as asked:
        assert np.array_equal(np.asarray(first), np.asarray(asked))
    trace = Trace.model_validate_json((folder / "trace.json").read_text())
    assert (trace.images, [r.image for r in trace.rounds]) == (("image-1.png",), ["image-2.png", None])
    assert trace.example_id == str(scan)
    assert json.loads((folder / "question.json").read_text())["question"] == "What shape?"
    said = json.loads(capsys.readouterr().out)
    assert said["rounds"][0]["image"] == str(folder / "image-2.png")


def test_one_round_asks_for_the_answer_at_once(scan: Path, install: Install) -> None:
    heard = install("smooth")
    assert main(["ask", str(scan), "Which margin?", *OPTIONS, "--model", "m", "--rounds", "1"]) == 0
    ((question,),) = heard
    assert question["role"] == "user"
    assert message_text(question) == (
        "Which margin?\nA. smooth\nB. lobulated\nC. spiculated\n"
        "Answer with the option's letter from the given choices directly."
    )


def test_three_rounds_allow_two_actions(scan: Path, install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(ZOOM, MARK, "<answer>two</answer>")
    assert main(["ask", str(scan), "How many?", "--model", "m", "--rounds", "3", "--json"]) == 0
    rounds = json.loads(capsys.readouterr().out)["rounds"]
    assert [r["action"] for r in rounds] == ["zoom", "mark_region", None]
    assert [len(r["boxes"]) for r in rounds] == [1, 2, 0]


def test_an_action_that_was_refused_is_shown(scan: Path, install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install(REVERSED, ZOOM, "<answer>two</answer>")
    assert main(["ask", str(scan), "How many?", "--model", "m"]) == 0
    assert "zoom refused: The box [700, 100, 500, 300] is reversed." in capsys.readouterr().out


@pytest.mark.parametrize(
    ("turns", "stop_reason", "shown"),
    [
        (["I am not sure."], "malformed", "  I am not sure.\nNo answer. The turn holds neither"),
        ([REVERSED], "out_of_turns", "No answer after 3 turns."),
    ],
)
def test_no_answer_has_its_own_exit_code(
    scan: Path, install: Install, capsys: pytest.CaptureFixture[str], turns: list[str], stop_reason: str, shown: str
) -> None:
    install(*turns)
    assert main(["ask", str(scan), "How many?", "--model", "m"]) == 1
    assert shown in capsys.readouterr().out
    assert main(["ask", str(scan), "How many?", "--model", "m", "--json"]) == 1
    said = json.loads(capsys.readouterr().out)
    assert (said["answer"], said["stop_reason"]) == (None, stop_reason)


def test_an_answer_that_is_no_option_is_said_to_be_none(
    scan: Path, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("<answer>ragged</answer>")
    assert main(["ask", str(scan), "Which margin?", *OPTIONS, "--model", "m"]) == 0
    assert "Answer: ragged (none of the options)\n" in capsys.readouterr().out


def test_nothing_that_a_model_writes_steers_the_terminal(
    scan: Path, install: Install, capsys: pytest.CaptureFixture[str]
) -> None:
    install("\x1b[2J\x07" + "word " * 1000 + "<answer>\x1b[31mred</answer>")
    assert main(["ask", str(scan), "Which colour?", "--model", "m"]) == 0
    out = capsys.readouterr().out
    assert all(character.isprintable() or character == "\n" for character in out)
    assert max(map(len, out.splitlines())) <= 100
    assert len(out) < 1500


def test_the_embedded_model_says_what_it_is(scan: Path, install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    install("<answer>yes</answer>")
    assert main(["ask", str(scan), "Is there a nodule?", "--json"]) == 0
    streams = capsys.readouterr()
    assert streams.err.startswith("tiny: a small model trained on synthetic phantoms; it cannot read real images")
    assert "not for clinical use" in streams.err
    assert json.loads(streams.out)["answer"] == "yes"


def test_a_phantom_can_be_named(install: Install, capsys: pytest.CaptureFixture[str]) -> None:
    heard = install("<answer>yes</answer>")
    assert main(["ask", "phantom:brain/test/0", "Is there a mass?", "--model", "m"]) == 0
    (conversation,) = heard
    assert [message["role"] for message in conversation] == ["system", "user"]


def test_a_real_model_writes_nothing_but_the_object_to_stdout(scan: Path, small_model_dir: Path) -> None:
    command = [sys.executable, "-m", "vitar.cli.main", "ask", str(scan), "Is there a nodule?", "--json"]
    result = subprocess.run([*command, "--model", str(small_model_dir)], capture_output=True, text=True, check=False)
    said = json.loads(result.stdout)
    assert said.keys() == {"answer", "rounds", "stop_reason", "seconds"}
    assert result.returncode == (0 if said["stop_reason"] == "answered" else 1)
    assert "Loading weights" not in result.stderr
    assert "Traceback" not in result.stderr
