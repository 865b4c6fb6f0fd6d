"""Every way in which a stored item can be wrong is named, with its place, and a set in order is left alone."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from vitar.cli.main import main
from vitar.data.check import DataSetError, check_examples
from vitar.data.example import Region, features, save_examples
from vitar.data.phantoms.dataset import phantom_examples

WIDTH, HEIGHT = 8, 6


def png(seed: int = 0, mode: str = "L", size: tuple[int, int] = (WIDTH, HEIGHT)) -> bytes:
    buffer = BytesIO()
    pixels = np.random.default_rng(seed).integers(0, 2 if mode == "1" else 255, size[::-1], dtype=np.uint8)
    (Image.fromarray(pixels.astype(bool)) if mode == "1" else Image.fromarray(pixels)).save(buffer, format="PNG")
    return buffer.getvalue()


def row(number: int, **changes: Any) -> dict[str, Any]:
    """An item in order: a choice with a box and the mask of another region, in its own image."""
    mask_hw = np.zeros((HEIGHT, WIDTH), dtype=bool)
    mask_hw[1:3, 4:8] = [[True, True, True, False], [False, True, True, True]]
    region = Region.of_mask("stone", mask_hw)
    return {
        "id": f"set/{number}",
        "images": [{"bytes": png(number), "path": f"{number}.png"}],
        "question": "Which is it?",
        "options": ["a cyst", "a stone"],
        "answer": "a stone",
        "answer_type": "choice",
        "regions": [
            {"label": "stone", "box_xyxy": [0.0, 0.0, float(WIDTH), float(HEIGHT)], "mask": None},
            {"label": "stone", "box_xyxy": list(region.box_xyxy), "mask": region.mask},
        ],
        "modality": "CT",
        "anatomy": "",
        "kind": "type",
        "source": "made up",
        "split": "test",
        "licence": "CC0-1.0",
        "group": f"patient {number}",
        **changes,
    }


def box(*xyxy: float, mask: bytes | None = None) -> dict[str, Any]:
    return {"regions": [{"label": "stone", "box_xyxy": list(xyxy), "mask": mask}]}


def store(rows: list[dict[str, Any]], folder: Path, schema: pa.Schema | None = None) -> Path:
    """The files of `Dataset.save_to_disk`, which itself refuses to store an image that is not there."""
    folder.mkdir()
    table = pa.Table.from_pylist(rows, schema=schema or features().arrow_schema)
    with pa.OSFile(str(folder / "data.arrow"), "wb") as file, pa.ipc.new_stream(file, table.schema) as stream:
        stream.write_table(table, max_chunksize=2)
    (folder / "state.json").write_text(json.dumps({"_data_files": [{"filename": "data.arrow"}]}))
    return folder


BAD: dict[str, tuple[dict[str, Any], list[str]]] = {
    "no image at all": ({"images": []}, ["missing_image"]),
    "no bytes and no path": ({"images": [{"bytes": None, "path": None}]}, ["missing_image"]),
    "the file is gone": ({"images": [{"bytes": None, "path": "/nowhere/scan.png"}]}, ["missing_image"]),
    "no image bytes": ({"images": [{"bytes": b"no image", "path": "x.png"}]}, ["undecodable_image"]),
    "empty image file": ({"images": [{"bytes": b"", "path": "x.png"}]}, ["undecodable_image"]),
    "an image cut short": ({"images": [{"bytes": png()[:60], "path": "x.png"}]}, ["undecodable_image"]),
    "no such phantom": ({"images": [{"bytes": None, "path": "phantom:knee/test/0"}]}, ["undecodable_image"]),
    "the second image": (
        {"images": [{"bytes": png(), "path": "x"}, {"bytes": b"?", "path": "y"}]},
        ["undecodable_image"],
    ),
    "a letter for an answer": ({"answer": "B"}, ["answer_not_an_option"]),
    "the same option twice": ({"options": ["a stone", "a stone"]}, ["bad_options"]),
    "options without letters": ({"options": ["a stone", *map(str, range(26))]}, ["bad_options"]),
    "options of a yes/no": ({"answer_type": "yes_no", "answer": "yes"}, ["bad_options"]),
    "Yes for yes": ({"answer_type": "yes_no", "answer": "Yes", "options": []}, ["bad_answer"]),
    "unknown answer type": ({"answer_type": "essay"}, ["unknown_answer_type"]),
    "no question": ({"question": " "}, ["no_question"]),
    "no answer": ({"answer_type": "open", "answer": "", "options": []}, ["no_answer"]),
    "an answer of punctuation": ({"answer_type": "closed", "answer": "?!", "options": []}, ["ungradable_answer"]),
    "no id": ({"id": ""}, ["no_id"]),
    "no group": ({"group": ""}, ["no_group"]),
    "a null": ({"modality": None}, ["missing_value"]),
    "a null answer": ({"answer": None}, ["missing_value", "answer_not_an_option", "no_answer"]),
    "beyond the right edge": (box(0, 0, WIDTH + 1, HEIGHT), ["box_outside_image"]),
    "width and height for a corner": (box(6, 2, 4, 4), ["bad_box"]),
    "height and width swapped": (box(0, 0, HEIGHT, WIDTH), ["box_outside_image"]),
    "above the image": (box(0, -1, 2, 2), ["box_outside_image"]),
    "no number": (box(0, 0, float("nan"), 2), ["bad_box"]),
    "mask of another size": (box(0, 0, 4, 4, mask=png(mode="1", size=(3, 4))), ["bad_mask"]),
    "mask of a box between pixels": (box(0.5, 0, 4.5, 4, mask=png(mode="1", size=(4, 4))), ["bad_mask"]),
    "mask that is no PNG": (box(0, 0, 4, 4, mask=b"no mask"), ["bad_mask"]),
    "two at once": ({"answer": "B", **box(0, 0, 90, 2)}, ["answer_not_an_option", "box_outside_image"]),
}


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[str]]:
    """Case -> names of what was found, from one set that holds every case between items in order."""
    rows = [row(0)]
    for number, (changes, _) in enumerate(BAD.values(), start=1):
        rows += [row(2 * number, **changes), row(2 * number + 1)]
    folder = store(rows, tmp_path_factory.mktemp("check") / "set")
    items = list(check_examples(folder))
    assert len(items) == len(rows)
    assert [item.place for item in items] == [f"{folder} row {number}" for number in range(len(rows))]
    assert [item for item in items[::2] if item.findings] == []  # the items in order
    return {name: [f.problem for f in item.findings] for name, item in zip(BAD, items[1::2], strict=True)}


@pytest.mark.parametrize("case", BAD)
def test_what_is_wrong_is_named(checked: dict[str, list[str]], case: str) -> None:
    assert checked[case] == BAD[case][1]


def test_an_id_is_taken_once_over_all_sets_of_a_folder(tmp_path: Path) -> None:
    store([row(0), row(1), row(0, images=[{"bytes": png(5), "path": "5.png"}])], tmp_path / "a")
    store([row(1)], tmp_path / "b")
    found = [(item.place, f) for item in check_examples(tmp_path) for f in item.findings]
    assert [(place, f.problem) for place, f in found] == [
        (f"{tmp_path / 'a'} row 2", "duplicate_id"),
        (f"{tmp_path / 'b'} row 0", "duplicate_id"),
    ]
    assert f"{tmp_path / 'a'} row 1" in found[1][1].detail


def test_a_patient_in_two_splits_is_named_where_it_comes_back(tmp_path: Path) -> None:
    rows = [row(0, group="p"), row(1, group="p", split="train"), row(2, group="p")]
    found = [[f.problem for f in item.findings] for item in check_examples(store(rows, tmp_path / "set"))]
    assert found == [[], ["group_in_two_splits"], []]


def test_a_shared_image_is_decoded_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from vitar.data import check

    opened: list[str] = []
    original = check.open_image
    monkeypatch.setattr(check, "open_image", lambda ref: (opened.append(ref.uri), original(ref))[1])
    shared = {"images": [{"bytes": b"no image", "path": "shared.png"}]}
    items = list(check_examples(store([row(n, **shared) for n in range(3)], tmp_path / "set")))
    assert opened == ["shared.png"]
    assert [len(item.findings) for item in items] == [1, 1, 1]


def test_sets_from_before_masks_are_examined(tmp_path: Path) -> None:
    from datasets import Sequence, Value

    older = features()
    older["regions"] = [{"label": Value("string"), "box_xyxy": Sequence(Value("float64"), length=4)}]
    rows = [row(0, regions=[{"label": "stone", "box_xyxy": [0.0, 0.0, 99.0, 2.0]}])]
    (item,) = check_examples(store(rows, tmp_path / "set", older.arrow_schema))
    assert [f.problem for f in item.findings] == ["box_outside_image"]


def no_set(folder: Path) -> None:
    folder.mkdir()


def other_columns(folder: Path) -> None:
    store([{"id": "1", "answer": 3}], folder, pa.schema({"id": pa.string(), "answer": pa.int64()}))


def cut_file(folder: Path) -> None:
    store([row(0)], folder)
    (data,) = folder.glob("*.arrow")
    data.write_bytes(data.read_bytes()[:400])


def lost_file(folder: Path) -> None:
    store([row(0)], folder)
    (data,) = folder.glob("*.arrow")
    data.unlink()


def torn_state(folder: Path) -> None:
    folder.mkdir()
    (folder / "state.json").write_text(json.dumps({"_data_files": [{}]}))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (no_set, "no stored set of examples here"),
        (other_columns, "question is missing"),
        (other_columns, "answer holds int64"),
        (cut_file, "cannot be read"),
        (lost_file, "cannot be read"),
        (torn_state, "cannot be read"),
    ],
)
def test_what_is_no_set_is_refused(make: Callable[[Path], None], words: str, tmp_path: Path) -> None:
    make(tmp_path / "set")
    with pytest.raises(DataSetError, match=words):
        list(check_examples(tmp_path / "set"))


def test_the_command_says_what_how_many_and_0_1_or_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    save_examples(phantom_examples("test", 4), tmp_path / "good")
    assert main(["data", "check", str(tmp_path / "good")]) == 0
    assert capsys.readouterr().out == "4 items, 0 with problems\n"

    rows = [row(0), row(0), row(2, answer="B"), row(3, answer="B")]
    assert main(["data", "check", str(store(rows, tmp_path / "bad"))]) == 1
    *named, summary, first, second = capsys.readouterr().out.splitlines()
    assert Counter(line.split(": ")[1] for line in named) == {"answer_not_an_option": 2, "duplicate_id": 1}
    assert "'set/3'" in named[-1]
    assert (summary, first.split(), second.split()) == (
        "4 items, 3 with problems",
        ["2", "answer_not_an_option"],
        ["1", "duplicate_id"],
    )

    assert main(["data", "check", str(tmp_path / "nowhere")]) == 2
    assert "no stored set" in capsys.readouterr().err
