from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.questions.image_filters import COPY, REPEATED_ID, UNREADABLE, filter_images
from vitar.data.curation.questions.images import (
    NO_RECORD,
    Survey,
    SurveyedImage,
    split_of_groups,
    stored_reference,
    survey,
)
from vitar.data.example import ImageRef, open_image

MakeImage = Callable[..., AnnotatedImage]


@pytest.fixture
def coco(tmp_path: Path) -> str:
    """Three images of which one cannot be read, and a box without area."""
    for number in range(2):
        Image.effect_noise((60, 40), 50 + number).save(tmp_path / f"{number}.png")
    (tmp_path / "2.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing")
    images = [{"id": i, "file_name": f"{i}.png", "width": 60, "height": 40} for i in range(3)]
    boxes = [[5, 5, 20, 10], [30, 5, 0, 10]]
    marks = [{"id": i, "image_id": i, "category_id": 1, "bbox": box} for i, box in enumerate(boxes)]
    data = {"images": images, "annotations": marks, "categories": [{"id": 1, "name": "stone"}]}
    (tmp_path / "coco.json").write_text(json.dumps(data))
    return f"coco:{tmp_path / 'coco.json'}"


def test_a_survey_reads_everything_once(coco: str, tmp_path: Path) -> None:
    found = survey([coco, "phantoms:train:2"], tmp_path / "drawn", workers=1)
    names = [each.image.id.rsplit("/", 1)[-1] for each in found.images]
    assert names == ["0.png", "1.png", "0", "0"]
    assert all(each.fingerprint and not each.problem for each in found.images)
    assert found.issues[coco] == {NO_RECORD: 1, "box of zero area, left out": 1}
    assert sorted(path.name for path in (tmp_path / "drawn").iterdir()) == ["brain-train-0.png", "chest-train-0.png"]


def test_processes_find_the_same_as_one(coco: str, tmp_path: Path) -> None:
    alone = survey([coco, "phantoms:train:2"], tmp_path / "a", workers=1)
    shared = survey([coco, "phantoms:train:2"], tmp_path / "b", workers=2)
    assert [each.image for each in alone.images] == [each.image for each in shared.images]
    digests = [[each.fingerprint.digest for each in s.images if each.fingerprint] for s in (alone, shared)]
    assert digests[0] == digests[1]
    assert alone.issues == shared.issues


def test_what_was_drawn_is_stored_from_its_file(tmp_path: Path) -> None:
    found = survey(["phantoms:train:1"], tmp_path, workers=1)
    ref = found.images[0].image.image
    stored = stored_reference(ref, tmp_path)
    assert stored.uri == ref.uri
    assert stored.encoded is not None
    assert open_image(stored).tobytes() == open_image(ref).tobytes()
    assert stored_reference(ImageRef("a.png"), tmp_path) == ImageRef("a.png")


def test_splits_keep_a_group_together_and_what_is_held_out_held_out(make_image: MakeImage) -> None:
    images = [make_image(i, [], group=f"patient {i // 2}") for i in range(400)]
    images += [make_image(400, [], group="held", split="train"), make_image(401, [], group="held", split="test")]
    images += [make_image(402, [], group="val", split="validation")]
    splits = split_of_groups(images, {"validation": 0.1, "test": 0.2}, 0)
    assert splits["held"] == "test"
    assert splits["val"] == "validation"
    shares = [list(splits.values()).count(split) / len(splits) for split in ("train", "validation", "test")]
    assert shares == [pytest.approx(0.7, abs=0.08), pytest.approx(0.1, abs=0.06), pytest.approx(0.2, abs=0.08)]
    fewer = split_of_groups(images[:100], {"validation": 0.1, "test": 0.2}, 0)
    assert all(splits[group] == split for group, split in fewer.items())  # others do not matter
    assert split_of_groups(images, {"validation": 0.1, "test": 0.2}, 1) != splits


def test_images_are_left_out_for_the_first_reason_that_holds(tmp_path: Path, make_image: MakeImage) -> None:
    base = survey(["phantoms:train:4"], tmp_path, workers=1).images
    again = SurveyedImage(make_image(9, [], group="other"), base[0].fingerprint)
    broken = SurveyedImage(make_image(10, []), None, "damaged")
    found = Survey((*base, broken, base[1], again), {})
    ledger = filter_images(found, [])
    assert {place: rejection.filter for place, rejection in ledger.rejected.items()} == {
        4: UNREADABLE,
        5: REPEATED_ID,
        6: COPY,
    }
    assert "phantom:chest/train/0: equal pixels" in ledger.rejected[6].detail
    assert [stage.entered for stage in ledger.stages] == [7, 6, 5, 4]
    assert ledger.stages[-1].skipped
