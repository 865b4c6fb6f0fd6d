"""``vitar data list`` and ``vitar data prepare``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from vitar.cli.main import main
from vitar.data.example import load_examples


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """VQA-RAD with two test questions."""
    folder = tmp_path / "copy"
    (folder / "images").mkdir(parents=True)
    Image.new("L", (8, 6)).save(folder / "images" / "synpic1.jpg")
    rows = [
        {
            "qid": number,
            "phrase_type": "test_freeform",
            "image_name": name,
            "image_organ": "HEAD",
            "question": "Is it normal?",
            "answer": "Yes",
            "answer_type": "CLOSED",
        }
        for number, name in enumerate(("synpic1.jpg", "synpic1.jpg", "synpic2.jpg"))
    ]
    (folder / "VQA_RAD Dataset Public.json").write_text(json.dumps(rows))
    return folder


def test_the_list_says_count_licence_and_access(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list"]) == 0
    header, *lines = capsys.readouterr().out.splitlines()
    assert header.split()[:4] == ["name", "items", "licence", "access"]
    rows = {line.split()[0]: line for line in lines}
    assert rows["vqa-rad-closed"].split()[1:4] == ["272", "CC0-1.0", "open"]
    assert "not known" in rows["vitar-16k"]
    assert rows["omni-med-vqa"].split()[1] == "88,996"
    assert len({line.index("  ", len(line.split()[0])) for line in lines}) > 1  # columns are padded, not tabbed
    assert "\t" not in "".join(lines)


def test_the_list_as_json_has_prompts_and_published_figures(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "list", "--json"]) == 0
    records = {record["name"]: record for record in json.loads(capsys.readouterr().out)}
    assert records["vqa-rad"]["items"] == 451
    assert records["vqa-rad"]["hub_id"] == "flaviagiammarino/vqa-rad"
    assert records["med-xpert-qa"]["published"][1]["accuracy"] == 26.7
    assert records["huatuo-eval"]["prompts"][1]["kit"] == "ViTAR"


def test_a_copy_of_another_size_is_refused_with_the_way_round(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["data", "prepare", "vqa-rad", "--from", str(copy), "--out", str(tmp_path / "set")]
    assert main(command) == 2
    refusal = capsys.readouterr().err.splitlines()[-1]
    assert "gives 2 items of vqa-rad, expected 451" in refusal
    assert "1 no_image (vqa-rad/test/2: its image synpic2.jpg is missing)" in refusal
    assert refusal.endswith("add --allow-count 2.")
    assert not (tmp_path / "set").exists()

    assert main([*command, "--allow-count", "2"]) == 0
    out = capsys.readouterr().out
    assert f"2 items of vqa-rad in {tmp_path / 'set'}" in out
    assert "the known number is 451" in out
    assert "left out, and listed in benchmark.json: 1 no_image" in out
    assert len(load_examples(tmp_path / "set")) == 2


@pytest.mark.parametrize(
    ("name", "source", "problem"),
    [
        ("vqa-rat", "copy", "there is no benchmark 'vqa-rat'; did you mean vqa-rad"),
        ("slake", "copy", "has no test.json; it holds VQA_RAD Dataset Public.json, images"),
        ("slake", "nowhere", "there is no such folder"),
    ],
)
def test_bad_input_ends_with_2(
    name: str, source: str, problem: str, copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["data", "prepare", name, "--from", str(tmp_path / source), "--out", str(tmp_path / "set")]) == 2
    assert problem in capsys.readouterr().err
    assert not (tmp_path / "set").exists()
