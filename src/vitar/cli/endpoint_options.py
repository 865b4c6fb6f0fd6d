"""The options of every command that can use a model behind a server."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vitar.backends.endpoint import EndpointConfig
    from vitar.backends.local import Sampling
    from vitar.backends.server import ServerBackend

DIALECTS = ("standard", "split", "raw", "text")
KEY_VARIABLE = "VITAR_API_KEY"


def add_endpoint_options(parser: argparse.ArgumentParser, *, acts: bool = False) -> None:
    """Adds the group; `endpoint_config` and `connect` read it, with ``--model`` as the server's name of the model.

    Args:
        acts: the model calls tools and writes boxes; only then are there the options that `connect` reads.
    """
    group = parser.add_argument_group("a model behind an OpenAI-compatible server")
    group.add_argument("--base-url", metavar="URL", help="such as http://localhost:8000/v1; --model is the name there")
    group.add_argument(
        "--key-variable",
        default=KEY_VARIABLE,
        metavar="NAME",
        help="environment variable with the server's key; default: %(default)s",
    )
    if acts:
        group.add_argument("--dialect", choices=DIALECTS, help="how tools and images are sent; default: found out")
        group.add_argument("--like", metavar="M", help="model that writes boxes as this one does; default: by its name")
    group.add_argument("--timeout", type=float, default=120.0, metavar="S", help="of a request; default: %(default)s")
    group.add_argument("--requests-per-minute", type=int, metavar="N", help="retries included")
    group.add_argument("--tokens-per-minute", type=int, metavar="N", help="read and written")
    group.add_argument("--budget-requests", type=int, metavar="N", help="stop after so many")
    group.add_argument("--budget-tokens", type=int, metavar="N", help="stop after so many, read and written")
    group.add_argument("--budget-cost", type=float, metavar="X", help="stop after so much, by --prices")
    group.add_argument(
        "--prices", type=_prices, default=(0.0, 0.0), metavar="IN,OUT", help="per million tokens read and written"
    )


def endpoint_config(args: argparse.Namespace, concurrency: int) -> EndpointConfig:
    """The settings of the client.

    Raises:
        ValueError: an option makes no sense.
        EndpointError: the client is not installed.
    """
    from vitar.backends.chat_api import EndpointError

    try:
        from vitar.backends.endpoint import EndpointConfig
    except ModuleNotFoundError as error:
        if error.name not in ("openai", "tenacity"):
            raise
        raise EndpointError(
            f"the package {error.name} is missing; install it with: pip install 'vitar-med[endpoint]'"
        ) from None
    from vitar.backends.limits import Limits

    limits = Limits(
        requests_per_minute=args.requests_per_minute,
        tokens_per_minute=args.tokens_per_minute,
        max_requests=args.budget_requests,
        max_tokens=args.budget_tokens,
        max_cost=args.budget_cost,
        prompt_price=args.prices[0],
        completion_price=args.prices[1],
    )
    return EndpointConfig(
        base_url=args.base_url,
        model=args.model,
        key_variable=args.key_variable,
        concurrency=concurrency,
        timeout_s=args.timeout,
        limits=limits,
    )


def connect(
    config: EndpointConfig, args: argparse.Namespace, replies: Path, sampling: Sampling
) -> tuple[ServerBackend, str]:
    """The backend that the options describe, and in words how it talks to its server, which stderr gets too.

    Args:
        config: as `endpoint_config` makes it.
        replies: folder of the cache.

    Raises:
        EndpointError: the server cannot be used.
        ModelError: ``--like`` names a model folder that cannot be read.
    """
    from vitar.backends.server import ServerBackend
    from vitar.imaging.coordinates import THOUSANDTHS

    backend = ServerBackend.connect(config, replies, dialect=args.dialect, like=args.like, sampling=sampling)
    pixels = f"pixels of the image as {args.like or args.model} is shown it"
    unit = "thousandths" if backend.coordinates is THOUSANDTHS else pixels
    talk = f"{config.base_url}: dialect {backend.dialect}, boxes in {unit}"
    sys.stderr.write(talk + "\n")
    return backend, talk


def _prices(text: str) -> tuple[float, float]:
    prompt, _, completion = text.partition(",")
    try:
        return float(prompt), float(completion)
    except ValueError:
        raise argparse.ArgumentTypeError(f"expected two numbers such as 0.15,0.60, got {text!r}") from None
