"""Two spellings of one text become equal, and two different answers stay apart.

What is dropped carries no meaning in an answer: case, Unicode variants, quotes, brackets, Markdown emphasis, ending
punctuation, the hyphen inside a word. What is kept can tell two answers apart: signs, ``<`` and ``>``, ``%``, ``/``,
decimal points, the dash of a range. Articles are kept as well, since hepatitis A is not hepatitis.
"""

from __future__ import annotations

import re
import unicodedata

_DASHES = str.maketrans(dict.fromkeys("‐‑‒–—−", "-"))
_THOUSANDS_COMMA = re.compile(r"(?<=\d),(?=\d{3}(?!\d))")
_NOT_DECIMAL_POINT = re.compile(r"\.(?!\d)|(?<=[^\W\d])\.(?=\d)")
_WORD_HYPHEN = re.compile(r"(?<=\w)-(?=[^\W\d_])|(?<=[^\W\d_])-(?=\w)")
_APOSTROPHE = re.compile(r"['’‘`´]")
_SPACING = re.compile(r"[\s,;:!?\"“”()\[\]{}*_#]+")

_LEAD_IN = re.compile(
    r"(?:so |thus |therefore )?(?:the )?(?:(?:final|correct|best|right) )?(?:answer|option|choice)\b"
    r"(?: is)?(?: (?:option|choice))?\s*[:-]?\s*",
    re.IGNORECASE,
)


def plain(text: str) -> str:
    """The text in Unicode's compatibility form, with plain dashes, without Markdown emphasis or outer white space."""
    return unicodedata.normalize("NFKC", text).translate(_DASHES).replace("**", "").replace("`", "").strip()


def without_lead_in(text: str) -> str:
    """A plain text without opening words such as "The answer is: Option", which name no answer themselves."""
    while match := _LEAD_IN.match(text):
        text = text[match.end() :]
    return text


def normalise(text: str) -> str:
    """The form in which answers are compared; empty if the text holds nothing but punctuation."""
    text = plain(text).casefold()
    text = _THOUSANDS_COMMA.sub("", text)
    text = _NOT_DECIMAL_POINT.sub("", text)
    text = _WORD_HYPHEN.sub(" ", text)
    return _SPACING.sub(" ", _APOSTROPHE.sub("", text)).strip()
