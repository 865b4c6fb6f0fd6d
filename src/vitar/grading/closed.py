"""Grading a short free answer: a word, a number, a phrase or a list.

The rule is equality after normalisation, with three liberties: number words up to twenty equal digits; the word *the*
does not count, nor does an *a* or *an* that opens an item; and a list (commas, semicolons, ``&`` or *and*) may be in
any order. No synonyms, no plurals, no substrings: "left lung" is not "lung".
"""

from __future__ import annotations

import re

from vitar.grading.normalise import normalise, plain, without_lead_in
from vitar.grading.score import Score

_NUMBER_WORDS = [
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"),
    *("thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen", "twenty"),
]
_DIGITS = {word: str(number) for number, word in enumerate(_NUMBER_WORDS)}
_ARTICLE = re.compile(r"^an? (?=\S)|\bthe\b ?(?=\S)")
_SEPARATOR = re.compile(r"(?<!\d),|,(?!\d{3}(?!\d))|[;&\n]|\band\b", re.IGNORECASE)


def grade_closed(gold: str, answer: str) -> Score:
    """Grades by the rule of this module: ``exact`` for equal texts, ``list`` for equal lists, else ``no_match``.

    Raises:
        ValueError: ``gold`` is empty once normalised.
    """
    right = listed_items(gold)
    if not right:
        raise ValueError(f"the right answer {gold!r} has nothing to compare")
    whole = plain(answer)
    for text in (whole, without_lead_in(whole)):
        said = listed_items(text)
        if said == right:
            return Score(True, ", ".join(said), "exact")
        if sorted(said) == sorted(right):
            return Score(True, ", ".join(said), "list")
    return Score(False, ", ".join(said), "no_match")


def listed_items(text: str) -> list[str]:
    """The parts of a list in the form in which they are compared; one part for a text that is not a list."""
    parts = (_ARTICLE.sub("", normalise(part)) for part in _SEPARATOR.split(plain(text)))
    return [" ".join(_DIGITS.get(word, word) for word in part.split()) for part in parts if part]
