from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitar.data.benchmarks.prepare import prepare
from vitar.data.benchmarks.registry import BENCHMARKS
from vitar.data.curation.contamination import (
    Benchmark,
    contaminated_images,
    contaminated_texts,
    read_benchmark,
)
from vitar.data.curation.fingerprints import Gallery, fingerprint
from vitar.data.example import Example, ImageRef, save_examples

sys.path.insert(0, str(Path(__file__).parent))  # for clouds
sys.path.insert(0, str(Path(__file__).parents[3] / "benchmarks"))  # programs beside the package

from clouds import clouds  # type: ignore[import-not-found]
from contamination import COPIES, main

QUESTIONS = ("Is there a fracture of the left hip?", "Which organ is enlarged in this picture?", "Which organ is cut?")


def encoded(image: Image.Image) -> bytes:
    file = io.BytesIO()
    image.save(file, format="PNG")
    return file.getvalue()


@pytest.fixture
def folder(tmp_path: Path, make_example: Callable[..., Example]) -> Path:
    """Three questions about two images, and one about an image that cannot be read."""
    images = [clouds(0), clouds(0), clouds(1)]
    examples = [
        make_example(i, images=(ImageRef(f"{i}.png", encoded(image)),), question=question)
        for i, (image, question) in enumerate(zip(images, QUESTIONS, strict=True))
    ]
    broken = make_example(3, images=(ImageRef("3.png", b"no image"),), question="What is this?")
    save_examples([*examples, broken], tmp_path / "bench")
    return tmp_path / "bench"


def test_a_benchmark_is_read_with_each_image_once(folder: Path) -> None:
    read = read_benchmark(folder)
    assert (read.name, len(read.items), len(read.fingerprints)) == ("bench", 4, 2)
    assert read.first_items == ("made/0", "made/2")
    assert read.questions == (*QUESTIONS, "What is this?")
    assert [item for item, _ in read.unreadable] == ["made/3"]


def test_an_image_of_a_benchmark_is_found(folder: Path) -> None:
    rng = np.random.default_rng(0)
    images = [clouds(5), COPIES["all of it"](clouds(1), rng), clouds(6), clouds(0)]
    found = contaminated_images(Gallery([fingerprint(image) for image in images]), [read_benchmark(folder)])
    assert sorted(found) == [1, 3]
    assert (found[1].benchmark, found[1].item) == ("bench", "made/2")
    assert found[1].detail.startswith("agreement 0.9")
    assert found[3].detail == "equal pixels"


def test_a_question_of_a_benchmark_is_found_wherever_it_is_asked(folder: Path) -> None:
    asked = ["Of the left hip, is there a fracture?", "Is there a cyst?", "Of the left hip, is there a fracture?"]
    found = contaminated_texts(asked, [read_benchmark(folder)])
    assert sorted(found) == [0, 2]
    assert found[0].item == "made/0"
    assert QUESTIONS[0] in found[0].detail


def test_the_first_benchmark_that_has_it_is_named(folder: Path) -> None:
    first = read_benchmark(folder)
    second = Benchmark("other", first.items, first.questions, first.fingerprints, first.first_items, ())
    found = contaminated_images(Gallery([fingerprint(clouds(0))]), [second, first])
    assert found[0].benchmark == "other"


def test_no_folder_of_a_set(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_benchmark(tmp_path)


SHARED = Path(os.environ.get("VITAR_SHARED_DATA") or Path(__file__).parents[4] / "shared" / "data") / "vqa_rad"


@pytest.mark.slow
def test_copies_of_a_real_benchmark_are_found_and_phantoms_left_alone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    if not SHARED.is_dir():
        pytest.skip(f"there is no copy of VQA-RAD in {SHARED}; VITAR_SHARED_DATA names the folder above one")
    prepare(BENCHMARKS["vqa-rad"], tmp_path / "vqa-rad", SHARED)
    assert main([str(tmp_path / "vqa-rad"), "--phantoms", "1000"]) == 0, capsys.readouterr().out
