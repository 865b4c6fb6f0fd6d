"""Regions in a report: sentences, plots and tables, against the truth and against annotators."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from made_up_figures import cell_of, run_of

from vitar.analysis.annotators import AnnotatorAgreement
from vitar.analysis.estimates import Estimate
from vitar.analysis.grounding import MEASURES, RegionsPart
from vitar.reports.estimates import shown_sign
from vitar.reports.regions import region_figures, region_tables


def about(mean: float | None, arm: float | None = 0.05) -> Estimate:
    if mean is None or arm is None:
        return Estimate(mean=mean, low=None, high=None, n=0 if mean is None else 5)
    return Estimate(mean=mean, low=mean - arm, high=mean + arm, n=5)


def part(condition: str, iou: float | None, by: str = "all", name: str = "all") -> RegionsPart:
    measures = {key: about(iou) for key in MEASURES}
    return RegionsPart(condition=condition, by=by, part=name, n=7, measures=measures)


def agreement(difference: Estimate, model: float | None = 0.4) -> AnnotatorAgreement:
    return AnnotatorAgreement(
        condition="think_twice",
        n=9,
        model=about(model),
        annotators=about(0.5),
        difference=difference,
        by_annotator={"R8": about(0.3), "model": about(0.5)},
    )


def run_with(regions=(), annotators=()):
    cells = tuple(cell_of(name, 50) for name in ("single_pass", "think_twice", "oracle_box", "random_box"))
    return replace(run_of({}, cells), regions=tuple(regions), annotators=tuple(annotators))


def test_where_the_model_looks_in_words():
    sizes = [part("think_twice", 0.3, "size", "under 1% of the image"), part("think_twice", 0.7, "size", "1% to 5%")]
    run = run_with([part("think_twice", 0.5), part("oracle_box", 0.9), part("random_box", 0.1), *sizes])
    assert " ".join(region_figures(run).sentences) == (
        "On 7 questions with true regions, the first action under think_twice has a mean IoU of 0.50 (0.45 to 0.55) "
        "with them; 50.0% reach 0.5, and 50.0% of the boxes have their centre in a region. "
        "Boxes of the same size at random places have 0.10 (0.05 to 0.15). "
        "By size the IoU is 0.30 for regions of under 1% of the image and 0.70 for regions of 1% to 5%."
    )


def test_no_action_is_undefined():
    figures = region_figures(run_with([part("oracle_box", 0.9)]))
    assert figures.sentences == (
        "Where the model looks under think_twice is undefined: no episode acted on a question with true regions.",
    )
    assert region_figures(run_with()) is None


@pytest.mark.parametrize(
    ("difference", "words"),
    [
        (about(-0.1), "the model agrees with them less than they do (difference −0.10 (−0.15 to −0.05))"),
        (about(0.1), "the model agrees with them more than they do"),
        (about(-0.01), "that these differ is not shown"),
        (about(-0.1, None), "that these differ is not shown (difference −0.10)"),
    ],
)
def test_annotators_in_words(difference: Estimate, words: str):
    (sentence,) = region_figures(run_with([part("think_twice", 0.5)], [agreement(difference)])).sentences[1:]
    assert sentence.startswith(
        "Under think_twice the model agrees with the annotators at a mean IoU of 0.40 (0.35 to 0.45)"
    )
    assert words in sentence


def test_agreement_without_a_common_question_is_undefined():
    run = run_with([part("think_twice", 0.5)], [agreement(about(None), model=None)])
    assert "The agreement of think_twice with the annotators is undefined" in region_figures(run).sentences[1]


def test_plots_by_condition_threshold_size_modality_and_annotator():
    parts = [part("think_twice", 0.5), part("random_box", 0.1), part("single_pass", None)]
    parts += [part("think_twice", 0.5, "modality", "MR"), part("oracle_box", 0.5, "modality", "CT")]
    plots = region_figures(run_with(parts, [agreement(about(0.1))])).plots
    said = [re.search('aria-label="(.*?)"', plot.svg)[1].partition(" intervals: ")[2] for plot in plots]
    assert said == [
        "single_pass undefined; think_twice 0.50; random_box 0.10",
        "IoU ≥ 0.1 0.50; IoU ≥ 0.25 0.50; IoU ≥ 0.5 0.50; IoU ≥ 0.75 0.50; centre inside 0.50",
        "MR 0.50",
        "with R8 0.30; with model 0.50; with all 0.40; with each other 0.50",
    ]


def test_tables_keep_an_annotator_apart_whatever_the_name():
    parts = [part("think_twice", 0.5), part("think_twice", 0.5, "size", "1% to 5%")]
    whole, annotators, parted = region_tables(run_with(parts, [agreement(about(0.1))]))
    assert (whole.name, parted.name, len(whole.rows), len(parted.rows)) == ("regions", "regions", 1, 1)
    assert [column.title for column in annotators.columns][-2:] == ["R8", "model"]
    assert [column.show(annotators.rows[0]) for column in annotators.columns][2:] == [
        "0.40 (0.35 to 0.45)",
        "0.50 (0.45 to 0.55)",
        "+0.10 (+0.05 to +0.15)",
        "0.30 (0.25 to 0.35)",
        "0.50 (0.45 to 0.55)",
    ]
    assert len(region_tables(run_with())) == 0


@pytest.mark.parametrize(
    ("low", "mean", "high", "sign"),
    [
        (0.1, 0.2, 0.3, 1),
        (-0.3, -0.2, -0.1, -1),
        (0.0, 0.2, 0.4, 0),
        (-0.1, 0.0, 0.1, 0),
        (None, 0.2, None, 0),
        (None, None, None, 0),
    ],
)
def test_a_difference_is_shown_by_its_interval_alone(low, mean, high, sign: int):
    assert shown_sign(Estimate(mean=mean, low=low, high=high, n=3)) == sign
