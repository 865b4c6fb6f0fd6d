"""Whether a benchmark's images or questions are among those that a training set is made from."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256
from pathlib import Path

from vitar.data.curation.duplicates import find_copies
from vitar.data.curation.fingerprints import Fingerprint, Gallery, fingerprint
from vitar.data.curation.text_match import TextIndex
from vitar.data.example import Example, load_examples, open_image
from vitar.imaging.loading import ImageError

_CHUNK = 128

Spread = Callable[[Callable[..., "_Part"], Sequence[tuple[object, ...]]], Iterable["_Part"]]
"""Calls a function with each of several argument lists, in order, perhaps in several processes."""


@dataclass(frozen=True)
class Found:
    """What of a benchmark was found again.

    Args:
        benchmark: name of its folder.
        item: id of the benchmark's example.
        detail: how well it agrees.
    """

    benchmark: str
    item: str
    detail: str


@dataclass(frozen=True)
class Benchmark:
    """The questions and the images of a prepared benchmark.

    Args:
        name: of its folder.
        items: ids of its examples.
        questions: of each.
        fingerprints: of its different images.
        first_items: of each fingerprint, the id of the first example with that image.
        unreadable: items with an image that cannot be decoded, and why.
    """

    name: str
    items: tuple[str, ...]
    questions: tuple[str, ...]
    fingerprints: tuple[Fingerprint, ...]
    first_items: tuple[str, ...]
    unreadable: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class _Part:
    """Some rows of a benchmark; images are named by a digest of their bytes."""

    questions: list[tuple[str, str]]
    images: list[tuple[str, str, Fingerprint]]
    unreadable: list[tuple[str, str]]


def _one_by_one(work: Callable[..., _Part], parts: Sequence[tuple[object, ...]]) -> Iterable[_Part]:
    return (work(*part) for part in parts)


def read_benchmark(folder: str | Path, spread: Spread = _one_by_one) -> Benchmark:
    """Reads a stored set; each different image is decoded once.

    Raises:
        FileNotFoundError: there is no stored set in ``folder``.
        ValueError: it has other columns.
    """
    count = len(load_examples(folder))
    questions: list[tuple[str, str]] = []
    images: dict[str, tuple[str, Fingerprint]] = {}
    unreadable: list[tuple[str, str]] = []
    for part in spread(_read_part, [(str(folder), i, min(i + _CHUNK, count)) for i in range(0, count, _CHUNK)]):
        questions += part.questions
        unreadable += part.unreadable
        for digest, item, found in part.images:
            images.setdefault(digest, (item, found))
    return Benchmark(
        name=Path(folder).name,
        items=tuple(item for item, _ in questions),
        questions=tuple(question for _, question in questions),
        fingerprints=tuple(found for _, found in images.values()),
        first_items=tuple(item for item, _ in images.values()),
        unreadable=tuple(unreadable),
    )


def contaminated_images(gallery: Gallery, benchmarks: Sequence[Benchmark]) -> dict[int, Found]:
    """Place of each image of the gallery that a benchmark has too, with the first place where it was found."""
    found: dict[int, Found] = {}
    for benchmark in benchmarks:
        for copy in find_copies(gallery, Gallery(benchmark.fingerprints)):
            detail = "equal pixels" if copy.agreement == 1 else f"agreement {copy.agreement:.3f} once aligned"
            found.setdefault(copy.query, Found(benchmark.name, benchmark.first_items[copy.reference], detail))
    return found


def contaminated_texts(questions: Sequence[str], benchmarks: Sequence[Benchmark]) -> dict[int, Found]:
    """Place of each question that a benchmark asks too, with the first place where it was found."""
    places: dict[str, list[int]] = {}
    for place, question in enumerate(questions):
        places.setdefault(question, []).append(place)
    found: dict[int, Found] = {}
    for benchmark in benchmarks:
        index = TextIndex(benchmark.questions)
        for question, where in places.items():
            if match := index.find(question):
                same = Found(benchmark.name, benchmark.items[match[0]], f"{match[1]}: {benchmark.questions[match[0]]}")
                for place in where:
                    found.setdefault(place, same)
    return found


@lru_cache(maxsize=4)
def _opened(folder: str) -> Sequence[Example]:
    return load_examples(folder)


def _read_part(folder: str, start: int, stop: int) -> _Part:
    part = _Part([], [], [])
    seen: set[str] = set()
    for example in _opened(folder)[start:stop]:
        part.questions.append((example.id, example.question))
        for image in example.images:
            digest = sha256(image.encoded if image.encoded is not None else image.uri.encode()).hexdigest()
            if digest in seen:
                continue
            seen.add(digest)
            try:
                part.images.append((digest, example.id, fingerprint(open_image(image))))
            except (ImageError, OSError) as error:
                part.unreadable.append((example.id, str(error)))
    return part
