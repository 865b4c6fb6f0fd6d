"""Grading a free answer to an open question.

Right is what the rule of a closed answer accepts: equality after normalisation. That is a lower bound on the truth,
since "cardiomegaly" and "an enlarged heart" differ, and a report must say so. Beside it stands ``token_f1``, the
agreement of the words (SQuAD, Rajpurkar et al., EMNLP 2016): the harmonic mean of the share of the answer's words that
the right answer holds and the share of the right answer's words that the answer holds, each word counted as often as it
occurs. Words are compared as in a closed answer, so articles do not count and "three" is "3".
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from vitar.grading.closed import grade_closed, listed_items
from vitar.grading.normalise import plain, without_lead_in
from vitar.grading.score import Score


def grade_open(gold: str, answer: str) -> Score:
    """`grade_closed` with the agreement of words.

    Raises:
        ValueError: ``gold`` is empty once normalised.
    """
    score = grade_closed(gold, answer)
    return replace(score, token_f1=1.0 if score.correct else token_f1(gold, answer))


def token_f1(gold: str, answer: str) -> float:
    """Agreement of the words of two texts, 0 to 1; 0 where either has none."""
    right, said = _words(gold), _words(without_lead_in(plain(answer)))
    shared = (right & said).total()
    return 2 * shared / (right.total() + said.total()) if shared else 0.0


def _words(text: str) -> Counter[str]:
    return Counter(word for item in listed_items(text) for word in item.split())
