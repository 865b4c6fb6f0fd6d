"""Answers as benchmarks write them become answers of an `Example`."""

from __future__ import annotations

from collections.abc import Sequence

from vitar.protocol.prompts import OPTION_LETTERS


def yes_no_or(answer_type: str, answer: object) -> tuple[str, str]:
    """An answer as text with its type: ``yes_no`` if it is one of these words in any case, else ``answer_type``."""
    text = str(answer).strip()
    return (text.lower(), "yes_no") if text.lower() in ("yes", "no") else (text, answer_type)


def lettered_answer(options: Sequence[str], letter: str) -> str:
    """The option that a letter names; what stands there where it names none, so that the row is left out for it."""
    place = OPTION_LETTERS.find(letter.strip())
    return options[place] if len(letter.strip()) == 1 and 0 <= place < len(options) else letter
