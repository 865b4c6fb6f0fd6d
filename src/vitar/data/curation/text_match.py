"""Whether two texts are the same question: the same words, in whatever order, or a long sequence of words in common."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

SAME_WORDS = 0.8
"""Least share of all words of two texts that they have in common (Jaccard, a repeated word counted each time)."""

SEQUENCE = 8
"""Words in a row that two texts may not share. The check of GPT-3 took 13 (T. Brown et al., 2020) on longer texts."""

MIN_WORDS = 3
"""Texts with fewer words are never matched."""

_WORD = re.compile(r"[^\W_]+")


def words(text: str) -> tuple[str, ...]:
    """The words of a text in order: letters and digits, without case."""
    return tuple(_WORD.findall(text.casefold()))


def likeness(first: Sequence[str], second: Sequence[str]) -> float:
    """Words that two texts have in common, as a share of the words of both, 0 to 1."""
    a, b = Counter(first), Counter(second)
    shared = (a & b).total()
    return shared / (len(first) + len(second) - shared) if shared else 0.0


class TextIndex:
    """Texts in which others are looked up.

    Only pairs that share one of their rarest words can be alike enough, so only these are compared (prefix filtering:
    S. Chaudhuri, V. Ganti and R. Kaushik, ICDE 2006).
    """

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [words(text) for text in texts]
        self._frequency = Counter(word for text in self._texts for word in set(text))
        self._by_rare_word: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        self._by_sequence: dict[tuple[str, ...], int] = {}
        self._known: dict[tuple[str, ...], int] = {}
        for place, text in enumerate(self._texts):
            if len(text) < MIN_WORDS or text in self._known:
                continue
            self._known[text] = place
            for word in self._rarest(text):
                self._by_rare_word[word].append(place)
            for start in range(len(text) - SEQUENCE + 1):
                self._by_sequence.setdefault(text[start : start + SEQUENCE], place)

    def find(self, text: str) -> tuple[int, str] | None:
        """The place of a text that is the same, and how it is; None if there is none."""
        asked = words(text)
        if len(asked) < MIN_WORDS:
            return None
        if asked in self._known:
            return self._known[asked], "the same words in the same order"
        for start in range(len(asked) - SEQUENCE + 1):
            sequence = asked[start : start + SEQUENCE]
            if sequence in self._by_sequence:
                return self._by_sequence[sequence], f"the words {' '.join(sequence)!r} in a row"
        places = {place for word in self._rarest(asked) for place in self._by_rare_word.get(word, ())}
        best = max(places, key=lambda place: (likeness(asked, self._texts[place]), -place), default=None)
        if best is None or likeness(asked, self._texts[best]) < SAME_WORDS:
            return None
        return best, f"{likeness(asked, self._texts[best]):.0%} of the words in common"

    def _rarest(self, text: tuple[str, ...]) -> list[tuple[str, int]]:
        """The words of which a text that is alike enough must have one; repetitions of a word are numbered."""
        seen = Counter[str]()
        numbered = []
        for word in text:
            numbered.append((word, seen[word]))
            seen[word] += 1
        numbered.sort(key=lambda pair: (self._frequency.get(pair[0], 0), pair))
        return numbered[: len(numbered) - math.ceil(SAME_WORDS * len(numbered)) + 1]
