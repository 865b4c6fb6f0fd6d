"""Annotated images of one source, read on demand, with an account of what could not be used as it stood."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar, overload

from vitar.data.annotated import AnnotatedImage
from vitar.imaging.loading import image_size
from vitar.imaging.reference import split_reference

Key = TypeVar("Key")
logger = logging.getLogger(__name__)

ZERO_AREA = "box of zero area, left out"
REVERSED = "box with its corners reversed, left out"
OUTSIDE = "box outside the image, left out"
CLIPPED = "box reaching out of the image, cut to it"
EMPTY_MASK = "mask without a pixel, left out"
NO_IMAGE_FILE = "image file missing, image left out"
NO_ANNOTATION = "no annotation file, taken as nothing marked"
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp", ".dcm", ".dicom")
SPLIT_NAMES = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
"""What split lists and folders are called -> the split of an annotated image."""


class SourceError(ValueError):
    """A source that cannot be read. The message says what was found, what was expected, which item, what to do."""


class Issues:
    """What a source could not use as it stood: a reason, and the items that it holds for, each named once.

    The first item of a reason is logged as a warning; the others are counted.
    """

    def __init__(self) -> None:
        self._items: dict[str, dict[str, None]] = {}

    def add(self, reason: str, item: str) -> None:
        """Counts ``item``, the name of an image or of a region in it; the same item twice counts once."""
        if reason not in self._items:
            logger.warning("%s: %s (further ones are counted, not logged)", item, reason)
        self._items.setdefault(reason, {})[item] = None

    @property
    def counts(self) -> dict[str, int]:
        """Reason -> number of items."""
        return {reason: len(items) for reason, items in self._items.items()}

    def items(self, reason: str) -> tuple[str, ...]:
        """The items of a reason in the order in which they were met."""
        return tuple(self._items.get(reason, ()))


class AnnotatedSource(Sequence[AnnotatedImage]):
    """Annotated images that are made one by one from ``items``, when asked for.

    Args:
        items: what the images are made from; a slice of the source is a source of a slice of them.
        make: makes the image of one item, and adds to ``issues`` what it leaves out.
        issues: complete once every image has been made.
    """

    def __init__(self, items: Sequence[Any], make: Callable[[Any], AnnotatedImage], issues: Issues) -> None:
        self._items, self._make, self.issues = items, make, issues

    def __len__(self) -> int:
        return len(self._items)

    @overload
    def __getitem__(self, index: int) -> AnnotatedImage: ...
    @overload
    def __getitem__(self, index: slice) -> AnnotatedSource: ...
    def __getitem__(self, index: int | slice) -> AnnotatedImage | AnnotatedSource:
        if isinstance(index, slice):
            return AnnotatedSource(self._items[index], self._make, self.issues)
        return self._make(self._items[index])


@dataclass(frozen=True)
class About:
    """What the files of a format do not say, the same for all images of a source.

    Args:
        source: its name; "" for the name of its folder.
        modality, anatomy, split, licence: as in `AnnotatedImage`; used where the files say nothing else.
    """

    source: str = ""
    modality: str = ""
    anatomy: str = ""
    split: str = ""
    licence: str = ""


def existing(path: Path, what: str) -> Path:
    """``path``, if it is there.

    Raises:
        SourceError: it is not.
    """
    if not path.exists():
        raise SourceError(f"{path}: not found. Expected {what}; check the path and the layout of the download.")
    return path


def is_there(reference: Path) -> bool:
    """Whether the file of a reference to a picture exists.

    Raises:
        ImageError: the reference is malformed.
    """
    return Path(split_reference(str(reference))[0]).is_file()


def with_image_files(images: Mapping[Key, Path], issues: Issues) -> dict[Key, Path]:
    """The images, key -> reference, whose file is there; the others are counted.

    Raises:
        SourceError: none is there.
        ImageError: a reference is malformed.
    """
    found = {key: path for key, path in images.items() if is_there(path)}
    if images and not found:
        raise SourceError(
            f"{next(iter(images.values()))}: no such file, and none of the {len(images)} images that are annotated is "
            "there. Download the images too, or name their folder."
        )
    for key, path in images.items():
        if key not in found:
            issues.add(NO_IMAGE_FILE, str(path))
    return found


def size_of(reference: str | Path, declared: tuple[int, int] | None = None) -> tuple[int, int]:
    """Width and height of an image, which is the frame of its boxes.

    Args:
        declared: what the annotation says it is.

    Raises:
        SourceError: the annotation is for an image of another size, so its boxes are in another frame.
        ImageError: the header cannot be read.
    """
    size = image_size(reference)
    if declared is not None and declared != size:
        raise SourceError(
            f"{reference}: {size[0]} x {size[1]} pixels (upright), but it was annotated at {declared[0]} x "
            f"{declared[1]}. Boxes and masks are only right on the image that was annotated; get that one."
        )
    return size


def listed_splits(lists: Iterable[Path]) -> dict[str, str]:
    """Name of an image -> split, from lists such as ``train.txt`` with a name a line; other lists are left alone."""
    splits = {}
    for path in lists:
        if split := SPLIT_NAMES.get(path.stem):
            splits.update(
                {line.split()[0]: split for line in path.read_text(encoding="utf-8").splitlines() if line.split()}
            )
    return splits
