"""What a run keeps of its settings and of its examples."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from vitar.data.example import Region, open_image
from vitar.data.phantoms.dataset import phantom_example
from vitar.evaluation.run_folder import EXAMPLES_NAME, RunError, claim, keep_examples, stored_example


def test_a_run_over_regions_with_masks_keeps_their_boxes_and_goes_on(tmp_path: Path) -> None:
    mask_hw = np.zeros((512, 512), dtype=bool)
    mask_hw[10:20, 30:60] = True
    region = Region.of_mask("nodule", mask_hw)
    example = replace(phantom_example("test", 0), regions=(region,))
    for _ in range(2):  # begun, and gone on with
        (kept,) = keep_examples(tmp_path, [example])
        assert kept.regions == (replace(region, mask=None),)


@dataclass(frozen=True)
class OldSettings:
    conditions: tuple[str, ...] = ("single_pass",)
    seed: int = 0


@dataclass(frozen=True)
class Settings(OldSettings):
    server: str = ""
    tools: tuple[str, ...] = ("zoom",)


def test_a_run_goes_on_with_settings_that_are_younger_than_it_at_their_defaults(tmp_path: Path) -> None:
    run = tmp_path / "run"
    claim(run, OldSettings())
    assert claim(run, Settings()) == ["single_pass"]
    with pytest.raises(RunError, match=r"server \('' there, 'http://a' now\)"):
        claim(run, Settings(server="http://a"))
    with pytest.raises(RunError, match=r"tools \(\['zoom'\] there, \['mark_region'\] now\)"):
        claim(run, Settings(tools=("mark_region",)))
    assert claim(run, Settings(conditions=("unmarked",))) == ["single_pass", "unmarked"]
    assert json.loads((run / "run.json").read_text())["config"]["server"] == ""


def test_questions_about_several_images_are_kept_with_all_of_them(tmp_path: Path) -> None:
    example = replace(phantom_example("test", 0), images=tuple(phantom_example("test", n).images[0] for n in range(3)))
    for _ in range(2):
        (kept,) = keep_examples(tmp_path, [example])
    assert [open_image(ref).tobytes() for ref in kept.images] == [open_image(ref).tobytes() for ref in example.images]
    with pytest.raises(RunError, match="differs in images"):
        keep_examples(tmp_path, [replace(example, images=example.images[::-1])])


def test_a_run_of_examples_with_one_image_each_as_they_were_kept_before_goes_on(tmp_path: Path) -> None:
    examples = [phantom_example("test", number) for number in range(2)]
    now = keep_examples(tmp_path, examples)
    path = tmp_path / EXAMPLES_NAME
    records = [json.loads(line) for line in path.read_text().splitlines()]
    old = [{"id": record.pop("id"), "image": record.pop("images")[0], **record} for record in records]
    path.write_text("".join(json.dumps(record) + "\n" for record in old))
    assert keep_examples(tmp_path, examples) == now
    assert [stored_example(line, tmp_path / "images") for line in path.read_bytes().splitlines()] == now
