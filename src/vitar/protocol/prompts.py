"""The words that open a conversation.

Two ways to ask: `interactive_messages` invites the model to act on an image before it answers, `direct_messages` asks
for the answer at once and serves as the single-pass comparison. Both show the same question in the same form.

Images are numbered from 1, and an action names its image by that number. An image whose token ``<image k>`` stands in
the text, as in MMMU, comes right after the first such token, which stays. All others come before the text; where the
question has several images, each of these is announced by ``Image k:``, as later observations are.
"""

from __future__ import annotations

import re
import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vitar.protocol.actions import ANSWER_CLOSE, ANSWER_OPEN, MARK_REGION, ZOOM
from vitar.protocol.messages import Message, Part, UserMessage, image_part, system_message, text_part

if TYPE_CHECKING:
    from PIL.Image import Image

OPTION_LETTERS = string.ascii_uppercase

_VERBS = {MARK_REGION: "mark", ZOOM: "enlarge"}

_IMAGE_TOKEN = re.compile(r"<image (\d+)>")


def system_interactive(tools: Sequence[str], images: int = 1) -> str:
    """The system prompt for the named tools and the number of images of the question.

    Raises:
        KeyError: a name is not a tool.
        ValueError: there is no tool.
    """
    if not tools:
        raise ValueError("an interactive conversation needs at least one tool; use direct_messages to ask without")
    verbs = " or ".join(_VERBS[name] for name in tools)
    seen, number = ("image", "") if images == 1 else ("images", ", giving the number of its image")
    return (
        f"Look at the {seen} and think. Then {verbs} the region that matters with a tool{number}. "
        "Look again at the new image, think again, and answer "
        f"inside {ANSWER_OPEN}{ANSWER_CLOSE} with the option's letter if options are given, "
        "else with a word or short phrase."
    )


SYSTEM_INTERACTIVE = system_interactive((MARK_REGION, ZOOM))

DIRECT_LINES = {
    "choice": "Answer with the option's letter from the given choices directly.",
    "yes_no": "Answer yes or no.",
    "closed": "Answer the question using a single word or phrase.",
    "open": "Answer the question concisely.",
}
"""Answer type -> the line that closes a direct question; the wordings for ``choice`` and ``closed`` are LLaVA-1.5's."""


def question_text(question: str, options: Sequence[str] | None) -> str:
    """The question, and one line ``A. text`` per option where there are options.

    Raises:
        ValueError: there are more options than letters.
    """
    if options and len(options) > len(OPTION_LETTERS):
        raise ValueError(f"got {len(options)} options, at most {len(OPTION_LETTERS)} have a letter")
    lines = [f"{letter}. {option}" for letter, option in zip(OPTION_LETTERS, options or (), strict=False)]
    return "\n".join([question, *lines])


def interactive_messages(
    question: str, options: Sequence[str] | None, images: Sequence[Image], tools: Sequence[str]
) -> list[Message]:
    """The system prompt and the question with its images, for a model that may use ``tools``."""
    system = system_message(system_interactive(tools, len(images)))
    return [system, illustrated(question_text(question, options), images)]


def direct_text(question: str, options: Sequence[str] | None, answer_type: str) -> str:
    """The question as asked without tools, closed by the line for its answer type.

    Raises:
        ValueError: ``answer_type`` is not a key of `DIRECT_LINES`.
    """
    if answer_type not in DIRECT_LINES:
        raise ValueError(f"unknown answer type {answer_type!r}; known are {', '.join(DIRECT_LINES)}")
    return f"{question_text(question, options)}\n{DIRECT_LINES[answer_type]}"


def direct_messages(
    question: str, options: Sequence[str] | None, answer_type: str, images: Sequence[Image]
) -> list[Message]:
    """`direct_text` with its images, of which there may be none; no system prompt."""
    return [illustrated(direct_text(question, options, answer_type), images)]


def illustrated(text: str, images: Sequence[Image]) -> UserMessage:
    """A user's message of a text and its images, placed as the head of this file says.

    A token that names no image of ``images`` is text like any other.
    """
    places: dict[int, int] = {}  # number of an image -> end of the first token that names it
    for token in _IMAGE_TOKEN.finditer(text):
        if 1 <= (number := int(token[1])) <= len(images):
            places.setdefault(number, token.end())
    before = [number for number in range(1, len(images) + 1) if number not in places]
    parts: list[Part] = []
    pending = ""
    for number in before:
        pending += f"Image {number}: " if len(images) > 1 else ""
        parts += [*_text(pending), image_part(images[number - 1])]
        pending = "\n" if len(images) > 1 else ""
    start = 0
    for number, end in places.items():
        parts += [*_text(pending + text[start:end]), image_part(images[number - 1])]
        pending, start = "", end
    return {"role": "user", "content": [*parts, *_text(pending + text[start:])]}


def _text(text: str) -> list[Part]:
    return [text_part(text)] if text else []
