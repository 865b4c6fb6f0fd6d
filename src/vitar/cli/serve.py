"""``vitar serve``: transformers' own OpenAI-compatible server, with the processors that this project registers."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

INSTALL = "pip install 'vitar-med[serve]'"


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``serve`` to the command line."""
    parser = subparsers.add_parser(
        "serve",
        help="serve a model over the OpenAI API",
        description="Run `transformers serve` on a model. Without torchvision, transformers takes a bare tokenizer for "
        "the processor of a Qwen-VL model and drops every image that it is sent; a model that was saved here, the "
        "embedded one included, keeps its images when it is served by this command. For throughput, use vLLM.",
    )
    parser.add_argument("model", metavar="M", help="Hub id, path, or name of an embedded model")
    parser.add_argument("--host", default="127.0.0.1", metavar="H", help="default: %(default)s")
    parser.add_argument("--port", type=int, default=8000, metavar="N", help="default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Serves until it is interrupted; exit code 0, or 2 for a model that cannot be served."""
    import torch
    from transformers.utils.import_utils import is_serve_available

    from vitar.backends.pretrained import register_processors, resolve

    if not is_serve_available():
        sys.stderr.write(f"vitar serve: packages for serving are missing; install them with: {INSTALL}\n")
        return 2
    from transformers.cli.serve import Serve

    register_processors()
    model = resolve(args.model)
    dtype = "bfloat16" if torch.cuda.is_available() else "float32"  # as `load_model` loads it
    sys.stderr.write(f"vitar eval --base-url http://{args.host}:{args.port}/v1 --model {model} ... asks this server\n")
    Serve(force_model=model, host=args.host, port=args.port, dtype=dtype)
    return 0
