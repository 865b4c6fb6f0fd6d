"""The opening messages, word for word where a model depends on the words."""

from __future__ import annotations

import pytest
from PIL import Image

from vitar.protocol.messages import images_in, message_text
from vitar.protocol.prompts import (
    DIRECT_LINES,
    SYSTEM_INTERACTIVE,
    direct_messages,
    interactive_messages,
    question_text,
    system_interactive,
)

IMAGE = Image.new("L", (8, 8))


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
    system, user = messages = interactive_messages("What margin?", ("smooth", "lobulated"), IMAGE, ("zoom",))
    assert system["role"] == "system"
    assert message_text(system) == system_interactive(("zoom",))
    assert [part["type"] for part in user["content"]] == ["image", "text"]
    assert message_text(user) == "What margin?\nA. smooth\nB. lobulated"
    assert images_in(messages) == [IMAGE]


@pytest.mark.parametrize("answer_type", list(DIRECT_LINES))
def test_direct_messages(answer_type: str) -> None:
    (user,) = direct_messages("Is it smooth?", None, answer_type, IMAGE)
    assert user["role"] == "user"
    assert message_text(user) == f"Is it smooth?\n{DIRECT_LINES[answer_type]}"


def test_direct_messages_with_options() -> None:
    (user,) = direct_messages("Which?", ("x", "y"), "choice", IMAGE)
    assert message_text(user) == (
        "Which?\nA. x\nB. y\nAnswer with the option's letter from the given choices directly."
    )


def test_direct_messages_need_a_known_type() -> None:
    with pytest.raises(ValueError, match="unknown answer type"):
        direct_messages("Which?", None, "multiple", IMAGE)
