"""The items that trajectories are written about: slices of several sources, shuffled together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import overload

import numpy as np

from vitar.data.curation.first_look import answer_values
from vitar.data.curation.scripted_teacher import phantom_values
from vitar.data.example import Example, load_examples
from vitar.data.phantoms.dataset import phantom_examples

PHANTOMS_PREFIX = "phantoms:"

_SPEC = re.compile(r"(?P<name>.+?)(?:\[(?P<start>\d*):(?P<stop>\d*)\])?")


class PoolError(ValueError):
    """A source cannot be opened as it was named."""


class Pool(Sequence[Example]):
    """Items of several sources in an order that mixes them and depends on the seed alone.

    Args:
        specs: ``NAME`` or ``NAME[START:STOP]``, where a name is ``phantoms:SPLIT``, which needs a stop, or the folder
            of a stored set.

    Attributes:
        values: what answers in these sources can be; see `first_look.Values`.

    Raises:
        PoolError: a source cannot be opened, or holds nothing.
    """

    def __init__(self, specs: Iterable[str], seed: int = 0) -> None:
        self._parts: list[Sequence[Example]] = []
        self.values: dict[tuple[str, str], set[str]] = {}
        for spec in specs:
            part, values = _open(spec)
            self._parts.append(part)
            for key, more in values.items():
                self.values.setdefault(key, set()).update(more)
        places = [(part, place) for part, items in enumerate(self._parts) for place in range(len(items))]
        self._order = [places[i] for i in np.random.default_rng(seed).permutation(len(places))]

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> list[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | list[Example]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        part, place = self._order[index]
        return self._parts[part][place]


def _open(spec: str) -> tuple[Sequence[Example], dict[tuple[str, str], set[str]]]:
    """The items that a spec names, and the values of their answers."""
    match = _SPEC.fullmatch(spec)
    if match is None:
        raise PoolError("the name of a source is empty; expected phantoms:SPLIT[START:STOP] or a folder")
    name, start, stop = match["name"], int(match["start"] or 0), int(match["stop"]) if match["stop"] else None
    phantoms = name.startswith(PHANTOMS_PREFIX)
    if phantoms and stop is None:
        raise PoolError(f"{spec}: phantoms have no end; name a slice of them, such as {name}[1000:3000]")
    try:
        items = phantom_examples(name.removeprefix(PHANTOMS_PREFIX), stop or 0) if phantoms else load_examples(name)
    except (OSError, ValueError) as error:
        raise PoolError(f"{spec}: {error}") from error
    end = len(items) if stop is None else stop
    if not start < end <= len(items):
        raise PoolError(f"{spec}: there are no such items; {name} has {len(items)}")
    chosen = items[start:end]
    return chosen, phantom_values() if phantoms else answer_values(chosen)
