"""From a repository's files to a stored set: counted, recorded, whole or not there."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from vitar.data.benchmarks.prepare import RECORD, CountError, account, prepare
from vitar.data.benchmarks.record import Benchmark, BenchmarkError, LeftOut
from vitar.data.benchmarks.registry import benchmark
from vitar.data.example import load_examples, open_image
from vitar.evaluation.data_sources import open_source

COLUMNS = {"q_lang": "en", "location": "Lung", "modality": "CT", "answer_type": "OPEN"}


@pytest.fixture
def slake(repository: Any) -> Any:
    """Two items, and one without its image."""
    rows = [
        {"img_name": f"xmlab{i}/source.jpg", "question": "Which organ?", "answer": "Lung", "qid": i, **COLUMNS}
        for i in range(3)
    ]
    repository.json("test.json", rows)
    repository.images("imgs", "xmlab0/source.jpg", "xmlab1/source.jpg")
    return repository


@pytest.fixture
def two() -> Benchmark:
    return replace(benchmark("slake"), items=2)


def test_a_prepared_set_can_be_opened_by_its_folder(slake: Any, two: Benchmark, tmp_path: Path) -> None:
    prepared = prepare(two, tmp_path / "sets" / "slake", slake.folder)
    stored = open_source(str(tmp_path / "sets" / "slake"))
    assert [example.id for example in stored] == ["slake/test/0", "slake/test/1"]
    assert open_image(stored[1].images[0]).size == (8, 6)
    record = json.loads((tmp_path / "sets" / "slake" / RECORD).read_text())
    assert (record["items"], record["known_items"], record["revision"]) == (2, 2, None)
    assert record["left_out"] == [
        {"id": "slake/test/2", "reason": "no_image", "detail": "its image xmlab2/source.jpg is missing"}
    ]
    assert prepared.left_out[0].id == "slake/test/2"


def test_another_number_of_items_is_refused_and_leaves_nothing(slake: Any, tmp_path: Path) -> None:
    with pytest.raises(
        CountError, match=r"gives 2 items of slake, expected 1,061\. 1 rows were left out: 1 no_image \(slake/test/2: "
    ) as e:
        prepare(benchmark("slake"), tmp_path / "sets" / "slake", slake.folder)
    assert e.value.found == 2
    assert list((tmp_path / "sets").iterdir()) == []


def test_another_number_can_be_allowed_and_is_then_the_only_one(slake: Any, two: Benchmark, tmp_path: Path) -> None:
    prepared = prepare(benchmark("slake"), tmp_path / "allowed", slake.folder, allow_count=2)
    assert (prepared.items, prepared.known_items) == (2, 1061)
    with pytest.raises(CountError, match="gives 2 items of slake, expected 3"):
        prepare(two, tmp_path / "other", slake.folder, allow_count=3)


def test_without_a_known_number_one_item_is_needed(slake: Any, tmp_path: Path) -> None:
    unknown = replace(benchmark("slake"), items=None)
    assert prepare(unknown, tmp_path / "some", slake.folder).known_items is None
    slake.json("test.json", [])
    with pytest.raises(CountError, match="gives 0 items of slake, expected at least one"):
        prepare(unknown, tmp_path / "none", slake.folder)


def test_a_repeated_id_is_left_out_by_name(slake: Any, two: Benchmark) -> None:
    rows = json.loads((slake.folder / "test.json").read_text())
    slake.json("test.json", [rows[0], rows[1] | {"qid": 0}])
    *_, last = two.examples(slake.folder)
    assert last == LeftOut("slake/test/0", "repeated_id", "another row has its id")


def test_a_folder_with_something_in_it_is_never_overwritten(slake: Any, two: Benchmark, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    prepare(two, tmp_path / "out", slake.folder)  # an empty folder is fine
    with pytest.raises(FileExistsError, match="not an empty folder"):
        prepare(two, tmp_path / "out", slake.folder)
    assert len(load_examples(tmp_path / "out")) == 2


def test_rows_left_out_are_counted_by_reason() -> None:
    rows = [LeftOut("1", "no_image", "gone"), LeftOut("2", "no_label", "?"), LeftOut("3", "no_image", "lost")]
    assert account(rows) == "2 no_image (1: gone); 1 no_label (2: ?)"
    assert account([]) == ""


def test_the_hub_is_asked_for_the_files_that_are_read(
    slake: Any, two: Benchmark, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for the Hub that filters by pattern as `huggingface_hub` does."""
    for name in ("train.json", "KG.zip", "README.md"):
        (slake.folder / name).write_text("not needed")
    shutil.make_archive(str(slake.folder / "imgs"), "zip", slake.folder, "imgs")
    shutil.rmtree(slake.folder / "imgs")
    asked: list[tuple[Any, ...]] = []

    def snapshot_download(repo_id: str, *, repo_type: str, revision: str | None, allow_patterns: list[str]) -> str:
        asked.append((repo_id, repo_type, revision))
        snapshot = tmp_path / "snapshots" / "0c1d2e"
        snapshot.mkdir(parents=True)
        for path in slake.folder.iterdir():
            if any(fnmatch(path.name, pattern) for pattern in allow_patterns):
                shutil.copy(path, snapshot)
        assert sorted(path.name for path in snapshot.iterdir()) == ["imgs.zip", "test.json"]
        return str(snapshot)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    prepared = prepare(two, tmp_path / "out")
    assert asked == [("BoKelvin/SLAKE", "dataset", None)]
    assert (prepared.revision, prepared.folder, prepared.items) == ("0c1d2e", None, 2)


def test_a_hub_that_cannot_be_reached_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "cache"))
    with pytest.raises(BenchmarkError, match=r"cannot fetch BoKelvin/SLAKE .*`hf download BoKelvin/SLAKE"):
        prepare(benchmark("slake"), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_benchmark_is_no_source_until_it_is_prepared() -> None:
    with pytest.raises(ValueError, match="vqa-rad is a benchmark; `vitar data prepare vqa-rad --out DIR`"):
        open_source("vqa-rad")


@pytest.mark.network
@pytest.mark.parametrize("name", ["vqa-rad", "vqa-rad-closed", "slake", "mmmu-health"])
def test_the_hub_has_the_known_number(name: str, tmp_path: Path) -> None:
    assert prepare(benchmark(name), tmp_path / name).items == benchmark(name).items
