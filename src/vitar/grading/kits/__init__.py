"""Other projects' rules on the same answers, to show what a grader alone changes.

They are for comparison and never for a score: each reproduces its original, mistakes included.
"""

from __future__ import annotations

from collections.abc import Callable

from vitar.grading import Gradable, grade_example
from vitar.grading.kits.medevalkit import medevalkit
from vitar.grading.kits.official import official
from vitar.grading.kits.score import KitScore

__all__ = ["KITS", "Kit", "KitScore"]

Kit = Callable[[Gradable, str, str | None], KitScore | None]
"""(question, last turn as written, answer or None) -> its score, or None for an answer type that the kit has not."""


def vitar(question: Gradable, said: str, answer: str | None) -> KitScore:
    """This project's grader in the same form."""
    score = grade_example(question, answer)
    return KitScore(score.correct, score.extracted, f1=score.token_f1)


KITS: dict[str, Kit] = {"vitar": vitar, "official": official, "medevalkit": medevalkit}
