"""Input that ``vitar ask`` cannot use: one paragraph that says what to do, exit code 2, no traceback."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitar.backends import pretrained
from vitar.cli.main import main

QUESTION = "Is there a nodule?"
BAD_INPUT = 2


@dataclass(frozen=True)
class Place:
    """A folder to make bad input in, and a model folder to copy."""

    folder: Path
    model: Path

    def file(self, name: str, content: bytes) -> str:
        path = self.folder / name
        path.write_bytes(content)
        return str(path)

    def image(self, width: int = 40, height: int = 30) -> str:
        path = self.folder / f"{width}x{height}.png"
        Image.new("L", (width, height), 90).save(path)
        return str(path)

    def broken_model(self, name: str, content: bytes) -> str:
        copy = self.folder / "model"
        shutil.copytree(self.model, copy)
        (copy / name).write_bytes(content)
        return str(copy)


@pytest.fixture
def place(tmp_path: Path, small_model_dir: Path) -> Place:
    return Place(tmp_path, small_model_dir)


def truncated_jpeg() -> bytes:
    buffer = BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)
    Image.fromarray(noise).save(buffer, format="JPEG")
    return buffer.getvalue()[: buffer.tell() // 2]


def bomb() -> bytes:
    """A PNG file of some bytes that claims 30,000 x 30,000 pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
    )


def full_folder(place: Place) -> str:
    taken = place.folder / "taken"
    taken.mkdir()
    (taken / "notes.txt").write_text("mine")
    return str(taken)


CASES: dict[str, tuple[Callable[[Place], list[str]], str]] = {
    "missing file": (lambda p: [str(p.folder / "no.png"), QUESTION], "no such file"),
    "directory": (lambda p: [str(p.folder), QUESTION], "a directory"),
    "empty file": (lambda p: [p.file("empty.png", b""), QUESTION], "empty, 0 bytes"),
    "truncated JPEG": (lambda p: [p.file("cut.jpg", truncated_jpeg()), QUESTION], "damaged or cut short"),
    "text named .png": (lambda p: [p.file("text.png", b"no picture\n"), QUESTION], "text, not an image"),
    "decompression bomb": (lambda p: [p.file("bomb.png", bomb()), QUESTION], "too many pixels"),
    "null byte in the path": (lambda p: ["a\0b.png", QUESTION], "cannot be read"),
    "too long and thin": (lambda p: [p.image(1000, 2), QUESTION], "Crop it"),
    "DICOM": (
        lambda p: [p.file("scan", bytes(128) + b"DICM" + bytes(64)), QUESTION],
        "a DICOM file of modality unknown without pixels",
    ),
    "NIfTI": (
        lambda p: [p.file("scan.nii.gz", b"\x1f\x8b" + bytes(64)), QUESTION],
        "a NIfTI file that is damaged or incomplete",
    ),
    "no such phantom": (lambda p: ["phantom:knee/test/0", QUESTION], "unknown phantom family"),
    "no such split": (lambda p: ["phantom:chest/exam/0", QUESTION], "unknown split"),
    "question missing": (lambda p: [p.image()], "required: QUESTION"),
    "question blank": (lambda p: [p.image(), " \t"], "the question is blank"),
    "question no text": (lambda p: [p.image(), "caf\udce9?"], "Expected UTF-8"),
    "one option": (lambda p: [p.image(), QUESTION, "--option", "smooth"], "leaves nothing to choose"),
    "blank option": (lambda p: [p.image(), QUESTION, "--option", "smooth", " "], "an option is blank"),
    "same options": (lambda p: [p.image(), QUESTION, "--option", "a", "b", "--option", "a "], "are the same"),
    "27 options": (lambda p: [p.image(), QUESTION, "--option", *map(str, range(27))], "27 options are too many"),
    "no round": (lambda p: [p.image(), QUESTION, "--rounds", "0"], "leaves no look"),
    "rounds no number": (lambda p: [p.image(), QUESTION, "--rounds", "two"], "invalid int value"),
    "save to a full folder": (lambda p: [p.image(), QUESTION, "--save", full_folder(p)], "is not empty"),
    "save to a file": (lambda p: [p.image(), QUESTION, "--save", p.file("looks", b"")], "cannot make the folder"),
    "model a file": (
        lambda p: [p.image(), QUESTION, "--model", p.file("m.bin", b"")],
        "a file; expected a model folder",
    ),
    "model an empty folder": (
        lambda p: [p.image(), QUESTION, "--model", str(p.folder)],
        "a folder without config.json",
    ),
    "model with damaged weights": (
        lambda p: [p.image(), QUESTION, "--model", p.broken_model("model.safetensors", b"damaged" * 99)],
        "cannot load the model",
    ),
    "model with a damaged config": (
        lambda p: [p.image(), QUESTION, "--model", p.broken_model("config.json", b"{")],
        "cannot load the model",
    ),
    "model with a damaged tokenizer": (
        lambda p: [p.image(), QUESTION, "--model", p.broken_model("tokenizer.json", b"{}")],
        "cannot load the processor",
    ),
    "model path that does not exist": (
        lambda p: [p.image(), QUESTION, "--model", str(p.folder / "no" / "model")],
        "cannot load the model",
    ),
    "Hub id offline": (
        lambda p: [p.image(), QUESTION, "--model", "vitar-tests/no-such-model"],
        "cannot load the model of 'vitar-tests/no-such-model'",
    ),
}


def assert_one_paragraph(message: str) -> None:
    assert message.endswith("\n")
    assert "\n\n" not in message
    assert "Traceback" not in message


@pytest.mark.parametrize("case", CASES)
def test_bad_input(
    case: str, place: Place, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(pretrained, "hub_answers", lambda: False)
    arguments, expected = CASES[case]
    assert main(["ask", *arguments(place)]) == BAD_INPUT
    streams = capsys.readouterr()
    assert streams.out == ""
    assert expected in streams.err
    assert_one_paragraph(streams.err)


def test_bad_input_in_a_process_of_its_own(place: Place) -> None:
    command = [sys.executable, "-m", "vitar.cli.main", "ask", place.file("text.png", b"no picture\n"), QUESTION]
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stdout) == (BAD_INPUT, "")
    assert result.stderr.startswith("vitar ask: ")
    assert_one_paragraph(result.stderr)


def test_a_hub_that_cannot_be_reached_is_given_up_at_once(place: Place) -> None:
    command = [sys.executable, "-m", "vitar.cli.main", "ask", place.image(), QUESTION, "--model", "a/b"]
    environment = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment |= {"HF_ENDPOINT": "http://127.0.0.1:9", "HF_HUB_CACHE": str(place.folder / "cache")}
    environment.pop("HF_HUB_OFFLINE", None)
    result = subprocess.run(command, capture_output=True, text=True, check=False, timeout=240, env=environment)
    assert (result.returncode, result.stdout) == (BAD_INPUT, "")
    assert "Retrying" not in result.stderr
    assert_one_paragraph(result.stderr)
