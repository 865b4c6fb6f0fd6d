"""The table of misleading answers: ours right on every line, the published graders wrong where the table says so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from graders import Case, cases, main  # a program beside the package

CASES = list(cases())


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.answer_type}: {case.trap}")
@pytest.mark.parametrize("kit", ["vitar", "official", "medevalkit"])
def test_each_grader_says_what_the_table_says(case: Case, kit: str) -> None:
    assert case.verdict(kit) == case.expected[kit]


def test_the_table_has_every_answer_type_right_and_wrong() -> None:
    kinds = {(case.answer_type, case.right) for case in CASES}
    assert kinds == {(kind, right) for kind in ("choice", "yes_no", "closed", "open") for right in (True, False)}
    assert len({(case.answer_type, case.trap) for case in CASES}) == len(CASES)


def test_the_program_lists_the_errors(capsys: pytest.CaptureFixture[str]) -> None:
    assert main() == 0
    said = capsys.readouterr().out
    assert f"vitar: {len(CASES)} of {len(CASES)} as a careful reader\nofficial: 22 of 42" in said
    assert "medevalkit: 46 of 72" in said
