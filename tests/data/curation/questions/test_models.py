from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest

from vitar.backends.scripted import ScriptedBackend
from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.questions.candidate import Candidate
from vitar.data.curation.questions.models import Band, answerable_blank, outside_band, pass_rates
from vitar.protocol.messages import Message, images_in, message_text

Make = Callable[..., Candidate]
Images = dict[str, AnnotatedImage]


@pytest.fixture
def images(make_image: Callable[..., AnnotatedImage]) -> Images:
    return {"made/0": make_image(0, [("stone", 10, 10, 30, 30)])}


def choices(make: Make, count: int) -> list[Candidate]:
    return [make(i, answer=("cyst", "stone", "tumour")[i % 3]) for i in range(count)]


def test_the_image_is_gray_and_of_the_same_size(make_candidate: Make, images: Images) -> None:
    shown = []

    def reply(conversation: Sequence[Message]) -> str:
        shown.extend(images_in(conversation))
        return "A"

    answerable_blank([make_candidate()], images, ScriptedBackend(reply))
    assert len(shown) == 3  # one for each rotation of the options
    assert {image.size for image in shown} == {(200, 100)}
    assert all(image.getextrema() == (128, 128) for image in shown)


def test_who_knows_the_answer_without_the_image_is_found(make_candidate: Make, images: Images) -> None:
    """A model that always says stone, asked where stone is nearly always right."""
    candidates = [make_candidate(i) for i in range(9)] + [make_candidate(9, answer="cyst")]
    found = answerable_blank(candidates, images, ScriptedBackend(lambda conversation: "stone"))
    assert sorted(found) == [f"made/0#{i}" for i in range(9)]
    assert found["made/0#0"].reason == "model_right_without_image"


def test_a_favourite_letter_is_no_knowledge(make_candidate: Make, images: Images) -> None:
    assert answerable_blank(choices(make_candidate, 30), images, ScriptedBackend(lambda conversation: "B")) == {}


def test_a_favourite_answer_is_no_knowledge_where_answers_are_balanced(make_candidate: Make, images: Images) -> None:
    yes_no = {"answer_type": "yes_no", "options": ()}
    candidates = [make_candidate(i, answer=("yes", "no")[i % 2], **yes_no) for i in range(40)]
    assert answerable_blank(candidates, images, ScriptedBackend(lambda conversation: "yes")) == {}


def test_pass_rates_are_shares_of_right_answers(make_candidate: Make, images: Images) -> None:
    turns = itertools.count()

    def reply(conversation: Sequence[Message]) -> str:
        assert "What kind of lesion" in message_text(conversation[-1])
        return "B" if next(turns) % 4 < 3 else "A"

    candidates = [make_candidate(0), make_candidate(1, options=("stone", "cyst", "tumour"))]
    rates, failed = pass_rates(candidates, images, ScriptedBackend(reply), samples=4)
    assert rates == {"made/0#0": 0.75, "made/0#1": 0.25}
    assert failed == {}


def test_the_band_keeps_its_ends() -> None:
    rates = {"never": 0.0, "low": 0.25, "middle": 0.5, "high": 0.75, "always": 1.0}
    found = outside_band(rates, Band(0.25, 0.75, 4), "tiny")
    assert {name: rejection.reason for name, rejection in found.items()} == {"never": "hopeless", "always": "too_easy"}
    assert found["always"].detail == "tiny is right in 100% of 4 answers"


def test_a_server_that_fails_says_nothing_about_the_question(make_candidate: Make, images: Images) -> None:
    turns = itertools.count()

    def reply(conversation: Sequence[Message]) -> str:
        if next(turns) == 1:
            raise ConnectionError("gone")
        return "B"

    rates, failed = pass_rates(choices(make_candidate, 2), images, ScriptedBackend(reply), samples=2)
    assert list(failed) == ["made/0#0"]
    assert failed["made/0#0"].reason == "model_failed"
    assert "gone" in failed["made/0#0"].detail
    assert rates == {"made/0#1": 1.0}


def test_a_band_that_makes_no_sense() -> None:
    with pytest.raises(ValueError, match="low <= high"):
        Band(0.9, 0.1, 4)
