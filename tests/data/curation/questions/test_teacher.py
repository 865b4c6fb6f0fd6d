from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from vitar.backends.chat_api import EndpointError, RequestFailed
from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.questions.candidate import Candidate
from vitar.data.curation.questions.generator import SplitImage
from vitar.data.curation.questions.teacher import TeacherGenerator, TeacherVerifier
from vitar.data.example import ImageRef
from vitar.protocol.messages import Message, images_in, message_text

MakeImage = Callable[..., AnnotatedImage]


class ScriptedAsker:
    """Fills in the shape with what ``reply`` computes of the conversation."""

    name = "scripted"

    def __init__(self, reply: Callable[[Sequence[Message]], dict[str, Any]]) -> None:
        self.reply, self.asked = reply, []  # type: ignore[var-annotated]

    async def ask(self, messages: Sequence[Message], shape: Any) -> Any:
        self.asked.append(messages)
        return shape.model_validate(self.reply(messages))


def question(**changes: Any) -> dict[str, Any]:
    fields = {"kind": "type", "answer_type": "choice", "question": " What is it? ", "options": ["cyst ", "stone"]}
    return {**fields, "answer": "stone", "regions": [1], **changes}


@pytest.fixture
def scene(make_image: MakeImage) -> SplitImage:
    """The stone is the larger one."""
    return SplitImage(make_image(0, [("cyst", 10, 10, 20, 20), ("stone", 120, 60, 160, 90)]), "validation")


def generate(asker: ScriptedAsker, *images: SplitImage) -> list[Candidate]:
    return asyncio.run(TeacherGenerator(asker, 4).generate(images))


def test_a_teacher_sees_the_image_twice_and_the_regions_by_size(scene: SplitImage) -> None:
    asker = ScriptedAsker(lambda messages: {"questions": [question()]})
    (found,) = generate(asker, scene)
    text, images = message_text(asker.asked[0][1]), images_in(asker.asked[0])
    assert (
        "1. stone, mostly in the lower right quadrant, its box 6.0% of the image\n2. cyst, mostly in the upper" in text
    )
    assert "Write 4 questions." in text
    assert len(images) == 2
    assert images[0].tobytes() != images[1].tobytes()
    assert (found.id, found.split, found.question, found.options) == (
        "made/0#1",
        "validation",
        "What is it?",
        ("cyst", "stone"),
    )
    assert found.regions == (scene.image.regions[1],)
    assert (found.frame, found.problem, found.generator) == ("", "", "scripted")


def test_a_teacher_is_told_fine_attributes(make_image: MakeImage) -> None:
    asker = ScriptedAsker(lambda messages: {"questions": [question()]})
    attributes = ({"margin": "smooth", "wall": "thin"},)
    generate(asker, SplitImage(make_image(0, [("cyst", 10, 10, 20, 20)], attributes=attributes), "train"))
    assert "1. cyst (margin: smooth, wall: thin), mostly in" in message_text(asker.asked[0][1])


def test_what_cannot_be_used_stays_in_the_account(scene: SplitImage, make_image: MakeImage) -> None:
    def reply(messages: Sequence[Message]) -> dict[str, Any]:
        text = message_text(messages[1])
        if "MRI" in text:
            raise RequestFailed("no reply out of 3 fits")
        return {"questions": [question(regions=[7])] if "CT" in text else []}

    others = [SplitImage(make_image(i, [], modality=m), "train") for i, m in ((1, "MRI"), (2, "X-ray"))]
    broken = SplitImage(make_image(3, [], image=ImageRef("gone.png", b"")), "train")
    found = generate(ScriptedAsker(reply), scene, *others, broken)
    assert [each.id for each in found] == ["made/0#1", "made/1#1", "made/2#1", "made/3#1"]
    problems = [each.problem for each in found]
    assert "regions [7] are not among the 2" in problems[0]
    assert "no reply out of 3 fits" in problems[1]
    assert "empty list" in problems[2]
    assert "the teacher gave no questions" in problems[3]


def test_a_server_that_can_never_reply_ends_the_run(scene: SplitImage) -> None:
    def reply(messages: Sequence[Message]) -> dict[str, Any]:
        raise EndpointError("the key is refused")

    with pytest.raises(EndpointError, match="refused"):
        generate(ScriptedAsker(reply), scene)


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"answerable": True, "answer": "stone", "reason": "Dense."}, ""),
        ({"answerable": True, "answer": "B", "reason": "Dense."}, ""),  # as the grader reads it
        ({"answerable": True, "answer": "cyst", "reason": "Dark."}, "scripted answers 'cyst', and not 'stone': Dark."),
        ({"answerable": False, "answer": "", "reason": "Blurred."}, "does not settle it: Blurred."),
    ],
)
def test_a_verifier_answers_anew(
    scene: SplitImage, make_candidate: Callable[..., Candidate], reply: dict[str, Any], expected: str
) -> None:
    asker = ScriptedAsker(lambda messages: reply)
    asked = make_candidate(options=("cyst", "stone"), answer="stone")
    (objection,) = asyncio.run(TeacherVerifier(asker).objections([(asked, scene.image)]))
    assert objection == expected if not expected else expected in objection
    text = message_text(asker.asked[0][1])
    assert text == f"{asked.question}\nA. cyst\nB. stone"  # and not the answer


def test_a_verifier_that_fails_confirms_nothing(scene: SplitImage, make_candidate: Callable[..., Candidate]) -> None:
    def reply(messages: Sequence[Message]) -> dict[str, Any]:
        raise RequestFailed("timeout")

    objections = asyncio.run(TeacherVerifier(ScriptedAsker(reply)).objections([(make_candidate(), scene.image)]))
    assert objections == ["scripted gave no answer: timeout"]
