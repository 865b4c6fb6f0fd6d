"""Runs made of figures alone, without episodes."""

from __future__ import annotations

from pathlib import Path

from vitar.evaluation.metrics import Cell, Comparison, Metrics
from vitar.reports.run import Run

UP, DOWN, FLAT = (0.2, 0.001), (-0.2, 0.001), (0.01, 0.8)
"""A difference and its adjusted p."""


def cell_of(condition: str, correct: int, n: int = 100, failed: int = 0) -> Cell:
    return Cell(
        condition=condition,
        kind="all",
        answer_type="all",
        n=n,
        correct=correct,
        accuracy=correct / n,
        low=0.0,
        high=1.0,
        valid=1.0,
        acted=1.0,
        boxes_n=0,
        mean_iou=None,
        hit_rate=None,
        rounds=2.0,
        generated_tokens=1.0,
        seconds=1.0,
        infrastructure_failures=failed,
    )


def comparison_with(second: str, difference: float, p: float | None) -> Comparison:
    return Comparison(
        first="think_twice",
        second=second,
        kind="all",
        n=100,
        difference=difference,
        low=difference - 0.05,
        high=difference + 0.05,
        first_only=1,
        second_only=1,
        p=0.0001,
        p_holm=p,
    )


def run_of(comparisons: dict[str, tuple[float, float | None]], cells: tuple[Cell, ...] = ()) -> Run:
    metrics = Metrics(
        model="tiny",
        data="toys:test",
        items=100,
        cells=cells or (cell_of("single_pass", 50), cell_of("think_twice", 60)),
        comparisons=tuple(comparison_with(name, *values) for name, values in comparisons.items()),
    )
    return Run("run", Path("run"), {}, metrics, (), {})
