"""``vitar curate trajectories``: a teacher's looks at annotated images, carried out and kept if nothing is wrong."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from vitar.cli.endpoint_options import add_endpoint_options, endpoint_config

if TYPE_CHECKING:
    from vitar.backends.endpoint import EndpointConfig
    from vitar.data.curation.asking import Asker
    from vitar.data.curation.pool import Pool
    from vitar.data.curation.trajectories import TrajectoryConfig
    from vitar.data.curation.trajectory_report import TrajectoryReport

    Subparsers = argparse._SubParsersAction[argparse.ArgumentParser]

SCRIPTED, RULES, ENDPOINT = "scripted", "rules", "endpoint"


def add_parser(commands: Subparsers) -> None:
    """Adds ``trajectories`` to the subcommands of ``curate``."""
    parser = commands.add_parser(
        "trajectories",
        help="write, carry out and verify trajectories of two looks",
        description="Let a teacher write a thought, an action, a second thought and an answer for items with true "
        "regions; carry each out and keep it if nothing is wrong. report.html accounts for what was left out. The "
        "folder trains with `vitar train sft` as data: curated:DIR. A run that was interrupted goes on when the same "
        "command is given again.",
    )
    parser.add_argument(
        "--data",
        action="append",
        required=True,
        metavar="SOURCE",
        help="phantoms:SPLIT[START:STOP], or the folder of a stored set, where [START:STOP] takes a part; repeatable",
    )
    parser.add_argument(
        "--out", type=Path, required=True, metavar="DIR", help="new or empty folder, or that of the run"
    )
    parser.add_argument("--enough", type=int, metavar="N", help="end once N are kept; default: try every item")
    parser.add_argument("--teacher", choices=(SCRIPTED, ENDPOINT), default=SCRIPTED, help="default: %(default)s")
    parser.add_argument(
        "--judge", choices=(RULES, ENDPOINT), default=RULES, help="the rules come first; default: %(default)s"
    )
    parser.add_argument("--tools", default="mark_region,zoom", metavar="A,B", help="default: %(default)s")
    parser.add_argument("--min-iou", type=float, default=0.5, metavar="X", help="of the action; default: %(default)s")
    parser.add_argument("--attempts", type=int, default=3, metavar="N", help="at one item; default: %(default)s")
    parser.add_argument("--seed", type=int, default=0, metavar="N", help="of order and wording; default: %(default)s")
    parser.add_argument("--model", default="", metavar="M", help="the server's name of the teacher and judge")
    parser.add_argument(
        "--concurrency", type=int, default=8, metavar="N", help="requests at a time; default: %(default)s"
    )
    add_endpoint_options(parser)


def run(args: argparse.Namespace) -> int:
    """Exit code 0, 1 if no trajectory was kept, or 2 for arguments that cannot be followed."""
    from vitar.backends.chat_api import EndpointError
    from vitar.data.curation.pool import Pool
    from vitar.data.curation.trajectories import CurationError, TrajectoryConfig, claim
    from vitar.reports.load import ReportError
    from vitar.reports.trajectories import write_trajectories_report

    try:
        config = TrajectoryConfig(
            data=tuple(args.data),
            teacher=args.teacher,
            judge=args.judge,
            server=f"{args.model} at {args.base_url}" if ENDPOINT in (args.teacher, args.judge) else "",
            tools=tuple(sorted(name.strip() for name in args.tools.split(","))),
            min_iou=args.min_iou,
            attempts=args.attempts,
            enough=args.enough,
            seed=args.seed,
        )
        if config.server and not (args.base_url and args.model):
            raise ValueError("a teacher or judge behind an endpoint needs --base-url and --model")
        endpoint = endpoint_config(args, args.concurrency) if config.server else None
        pool = Pool(config.data, config.seed)
    except (ValueError, EndpointError) as error:  # every setting is checked here
        return _refuse(error)
    try:
        claim(args.out, config)
        report = asyncio.run(_curate(args.out, config, pool, endpoint))
        page = write_trajectories_report(args.out)
    except (CurationError, EndpointError, ReportError, OSError) as error:
        return _refuse(error)
    sys.stdout.write(_summary(report) + f"trajectories in {args.out}, report in {page}\n")
    return 0 if report.kept else 1


async def _curate(out: Path, config: TrajectoryConfig, pool: Pool, endpoint: EndpointConfig | None) -> TrajectoryReport:
    """Curates with what the configuration names; replies of a server are kept in ``out``."""
    from vitar.data.curation.asking import EndpointAsker

    if endpoint is None:
        return await _curate_with(None, out, config, pool)
    from vitar.backends.endpoint import Endpoint
    from vitar.backends.reply_cache import ReplyCache

    async with Endpoint(endpoint, ReplyCache(out / "replies")) as connection:
        return await _curate_with(EndpointAsker(connection), out, config, pool)


async def _curate_with(asker: Asker | None, out: Path, config: TrajectoryConfig, pool: Pool) -> TrajectoryReport:
    from vitar.data.curation.endpoint_teacher import EndpointTeacher
    from vitar.data.curation.judge import EndpointJudge, Judge, RuleJudge
    from vitar.data.curation.scripted_teacher import ScriptedTeacher
    from vitar.data.curation.teacher import Teacher
    from vitar.data.curation.trajectories import Workshop, curate_trajectories
    from vitar.imaging.environment import EnvironmentConfig

    environment = EnvironmentConfig(tools=config.tools)
    teacher: Teacher = ScriptedTeacher(config.tools, config.seed)
    judges: list[Judge] = [RuleJudge()]
    if asker and config.teacher == ENDPOINT:
        teacher = EndpointTeacher(asker, config.tools)
    if asker and config.judge == ENDPOINT:
        judges.append(EndpointJudge(asker, environment))
    workshop = Workshop(teacher, judges, environment, pool.values, config.min_iou, config.attempts)
    return await curate_trajectories(pool, out, workshop, enough=config.enough)


def _summary(report: TrajectoryReport) -> str:
    lines = [f"{report.items} items, {report.attempts} attempts, {report.kept} trajectories"]
    lines += [f"{count:8} {outcome}" for outcome, count in report.outcomes.items()]
    if report.rejected_attempts:
        lines.append(f"{sum(report.rejected_attempts.values())} attempts sent back")
        lines += [f"{count:8} {reason}" for reason, count in report.rejected_attempts.items()]
    if report.mean_iou is not None:
        lines.append(f"mean IoU of the actions {report.mean_iou:.2f}; {report.distinct_thoughts} first thoughts differ")
    return "\n".join(lines) + "\n"


def _refuse(error: Exception) -> int:
    sys.stderr.write(f"vitar curate trajectories: {error}\n")
    return 2
