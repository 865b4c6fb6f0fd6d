"""The book that a run keeps: who came to each filter, who did not get past it, and why."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Generic, TypeVar

from vitar.data.curation.questions.candidate import Rejection
from vitar.data.curation.questions.report import Stage

Key = TypeVar("Key", int, str)


class Ledger(Generic[Key]):
    """Entries by key, and the filters that they went through.

    Attributes:
        rejected: key -> why; of every entry that is out.
        stages: so far.
    """

    def __init__(self, keys: Sequence[Key]) -> None:
        if len(set(keys)) < len(keys):
            raise ValueError("two entries have the same key")
        self._keys: tuple[Key, ...] = tuple(keys)
        self.rejected: dict[Key, Rejection] = {}
        self.stages: list[Stage] = []

    @property
    def left(self) -> list[Key]:
        """Keys of the entries that are still in, in order."""
        return [key for key in self._keys if key not in self.rejected]

    def reject(self, name: str, about: str, found: Mapping[Key, Rejection]) -> None:
        """Takes entries out, for the reasons that filter ``name`` found.

        Raises:
            ValueError: an entry is already out, or unknown.
        """
        left = self.left
        if strange := found.keys() - set(left):
            raise ValueError(f"{name} left out {min(strange)!r}, which did not come to it")
        reasons = Counter(rejection.reason for rejection in found.values())
        self.stages.append(Stage(name=name, about=about, entered=len(left), dropped=dict(sorted(reasons.items()))))
        self.rejected |= {key: replace(rejection, filter=name) for key, rejection in found.items()}

    def skip(self, name: str, about: str, why: str) -> None:
        """Notes a filter that does not run."""
        self.stages.append(Stage(name=name, about=about, entered=len(self.left), dropped={}, skipped=why))
