"""``vitar eval``: runs a model under several conditions on the same items and adds up."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from vitar.cli.endpoint_options import add_endpoint_options, connect, endpoint_config
from vitar.cli.summary import summary

if TYPE_CHECKING:
    from vitar.backends.server import ServerBackend

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

CONDITIONS = "single_pass,think_twice,oracle_box,random_box,unmarked"


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``eval`` to the command line."""
    parser = subparsers.add_parser(
        "eval",
        help="run a model under several conditions",
        description="Run a model under several conditions on the same items. A run that was interrupted goes on when "
        "the same command is given again; conditions may be added.",
    )
    parser.add_argument(
        "--model", required=True, metavar="M", help="Hub id, path, embedded model, or a server's name for it"
    )
    parser.add_argument(
        "--data",
        required=True,
        metavar="DATA",
        help="phantoms:SPLIT, or the folder of a stored set of examples; several, joined by commas, are a run each",
    )
    parser.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="RUN",
        help="folder of the run; of several, the folder with a run in RUN/NAME for each set of this name",
    )
    parser.add_argument("--conditions", default=CONDITIONS, metavar="A,B", help="default: %(default)s")
    parser.add_argument("--count", type=int, metavar="N", help="number of items; default: all, or 1000 phantoms")
    parser.add_argument("--start", type=int, default=0, metavar="N", help="first item; default: %(default)s")
    parser.add_argument("--tools", default="mark_region,zoom", metavar="A,B", help="default: %(default)s")
    parser.add_argument(
        "--prompt",
        default="",
        metavar="KIT",
        help="ask the conditions without tools in the words of a published kit, such as MedEvalKit; default: our own",
    )
    parser.add_argument("--temperature", type=float, default=0.0, metavar="T", help="default: 0, the likeliest token")
    parser.add_argument("--max-new-tokens", type=int, default=256, metavar="N", help="per turn; default: %(default)s")
    parser.add_argument(
        "--batch-size", type=int, default=16, metavar="N", help="or requests at a time; default: %(default)s"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of sampling; default: %(default)s")
    add_endpoint_options(parser, acts=True)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or 2 for arguments that cannot be followed."""
    from vitar.analysis.from_traces import write_analyses
    from vitar.backends.chat_api import EndpointError
    from vitar.backends.local import LocalBackend, Sampling
    from vitar.backends.placeholders import PlaceholderMismatch
    from vitar.backends.pretrained import ModelError, resolve
    from vitar.evaluation.data_sources import open_source
    from vitar.evaluation.run_folder import RunError, read_run, weights_digest
    from vitar.evaluation.runner import EvaluationConfig, evaluate
    from vitar.imaging.loading import ImageError
    from vitar.protocol.trace import TraceError

    try:
        folders = _folders(args.out, _names(args.data))
        sources = {data: open_source(data, args.start, args.count) for data in folders}
        weights = "" if args.base_url else weights_digest(Path(resolve(args.model)))
        configs = [
            EvaluationConfig(
                model=args.model,
                weights=weights,
                data=data,
                conditions=_names(args.conditions),
                count=len(examples),
                start=args.start,
                tools=_names(args.tools),
                prompt=args.prompt,
                temperature=args.temperature,
                max_new_tokens=args.max_new_tokens,
                batch_size=args.batch_size,
                seed=args.seed,
            )
            for data, examples in sources.items()
        ]
        endpoint = endpoint_config(args, args.batch_size) if args.base_url else None
    except (ValueError, OSError, EndpointError) as error:  # every setting is checked here
        return _refuse(error)
    sampling = Sampling(temperature=args.temperature, max_new_tokens=args.max_new_tokens, seed=args.seed)
    try:
        backend: LocalBackend | ServerBackend
        if endpoint:
            backend, talk = connect(endpoint, args, args.out / "replies", sampling)
            configs = [replace(config, server=talk) for config in configs]
        else:
            backend = LocalBackend.load(args.model, sampling=sampling, batch_size=args.batch_size)
        for config in configs:
            out = folders[config.data]
            metrics = evaluate(config, backend, sources[config.data], out)
            stored = read_run(out)
            write_analyses(out, stored.examples, stored.traces, seed=args.seed)
            title = f"{config.data}\n" if len(configs) > 1 else ""
            sys.stdout.write(title + summary(metrics) + f"\nmetrics in {out / 'metrics.json'}\n")
    except (ModelError, RunError, ImageError, TraceError, PlaceholderMismatch, EndpointError, OSError) as error:
        return _refuse(error)
    return 0


def _folders(out: Path, names: tuple[str, ...]) -> dict[str, Path]:
    """The folder of each set's run.

    Raises:
        ValueError: there is no set, or two have one name.
    """
    if len(names) == 1:
        return {names[0]: out}
    folders = {data: out / Path(data).name.replace(":", "-") for data in names}
    if not names or len(set(folders.values())) < len(names):
        found = ", ".join(names) or "none"
        raise ValueError(f"--data names sets whose last parts differ, since each has its run in RUN/NAME; got {found}")
    return folders


def _names(listed: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in listed.split(",") if name.strip())


def _refuse(error: Exception) -> int:
    sys.stderr.write(f"vitar eval: {error}\n")
    return 2
