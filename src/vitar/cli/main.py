"""The ``vitar`` command: finds the command that was named, runs it, turns what went wrong into an exit code.

The module of a command is imported when that command runs, and not before, so that help and refusals come at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from importlib import import_module

import vitar

COMMANDS = {
    "ask": ("vitar.cli.ask", "ask a question about an image"),
    "demo": ("vitar.cli.demo", "train, evaluate and report on the embedded model, in minutes"),
    "data": ("vitar.cli.data", "make data sets"),
    "curate": ("vitar.cli.curate", "make training sets out of annotated images"),
    "train": ("vitar.cli.train", "train a model"),
    "eval": ("vitar.cli.evaluate", "measure a model under several conditions"),
    "regrade": ("vitar.cli.regrade", "score the traces of an evaluation again"),
    "attention": ("vitar.cli.attention", "measure where a model looked in an evaluation"),
    "report": ("vitar.cli.report", "turn an evaluation into one HTML file"),
    "serve": ("vitar.cli.serve", "serve a model over the OpenAI API"),
    "doctor": ("vitar.cli.doctor", "check the installation"),
}
"""Command -> the module that has its ``add_parser`` and its ``run``, and what it does."""

BAD_INPUT, INTERRUPTED, BROKEN_PIPE = 2, 130, 141


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one command line and returns its exit code; never exits the process.

    Bad input gives one paragraph on stderr and 2. An interrupt gives 130, a reader of the output that went away 141.
    Any other exception is a fault of the program and is not caught.
    """
    arguments = sys.argv[1:] if argv is None else list(argv)
    command = next((argument for argument in arguments if not argument.startswith("-")), "")
    try:
        code = _run(command, arguments)
        sys.stdout.flush()  # a reader that went away is noticed here and not at exit
        return code
    except ValueError as error:
        if not _is_bad_input(error):
            raise
        sys.stderr.write(f"vitar {command}: {error}\n")
        return BAD_INPUT
    except KeyboardInterrupt:
        sys.stderr.write("\n")
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes at exit
        return BROKEN_PIPE


def _run(command: str, arguments: Sequence[str]) -> int:
    """Parses and carries out; the exit code is argparse's where the command line is at fault, or asks for help."""
    parser, run = _build_parser(command)
    try:
        args = parser.parse_args(arguments)
    except SystemExit as stop:
        return stop.code if isinstance(stop.code, int) else BAD_INPUT
    assert run is not None  # argparse accepts no command line without a command of the table
    return run(args)


def _build_parser(
    command: str,
) -> tuple[argparse.ArgumentParser, Callable[[argparse.Namespace], int] | None]:
    """The parser, with the arguments of ``command`` alone, and what runs it; None if there is no such command."""
    parser = argparse.ArgumentParser(prog="vitar", description=vitar.__doc__)
    parser.add_argument("--version", action="version", version=f"vitar {vitar.__version__}")
    subparsers = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, (_, purpose) in COMMANDS.items():
        if name != command:
            subparsers.add_parser(name, help=purpose)
    if command not in COMMANDS:
        return parser, None
    module = import_module(COMMANDS[command][0])
    module.add_parser(subparsers)
    return parser, module.run


def _is_bad_input(error: ValueError) -> bool:
    """Whether it is about a file or a model that the user named. What imports torch is asked last."""
    from vitar.imaging.loading import ImageError
    from vitar.protocol.trace import TraceError

    if isinstance(error, ImageError | TraceError):
        return True
    from vitar.backends.placeholders import PlaceholderMismatch
    from vitar.backends.pretrained import ModelError

    return isinstance(error, ModelError | PlaceholderMismatch)


if __name__ == "__main__":
    raise SystemExit(main())
