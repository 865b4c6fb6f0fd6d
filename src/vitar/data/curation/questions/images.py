"""Every image of the sources, decoded once: its marks, its fingerprint, and a file of what has to be drawn."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import lru_cache, partial
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from vitar.data.annotated import AnnotatedImage
from vitar.data.curation.fingerprints import Fingerprint, fingerprint
from vitar.data.example import PHANTOM_PREFIX, ImageRef, open_image
from vitar.data.sources import AnnotatedSource, open_annotated
from vitar.imaging.loading import ImageError

HELD_OUT = ("test", "validation")
"""Splits of a source that stay what they are; the strictest first."""

NO_RECORD = "image without a readable header, left out"

_CHUNK = 32

T = TypeVar("T")


@dataclass(frozen=True)
class SurveyedImage:
    """An annotated image as it was found.

    Args:
        fingerprint: None if the image cannot be read.
        problem: why it cannot be used; "" if it can.
    """

    image: AnnotatedImage
    fingerprint: Fingerprint | None
    problem: str = ""


@dataclass(frozen=True)
class Survey:
    """All images of the sources.

    Args:
        images: in the order of the sources.
        issues: source -> reason -> number of marks and images that the source itself left out.
    """

    images: tuple[SurveyedImage, ...]
    issues: dict[str, dict[str, int]]


def survey(specs: Sequence[str], drawn: Path, workers: int) -> Survey:
    """Reads all images of the sources.

    Args:
        specs: see `open_annotated`.
        drawn: folder for files of images that are drawn and have none.
        workers: processes; with one, all is done in this process.

    Raises:
        SourceError: a source cannot be opened, or an annotation not be read.
    """
    drawn.mkdir(parents=True, exist_ok=True)
    parts = [(spec, i, i + _CHUNK) for spec in specs for i in range(0, len(open_annotated(spec)), _CHUNK)]
    images: list[SurveyedImage] = []
    issues: defaultdict[str, defaultdict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for found, left_out in in_processes(partial(_read_part, drawn), parts, workers, "images"):
        images += found
        for spec, reason, items in left_out:
            issues[spec][reason].update(items)
    counts = {spec: {reason: len(items) for reason, items in sorted(by.items())} for spec, by in sorted(issues.items())}
    return Survey(tuple(images), counts)


def in_processes(work: Callable[..., T], parts: Sequence[tuple[object, ...]], workers: int, what: str) -> Iterator[T]:
    """``work(*part)`` for every part, in order, with a progress bar."""
    bar = partial(tqdm, total=len(parts), desc=what, unit="part", disable=None)
    if workers == 1:
        yield from bar(work(*part) for part in parts)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from bar(pool.map(work, *zip(*parts, strict=True)) if parts else ())


def split_of_groups(images: Sequence[AnnotatedImage], shares: dict[str, float], seed: int) -> dict[str, str]:
    """The split of each group.

    What a source holds out stays held out, for the whole group; everything else goes to ``train``, or to a split of
    ``shares`` by a hash of the group's name, so that one more image moves no other.
    """
    given: defaultdict[str, set[str]] = defaultdict(set)
    for image in images:
        given[image.group].add(image.split)
    return {group: _split(group, splits, shares, seed) for group, splits in given.items()}


def _split(group: str, given: set[str], shares: dict[str, float], seed: int) -> str:
    held_out = next((split for split in HELD_OUT if split in given), "")
    if held_out:
        return held_out
    digest = hashlib.sha256(f"split/{seed}/{group}".encode()).digest()
    place = int.from_bytes(digest[:8], "big") / 2**64
    for split, share in sorted(shares.items()):
        if place < share:
            return split
        place -= share
    return "train"


@lru_cache(maxsize=4)
def _opened(spec: str) -> AnnotatedSource:
    return open_annotated(spec)


def _read_part(
    drawn: Path, spec: str, start: int, stop: int
) -> tuple[list[SurveyedImage], list[tuple[str, str, tuple[str, ...]]]]:
    """Some images of a source, and everything that the source has left out so far."""
    source, images = _opened(spec), []
    left_out: list[tuple[str, str, tuple[str, ...]]] = []
    for place in range(start, min(stop, len(source))):
        try:
            images.append(_read(source[place], drawn))
        except ImageError as error:  # there is no size, and so no record
            left_out.append((spec, NO_RECORD, (str(error),)))
    left_out += [(spec, reason, source.issues.items(reason)) for reason in source.issues.counts]
    return images, left_out


def _read(image: AnnotatedImage, drawn: Path) -> SurveyedImage:
    try:
        pixels = open_image(image.image)
    except (ImageError, OSError) as error:
        return SurveyedImage(image, None, str(error))
    if pixels.size != (image.width, image.height):
        size = f"{pixels.width} x {pixels.height}, and was annotated at {image.width} x {image.height}"
        return SurveyedImage(image, None, f"the image is {size}")
    if image.image.encoded is None and image.image.uri.startswith(PHANTOM_PREFIX):
        file = drawn / (image.image.uri.removeprefix(PHANTOM_PREFIX).replace("/", "-") + ".png")
        if not file.exists():
            partial_file = file.with_suffix(".partial")
            pixels.save(partial_file, format="PNG", compress_level=1)
            partial_file.replace(file)
    return SurveyedImage(image, fingerprint(pixels))


def stored_reference(ref: ImageRef, drawn: Path) -> ImageRef:
    """The reference with the bytes of its file, if it was drawn; another one as it is."""
    if ref.encoded is not None or not ref.uri.startswith(PHANTOM_PREFIX):
        return ref
    file = drawn / (ref.uri.removeprefix(PHANTOM_PREFIX).replace("/", "-") + ".png")
    return ImageRef(ref.uri, file.read_bytes())
