"""Grading an answer to a question with lettered options.

The rules, in order; the first that applies decides, and nothing is ever guessed from a part of the text:

1. ``letter``: the whole answer is one letter that has an option, in either case, with nothing around it but brackets,
   punctuation, emphasis, and a lead-in such as "Option" or "The answer is".
2. ``letter_and_text``: such a letter, a delimiter, and the full text of that letter's option ("B. smooth").
3. ``text``: the whole answer, with or without the lead-in, equals one option's text once both are normalised.
4. ``text_and_letter``: an option's full text, and its letter in brackets ("smooth (B)").
5. ``letter_text_conflict``: a letter with an option, a delimiter, and some other text. Wrong, whatever the letter is:
   an answer that names two things names neither.
6. ``ambiguous``: the text equals several options that differ. Wrong.
7. ``no_match``: anything else. Wrong.

A lone letter is read as a letter even where an option's text is a single letter as well, since letters are what the
prompt asks for. Options with the same text are all right if one of them is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vitar.grading.normalise import normalise, plain, without_lead_in
from vitar.grading.score import Score
from vitar.protocol.prompts import OPTION_LETTERS

_LETTER = re.compile(r"[(\[{\"'*_<]*([A-Za-z])[)\]}\"'*_>.,:;!]*")
_LETTER_AND_TEXT = re.compile(r"[(\[{\"'*_]*([A-Za-z])[\"'*_]*(?:[)\]}.:,;]+\s*|\s+-+\s+)(\S.*)", re.DOTALL)
_TEXT_AND_LETTER = re.compile(r"(.*\S)\s*[(\[]([A-Za-z])[)\]][.\"'*_]*", re.DOTALL)


def grade_choice(gold: str, options: Sequence[str], answer: str) -> Score:
    """Grades by the rules of this module; ``gold`` is the right option's text.

    Raises:
        ValueError: ``gold`` is none of the options.
    """
    if gold not in options:
        raise ValueError(f"the right answer {gold!r} is none of the options {list(options)}")
    index, rule = chosen_option(options, answer)
    if index is None:
        return Score(False, "", rule)
    return Score(options[index] == gold, OPTION_LETTERS[index : index + 1] or options[index], rule)


def chosen_option(options: Sequence[str], answer: str) -> tuple[int | None, str]:
    """The index of the option that the answer chooses, None if there is none, and the rule that said so."""
    whole = plain(answer)
    text = without_lead_in(whole)
    lone = _LETTER.fullmatch(text)
    if lone and (named := OPTION_LETTERS.index(lone[1].upper())) < len(options):
        return named, "letter"
    pair = _LETTER_AND_TEXT.fullmatch(text)
    named = OPTION_LETTERS.index(pair[1].upper()) if pair else len(options)
    if pair and named < len(options) and normalise(pair[2]) == normalise(options[named]):
        return named, "letter_and_text"
    same = _equal_options(options, whole) or _equal_options(options, text)
    if len({options[i] for i in same}) > 1:
        same = [i for i in same if options[i].strip() in (whole, text)]
        if not same:
            return None, "ambiguous"
    if same:
        return same[0], "text"
    pair = _TEXT_AND_LETTER.fullmatch(text)
    after = OPTION_LETTERS.index(pair[2].upper()) if pair else len(options)
    if pair and after < len(options) and normalise(pair[1]) == normalise(options[after]):
        return after, "text_and_letter"
    return None, "letter_text_conflict" if named < len(options) else "no_match"


def _equal_options(options: Sequence[str], text: str) -> list[int]:
    said = normalise(text)
    return [i for i, option in enumerate(options) if said and normalise(option) == said]
