"""PathVQA: no marker for closed questions, no names for images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest

from vitar.data.benchmarks.record import BenchmarkError


def test_yes_and_no_by_the_answer(repository: Any, read: Any, picture: Any) -> None:
    rows = [
        {"image": picture(1), "question": "is a cyst present? ", "answer": "yes"},
        {"image": picture(2), "question": "what is present?", "answer": "no necrosis"},
        {"image": picture(1), "question": "is it benign?", "answer": "No"},
    ]
    repository.parquet("data/test-00000-of-00003-e9adadb4799f44d3.parquet", rows[:2])
    repository.parquet("data/test-00001-of-00003-7ea98873fc919813.parquet", rows[2:])
    examples, left_out = read("path-vqa")
    assert not left_out
    assert [(e.answer, e.answer_type) for e in examples] == [
        ("yes", "yes_no"),
        ("no necrosis", "open"),
        ("no", "yes_no"),
    ]
    assert [e.id for e in examples] == [f"path-vqa/test/row-{place}" for place in range(3)]  # counted across files
    assert examples[0].group == examples[2].group != examples[1].group
    assert [e.id for e in read("path-vqa-yes-no")[0]] == ["path-vqa/test/row-0", "path-vqa/test/row-2"]


def test_missing_columns_and_images_are_named(repository: Any, read: Any, picture: Any) -> None:
    repository.parquet(
        "data/test-0.parquet",
        [{"image": picture(1), "question": "?", "answer": "x"}, {"image": None, "question": "?", "answer": "x"}],
    )
    _, left_out = read("path-vqa")
    assert [(row.id, row.reason, row.detail) for row in left_out] == [
        ("row-1", "no_image", "its image image of row 1 is missing")
    ]
    repository.parquet("data/test-0.parquet", [{"image": picture(1), "caption": "?"}])
    with pytest.raises(BenchmarkError, match="lacks the columns answer, question; it has image, caption"):
        read("path-vqa")


def test_a_table_of_the_library_that_pushes_them_reads_the_same(
    repository: Any, read: Any, picture: Any, tmp_path: Path
) -> None:
    """The fixtures here are written without `datasets`, for speed."""
    rows = [{"image": picture(1), "question": "what?", "answer": "x"}, {"image": None, "question": "?", "answer": "y"}]
    repository.parquet("data/test-00000-of-00001.parquet", rows)
    text = datasets.Value("string")
    pushed = datasets.Dataset.from_list(
        [row | {"image": row["image"] and {"bytes": row["image"], "path": None}} for row in rows],
        features=datasets.Features({"image": datasets.Image(), "question": text, "answer": text}),
    )
    (tmp_path / "pushed").mkdir()
    pushed.to_parquet(str(tmp_path / "pushed" / "test-00000-of-00001.parquet"))
    assert read("path-vqa", tmp_path / "pushed") == read("path-vqa")
