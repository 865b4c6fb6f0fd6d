"""The words that open a conversation.

Two ways to ask: `interactive_messages` invites the model to act on the image before it answers, `direct_messages` asks
for the answer at once and serves as the single-pass comparison. Both show the same question in the same form.
"""

from __future__ import annotations

import string
from collections.abc import Sequence
from typing import TYPE_CHECKING

from vitar.protocol.actions import ANSWER_CLOSE, ANSWER_OPEN, MARK_REGION, ZOOM
from vitar.protocol.messages import Message, system_message, user_message

if TYPE_CHECKING:
    from PIL.Image import Image

OPTION_LETTERS = string.ascii_uppercase

_VERBS = {MARK_REGION: "mark", ZOOM: "enlarge"}


def system_interactive(tools: Sequence[str]) -> str:
    """The system prompt for the named tools. Raises KeyError for a name that is not a tool, ValueError for none."""
    if not tools:
        raise ValueError("an interactive conversation needs at least one tool; use direct_messages to ask without")
    verbs = " or ".join(_VERBS[name] for name in tools)
    return (
        f"Look at the image and think. Then {verbs} the region that matters with a tool. "
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
    question: str, options: Sequence[str] | None, image: Image, tools: Sequence[str]
) -> list[Message]:
    """The system prompt and the question with its image, for a model that may use ``tools``."""
    return [system_message(system_interactive(tools)), user_message(question_text(question, options), image)]


def direct_text(question: str, options: Sequence[str] | None, answer_type: str) -> str:
    """The question as asked without tools, closed by the line for its answer type.

    Raises:
        ValueError: ``answer_type`` is not a key of `DIRECT_LINES`.
    """
    if answer_type not in DIRECT_LINES:
        raise ValueError(f"unknown answer type {answer_type!r}; known are {', '.join(DIRECT_LINES)}")
    return f"{question_text(question, options)}\n{DIRECT_LINES[answer_type]}"


def direct_messages(question: str, options: Sequence[str] | None, answer_type: str, image: Image) -> list[Message]:
    """`direct_text` with its image; no system prompt."""
    return [user_message(direct_text(question, options, answer_type), image)]
