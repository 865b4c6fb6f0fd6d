"""PMC-VQA: two releases, and choices that need cleaning."""

from __future__ import annotations

from typing import Any

import pytest

from vitar.data.benchmarks.record import BenchmarkError

CHOICES = ("Choice A", "Choice B", "Choice C", "Choice D")
V1 = ("Figure_path", "Question", "Answer", *CHOICES, "Answer_label")
V2 = ("index", "Figure_path", "Caption", "Question", *CHOICES, "Answer", "split")
FOUR = (" A:Diffuse uptake ", " B:Focal uptake ", " C:No uptake ", " D:Cannot determine ")


def v1(label: str, *choices: str, figure: str = "PMC1064097_F1.jpg") -> tuple[str, ...]:
    return (figure, " What is the uptake pattern? ", "Focal uptake", *(choices or FOUR), label)


@pytest.fixture
def pmc_vqa(repository: Any) -> Any:
    repository.images("images", "PMC1064097_F1.jpg")
    return repository


def test_choices_lose_letters_spaces_and_quotes(pmc_vqa: Any, read: Any) -> None:
    pmc_vqa.csv(
        "test_clean.csv",
        V1,
        v1("B"),
        v1(" D\xa0", '"A:MRI"', "\xa0B: CT\xa0scan ", "C : X-ray: lateral", " 'D:Ratio 1:2'"),
        v1("C", "Left", "Right", "Both", "Neither"),
    )
    examples, left_out = read("pmc-vqa")
    assert not left_out
    assert [example.options for example in examples] == [
        ("Diffuse uptake", "Focal uptake", "No uptake", "Cannot determine"),
        ("MRI", "CT scan", "X-ray: lateral", "Ratio 1:2"),
        ("Left", "Right", "Both", "Neither"),
    ]
    assert [example.answer for example in examples] == ["Focal uptake", "Ratio 1:2", "Both"]
    assert examples[0].question == "What is the uptake pattern?"
    assert examples[0].group == "PMC1064097_F1.jpg"


def test_not_applicable_is_an_answer(pmc_vqa: Any, read: Any) -> None:
    """Pandas reads N/A as a missing value."""
    pmc_vqa.csv("test_clean.csv", V1, v1("B", " A:Yes ", " B:N/A ", " C:nan ", " D:None "))
    (example,), _ = read("pmc-vqa")
    assert example.answer == "N/A"
    assert example.options == ("Yes", "N/A", "nan", "None")


def test_rows_without_a_right_choice_are_left_out_by_name(pmc_vqa: Any, read: Any) -> None:
    pmc_vqa.csv(
        "test_clean.csv",
        V1,
        v1("'"),
        v1('"'),
        v1("E"),
        v1("B", " A:One ", " A:Two ", " C:Three ", " D:Four "),
        v1("B", " A:Same ", " B:Same ", " C:Three ", " D:Four "),
        v1("B", figure="PMC2_F2.jpg"),
        v1("B"),
    )
    examples, left_out = read("pmc-vqa")
    assert [example.id for example in examples] == ["pmc-vqa/test/row-6"]
    assert [(row.id, row.reason) for row in left_out] == [
        ("row-0", "no_label"),
        ("row-1", "no_label"),
        ("row-2", "no_label"),
        ("row-3", "repeated_letter"),
        ("row-4", "bad_options"),
        ("row-5", "no_image"),
    ]


@pytest.mark.parametrize(("table", "archive"), [("test_2.csv", "images_2.zip"), ("test2.csv", "images2.zip")])
def test_version_2_has_other_columns_and_images(
    repository: Any, read: Any, picture: Any, table: str, archive: str
) -> None:
    """The card names the files otherwise than the repository does."""
    repository.csv(table, V2, ("0", "PMC8253797_Fig4_41.jpg", "A caption", "Which?", *FOUR, "C", "test"))
    repository.archive(archive, {"figures/PMC8253797_Fig4_41.jpg": picture(9)})
    (example,), _ = read("pmc-vqa-v2")
    assert (example.answer, example.images[0].encoded) == ("No uptake", picture(9))


def test_the_wrong_release_is_refused(pmc_vqa: Any, read: Any) -> None:
    pmc_vqa.csv("test_clean.csv", V2, ("0", "f.jpg", "", "Which?", *FOUR, "C", "test"))
    with pytest.raises(BenchmarkError, match="lacks the columns Answer_label"):
        read("pmc-vqa")
