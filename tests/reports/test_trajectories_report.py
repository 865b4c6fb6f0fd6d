"""The page of curated trajectories: it accounts for every item and loads nothing."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest

from vitar.data.curation.judge import RuleJudge
from vitar.data.curation.pool import Pool
from vitar.data.curation.scripted_teacher import ScriptedTeacher
from vitar.data.curation.teacher import Reason
from vitar.data.curation.trajectories import TrajectoryConfig, Workshop, claim, curate_trajectories
from vitar.data.curation.trajectory_report import KEPT, NOT_REACHED
from vitar.imaging.environment import EnvironmentConfig
from vitar.reports.load import ReportError
from vitar.reports.trajectories import ABOUT, write_trajectories_report

TOOLS = ("mark_region", "zoom")
CONFIG = TrajectoryConfig(("phantoms:train[0:8]",), "scripted", "rules", "", TOOLS, 0.5, 3, None, 0)


def curate(out: Path, min_iou: float) -> None:
    claim(out, CONFIG)
    pool = Pool(CONFIG.data)
    workshop = Workshop(ScriptedTeacher(TOOLS), [RuleJudge()], EnvironmentConfig(tools=TOOLS), pool.values, min_iou)
    asyncio.run(curate_trajectories(pool, out, workshop))


def test_every_outcome_is_explained() -> None:
    assert set(ABOUT) == {KEPT, NOT_REACHED, *Reason}


def test_the_page_shows_looks_with_their_boxes(tmp_path: Path) -> None:
    curate(tmp_path, 0.5)
    page = write_trajectories_report(tmp_path).read_text()
    assert "8 of 8 items have a trajectory" in page
    assert '<th scope="row">kept</th>' in page
    shown = page.count('<article class="item">')
    assert shown == page.count('<p class="answer">') > 0
    assert page.count("data:image/") == 2 * shown
    assert page.count('<rect class="acted"') > shown  # one is the key's
    assert "Every item that was tried has a trajectory." in page
    assert re.search(r"(zoom|mark_region) \[\d+, \d+, \d+, \d+\]", page)
    assert "<script" not in page
    assert all(link.startswith(("#", "data:")) for link in re.findall(r'(?:href|src)="([^"]*)"', page))


def test_what_was_left_out_is_shown_with_its_words(tmp_path: Path) -> None:
    curate(tmp_path, 1.0)  # whole thousandths never agree that well
    page = write_trajectories_report(tmp_path).read_text()
    assert "0 of 8 items have a trajectory" in page
    assert "No trajectory was kept." in page
    assert "misses_region" in page
    assert "at least 1 is needed" in page
    assert "&lt;tool_call&gt;" in page


def test_a_folder_of_something_else_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="no complete run of vitar curate trajectories"):
        write_trajectories_report(tmp_path)
