"""A model beside several annotators, by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
from made_up_episodes import BOX, PART, example, trace

from vitar.analysis.annotators import AnnotationError, annotator_agreement, read_annotations


def test_agreement_by_hand() -> None:
    items = [example("a", [BOX]), example("b", [BOX]), example("c", [BOX]), example("d", [BOX])]
    annotations = {
        "a": {"R1": [BOX], "R2": [BOX], "R3": [PART]},
        "b": {"R1": [BOX], "R2": []},
        "c": {"R1": [BOX]},
        "d": {"R1": [], "R2": []},
    }
    found = annotator_agreement("think_twice", items, [trace(item, [BOX]) for item in items], annotations)
    assert (found.condition, found.n) == ("think_twice", 2)  # nobody marked anything on d, and one person c
    # a: the model is with R1 and R2 exactly, with R3 by a half; of three pairs one is exact and two are halves
    assert found.model.mean == pytest.approx(((1 + 1 + 0.5) / 3 + 0.5) / 2)
    assert found.annotators.mean == pytest.approx(((1 + 0.5 + 0.5) / 3 + 0) / 2)
    assert (found.annotators.n, found.difference.n) == (2, 2)
    assert found.difference.mean == pytest.approx((5 / 6 - 2 / 3 + 0.5 - 0) / 2)
    assert {name: e.mean for name, e in found.by_annotator.items()} == pytest.approx({"R1": 1, "R2": 0.5, "R3": 0.5})
    assert {name: e.n for name, e in found.by_annotator.items()} == {"R1": 2, "R2": 2, "R3": 1}


def test_without_boxes_of_the_model_there_is_nothing_to_compare() -> None:
    item = example("a", [BOX])
    annotations = {"a": {"R1": [BOX], "R2": [BOX]}}
    for other in (trace(item, []), trace(item, [BOX], image="another.png")):
        found = annotator_agreement("think_twice", [item], [other], annotations)
        assert (found.n, found.model.mean, found.difference.low) == (0, None, None)


def test_an_action_on_another_image_of_the_question_agrees_with_nobody() -> None:
    item = example("a", [BOX])
    acted = trace(item, [BOX])
    elsewhere = acted.model_copy(update={"rounds": (acted.rounds[0].model_copy(update={"source": 2}),)})
    found = annotator_agreement("think_twice", [item], [elsewhere], {"a": {"R1": [BOX], "R2": [BOX]}})
    assert (found.n, found.model.mean, found.annotators.mean) == (1, 0, 1)


def test_a_file_of_boxes(tmp_path: Path) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(
        "annotator,example_id,x_min,y_min,x_max,y_max\nR1,a,1,2,3,4\nR1,a,5,6,7.5,8\nR2,a,,,,\nR1,b,1,1,2,2\n"
    )
    assert read_annotations(path) == {
        "a": {"R1": [(1, 2, 3, 4), (5, 6, 7.5, 8)], "R2": []},
        "b": {"R1": [(1, 1, 2, 2)]},
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("example_id,x_min\n", "lacks the columns annotator, x_max, y_max, y_min"),
        ("example_id,annotator,x_min,y_min,x_max,y_max\na,R,1,2,3,\n", ":2: expected four numbers or four blanks"),
        ("example_id,annotator,x_min,y_min,x_max,y_max\na,R,,,,\na,R,3,2,1,4\n", ":3: the box 3, 2, 1, 4 is empty"),
        ("example_id,annotator,x_min,y_min,x_max,y_max\na,R,nan,2,1,4\n", "is empty or reversed"),
    ],
)
def test_a_file_that_cannot_be_read(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(AnnotationError, match=told):
        read_annotations(path)
