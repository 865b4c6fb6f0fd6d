"""The opening messages, word for word where a model depends on the words."""

from __future__ import annotations

from itertools import pairwise

import pytest
from PIL import Image

from vitar.protocol.messages import UserMessage, images_in, message_text
from vitar.protocol.prompts import (
    DIRECT_LINES,
    SYSTEM_INTERACTIVE,
    direct_messages,
    illustrated,
    interactive_messages,
    question_text,
    system_interactive,
)

IMAGE = Image.new("L", (8, 8))
A, B, C = (Image.new("L", (8, 8), level) for level in (1, 2, 3))
NAMES = {1: "[A]", 2: "[B]", 3: "[C]"}


def spelled(message: UserMessage) -> str:
    """The message as one text, with a letter in place of each image."""
    return "".join(
        part["text"] if part["type"] == "text" else NAMES[part["image"].getpixel((0, 0))] for part in message["content"]
    )


def test_system_prompt_is_short_and_names_the_answer_tag() -> None:
    assert len(SYSTEM_INTERACTIVE.split()) <= 45
    assert "<answer></answer>" in SYSTEM_INTERACTIVE


@pytest.mark.parametrize(
    ("tools", "words"),
    [
        (("mark_region", "zoom"), "Then mark or enlarge the region"),
        (("mark_region",), "Then mark the region"),
        (("zoom",), "Then enlarge the region"),
    ],
)
def test_system_prompt_speaks_of_the_tools_there_are(tools: tuple[str, ...], words: str) -> None:
    assert words in system_interactive(tools)


def test_system_prompt_needs_known_tools() -> None:
    with pytest.raises(ValueError, match="at least one tool"):
        system_interactive(())
    with pytest.raises(KeyError):
        system_interactive(("crop",))


def test_question_text() -> None:
    assert question_text("What margin?", ("smooth", "lobulated")) == "What margin?\nA. smooth\nB. lobulated"
    assert question_text("What margin?", None) == question_text("What margin?", ()) == "What margin?"
    with pytest.raises(ValueError, match="27 options"):
        question_text("Which?", ["x"] * 27)


def test_interactive_messages() -> None:
    system, user = messages = interactive_messages("What margin?", ("smooth", "lobulated"), [IMAGE], ("zoom",))
    assert system["role"] == "system"
    assert message_text(system) == system_interactive(("zoom",))
    assert [part["type"] for part in user["content"]] == ["image", "text"]
    assert message_text(user) == "What margin?\nA. smooth\nB. lobulated"
    assert images_in(messages) == [IMAGE]


@pytest.mark.parametrize("answer_type", list(DIRECT_LINES))
def test_direct_messages(answer_type: str) -> None:
    (user,) = direct_messages("Is it smooth?", None, answer_type, [IMAGE])
    assert user["role"] == "user"
    assert message_text(user) == f"Is it smooth?\n{DIRECT_LINES[answer_type]}"


def test_direct_messages_with_options() -> None:
    (user,) = direct_messages("Which?", ("x", "y"), "choice", [IMAGE])
    assert message_text(user) == (
        "Which?\nA. x\nB. y\nAnswer with the option's letter from the given choices directly."
    )


def test_direct_messages_need_a_known_type() -> None:
    with pytest.raises(ValueError, match="unknown answer type"):
        direct_messages("Which?", None, "multiple", [IMAGE])


@pytest.mark.parametrize(
    ("text", "images", "shown"),
    [
        ("Which?", [], "Which?"),
        ("Which?", [A], "[A]Which?"),
        ("Which?", [A, B, C], "Image 1: [A]\nImage 2: [B]\nImage 3: [C]\nWhich?"),
        # MMMU: where the token stands, once, in the order of the text
        ("What is <image 1>?", [A], "What is <image 1>[A]?"),
        ("<image 1> and <image 1> again", [A], "<image 1>[A] and <image 1> again"),
        ("Is it <image 2> or <image 1>?", [A, B], "Is it <image 2>[B] or <image 1>[A]?"),
        ("Where?\nA. <image 2>\nB. <image 3>", [A, B, C], "Image 1: [A]\nWhere?\nA. <image 2>[B]\nB. <image 3>[C]"),
        # a token that names none of the images is text
        (
            "See <image 0>, <image 2>, <image x>, < image 1>.",
            [A],
            "[A]See <image 0>, <image 2>, <image x>, < image 1>.",
        ),
        ("Without <image 1>?", [], "Without <image 1>?"),
    ],
)
def test_images_stand_where_the_text_names_them_and_else_before_it(
    text: str, images: list[Image.Image], shown: str
) -> None:
    message = illustrated(text, images)
    assert spelled(message) == shown
    assert all(part["type"] == "image" or part["text"] for part in message["content"])
    kinds = [part["type"] for part in message["content"]]
    assert ("text", "text") not in pairwise(kinds)


def test_several_images_are_spoken_of_in_the_plural() -> None:
    system, user = interactive_messages("Which?", ("x", "y"), [A, B], ("zoom",))
    assert message_text(system).startswith(
        "Look at the images and think. Then enlarge the region that matters with a tool, giving the number of its "
        "image. Look again at the new image,"
    )
    assert system_interactive(("zoom",), images=1) == system_interactive(("zoom",))
    assert spelled(user) == "Image 1: [A]\nImage 2: [B]\nWhich?\nA. x\nB. y"  # type: ignore[arg-type]
    (direct,) = direct_messages("Which?", ("x", "y"), "choice", [A, B])
    assert spelled(direct) == spelled(user) + "\n" + DIRECT_LINES["choice"]  # type: ignore[arg-type]
