"""What a first thought may not say: it comes before the second look, and may not show what that look is for.

Texts are compared as the grader compares answers, word by word: case, articles and plurals do not count, and "three"
is "3".
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence

from vitar.data.example import Example
from vitar.grading.closed import listed_items
from vitar.protocol.prompts import OPTION_LETTERS

FINE_KINDS = ("attribute", "type")
"""Question kinds whose answers need native pixels, and so the second look, whatever else is asked."""

KINDS = ("presence", "location", "count", "comparison", *FINE_KINDS)
"""Question kinds with answers out of a short list, which therefore tell something wherever they are said."""

Values = Mapping[tuple[str, str], Collection[str]]
"""(source, question kind) -> what an answer to such a question can be."""

_SECOND_LOOK = re.compile(
    r"\b(?:image 2|second image|(?:enlarged|zoomed|cropped|marked|magnified) (?:image|view|crop|region|area)"
    r" (?:shows?|reveals?|confirms?)|after (?:zooming|enlarging|marking))\b",
    re.IGNORECASE,
)
_LETTER = r"(?:\b(?i:option|answer|choice|letter)(?i: is)?[\s:(\"']*|\()({letters})\b"
_LONE_LETTER = r"(?<![\w'-])({letters})(?![\w'-])"


def answer_values(examples: Iterable[Example]) -> dict[tuple[str, str], set[str]]:
    """What the answers and options of a set show of the values that its questions are about."""
    values: defaultdict[tuple[str, str], set[str]] = defaultdict(set)
    for example in examples:
        if example.kind in KINDS and example.answer_type != "yes_no":
            values[example.source, example.kind].update((*example.options, example.answer))
    return dict(values)


def hidden_texts(example: Example, values: Values) -> tuple[str, ...]:
    """What the first thought about an example may not state, sorted.

    The answer and every option; every value that a question of the same kind can have as its answer, since it is what
    a yes/no question or a short answer turns on; and every type and attribute, unless the question names it itself.
    """
    told = (*example.options, *([] if example.answer_type == "yes_no" else [example.answer]))
    own = values.get((example.source, example.kind), ()) if example.kind in KINDS else ()
    fine = [text for kind in FINE_KINDS for text in values.get((example.source, kind), ())]
    fine += [region.label for region in example.regions]
    asked = _words(example.question)
    return tuple(sorted({*told, *own, *(text for text in fine if not _holds(asked, _words(text)))} - {""}))


def tells_early(thought: str, example: Example, hidden: Sequence[str]) -> str:
    """What a first thought states and may not, as a sentence; "" if there is nothing.

    Args:
        hidden: see `hidden_texts`.
    """
    said = _words(thought)
    for text in hidden:
        if _holds(said, _words(text)):
            return f"The first thought states {text!r}, which is for the second look to show."
    if example.answer_type == "yes_no" and (word := next((w for w in ("yes", "no") if w in said), "")):
        return f"The first thought says {word!r} to a yes/no question."
    if letter := named_letter(thought, len(example.options)):
        return f"The first thought names the option {letter}."
    if match := _SECOND_LOOK.search(thought):
        return f"The first thought says {match.group()!r}, as if the second look had been taken."
    return ""


def states(thought: str, text: str) -> bool:
    """Whether a thought has the words of ``text`` one after the other."""
    return _holds(_words(thought), _words(text))


def named_letter(thought: str, options: int) -> str:
    """The first option letter that a thought names, or "".

    A letter alone counts, but for A and I, which are words: they count after "option", "answer" or a bracket.
    """
    letters = OPTION_LETTERS[:options]
    if not letters:
        return ""
    found = re.search(_LETTER.format(letters="|".join(letters)), thought)
    alone = "|".join(letter for letter in letters if letter not in "AI")
    found = found or re.search(_LONE_LETTER.format(letters=alone), thought) if alone else found
    return found.group(1) if found else ""


def _words(text: str) -> list[str]:
    """The words of a text as the grader compares them, in the singular."""
    return [_singular(word) for item in listed_items(text) for word in item.split()]


def _singular(word: str) -> str:
    if len(word) < 4 or not word.endswith("s") or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word[:-3] + "y"
    return word[:-2] if word.endswith(("sses", "xes", "ches", "shes")) else word[:-1]


def _holds(words: Sequence[str], phrase: Sequence[str]) -> bool:
    size = len(phrase)
    return size > 0 and any(words[i : i + size] == phrase for i in range(len(words) - size + 1))
