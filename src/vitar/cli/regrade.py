"""``vitar regrade``: scores the traces of a run again, without its model."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vitar.cli.endpoint_options import add_endpoint_options, endpoint_config
from vitar.cli.summary import UNDEFINED, summary, with_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from vitar.analysis.annotators import AnnotatorAgreement
    from vitar.evaluation.judging import Judged
    from vitar.evaluation.regrade import Graders
    from vitar.evaluation.run_folder import StoredRun
    from vitar.grading.judge import Judge

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

JUDGE_TOKENS = 512
"""Of a judge's reply; it is asked for one line, and some models think first."""


def add_parser(subparsers: Subparsers) -> None:
    """Adds ``regrade`` to the command line."""
    parser = subparsers.add_parser(
        "regrade",
        help="score the traces of a run again, without its model",
        description="Score the traces of a finished run with the grader of this version and write metrics.json, "
        "regions.json and costs.json anew. With --graders, show what the graders of other projects make of the same "
        "answers; with --model, let a judge look at the answers to open questions. Neither changes the metrics.",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder that vitar eval wrote")
    parser.add_argument(
        "--graders",
        default="vitar",
        metavar="A,B",
        help="out of vitar, official (that of ViTAR's authors) and medevalkit; default: %(default)s",
    )
    parser.add_argument(
        "--annotators", type=Path, metavar="FILE.csv", help="boxes of several annotators, to compare the model's with"
    )
    parser.add_argument("--model", metavar="M", help="judge of open answers: Hub id, path, or a server's name for it")
    parser.add_argument("--batch-size", type=int, default=16, metavar="N", help="of the judge; default: %(default)s")
    add_endpoint_options(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, or 2 for a folder or settings that cannot be followed."""
    from vitar.analysis.annotators import AnnotationError, read_annotations
    from vitar.analysis.from_traces import write_analyses
    from vitar.backends.chat_api import EndpointError
    from vitar.backends.pretrained import ModelError
    from vitar.evaluation.judging import judge_run
    from vitar.evaluation.regrade import GRADERS_NAME, compare_graders, regrade
    from vitar.evaluation.run_folder import RunError, read_run
    from vitar.files import write_atomically
    from vitar.grading.kits import KITS
    from vitar.protocol.trace import TraceError
    from vitar.reports.load import ReportError, load_runs

    names = tuple(name.strip() for name in args.graders.split(",") if name.strip())
    if not names or set(names) - KITS.keys():
        return _refuse(f"--graders names some of {', '.join(KITS)}; got {args.graders or 'none'}")
    if args.base_url and not args.model:
        return _refuse("--base-url is the server of a judge; name its model with --model")
    try:
        stored = read_run(args.run)
        annotations = read_annotations(args.annotators) if args.annotators else None
        judge = _judge(args) if args.model else None
        metrics = regrade(stored, args.run)
        written = write_analyses(
            args.run, stored.examples, stored.traces, seed=stored.config["seed"], annotations=annotations
        )
        (report,) = load_runs([args.run])
        judged = judge_run(judge, stored, args.run) if judge else []
    except (RunError, TraceError, ReportError, AnnotationError, ModelError, EndpointError, OSError) as error:
        return _refuse(error)
    sys.stdout.write(summary(metrics) + "\n")
    from vitar.reports.answers import answers

    sys.stdout.writelines(f"{a.question} {a.answer}. {a.figures}\n" for a in answers(report))
    if annotations:
        sys.stdout.write("\n" + _agreed(report.annotators))
    if set(names) != {"vitar"}:
        graders = compare_graders(stored, names)
        write_atomically(args.run / GRADERS_NAME, graders.model_dump_json(indent=1) + "\n")
        sys.stdout.write("\n" + _side_by_side(graders))
        written.append(args.run / GRADERS_NAME)
    if judge:
        sys.stdout.write("\n" + _judged(judged, stored))
    sys.stdout.write(f"\nwritten: {args.run / 'metrics.json'}, {', '.join(map(str, written))}\n")
    return 0


def _judge(args: argparse.Namespace) -> Judge:
    """The model that the options name, taking its likeliest tokens."""
    from vitar.backends.local import LocalBackend, Sampling

    sampling = Sampling(max_new_tokens=JUDGE_TOKENS)
    if not args.base_url:
        return LocalBackend.load(args.model, sampling=sampling, batch_size=args.batch_size)
    config = endpoint_config(args, args.batch_size)
    from vitar.backends.endpoint import Endpoint
    from vitar.backends.profiles import named_profile
    from vitar.backends.reply_cache import ReplyCache
    from vitar.backends.server import ServerBackend

    endpoint = Endpoint(config, ReplyCache(args.run / "replies"))
    return ServerBackend(endpoint, dialect="standard", profile=named_profile(args.model), sampling=sampling)


def _agreed(found: Sequence[AnnotatorAgreement]) -> str:
    """A line per condition with actions: the model with annotators, these with each other, the model with each."""
    lines = []
    for a in found:
        if a.n:
            model, each_other = with_interval(a.model, ".2f"), with_interval(a.annotators, ".2f")
            each = ", ".join(f"{who} {with_interval(e, '.2f')}" for who, e in a.by_annotator.items())
            lines.append(
                f"{a.condition:<15} IoU of the first action with annotators {model}, of these with each other "
                f"{each_other}; with {each}\n"
            )
    return "".join(lines) or "no item with boxes of two annotators or more has an action that was carried out\n"


def _side_by_side(graders: Graders) -> str:
    """A line per condition, answer type and grader; the last columns are against our own grader."""
    columns = "{:<15}{:<9}{:<12}{:>7}{:>9}{:>10}{:>9}{:>9}{:>9}\n"
    text = columns.format("condition", "answers", "grader", "n", "counted", "accuracy", "raised", "lowered", "stopped")
    for cell in graders.cells:
        accuracy = UNDEFINED if cell.accuracy is None else f"{cell.accuracy:.1%}"
        counts = (cell.n, cell.counted, accuracy, cell.raised, cell.lowered, cell.stopped)
        text += columns.format(cell.condition, cell.answer_type, cell.grader, *counts)
    text += (
        "counted: in the grader's own denominator; raised, lowered: right here and wrong for vitar, and the reverse\n"
    )
    return text


def _judged(judged: list[Judged], stored: StoredRun) -> str:
    if not judged:
        kinds = sorted({example.answer_type for example in stored.examples})
        return f"the judge had nothing to look at: the run has no answered open questions, only {', '.join(kinds)}\n"
    lines = []
    for found in judged:
        a = found.agreement
        kappa = UNDEFINED if a.kappa != a.kappa else f"{a.kappa:.2f}"
        share = UNDEFINED if not a.n else f"{a.share:.1%}"
        lines.append(
            f"{found.condition:<15} judge {found.judge}: {a.both_right + a.judge_only} of {a.n} right, by rule "
            f"{a.both_right + a.rule_only}; agreement {share}, kappa {kappa}, unreadable {a.unreadable}\n"
        )
    return "".join(lines) + "prompts and replies are in judgements/\n"


def _refuse(error: Exception | str) -> int:
    sys.stderr.write(f"vitar regrade: {error}\n")
    return 2
