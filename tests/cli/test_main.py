"""The command line as a whole: which command runs, what is imported for it, and how it ends."""

from __future__ import annotations

import argparse
import subprocess
import sys
import types

import pytest

import vitar
from vitar.cli.main import COMMANDS, main
from vitar.imaging.loading import ImageError


@pytest.fixture
def pretend(monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    """A module that stands in for the one of ``vitar doctor``; a test gives it its ``run``."""
    module = types.ModuleType("pretended_command")
    module.add_parser = lambda subparsers: subparsers.add_parser("doctor")  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setitem(COMMANDS, "doctor", (module.__name__, ""))
    return module


def raising(error: BaseException) -> object:
    def run(args: argparse.Namespace) -> int:
        raise error

    return run


def test_help_lists_the_commands_and_imports_none_of_them() -> None:
    code = (
        "import sys; from vitar.cli.main import main; code = main(['--help']); "
        "loaded = [m for m in sys.modules if m == 'torch' or m.startswith(('numpy', 'vitar.cli.a', 'vitar.data'))]; "
        "sys.stderr.write(' '.join(loaded)); sys.exit(code)"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert (result.returncode, result.stderr) == (0, "")
    assert all(command in result.stdout for command in COMMANDS)


def test_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"vitar {vitar.__version__}\n"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_table_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([command, "--help"]) == 0
    assert f"usage: vitar {command}" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["bogus"], ["--bogus"], ["ask", "--bogus"], ["data"]])
def test_a_command_line_that_makes_no_sense_is_bad_input(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2
    streams = capsys.readouterr()
    assert streams.out == ""
    assert "usage: vitar" in streams.err


def test_the_exit_code_is_the_commands(pretend: types.ModuleType) -> None:
    pretend.run = lambda args: 7  # type: ignore[attr-defined]
    assert main(["doctor"]) == 7


def test_an_error_about_a_file_is_one_line_and_bad_input(
    pretend: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    pretend.run = raising(ImageError("scan.png: empty"))  # type: ignore[attr-defined]
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == "vitar doctor: scan.png: empty\n"


def test_an_error_about_a_model_is_one_line_and_bad_input(
    pretend: types.ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    from vitar.backends.pretrained import ModelError

    pretend.run = raising(ModelError("no weights"))  # type: ignore[attr-defined]
    assert main(["doctor"]) == 2
    assert capsys.readouterr().err == "vitar doctor: no weights\n"


@pytest.mark.parametrize("error", [ValueError("a fault of ours"), RuntimeError("another"), OSError("a third")])
def test_a_fault_of_the_program_is_not_caught(pretend: types.ModuleType, error: Exception) -> None:
    pretend.run = raising(error)  # type: ignore[attr-defined]
    with pytest.raises(type(error), match=str(error)):
        main(["doctor"])


def test_an_interrupt_ends_quietly(pretend: types.ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    pretend.run = raising(KeyboardInterrupt())  # type: ignore[attr-defined]
    assert main(["doctor"]) == 130
    assert capsys.readouterr().err == "\n"


def test_a_reader_that_goes_away_is_no_error() -> None:
    code = """
import sys, types
from vitar.cli import main
command = sys.modules["talker"] = types.ModuleType("talker")
command.add_parser = lambda subparsers: subparsers.add_parser("doctor")
command.run = lambda args: sys.stdout.write("much to say " * 10_000) * 0
main.COMMANDS["doctor"] = ("talker", "")
sys.exit(main.main(["doctor"]))
"""
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    with child.stderr:
        assert (child.wait(timeout=60), child.stderr.read()) == (141, b"")
