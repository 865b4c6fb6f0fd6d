"""The benchmark of planted effects: that it plants what it says, and goes through the whole path."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from vitar.evaluation.power import design_effect

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))

from planted_truth import Setting, agrees, compared, draw  # a program beside the package


@pytest.mark.parametrize("effect", [0.0, 0.1, -0.05, 0.4])
def test_effects_are_planted_as_said(effect: float) -> None:
    first, second, groups = draw(Setting("", effect), 60_000, np.random.default_rng(0))
    assert first.mean() - second.mean() == pytest.approx(effect, abs=0.01)
    assert (first != second).mean() == pytest.approx(max(0.2, abs(effect)), abs=0.01)
    assert len(set(groups)) == 60_000


def test_questions_about_an_image_are_alike() -> None:
    setting = Setting("", 0.0, per_image=3, alike=0.5)
    first, second, groups = draw(setting, 60_000, np.random.default_rng(0))
    assert len(set(groups)) == 20_000
    # two of an image have one draw when the image is alike: a correlation of 0.5, and an effect of 1 + 2 * 0.5
    assert design_effect(first, second, groups) == pytest.approx(2, abs=0.1)


@pytest.mark.parametrize("setting", [Setting("", 0.0), Setting("", 0.15), Setting("", 0.1, 3, 0.5)])
def test_a_run_goes_through_traces_and_report_to_the_same_figures(setting: Setting) -> None:
    first, second, groups = draw(setting, 300, np.random.default_rng(1))
    expected = compared(first, second, groups)
    assert agrees(expected, first, second, groups)
    assert not agrees(expected.model_copy(update={"first_only": expected.first_only + 1}), first, second, groups)
