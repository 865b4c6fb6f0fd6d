"""MedFrameQA: frames in order, nulls behind them."""

from __future__ import annotations

from typing import Any


def record(number: int, picture: Any, frames: tuple[int, ...], **fields: Any) -> dict[str, Any]:
    plain = {
        "question_id": f"q{number}",
        "system": "digestive",
        "organ": "liver",
        "keyword": "hepatoma",
        "modality": "CT",
        "video_id": "v7",
        "question": "What do the frames show?",
        "options": ["Growth", "Decline", "Neither"],
        "correct_answer": "C",
        **{f"image_{i}": picture(i) if i in frames else None for i in range(1, 6)},
    }
    return plain | fields


def test_two_to_five_frames_in_order(repository: Any, read: Any, picture: Any) -> None:
    rows = [record(1, picture, (1, 2)), record(2, picture, (1, 2, 3, 4, 5)), record(3, picture, (1, 3))]
    rows.append(record(4, picture, (1, 2), correct_answer="D"))
    repository.parquet("data/test-00000-of-00001.parquet", rows)
    examples, left_out = read("med-frame-qa")
    assert [[image.encoded for image in example.images] for example in examples] == [
        [picture(1), picture(2)],
        [picture(i) for i in range(1, 6)],
    ]
    first = examples[0]
    assert (first.answer, first.modality, first.anatomy, first.group) == ("Neither", "CT", "liver", "v7")
    assert [(row.id, row.reason) for row in left_out] == [("q3", "image_order"), ("q4", "answer_not_an_option")]
