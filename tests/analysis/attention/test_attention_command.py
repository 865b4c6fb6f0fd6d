"""``vitar attention`` on a run folder, from its files to ``attention.json``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from PIL import Image
from scripted_episodes import ANSWER, make_example, mark_turn, zoom_turn

from vitar.analysis.attention.record import ATTENTION_NAME, AttentionFile
from vitar.backends.scripted import ScriptedBackend
from vitar.cli.main import main
from vitar.evaluation.run_folder import weights_digest
from vitar.evaluation.runner import EvaluationConfig, evaluate

TURNS = (zoom_turn((500, 250, 750, 500)), mark_turn((500, 250, 750, 500)), ANSWER, zoom_turn((0, 600, 200, 900)))


@pytest.fixture(scope="module")
def finished(small_model_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of eight items; two of them are answered at the first look."""
    examples = [make_example(number, ((48, 16, 72, 32),)) for number in range(8)]
    asked = iter(range(10**6))

    def reply(conversation: list) -> str:
        if conversation[0]["role"] == "user":
            return "yes"
        return ANSWER if conversation[-1]["role"] == "tool" else TURNS[next(asked) % len(TURNS)]

    backend = ScriptedBackend(reply, coordinate_step=10, zoom_side_px=128)
    config = EvaluationConfig(
        model=str(small_model_dir),
        weights=weights_digest(small_model_dir),
        data="made up",
        conditions=("single_pass", "think_twice", "unmarked"),
        count=8,
        batch_size=1,
    )
    folder = tmp_path_factory.mktemp("run")
    evaluate(config, backend, examples, folder)
    return folder


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(finished, tmp_path / "run"))


def test_a_run_is_analysed(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["attention", str(run), "--limit", "3", "--pictures", "3"]) == 0
    capsys.readouterr()
    assert main(["attention", str(run), "--layers", "1,3", "--pictures", "2"]) == 0
    shown = capsys.readouterr().out
    assert "think_twice: 6 episodes in 6 groups, attention averaged over 2 layers x 1 heads" in shown
    assert "left out: 2 (no second look)" in shown
    assert "attention sinks (kept in the measures): " in shown
    assert "hiding the region changes the log-probability of the answer by" in shown
    found = AttentionFile.model_validate_json((run / ATTENTION_NAME).read_bytes()).conditions["think_twice"]
    assert (found.layers, found.heads, found.items) == ((1, 3), (0,), 6)
    assert {(m.look, m.image, m.measure) for m in found.measures} == {
        *((look, image, "share") for look, image in ((1, None), (1, 1), (2, None), (2, 1), (2, 2))),
        *(
            (look, image, measure)
            for look, image in ((1, 1), (2, 1), (2, 2))
            for measure in ("enrichment", "pointing", "auc")
        ),
    }
    by_place = {(m.look, m.image, m.measure): m for m in found.measures}
    assert by_place[1, 1, "auc"].value.n == 6
    assert by_place[2, 2, "auc"].value.n == 4  # two zooms do not show the region
    assert {null.name for null in by_place[2, 2, "auc"].nulls} == {"shuffled_region", "other_image"}
    assert "first_look" in {null.name for null in by_place[2, 1, "auc"].nulls}
    assert found.occlusion.left_out == {"the second look does not show the region": 2}
    assert len(found.by_head[0].mean) == 2
    assert [place.place for place in found.sinks.places] == ["first_token", "text", "image 1", "image 2"]
    assert sorted(found.pictures) == sorted(str(path.relative_to(run)) for path in (run / "attention").iterdir())
    assert len(found.pictures) == 2
    for name in found.pictures:
        with Image.open(run / name) as picture:
            assert picture.width > 3 * 320


def test_conditions_are_added_and_done_again_alike(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["attention", str(run), "--limit", "2", "--pictures", "0"]
    assert main(arguments) == 0
    once = (run / ATTENTION_NAME).read_bytes()
    assert main(arguments) == 0
    assert (run / ATTENTION_NAME).read_bytes() == once
    assert main([*arguments, "--condition", "unmarked", "--exclude-sinks"]) == 0
    found = AttentionFile.model_validate_json((run / ATTENTION_NAME).read_bytes()).conditions
    assert list(found) == ["think_twice", "unmarked"]
    assert [each.items for each in found.values()] == [2, 2]
    assert [each.sinks.excluded for each in found.values()] == [False, True]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--condition", "oracle_box"], "has no condition 'oracle_box'; it has single_pass, think_twice, unmarked"),
        (
            ["--condition", "single_pass"],
            "none of the 8 episodes under single_pass can be analysed (no second look: 8)",
        ),
        (["--layers", "0,9"], "the model has layers 0 to 3, got 9"),
        (["--heads", "1"], "the model has heads 0 to 0, got 1"),
        (["--limit", "0"], "--limit is 1 or more"),
        (["--model", "no-such-folder/at-all"], "no-such-folder/at-all"),
    ],
)
def test_what_cannot_be_analysed_is_said(
    run: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert main(["attention", str(run), *arguments]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert not (run / ATTENTION_NAME).exists()


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("weights", "0123456789abcdef", "holds other weights than the model that made"),
        ("server", "http://localhost:8000/v1", "name a local copy of"),
    ],
)
def test_another_model_than_that_of_the_run_is_refused(
    run: Path, setting: str, value: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    record = json.loads((run / "run.json").read_text())
    record["config"][setting] = value
    (run / "run.json").write_text(json.dumps(record))
    assert main(["attention", str(run)]) == 2
    assert message in capsys.readouterr().err


def test_a_file_of_another_kind_is_not_overwritten(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / ATTENTION_NAME).write_text('{"schema_version": 99}')
    assert main(["attention", str(run)]) == 2
    assert "is no analysis that this version reads" in capsys.readouterr().err
    assert main(["attention", str(run / "images")]) == 2
