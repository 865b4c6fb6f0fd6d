"""``vitar data sheet``."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitar.cli.main import main


@pytest.fixture
def boxes(tmp_path: Path) -> Path:
    """Two black images of 40 x 30, one with a box of zero area besides a good one."""
    for name in ("a.png", "b.png"):
        Image.new("L", (40, 30)).save(tmp_path / name)
    images = [{"id": i, "file_name": f"{name}.png", "width": 40, "height": 30} for i, name in enumerate("ab")]
    marks = [{"image_id": 1, "category_id": 1, "bbox": box} for box in ([4, 6, 20, 10], [4, 6, 0, 10])]
    path = tmp_path / "boxes.json"
    path.write_text(json.dumps({"images": images, "annotations": marks, "categories": [{"id": 1, "name": "nodule"}]}))
    return path


def test_a_sheet_shows_the_boxes_and_the_command_counts_what_is_left_out(
    boxes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "new" / "sheet.png"
    assert main(["data", "sheet", f"coco:{boxes}", "--out", str(out)]) == 0
    printed = capsys.readouterr().out
    assert "2 of 2 images with 1 regions in" in printed
    assert "       1 box of zero area, left out\n" in printed
    sheet = np.asarray(Image.open(out)).astype(int)
    red = (sheet[:, :, 0] > 150) & (sheet[:, :, 1] < 80)
    # The second picture begins at 10 + 320 + 10, 10: its box of 4 to 24 and 6 to 16 has its corners there.
    assert red[10 + 6, 340 + 4 : 340 + 24].all()
    assert red[10 + 6 : 10 + 16, 340 + 4].all()
    assert not red[10 : 10 + 6, 340:380].any()
    assert not red[10 : 10 + 30, 10:50].any()


def test_images_are_spread_over_the_source(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "sheet", "phantoms:test:8", "--out", str(tmp_path / "sheet.png"), "--count", "2"]) == 0
    assert "2 of 8 images" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["voc:/nowhere"], "vitar data sheet: /nowhere/Annotations: not found"),
        (["bccd"], "not an annotated source"),
        (["phantoms:test:0"], "no images"),
        (["phantoms:test:3", "--count", "0"], "--count must be at least 1"),
    ],
)
def test_bad_input(arguments: list[str], problem: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "sheet", *arguments, "--out", str(tmp_path / "sheet.png")]) == 2
    assert problem in capsys.readouterr().err


def test_a_sheet_that_cannot_be_written(boxes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "sheet", f"coco:{boxes}", "--out", str(tmp_path / "sheet.tXt")]) == 2
    assert "cannot write the contact sheet" in capsys.readouterr().err
