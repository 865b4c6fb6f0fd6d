"""``vitar attention``: where a model looked in the finished episodes of an evaluation."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vitar.cli.summary import with_interval

if TYPE_CHECKING:
    from vitar.analysis.attention.record import Attention, Measured
    from vitar.reports.run import Run

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``attention`` to the command line."""
    parser = subparsers.add_parser(
        "attention",
        help="measure where a model looked in a finished evaluation",
        description="Let the model of an evaluation read its finished episodes again and measure where it looked while "
        "it thought and while it rethought. Writes attention.json and heat maps into RUN. docs/attention.md says what "
        "the numbers can and cannot show.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder that vitar eval wrote")
    parser.add_argument("--condition", default="think_twice", metavar="C", help="default: %(default)s")
    parser.add_argument("--model", metavar="M", help="Hub id or path; default: the one that the run names")
    parser.add_argument("--layers", type=_numbers, default=(), metavar="0,1", help="default: all, counted from 0")
    parser.add_argument("--heads", type=_numbers, default=(), metavar="0,1", help="default: all, counted from 0")
    parser.add_argument("--limit", type=int, metavar="N", help="episodes to analyse; default: all")
    parser.add_argument("--exclude-sinks", action="store_true", help="leave attention sinks out of all measures")
    parser.add_argument("--pictures", type=int, default=12, metavar="N", help="heat maps; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of nulls and bootstrap; default: %(default)s")


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or 2 for a run or settings that cannot be analysed."""
    from vitar.analysis.attention.analyse import AttentionConfig, AttentionError, analyse
    from vitar.analysis.attention.record import ATTENTION_NAME
    from vitar.backends.local import LocalBackend
    from vitar.backends.placeholders import PlaceholderMismatch
    from vitar.backends.pretrained import ModelError
    from vitar.imaging.loading import ImageError
    from vitar.reports.load import ReportError, load_runs

    if args.pictures < 0 or (args.limit is not None and args.limit < 1):
        return _refuse(f"--limit is 1 or more and --pictures 0 or more; got {args.limit} and {args.pictures}")
    try:
        (evaluation,) = load_runs([args.run])
        if args.condition not in evaluation.traces:
            return _refuse(f"{args.run} has no condition {args.condition!r}; it has {', '.join(evaluation.traces)}")
        config = AttentionConfig(
            condition=args.condition,
            tools=tuple(evaluation.record["config"]["tools"]),
            layers=args.layers,
            heads=args.heads,
            limit=args.limit,
            exclude_sinks=args.exclude_sinks,
            pictures=args.pictures,
            seed=args.seed,
        )
        backend = LocalBackend.load(_model_of(evaluation, args.model))
        traces = evaluation.traces[args.condition]
        attention = analyse(config, backend, evaluation.examples, traces, args.run)
    except (ReportError, ModelError, AttentionError, ImageError, PlaceholderMismatch, OSError) as error:
        return _refuse(error)
    sys.stdout.write(_summary(attention) + f"\nattention in {args.run / ATTENTION_NAME}\n")
    return 0


def _model_of(evaluation: Run, named: str | None) -> str:
    """The model to read with.

    Raises:
        ModelError: it is not the one that made the run, as far as its weights tell.
    """
    from vitar.backends.pretrained import ModelError, resolve
    from vitar.evaluation.run_folder import weights_digest

    config = evaluation.record["config"]
    if not named and config.get("server"):
        raise ModelError(
            f"{evaluation.folder} was made through a server, which does not show its attention; name a local copy of "
            f"{config['model']} with --model"
        )
    model = str(named or config["model"])
    found, made = weights_digest(Path(resolve(model))), config.get("weights", "")
    if found and made and found != made:
        raise ModelError(
            f"{model} holds other weights than the model that made {evaluation.folder} ({found} now, {made} then); "
            "give that model with --model, or evaluate this one first"
        )
    return model


def _numbers(listed: str) -> tuple[int, ...]:
    return tuple(int(number) for number in listed.split(","))


def _refuse(error: Exception | str) -> int:
    sys.stderr.write(f"vitar attention: {error}\n")
    return 2


def _summary(attention: Attention) -> str:
    """What was analysed, every measure with its differences from the nulls, and the causal check."""
    layers, heads = len(attention.layers), len(attention.heads)
    lines = [
        f"{attention.condition}: {attention.items} episodes in {attention.groups} groups, attention averaged over "
        f"{layers} layers x {heads} heads"
    ]
    lines += [f"left out: {count} ({reason})" for reason, count in attention.left_out.items()]
    if attention.retokenised:
        lines.append(f"read in other tokens than were written: {attention.retokenised}")
    lines.append("{:<12}{:<7}{:<12}{:<28}{}".format("look", "image", "measure", "mean [95 %]", "above its nulls"))
    lines += [_line(measured) for measured in attention.measures]
    lines.append(_sinks(attention))
    for change in attention.occlusion.changes:
        region, elsewhere, contrast = (
            with_interval(each, "+.3f") for each in (change.region, change.elsewhere, change.contrast)
        )
        lines.append(
            f"hiding the region changes the log-probability of the {change.part} by {region} nats, hiding as much "
            f"elsewhere by {elsewhere}; difference {contrast}, n = {change.contrast.n}"
        )
    lines += [f"not checked so: {count} ({reason})" for reason, count in attention.occlusion.left_out.items()]
    return "\n".join(lines) + "\n"


def _sinks(attention: Attention) -> str:
    found = [place for place in attention.sinks.places if place.per_episode > 0]
    kept = "left out of the measures" if attention.sinks.excluded else "kept in the measures"
    parts = [
        f"{place.place} {place.per_episode:.2f} per episode with {' then '.join(f'{a:.1%}' for a in place.attention)}"
        for place in found
    ]
    return f"attention sinks ({kept}): {'; '.join(parts) or 'none'}"


def _line(measured: Measured) -> str:
    from vitar.analysis.attention.record import look_name

    nulls = "; ".join(f"{null.name} {with_interval(null.difference, '+.3f')}" for null in measured.nulls)
    image = "all" if measured.image is None else str(measured.image)
    value = with_interval(measured.value, ".3f")
    return f"{look_name(measured.look):<12}{image:<7}{measured.measure:<12}{value:<28}{nulls}"
