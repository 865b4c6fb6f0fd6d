"""``vitar curate questions``: fine-grained questions out of annotated images, with an account of what was left out."""

from __future__ import annotations

import argparse
import asyncio
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from vitar.cli.endpoint_options import add_endpoint_options, endpoint_config
from vitar.cli.sheet import EPILOG

if TYPE_CHECKING:
    from vitar.backends.endpoint import EndpointConfig
    from vitar.data.curation.asking import Asker
    from vitar.data.curation.questions.config import QuestionsConfig
    from vitar.data.curation.questions.report import QuestionsReport, Stage
    from vitar.data.curation.questions.run import Workshop

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

NAME = "vitar curate questions"


def add_parser(commands: Subparsers) -> None:
    """Adds ``questions`` to the subcommands of ``curate``."""
    parser = commands.add_parser(
        "questions",
        help="write, filter and balance questions about annotated images",
        description="Make a set of questions out of annotated images: by rules, or with a model behind a server that "
        "writes them and another call that verifies. What is left out is accounted for in report.html. The splits "
        "are stored sets that `vitar train grpo`, `vitar eval` and `vitar data check` take.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--sources", nargs="+", required=True, metavar="SPEC", help="annotated images; see below")
    parser.add_argument("--config", type=Path, required=True, metavar="FILE.yaml", help="see recipes/curate")
    parser.add_argument(
        "--set", action="append", default=[], dest="settings", metavar="KEY=VALUE", help="replaces a value of the file"
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new or empty folder, or that of the run"
    )
    parser.add_argument("--model", default="", metavar="M", help="the server's name of the model that writes")
    parser.add_argument(
        "--concurrency", type=int, default=8, metavar="N", help="requests at a time; default: %(default)s"
    )
    add_endpoint_options(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, 1 if nothing was kept, or 2 for arguments that cannot be followed."""
    from vitar.backends.chat_api import EndpointError
    from vitar.data.curation.questions.config import ENDPOINT, QuestionsConfig
    from vitar.data.curation.trajectories import CurationError, claim
    from vitar.data.sources import SourceError
    from vitar.reports.load import ReportError
    from vitar.reports.questions import write_questions_report
    from vitar.training.config import ConfigError, read_config

    try:
        if find_spec("sklearn") is None:
            raise ValueError("the package scikit-learn is missing; install it with: pip install 'vitar-med[curate]'")
        config = read_config(QuestionsConfig, args.config, args.settings)
        config = replace(config, sources=tuple(args.sources))
        asks = config.generator == ENDPOINT
        if asks and not (args.base_url and args.model):
            raise ValueError("a generator behind an endpoint needs --base-url and --model")
        endpoint = endpoint_config(args, args.concurrency) if asks else None
    except (ConfigError, ValueError, EndpointError) as error:  # every setting is checked here
        return _refuse(error)
    try:
        claim(args.out, config)
        report = asyncio.run(_curate(args.out, config, endpoint))
        page = write_questions_report(args.out)
    except (CurationError, SourceError, EndpointError, ReportError, ValueError, OSError) as error:
        return _refuse(error)
    sys.stdout.write(_summary(report) + f"sets in {args.out}, report in {page}\n")
    return 0 if report.items else 1


async def _curate(out: Path, config: QuestionsConfig, endpoint: EndpointConfig | None) -> QuestionsReport:
    from vitar.data.curation.asking import EndpointAsker
    from vitar.data.curation.questions.run import curate_questions

    if endpoint is None:
        return await curate_questions(config, out, _workshop(config, None))
    from vitar.backends.endpoint import Endpoint
    from vitar.backends.reply_cache import ReplyCache

    async with Endpoint(endpoint, ReplyCache(out / "replies")) as connection:
        return await curate_questions(config, out, _workshop(config, EndpointAsker(connection)))


def _workshop(config: QuestionsConfig, asker: Asker | None) -> Workshop:
    """Who writes, who verifies, and which model is asked."""
    from vitar.data.curation.questions.generator import Generator, Verifier
    from vitar.data.curation.questions.rules import RuleGenerator
    from vitar.data.curation.questions.run import Workshop
    from vitar.data.curation.questions.teacher import TeacherGenerator, TeacherVerifier
    from vitar.data.curation.questions.verify import RuleVerifier

    generator: Generator
    verifier: Verifier
    if asker is not None:
        generator, verifier = TeacherGenerator(asker, config.max_per_image), TeacherVerifier(asker)
    else:
        generator = RuleGenerator(
            items=config.items,
            max_per_image=config.max_per_image,
            max_count=config.max_count,
            names=config.names,
            nouns=config.nouns,
            incomplete=config.incomplete,
            seed=config.seed,
        )
        verifier = RuleVerifier(config.names, config.nouns, config.incomplete)
    if config.model is None:
        return Workshop(generator, verifier)
    from vitar.backends.local import LocalBackend, Sampling

    check = config.model
    drawn = Sampling(temperature=check.temperature, max_new_tokens=check.max_new_tokens, seed=config.seed)
    batch_size = check.samples * max(1, 16 // check.samples)  # all samples of a question are drawn in one batch
    sampling = LocalBackend.load(check.name, sampling=drawn, batch_size=batch_size)
    greedy = Sampling(max_new_tokens=check.max_new_tokens)
    blank = LocalBackend(sampling.model, sampling.processor, name=check.name, sampling=greedy)
    return Workshop(generator, verifier, blank if check.blank else None, sampling)


def _summary(report: QuestionsReport) -> str:
    """The filters with what they left out, and what the text alone tells about the items."""
    lines = []
    for what, stages in (("images", report.image_stages), ("candidates", report.stages)):
        lines.append(f"{stages[0].entered} {what}")
        lines += [_line(stage) for stage in stages]
    lines.append(f"{report.items} items")
    for each in report.text_only:
        verdict = "at chance" if each.at_chance else "NOT at chance"
        interval = f"{each.accuracy:.1%} [{each.low:.1%}, {each.high:.1%}]"
        lines.append(f"  text alone, {each.kind:<12} n {each.n:>6}  {interval}, chance {each.chance:.1%}: {verdict}")
    return "\n".join(lines) + "\n"


def _line(stage: Stage) -> str:
    if stage.skipped:
        return f"  {stage.name:<26} not run: {stage.skipped}"
    reasons = ", ".join(f"{number} {reason}" for reason, number in stage.dropped.items())
    return f"  {stage.name:<26} {sum(stage.dropped.values()):>6} left out{': ' + reasons if reasons else ''}"


def _refuse(error: Exception) -> int:
    sys.stderr.write(f"{NAME}: {error}\n")
    return 2
