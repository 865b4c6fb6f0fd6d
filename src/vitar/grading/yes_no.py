"""Grading an answer to a yes/no question.

Only the words *yes* and *no* count, never a substring ("normal", "nodule", "unknown") and never an inference from a
description. The rules, in order:

1. ``word``: the whole answer is the word, with punctuation, emphasis or a lead-in such as "The answer is".
2. ``word_and_clause``: the word, then a pause (``,`` ``.`` ``;`` ``:`` ``!``, a line break, or a dash between spaces),
   then more text that does not hold the opposite word: "Yes, there is a nodule." A word that runs on without a pause
   is no answer: "No abnormality is seen" says yes to "Is it normal?".
3. ``no_match``: anything else, "yes and no" included. Wrong.
"""

from __future__ import annotations

import re

from vitar.grading.normalise import normalise, plain, without_lead_in
from vitar.grading.score import Score

_OPPOSITE = {"yes": "no", "no": "yes"}
_CLAUSE = re.compile(r"\W*(yes|no)\W*?(?:[,.;:!\n]|\s-+\s)\W*(\w.*)", re.IGNORECASE | re.DOTALL)


def grade_yes_no(gold: str, answer: str) -> Score:
    """Grades by the rules of this module.

    Raises:
        ValueError: ``gold`` is neither yes nor no.
    """
    right = normalise(gold)
    if right not in _OPPOSITE:
        raise ValueError(f"the right answer of a yes/no question must be yes or no, got {gold!r}")
    said, rule = said_yes_or_no(answer)
    return Score(said == right, said, rule)


def said_yes_or_no(answer: str) -> tuple[str, str]:
    """``yes``, ``no`` or "" if the answer says neither, and the rule that said so."""
    text = without_lead_in(plain(answer))
    word = normalise(text)
    if word in _OPPOSITE:
        return word, "word"
    clause = _CLAUSE.fullmatch(text)
    if clause:
        word = clause[1].lower()
        if _OPPOSITE[word] not in re.findall(r"\w+", clause[2].lower()):
            return word, "word_and_clause"
    return "", "no_match"
