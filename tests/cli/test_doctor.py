"""``vitar doctor``: what it finds missing, what it says to do, and when it fails."""

from __future__ import annotations

import json
import shlex
import sys
import tomllib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from vitar.cli import doctor
from vitar.cli.doctor import CORE, Checkup, Device, Group, examine, requirements_by_group
from vitar.cli.main import main

HEALTHY = Checkup(
    versions={"python": "3.11.7", "vitar": "0.1.0", "torch": "2.13.0", "trl": None},
    cores=2,
    devices=(Device("A processor", 24.0), Device("A GPU", 80.0)),
    free_gib=20.0,
    fast_bf16=True,
    groups=(
        Group(CORE, (), "", ""),
        Group("train", ("trl==1.16.0",), "", "python -m pip install trl==1.16.0"),
    ),
    models={"tiny": True},
    cache="/cache",
    cache_writable=False,
)

Declare = Callable[..., None]


@pytest.fixture
def declare(monkeypatch: pytest.MonkeyPatch) -> Declare:
    """Replaces the requirements of the distribution, and the imports that are tried by ones that cost nothing."""

    def put(*lines: str, **trials: str) -> None:
        monkeypatch.setattr(doctor, "requires", lambda name: list(lines))
        monkeypatch.setattr(doctor, "TRIALS", trials)

    return put


def test_requirements_come_in_groups(declare: Declare) -> None:
    declare(
        "numpy>=1.26",
        'colorama; sys_platform == "no-such-system"',
        'trl==1.16.0; extra == "train"',
        'vitar-med[eval]; extra == "train"',
        "statsmodels; extra == 'eval'",
    )
    groups = {name: [str(r.name) for r in group] for name, group in requirements_by_group().items()}
    assert groups == {CORE: ["numpy"], "train": ["trl"], "eval": ["statsmodels"]}


def test_what_is_missing_comes_with_its_command(declare: Declare) -> None:
    declare("numpy>=1.26", 'no-such-package>=2,<3; extra == "train"', 'pillow>=999; extra == "train"')
    core, train = examine().groups
    assert core.works
    assert not train.works
    assert train.missing == ("no-such-package<3,>=2", "pillow>=999")
    assert shlex.split(train.command) == [sys.executable, "-m", "pip", "install", *train.missing]


def test_packages_that_are_there_and_do_not_import(declare: Declare) -> None:
    declare("numpy>=1.26", 'pillow; extra == "train"', core="import json", train="import no_such_module")
    core, train = examine().groups
    assert core.works
    assert (train.missing, train.command) == ((), "")
    assert train.error == "ModuleNotFoundError: No module named 'no_such_module'"


def test_a_crash_while_importing_is_reported_too(declare: Declare) -> None:
    declare("numpy>=1.26", core="import os; os._exit(3)")
    found = examine()
    assert found.groups[0].error == "importing the packages ended with code 3"
    assert found.problems == ("core: importing the packages ended with code 3",)
    assert found.fast_bf16 is None  # torch was left alone


def test_this_machine_is_described(declare: Declare) -> None:
    declare("numpy>=1.26")
    found = examine()
    assert found.versions["numpy"] is not None
    assert found.cores >= 1
    assert found.devices[0].name
    assert set(found.models) == {"tiny", "tiny-base"}


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, 0),
        ({"groups": (Group(CORE, ("torch>=2.6",), "", "python -m pip install 'torch>=2.6'"),)}, 1),
        ({"groups": (Group(CORE, (), "ImportError: libc10.so", ""),)}, 1),
        ({"models": {"tiny": True, "tiny-base": False}}, 1),
    ],
)
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_the_exit_code_tells_whether_what_is_required_works(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    change: dict[str, object],
    code: int,
    form: list[str],
) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: replace(HEALTHY, **change))
    assert main(["doctor", *form]) == code
    out = capsys.readouterr().out
    if form:
        assert json.loads(out)["ok"] is (code == 0)
        assert bool(json.loads(out)["problems"]) is (code == 1)
    else:
        assert ("problem: " in out) is (code == 1)


def test_the_report(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(doctor, "examine", lambda: HEALTHY)
    main(["doctor"])
    assert capsys.readouterr().out == (
        "versions\n"
        "  python  3.11.7\n"
        "  vitar   0.1.0\n"
        "  torch   2.13.0\n"
        "devices\n"
        "  A processor: 2 cores, 24 GiB, 20 GiB free\n"
        "  A GPU: GPU, 80 GiB\n"
        "  training uses bfloat16\n"
        "packages\n"
        "  core   works\n"
        "  train  missing trl==1.16.0\n"
        "         python -m pip install trl==1.16.0\n"
        "models\n"
        "  tiny       present\n"
        "  Hub cache  /cache (not writable)\n"
        "\n"
        "everything that is required works\n"
    )


def test_a_folder_that_can_be_made_is_writable(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    assert doctor._is_writable(tmp_path / "new" / "cache")
    assert not doctor._is_writable(tmp_path / "file" / "cache")


def test_the_trials_name_groups_that_exist() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())["project"]
    assert set(doctor.TRIALS) <= {CORE, *project["optional-dependencies"]}
    assert project["name"] == doctor.DISTRIBUTION


@pytest.mark.slow
@pytest.mark.parametrize("group", doctor.TRIALS)
def test_the_trials_succeed_here(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "requires", lambda name: [f'numpy; extra == "{group}"'] if group != CORE else ["numpy"])
    found = {g.name: g.error for g in examine().groups}
    assert found[group] == ""
