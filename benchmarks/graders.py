"""Graders on answers that are made to mislead them: ours, and what published ones make of the same answers.

    python benchmarks/graders.py

Each line of ``adversarial_answers.jsonl`` is the last turn of a model, with the verdict that a careful reader gives.
Its columns ``official`` and ``medevalkit`` say what those graders make of it (``left out``: of the denominator;
``stops``: the program ends with an error); the tests hold them to that.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from vitar.grading.kits import KITS
from vitar.protocol.parsing import extract_answer

TABLE = Path(__file__).with_name("adversarial_answers.jsonl")


@dataclass(frozen=True)
class Case:
    """One answer with its true verdict and what each grader makes of it.

    Args:
        right: whether a careful reader takes the answer for right.
        expected: grader -> ``right``, ``wrong``, ``left out`` or ``stops``; None for a type that it does not know.
    """

    trap: str
    answer_type: str
    options: tuple[str, ...]
    answer: str
    said: str
    right: bool
    expected: dict[str, str | None]

    def verdict(self, kit: str) -> str | None:
        """What a grader makes of the answer, in the words of ``expected``."""
        score = KITS[kit](self, self.said, extract_answer(self.said) or None)
        if score is None:
            return None
        return "stops" if score.error else "right" if score.correct else "wrong" if score.counted else "left out"


def cases() -> Iterator[Case]:
    """The table, line by line."""
    for line in TABLE.read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        expected = {name: row[name] for name in ("official", "medevalkit")}
        expected["vitar"] = "right" if row["right"] else "wrong"
        yield Case(
            row["trap"], row["answer_type"], tuple(row["options"]), row["gold"], row["said"], row["right"], expected
        )


def main() -> int:
    """Prints every error; the exit code tells whether our grader makes one."""
    found = list(cases())
    for kit in KITS:
        judged = [(case, verdict) for case in found if (verdict := case.verdict(kit)) is not None]
        errors = [(case, verdict) for case, verdict in judged if verdict != case.expected["vitar"]]
        sys.stdout.write(f"{kit}: {len(judged) - len(errors)} of {len(judged)} as a careful reader\n")
        for case, verdict in errors:
            sys.stdout.write(
                f"  {verdict:<8} {case.answer_type:<6} gold {case.answer!r}, said {case.said!r}: {case.trap}\n"
            )
    return any(case.verdict("vitar") != case.expected["vitar"] for case in found)


if __name__ == "__main__":
    sys.exit(main())
