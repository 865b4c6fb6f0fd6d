"""What is said of the benchmarks, against the figures that are known of them."""

from __future__ import annotations

import pytest
from huggingface_hub.utils import filter_repo_objects

from vitar.data.benchmarks.record import BenchmarkError
from vitar.data.benchmarks.registry import BENCHMARKS, benchmark

ITEMS = {
    "vqa-rad": 451,
    "vqa-rad-yes-no": 251,
    "vqa-rad-closed": 272,
    "slake": 1061,
    "slake-closed": 416,
    "slake-bilingual": 1061 + 1033,
    "path-vqa": 6719,
    "path-vqa-yes-no": 3362,
    "pmc-vqa": 2000,
    "pmc-vqa-v2": 33430,
    "omni-med-vqa": 88996,
    "mmmu-health": 5 * 30,
    "mmmu-health-choice": 5 * 30 - 5 + 5 * 5,
    "mmmu-pro-health": 52 + 59 + 60 + 57 + 58,
    "med-xpert-qa": 2000,
    "huatuo-eval": 17303,
    "med-frame-qa": 2851,
    "vitar-16k": None,
}

LINGSHU_7B = {  # average 61.8
    "mmmu-health": 54.0,
    "vqa-rad": 67.9,
    "slake-bilingual": 83.1,
    "path-vqa": 61.9,
    "pmc-vqa-v2": 56.3,
    "omni-med-vqa": 82.9,
    "med-xpert-qa": 26.7,
}


def test_names_and_numbers() -> None:
    assert {name: BENCHMARKS[name].items for name in ITEMS} == ITEMS
    assert list(BENCHMARKS) == [b.name for b in BENCHMARKS.values()]


def test_published_figures_are_of_the_set_they_were_measured_on() -> None:
    figures = {
        name: figure.accuracy
        for name, known in BENCHMARKS.items()
        for figure in known.published
        if figure.model == "Lingshu-7B"
    }
    assert figures == LINGSHU_7B
    assert sum(figures.values()) / 7 == pytest.approx(61.8, abs=0.05)


def test_every_record_is_complete() -> None:
    for known in BENCHMARKS.values():
        assert "/" in known.hub_id
        assert known.files
        assert known.split in ("train", "validation", "test")
        assert all((known.about, known.licence, known.access))


def test_an_unknown_name_gets_a_hint() -> None:
    with pytest.raises(BenchmarkError, match=r"no benchmark 'VQA_RAD'; did you mean vqa-rad"):
        benchmark("VQA_RAD")
    with pytest.raises(BenchmarkError, match=r"no benchmark '!'; known are vqa-rad, "):
        benchmark("!")


@pytest.mark.parametrize(
    ("name", "needed", "others"),
    [
        ("vqa-rad", ["data/test-00000-of-00001-e5bc3d208bb4deeb.parquet"], ["data/train-00000-of-00001.parquet"]),
        ("vqa-rad-closed", ["vqa_rad/data-00000-of-00001.arrow"], ["SLAKE/data-00000-of-00001.arrow"]),
        ("slake", ["test.json", "imgs.zip"], ["train.json", "KG.zip"]),
        ("slake-train", ["train.json", "test.json", "imgs.zip"], ["validation.json"]),
        ("path-vqa-train", ["data/train-00006-of-00007.parquet"], ["data/test-00000-of-00003.parquet"]),
        ("pmc-vqa", ["test_clean.csv", "images.zip"], ["test.csv", "train.csv", "images_2.zip"]),
        ("pmc-vqa-v2", ["test_2.csv", "images_2.zip"], ["test.csv", "train_2.csv", "images.zip"]),
        ("omni-med-vqa", ["OmniMedVQA.zip"], ["README.md"]),
        ("mmmu-health", ["Pharmacy/validation-00000-of-00001.parquet"], ["Art/validation-00000-of-00001.parquet"]),
        ("mmmu-health-choice", ["Pharmacy/dev-00000-of-00001.parquet"], ["Pharmacy/test-00000-of-00001.parquet"]),
        ("mmmu-pro-health", ["standard (10 options)/test-00000-of-00002.parquet"], ["vision/test-0.parquet"]),
        ("mmmu-pro-health-4", ["standard (4 options)/test-00000-of-00002.parquet"], ["vision/test-0.parquet"]),
        ("mmmu-pro-health-vision", ["vision/test-00003-of-00004.parquet"], ["standard (4 options)/test-0.parquet"]),
        ("med-xpert-qa", ["MM/test.jsonl", "images.zip"], ["MM/dev.jsonl", "Text/test.jsonl"]),
        ("huatuo-eval", ["medical_multimodel_evaluation_data.json", "images.zip"], ["README.md"]),
        ("med-frame-qa", ["data/test-00000-of-00001.parquet"], ["README.md"]),
        ("vitar-16k", ["train-00000-of-00003.parquet", "data/train-00002-of-00003.parquet"], ["README.md"]),
    ],
)
def test_the_patterns_fetch_what_is_read_and_no_more(name: str, needed: list[str], others: list[str]) -> None:
    fetched = filter_repo_objects([*needed, *others], allow_patterns=list(BENCHMARKS[name].files))
    assert sorted(fetched) == sorted(needed)
