"""ViTAR-16K: options in the question, boxes in shares of the image."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from PIL import ExifTags, Image

from vitar.data.benchmarks.vitar_16k import names_a_place

OPTIONS = " A) Glioma B) Meningioma C) Pituitary D) Other normal area"
QUESTION = "What is the type of tumor at image coordinates (0.4, 0.55)?"
BOX = [0.33, 0.50, 0.45, 0.62]


def record(picture: Any, **fields: Any) -> dict[str, Any]:
    plain = {"image": picture(1, (200, 100)), "question": "<image>" + QUESTION + OPTIONS, "answer": "C", "bbox": [BOX]}
    return plain | fields


def test_boxes_become_pixels_of_their_image(repository: Any, read: Any, picture: Any) -> None:
    """The image is twice as wide as high, so that swapped axes give another box."""
    repository.parquet("train-00000-of-00003.parquet", [record(picture), record(picture, bbox=[BOX, [0, 0, 1, 0.5]])])
    (one, two), left_out = read("vitar-16k")
    assert not left_out
    assert [region.box_xyxy for region in one.regions] == [pytest.approx((66, 50, 90, 62))]
    assert two.regions[1].box_xyxy == (0, 0, 200, 50)
    assert one.regions[0].box(200, 100).is_valid


def test_the_options_are_cut_out_of_the_question(repository: Any, read: Any, picture: Any) -> None:
    repository.parquet(
        "data/train-00000-of-00003.parquet",
        [
            record(picture),
            record(picture, question="Is it B) or (c)? A) 1.5 T B) grade II) lesion", answer="B"),
            record(picture, question="No options here"),
            record(picture, question="Which? A) one C) two"),
            record(picture, answer="E"),
        ],
    )
    (example,), left_out = read("vitar-16k")
    assert (example.question, example.options) == (QUESTION, ("Glioma", "Meningioma", "Pituitary", "Other normal area"))
    assert (example.answer, example.split, example.licence) == ("Pituitary", "train", "CC-BY-NC")
    assert [(row.id, row.reason) for row in left_out] == [
        ("row-1", "no_inline_options"),
        ("row-2", "no_inline_options"),
        ("row-3", "no_inline_options"),
        ("row-4", "answer_not_an_option"),
    ]


def test_questions_that_name_a_place_can_be_left_away(repository: Any, read: Any, picture: Any) -> None:
    """The place of the region is in the published example's question: a model need not look for it."""
    rows = [record(picture), record(picture, question="What is the type of tumor?" + OPTIONS)]
    repository.parquet("train-00000-of-00003.parquet", rows)
    assert len(read("vitar-16k")[0]) == 2
    assert [example.question for example in read("vitar-16k-unplaced")[0]] == ["What is the type of tumor?"]


@pytest.mark.parametrize(
    ("question", "placed"),
    [
        (QUESTION, True),
        ("What lies at (.4, 0.55)?", True),
        ("What lies at (1.0,0.5)?", True),
        ("What is at the Coordinates 0.4 0.5?", True),
        ("Which nodule (2.5 cm, solid) is it?", False),
        ("Is the ratio 0.4 or 0.5?", False),
    ],
)
def test_what_names_a_place(question: str, placed: bool) -> None:
    assert names_a_place(question) is placed


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ([66.0, 50.0, 90.0, 62.0], "bad_box"),  # pixels
        ([0.45, 0.50, 0.33, 0.62], "bad_box"),  # reversed
        ([-0.1, 0.50, 0.33, 0.62], "bad_box"),
        ([0.33, 0.50, 0.45], "bad_box"),
    ],
)
def test_boxes_that_are_no_shares_are_named(
    repository: Any, read: Any, picture: Any, box: list[float], reason: str
) -> None:
    repository.parquet("train-00000-of-00003.parquet", [record(picture, bbox=[box])])
    examples, left_out = read("vitar-16k")
    assert not examples
    assert [row.reason for row in left_out] == [reason]


def test_boxes_are_of_the_image_as_it_is_shown(repository: Any, read: Any, picture: Any) -> None:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # lies on its side in the file
    buffer = BytesIO()
    Image.new("RGB", (100, 200)).save(buffer, format="JPEG", exif=exif)
    repository.parquet(
        "train-00000-of-00003.parquet",
        [record(picture, image=buffer.getvalue()), record(picture, image=b"no image"), record(picture, image=None)],
    )
    (example,), left_out = read("vitar-16k")
    assert example.regions[0].box_xyxy == pytest.approx((66, 50, 90, 62))
    assert [row.reason for row in left_out] == ["no_image", "no_image"]
