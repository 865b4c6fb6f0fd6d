"""Phantoms as examples, on disk, on a contact sheet and from the command line."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitar.cli import data as data_command
from vitar.data.contact_sheet import contact_sheet
from vitar.data.example import ImageRef, load_examples, open_image, save_examples
from vitar.data.phantoms import dataset
from vitar.data.phantoms.dataset import FAMILIES, phantom, phantom_example, phantom_examples, phantom_item
from vitar.data.phantoms.plan import plan_item
from vitar.data.phantoms.scene import SIDE_PX, SPLITS, draw


def test_items_cycle_over_the_families() -> None:
    assert [phantom_item("test", i)[:2] for i in range(6)] == [
        ("chest", 0),
        ("brain", 0),
        ("mammogram", 0),
        ("fundus", 0),
        ("chest", 1),
        ("brain", 1),
    ]


@pytest.mark.parametrize("index", range(len(FAMILIES)))
def test_an_example_shows_what_its_plan_says(index: int) -> None:
    name, number, item = phantom_item("test", index)
    example = phantom_example("test", index)
    image = phantom(name, "test", number)
    assert example.id == example.group == f"phantom:{name}/test/{number}"
    assert (example.question, example.options, example.answer) == (
        item.question.text,
        item.question.options,
        item.question.answer,
    )
    assert (example.source, example.split, example.licence) == ("phantoms", "test", "CC0-1.0")
    assert tuple(lesion.spec for lesion in image.lesions) == item.lesions
    assert [region.label for region in example.regions] == [item.lesions[i].kind for i in item.question.lesions]
    for region, lesion in zip(example.regions, (image.lesions[i] for i in item.question.lesions), strict=True):
        assert np.array_equal(region.mask_hw(SIDE_PX, SIDE_PX), lesion.mask_hw)
        assert region.box(SIDE_PX, SIDE_PX) == lesion.box
    assert np.array_equal(np.asarray(open_image(example.images[0])), image.image)


@pytest.mark.parametrize("name", FAMILIES)
def test_same_identity_same_pixels_other_split_other_pixels(name: str) -> None:
    plan = plan_item(FAMILIES[name], "test", 3).lesions
    once, again = (draw(FAMILIES[name], "test", 3, plan).image for _ in range(2))
    assert np.array_equal(once, again)
    images = [phantom(name, split, 3).image for split in SPLITS]
    assert len({image.tobytes() for image in images}) == len(SPLITS)


@pytest.mark.parametrize("name", FAMILIES)
def test_compared_lesions_are_drawn_in_their_order_of_size(name: str) -> None:
    compared = [i for i in range(200) if plan_item(FAMILIES[name], "test", i).question.kind == "comparison"][:12]
    for index in compared:
        question = plan_item(FAMILIES[name], "test", index).question
        lesions = [phantom(name, "test", index).lesions[i] for i in question.lesions]
        small, large = sorted(lesions, key=lambda lesion: lesion.spec.scale)
        assert large.diameter_px > 1.2 * small.diameter_px, f"{name}/test/{index}"


def test_the_sequence_draws_nothing_until_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dataset, "draw", None)
    dataset.phantom.cache_clear()
    examples = phantom_examples("train", 10**9)
    assert len(examples) == 10**9
    assert len(examples[5:25:10]) == 2
    with pytest.raises(TypeError):
        examples[0]
    with pytest.raises(IndexError):
        examples[10**9]


def test_slices_and_negative_indices_name_the_same_items() -> None:
    examples = phantom_examples("validation", 6)
    assert examples[-1] == examples[2:][3] == phantom_example("validation", 5)
    assert [example.id for example in examples[4:]] == ["phantom:chest/validation/1", "phantom:brain/validation/1"]


@pytest.mark.parametrize("uri", ["phantom:chest/test", "phantom:chest/test/-1", "phantom:", "phantom:foot/test/1"])
def test_references_to_no_phantom_are_refused(uri: str) -> None:
    with pytest.raises(ValueError, match=r"phantom"):
        open_image(ImageRef(uri))


def test_unknown_split_and_negative_count_are_refused() -> None:
    with pytest.raises(ValueError, match="expected one of train, validation, test, shifted"):
        phantom_examples("exam", 1)
    with pytest.raises(ValueError, match="cannot be negative, got -1"):
        phantom_examples("test", -1)


def test_stored_phantoms_come_back_equal_but_for_their_bytes(tmp_path: Path) -> None:
    examples = phantom_examples("test", 5)
    save_examples(examples, tmp_path / "made" / "set")
    stored = load_examples(tmp_path / "made" / "set")
    assert [entry.name for entry in (tmp_path / "made").iterdir()] == ["set"]
    assert len(stored) == 5
    for before, after in zip(examples, stored, strict=True):
        (image,) = after.images
        assert image.encoded is not None
        assert np.array_equal(np.asarray(open_image(image)), np.asarray(open_image(before.images[0])))
        assert (after.id, after.regions, after.options, after.answer) == (
            before.id,
            before.regions,
            before.options,
            before.answer,
        )


def test_a_contact_sheet_shows_image_box_and_caption() -> None:
    gray = (i for i in range(40) if phantom_item("test", i)[0] != "fundus")
    index = next(i for i in gray if len(phantom_item("test", i)[2].question.lesions) == 1)
    example = phantom_example("test", index)
    sheet = np.asarray(contact_sheet([example], columns=1, cell_px=256)).astype(int)
    assert sheet.shape[0] > 256 + 3 * 20
    x0, y0, x1, y1 = (v / 2 + 10 for v in example.regions[0].box_xyxy)
    red = (sheet[..., 0] - sheet[..., 2] > 60) & (np.abs(sheet[..., 1] - sheet[..., 2]) < 60)
    rows, columns = np.nonzero(red[: 256 + 10])
    found = (columns.min(), rows.min(), columns.max(), rows.max())
    assert np.abs(np.subtract(found, (x0, y0, x1, y1))).max() < 6
    assert (sheet[256 + 15 :].sum(axis=-1) < 300).any()  # ink of the caption


def test_a_contact_sheet_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="needs images and columns, got 0 and 4"):
        contact_sheet([])


def _vitar(*words: str) -> int:
    parser = argparse.ArgumentParser()
    data_command.add_parser(parser.add_subparsers())
    return data_command.run(parser.parse_args(["data", *words]))


def test_the_command_writes_a_dataset_and_a_sheet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out, sheet = tmp_path / "set", tmp_path / "sheets" / "all.png"
    assert _vitar("phantoms", "--count", "4", "--out", str(out), "--split", "shifted", "--sheet", str(sheet)) == 0
    stored = load_examples(out)
    assert [example.split for example in stored] == ["shifted"] * 4
    assert [example.regions for example in stored] == [phantom_example("shifted", i).regions for i in range(4)]
    assert Image.open(sheet).width > 1000
    assert "4 shifted phantoms" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--count", "4"], "nothing to write"),
        (["--count", "0", "--out", "set"], "--count must be at least 1"),
        (["--count", "4", "--out", "full"], "not an empty folder"),
        (["--count", "4", "--sheet", "sheet.txt"], "cannot write the contact sheet"),
    ],
)
def test_the_command_refuses_with_one_sentence(
    words: list[str],
    problem: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "work.txt").write_text("not to be lost")
    assert _vitar("phantoms", *words) == 2
    error = capsys.readouterr().err
    assert problem in error
    assert "Traceback" not in error
    assert (tmp_path / "full" / "work.txt").read_text() == "not to be lost"
