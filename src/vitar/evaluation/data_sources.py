"""What ``--data`` can name: a source and a split of it, or a folder of stored examples."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from vitar.data.example import Example

DEFAULT_COUNT = 1000
"""Items of a source without an end."""


def open_source(name: str, start: int = 0, count: int | None = None) -> Sequence[Example]:
    """Items ``start`` to ``start + count`` of a source, made or read when they are asked for.

    Args:
        name: ``phantoms:SPLIT``, or the path of a folder that `save_examples` wrote.
        count: by default all from ``start`` on, or `DEFAULT_COUNT` where there is no end.

    Raises:
        ValueError: there is no such source or split, or it has fewer items.
    """
    if start < 0 or (count is not None and count < 1):
        raise ValueError(f"items start at 0 and their number is at least 1, got start {start} and count {count}")
    prefix, colon, split = name.partition(":")
    if colon and prefix in SOURCES:
        return SOURCES[prefix](split, start, count)
    return _stored(name, start, count)


def _phantoms(split: str, start: int, count: int | None) -> Sequence[Example]:
    from vitar.data.phantoms.dataset import phantom_examples

    return phantom_examples(split, start + (count or DEFAULT_COUNT))[start:]


SOURCES: dict[str, Callable[[str, int, int | None], Sequence[Example]]] = {"phantoms": _phantoms}
"""Prefix -> (split, start, count) -> examples."""


def _stored(path: str, start: int, count: int | None) -> Sequence[Example]:
    from vitar.data.benchmarks.registry import BENCHMARKS
    from vitar.data.example import load_examples

    if not Path(path).is_dir():
        if path in BENCHMARKS:
            how = f"`vitar data prepare {path} --out DIR` writes it to a folder"
            raise ValueError(f"{path} is a benchmark; {how}, which can be named here")
        known = ", ".join(f"{prefix}:SPLIT" for prefix in SOURCES)
        raise ValueError(
            f"there is no data source {path!r}; expected {known} or the folder of a stored set of examples"
        )
    try:
        examples = load_examples(path)
    except FileNotFoundError as error:
        raise ValueError(str(error)) from error
    end = len(examples) if count is None else start + count
    if not start < end <= len(examples):
        raise ValueError(f"{path} has {len(examples)} items; there are no items {start} to {end}")
    return examples[start:end]
