"""What an example refuses, how its images open, and its way to disk and back."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from vitar.data.example import (
    Example,
    ImageRef,
    Region,
    features,
    from_dataset,
    load_examples,
    open_image,
    save_examples,
    to_dataset,
)
from vitar.imaging.geometry import Frame
from vitar.imaging.loading import ImageError

GOOD = Example(
    id="set/1",
    images=(ImageRef("scan.png"),),
    question="Which is it?",
    options=("a cyst", "a stone"),
    answer="a stone",
    answer_type="choice",
    regions=(Region("stone", (1.0, 2.0, 3.0, 4.0)),),
    modality="CT",
    anatomy="kidney",
    kind="type",
    source="made up",
    split="test",
    licence="CC0-1.0",
    group="patient 1",
)


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "scan.png"
    Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8)).save(path)
    return path


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"id": " "}, "needs an id"),
        ({"question": ""}, "question is empty"),
        ({"answer_type": "essay"}, "unknown answer type 'essay'; expected one of choice, yes_no, closed, open"),
        ({"options": ("a stone",)}, "two or more different options"),
        ({"options": ("a stone", "a stone")}, "two or more different options"),
        ({"answer": "B"}, "'B' is not among the options"),
        ({"answer": "A stone"}, "is not among the options"),
        ({"answer_type": "closed"}, "only a choice has options"),
        ({"answer_type": "yes_no", "options": (), "answer": "Yes"}, "'yes' or 'no', got 'Yes'"),
        ({"answer_type": "open", "options": (), "answer": ""}, "answer is empty"),
        ({"regions": (Region("stone", (1, 2, math.nan, 4)),)}, "four finite numbers"),
        ({"regions": (Region("stone", (1, 2, math.inf, 4)),)}, "four finite numbers"),
        ({"regions": (Region("stone", (1, 2, 3)),)}, "four finite numbers"),  # type: ignore[arg-type]
        ({"regions": (Region("stone", (3, 2, 1, 4)),)}, "empty or reversed"),
        ({"regions": (Region("stone", (1, 2, 1, 4)),)}, "empty or reversed"),
    ],
)
def test_contradictions_are_refused_by_name(changes: dict[str, object], problem: str) -> None:
    with pytest.raises(ValueError, match=problem) as refusal:
        replace(GOOD, **changes)
    assert repr(changes.get("id", "set/1")) in str(refusal.value)


def test_a_region_is_a_box_of_its_original() -> None:
    box = GOOD.regions[0].box(8, 6)
    assert box.xyxy == (1.0, 2.0, 3.0, 4.0)
    assert box.frame == Frame.original(8, 6)


def test_images_open_from_path_bytes_and_identity(picture: Path) -> None:
    pixels = np.asarray(Image.open(picture))
    assert np.array_equal(np.asarray(open_image(ImageRef(str(picture)))), pixels)
    assert np.array_equal(np.asarray(open_image(ImageRef("anything", picture.read_bytes()))), pixels)
    assert open_image(ImageRef("phantom:fundus/test/0")).mode == "RGB"
    # Bytes come first: a stored phantom keeps its name, and must not be drawn by a later version of the code.
    assert np.array_equal(np.asarray(open_image(ImageRef("phantom:fundus/test/0", picture.read_bytes()))), pixels)


def test_a_missing_image_says_so(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"gone\.png"):
        open_image(ImageRef(str(tmp_path / "gone.png")))


def test_columns_are_the_fields_of_an_example() -> None:
    assert list(features()) == list(vars(GOOD))


def test_round_trip_keeps_the_image_file_byte_for_byte(picture: Path, tmp_path: Path) -> None:
    two_images = (ImageRef(str(picture)), ImageRef(str(picture)))
    plain = replace(
        GOOD, id="set/2", images=two_images, options=(), answer="no", answer_type="yes_no", regions=(), kind=""
    )
    examples = [replace(GOOD, images=(ImageRef(str(picture)),)), plain]
    stored = from_dataset(to_dataset(examples, tmp_path / "cache"))
    reference = ImageRef("scan.png", picture.read_bytes())
    assert list(stored) == [replace(GOOD, images=(reference,)), replace(plain, images=(reference, reference))]
    assert stored[-1] == stored[1:][0] == stored[1]
    with pytest.raises(IndexError):
        stored[2]


def test_masks_are_stored_and_sets_from_before_there_were_any_still_load(picture: Path, tmp_path: Path) -> None:
    import datasets

    mask_hw = np.zeros((6, 8), dtype=bool)
    mask_hw[1:3, 4:7] = True
    regions = (Region.of_mask("stone", mask_hw), Region("cyst", (0.5, 0.0, 3.0, 2.0)))
    example = replace(GOOD, images=(ImageRef("scan.png", picture.read_bytes()),), regions=regions)
    save_examples([example], tmp_path / "set")
    assert list(load_examples(tmp_path / "set")) == [example]

    box = datasets.Sequence(datasets.Value("float64"), length=4)
    columns = {**features(), "regions": [{"label": datasets.Value("string"), "box_xyxy": box}]}
    row = {**vars(example), "images": [{"bytes": b"", "path": "scan.png"}], "options": list(example.options)}
    row["regions"] = [{"label": region.label, "box_xyxy": list(region.box_xyxy)} for region in regions]
    datasets.Dataset.from_list([row], features=datasets.Features(columns)).save_to_disk(tmp_path / "old")
    assert load_examples(tmp_path / "old")[0].regions == tuple(replace(region, mask=None) for region in regions)


def test_scans_and_windowed_pictures_are_stored_as_they_are_shown(tmp_path: Path) -> None:
    nibabel = pytest.importorskip("nibabel", reason="the extra medical is not installed")
    volume = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)
    nibabel.save(nibabel.Nifti1Image(volume, np.eye(4)), tmp_path / "brain.nii.gz")
    Image.fromarray(np.array([[32768, 33000]], dtype=np.uint16)).save(tmp_path / "ct.png")
    refs = (ImageRef(f"{tmp_path / 'brain.nii.gz'}#slice=3"), ImageRef(f"{tmp_path / 'ct.png'}#window=32900,400"))
    (stored,) = from_dataset(to_dataset([replace(GOOD, images=refs, regions=())], tmp_path / "cache"))
    assert [ref.uri for ref in stored.images] == ["brain.nii.gz#slice=3", "ct.png#window=32900,400"]
    for before, after in zip(refs, stored.images, strict=True):
        assert np.array_equal(np.asarray(open_image(after)), np.asarray(open_image(before)))


def test_a_broken_image_file_is_stored_and_read_as_it_is(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    save_examples([replace(GOOD, images=(ImageRef(str(broken)),))], tmp_path / "set")
    (example,) = load_examples(tmp_path / "set")
    assert example.images[0].encoded == b"no image"
    with pytest.raises(ImageError):
        open_image(example.images[0])


def test_any_iterable_is_written_once_through(picture: Path, tmp_path: Path) -> None:
    made = (replace(GOOD, id=f"set/{i}", images=(ImageRef(str(picture)),)) for i in range(250))
    save_examples(made, tmp_path / "set")
    assert [example.id for example in load_examples(tmp_path / "set")] == [f"set/{i}" for i in range(250)]


def test_other_data_with_the_same_shape_is_not_taken_from_the_cache(picture: Path, tmp_path: Path) -> None:
    for answer in GOOD.options:
        example = replace(GOOD, images=(ImageRef(str(picture)),), answer=answer)
        assert from_dataset(to_dataset([example], tmp_path / "cache"))[0].answer == answer


def test_a_failed_write_leaves_nothing_behind(picture: Path, tmp_path: Path) -> None:
    def failing() -> Iterator[Example]:
        yield replace(GOOD, images=(ImageRef(str(picture)),))
        yield replace(GOOD, images=(ImageRef(str(tmp_path / "gone.png")),))

    with pytest.raises(FileNotFoundError, match=r"gone\.png"):
        save_examples(failing(), tmp_path / "sets" / "one")
    assert list((tmp_path / "sets").iterdir()) == []


def test_a_folder_with_something_in_it_is_never_overwritten(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    save_examples([replace(GOOD, images=())], tmp_path / "set")  # an empty folder is fine
    with pytest.raises(FileExistsError, match="not an empty folder"):
        save_examples([], tmp_path / "set")
    assert len(load_examples(tmp_path / "set")) == 1


def test_another_kind_of_dataset_is_refused(tmp_path: Path) -> None:
    from datasets import Dataset

    Dataset.from_dict({"id": ["1"], "caption": ["a cyst"]}).save_to_disk(tmp_path / "other")
    with pytest.raises(ValueError, match=r"columns .*'answer'.* are missing"):
        load_examples(tmp_path / "other")
    with pytest.raises(FileNotFoundError, match="nowhere holds no stored set of examples, and has none inside either"):
        load_examples(tmp_path / "nowhere")


def test_a_folder_of_sets_names_them(tmp_path: Path) -> None:
    for split in ("train", "validation"):
        save_examples([replace(GOOD, images=())], tmp_path / "curated" / split)
    with pytest.raises(FileNotFoundError, match=r"has its sets in train and validation; name one .* \S*curated/train"):
        load_examples(tmp_path / "curated")
