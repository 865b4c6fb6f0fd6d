"""Imports point one way: the table of docs/architecture.md, read off the syntax trees of all modules."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import vitar

SOURCE = Path(vitar.__file__).parent

FOUNDATION = {
    "imaging",
    "protocol",
    "grading",
    "data",
    "backends",
    "rollout",
    "files",
    "run_record",
    "statistics",
    "data.curation",
}
MAY_IMPORT = {
    "imaging": set(),
    "protocol": {"imaging"},
    "grading": {"protocol"},
    "data": {"imaging", "protocol", "grading"},
    "backends": {"imaging", "protocol"},
    "rollout": {"imaging", "protocol", "data", "backends"},
    "files": set(),
    "run_record": {"files"},
    "statistics": set(),
    "data.curation": FOUNDATION - {"data.curation"},
    "training": FOUNDATION,
    "evaluation": FOUNDATION,
    "analysis": FOUNDATION,
    "reports": FOUNDATION - {"backends", "rollout", "run_record"} | {"evaluation", "analysis"},
    "demo": FOUNDATION | {"training", "evaluation", "analysis", "reports"},
    "cli": FOUNDATION | {"training", "evaluation", "analysis", "reports", "demo"},
}
"""Part of the package -> the other parts that it may import; nobody has ``cli`` in its row.

Curation runs models over examples, so it is a part of its own above the loop, and the rest of ``data`` is below it.
"""

WITHOUT_TORCH = ("files", "imaging", "protocol", "grading", "statistics")
HEAVY = {"torch", "transformers", "trl", "datasets"}


def imports_of(path: Path) -> Iterator[str]:
    """Every module that a file imports, inside functions and for type checking too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: write relative imports out"
            assert node.module is not None
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def part_named(module: str) -> str:
    """The part that a dotted name below ``vitar`` belongs to."""
    names = module.removeprefix("vitar.").split(".")
    inner = ".".join(names[:2])
    return inner if inner in MAY_IMPORT else names[0]


def part_of(path: Path) -> str:
    return part_named(".".join(path.relative_to(SOURCE).with_suffix("").parts))


MODULES = sorted(SOURCE.rglob("*.py"))


def test_the_table_names_every_part() -> None:
    parts = {part_of(path) for path in MODULES} - {"__init__"}
    assert parts <= set(MAY_IMPORT), f"say in MAY_IMPORT what {parts - set(MAY_IMPORT)} may import"


@pytest.mark.parametrize("part", MAY_IMPORT)
def test_a_part_imports_only_what_it_may(part: str) -> None:
    wrong = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in MODULES
        if part_of(path) == part
        for name in imports_of(path)
        if name.startswith("vitar.")
        and part_named(name) not in {part, *MAY_IMPORT[part]}
        and part_named(name) in MAY_IMPORT  # what is left are names of the package itself, such as its version
    ]
    assert not wrong


@pytest.mark.parametrize("part", WITHOUT_TORCH)
def test_the_core_knows_no_torch(part: str) -> None:
    wrong = [
        f"{path.relative_to(SOURCE)} imports {name}"
        for path in MODULES
        if part_of(path) == part
        for name in imports_of(path)
        if name.split(".")[0] in HEAVY
    ]
    assert not wrong


def test_the_rules_can_fail(tmp_path: Path) -> None:
    path = tmp_path / "sample.py"
    path.write_text("def f():\n    from vitar import cli\n    import torch.nn\n")
    assert list(imports_of(path)) == ["vitar.cli", "torch.nn"]
    assert part_named("vitar.data.curation.judge.Judge") == "data.curation"
    assert part_named("vitar.data.example.Example") == "data"
