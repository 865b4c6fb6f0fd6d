from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitar.data.curation.contamination import (
    Benchmark,
    contaminated_images,
    contaminated_texts,
    read_benchmark,
)
from vitar.data.curation.fingerprints import Gallery, fingerprint
from vitar.data.curation.text_match import TextIndex, words
from vitar.data.example import Example, ImageRef, save_examples
from vitar.data.phantoms.dataset import phantom

sys.path.insert(0, str(Path(__file__).parent))  # for copies

from copies import COPIES, clouds  # type: ignore[import-not-found]

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

PHANTOMS = int(os.environ.get("VITAR_PHANTOMS", "1000"))


@pytest.fixture(scope="module")
def radiology() -> list[Image.Image]:
    if not SHARED.is_dir():
        pytest.skip(f"there is no copy of VQA-RAD in {SHARED}; VITAR_SHARED_DATA names the folder above one")
    images = [Image.open(file) for file in sorted((SHARED / "images").iterdir())]
    return [image.convert("L" if image.mode == "L" else "RGB") for image in images]


@pytest.mark.slow
@pytest.mark.parametrize("name", COPIES)
def test_copies_of_real_benchmark_images_are_found(name: str, radiology: list[Image.Image]) -> None:
    """At least 99 of 100, for each way of copying."""
    rng = np.random.default_rng(0)
    copies = Gallery([fingerprint(COPIES[name](image, rng)) for image in radiology])
    names = tuple(map(str, range(len(radiology))))
    benchmark = Benchmark("rad", names, names, tuple(map(fingerprint, radiology)), names, ())
    found = contaminated_images(copies, [benchmark])
    missed = [place for place in range(len(radiology)) if place not in found]
    assert len(missed) <= 0.01 * len(radiology), f"{len(missed)} of {len(radiology)} missed: {missed}"


@pytest.mark.slow
def test_phantoms_are_no_images_of_a_benchmark(radiology: list[Image.Image]) -> None:
    """At most 1 of 1000, against real radiology and against other phantoms."""
    families = ("chest", "brain", "mammogram", "fundus")
    drawn = [
        fingerprint(Image.fromarray(phantom(families[i % 4], split, i // 4).image))
        for split in ("train", "test")
        for i in range(PHANTOMS)
    ]
    real = tuple(map(fingerprint, radiology))
    for references in (real, tuple(drawn[PHANTOMS:])):
        names = tuple(map(str, range(len(references))))
        found = contaminated_images(Gallery(drawn[:PHANTOMS]), [Benchmark("b", names, names, references, names, ())])
        assert len(found) <= 0.001 * PHANTOMS, found


@pytest.mark.slow
def test_real_questions_are_found_in_any_order_of_their_words() -> None:
    if not SHARED.is_dir():
        pytest.skip(f"there is no copy of VQA-RAD in {SHARED}; VITAR_SHARED_DATA names the folder above one")
    import json

    rows = json.loads((SHARED / "VQA_RAD Dataset Public.json").read_text(encoding="utf-8"))
    questions = sorted({str(row["question"]) for row in rows})
    index = TextIndex(questions)
    rng = np.random.default_rng(0)
    found = [index.find(" ".join(rng.permutation(words(question)))) is not None for question in questions]
    assert sum(found) >= 0.99 * len(questions)
