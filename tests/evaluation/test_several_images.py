"""A run of the embedded model over questions about one, two and three images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from vitar.backends.local import LocalBackend, Sampling
from vitar.data.example import Example, open_image
from vitar.data.phantoms.dataset import phantom_examples
from vitar.evaluation.run_folder import read_run
from vitar.evaluation.runner import EvaluationConfig, evaluate
from vitar.protocol.trace import ImageStore

CONDITIONS = ("single_pass", "think_twice", "oracle_box", "shuffled_image", "text_only")


@pytest.fixture
def items() -> list[Example]:
    one = phantom_examples("test", 6)
    two = replace(one[1], images=(*one[1].images, *one[2].images))
    named = replace(two, id="named", question=f"In <image 2>: {two.question}")
    three = replace(one[3], images=tuple(one[number].images[0] for number in (3, 4, 5)))
    return [one[0], two, named, three]


def test_the_embedded_model_is_asked_about_several_images(items: Sequence[Example], tmp_path: Path) -> None:
    config = EvaluationConfig("tiny", "made up", CONDITIONS, count=len(items), max_new_tokens=96, batch_size=4)
    backend = LocalBackend.load("tiny", device="cpu", sampling=Sampling(max_new_tokens=96), batch_size=4)
    metrics = evaluate(config, backend, items, tmp_path)
    assert {cell.n for cell in metrics.cells if (cell.kind, cell.answer_type) == ("all", "all")} == {4}
    stored, store = read_run(tmp_path), ImageStore(tmp_path / "images")
    for name in CONDITIONS:
        shown = [len(trace.images) for trace in stored.traces[name]]
        assert shown == ([0] * 4 if name == "text_only" else [1, 2, 2, 3])
    for item, trace in zip(items, stored.traces["think_twice"], strict=True):
        pictures = [open_image(ref).tobytes() for ref in item.images]
        assert [store.open(name).tobytes() for name in trace.images] == pictures
        for look in trace.rounds:
            assert look.image_tokens is not None
            assert look.image_tokens >= 64 * len(item.images)  # 64 visual tokens for each phantom
        if trace.first_action:
            came_back = trace.first_action.observation or ""
            assert came_back.startswith(f"Image {len(item.images) + 1}: ")
    acted = [trace.first_action for trace in stored.traces["oracle_box"] if trace.first_action]
    assert acted
    assert {look.source for look in acted} == {1}
