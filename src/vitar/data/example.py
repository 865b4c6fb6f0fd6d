"""The one record that every data set becomes: a question about images, with its answer and its evidence.

Images are references and regions are in pixels of the original, so an `Example` is small and can be listed, filtered
and shuffled without decoding a pixel. On disk a set of examples is a Hugging Face dataset with `features`.
"""

from __future__ import annotations

import math
import shutil
import tempfile
import uuid
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload

import numpy as np
from PIL import Image

from vitar.imaging.geometry import Box, Frame
from vitar.imaging.medical import scan_format
from vitar.imaging.reference import Selection, split_reference

if TYPE_CHECKING:
    import datasets

ANSWER_TYPES = ("choice", "yes_no", "closed", "open")

PHANTOM_PREFIX = "phantom:"

STATE_NAME = "state.json"
"""In the folder of a stored set, as `datasets` writes it."""


@dataclass(frozen=True)
class ImageRef:
    """Where an image is to be found.

    Args:
        uri: a file path; of a scan or a file of several pages with what names one picture, as in
            ``brain.nii.gz#slice=12`` or ``chest.dcm#window=-600,1500`` (see `vitar.imaging.reference`); or
            ``phantom:family/split/index``; with ``encoded``, a name for messages.
        encoded: the image file's bytes, where they are at hand.
    """

    uri: str
    encoded: bytes | None = None


@dataclass(frozen=True)
class Region:
    """Evidence for an answer.

    Args:
        label: what lies there.
        box_xyxy: tight box in pixels of the original image.
        mask: where known, which pixels of the box belong: a 1-bit PNG of the size of the box, whose corners are then
            whole pixels.
    """

    label: str
    box_xyxy: tuple[float, float, float, float]
    mask: bytes | None = field(default=None, repr=False)

    @classmethod
    def of_mask(cls, label: str, mask_hw: np.ndarray) -> Region:
        """The region of the true pixels of ``mask_hw``, bool [H, W] over the whole original image.

        Raises:
            ValueError: the mask is no bool [H, W], or has no true pixel.
        """
        if mask_hw.ndim != 2 or mask_hw.dtype != bool:
            raise ValueError(f"the mask of {label!r} must be bool [H, W], got {mask_hw.dtype} {mask_hw.shape}")
        rows, columns = np.flatnonzero(mask_hw.any(axis=1)), np.flatnonzero(mask_hw.any(axis=0))
        if not rows.size:
            raise ValueError(f"the mask of {label!r} has no pixel")
        x0, y0, x1, y1 = int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1
        return cls(label, (float(x0), float(y0), float(x1), float(y1)), _png(Image.fromarray(mask_hw[y0:y1, x0:x1])))

    def box(self, width: int, height: int) -> Box:
        """The box in the frame of its original image of ``width`` x ``height`` pixels."""
        return Box(*self.box_xyxy, Frame.original(width, height))

    def mask_hw(self, width: int, height: int) -> np.ndarray | None:
        """The mask over its original image: bool [``height``, ``width``]; None where only the box is known.

        Raises:
            ValueError: mask and box are of different sizes, or the box leaves the image.
        """
        if self.mask is None:
            return None
        crop_hw = np.asarray(Image.open(BytesIO(self.mask)), dtype=bool)
        x0, y0, x1, y1 = map(int, self.box_xyxy)
        box = self.box(width, height)
        if not box.is_valid or box.xyxy != (x0, y0, x1, y1) or crop_hw.shape != (y1 - y0, x1 - x0):
            raise ValueError(
                f"the mask of region {self.label!r} has {crop_hw.shape[1]} x {crop_hw.shape[0]} pixels and its box is "
                f"{self.box_xyxy} in an image of {width} x {height}; expected a box of whole pixels of the mask's size"
            )
        mask_hw = np.zeros((height, width), dtype=bool)
        mask_hw[y0:y1, x0:x1] = crop_hw
        return mask_hw


@dataclass(frozen=True)
class Example:
    """One question about one or more images.

    Args:
        id: unique in its data set.
        images: in the order in which the question numbers them.
        question: text without the options.
        options: texts in the order of their letters; empty unless a choice.
        answer: for a choice the right option's text, for yes/no ``yes`` or ``no``.
        answer_type: one of `ANSWER_TYPES`.
        regions: what the question is about, in the first image.
        modality, anatomy: of the images; "" if unknown.
        kind: question kind (presence, location, count, type, attribute, comparison), or "".
        source, split, licence: where the example comes from.
        group: patient or image; splits and confidence intervals keep a group together.

    Raises:
        ValueError: the record contradicts itself; the message names the id.
    """

    id: str
    images: tuple[ImageRef, ...]
    question: str
    options: tuple[str, ...]
    answer: str
    answer_type: str
    regions: tuple[Region, ...]
    modality: str
    anatomy: str
    kind: str
    source: str
    split: str
    licence: str
    group: str

    def __post_init__(self) -> None:
        found = contradictions(self.id, self.question, self.options, self.answer, self.answer_type, self.regions)
        for _, text in found:
            raise ValueError(f"example {self.id!r}: {text}")


def contradictions(
    id: str, question: str, options: Sequence[str], answer: str, answer_type: str, regions: Iterable[Region]
) -> Iterator[tuple[str, str]]:
    """Everything in which the fields of an example contradict each other: a short name, and a sentence."""
    if not id.strip():
        yield "no_id", "an example needs an id"
    if not question.strip():
        yield "no_question", "the question is empty"
    if answer_type not in ANSWER_TYPES:
        expected = ", ".join(ANSWER_TYPES)
        yield "unknown_answer_type", f"unknown answer type {answer_type!r}; expected one of {expected}"
    elif answer_type == "choice":
        if len(options) < 2 or len(set(options)) < len(options):
            yield "bad_options", f"a choice needs two or more different options, got {list(options)}"
        if answer not in options:
            yield "answer_not_an_option", f"the answer {answer!r} is not among the options {list(options)}"
    elif options:
        yield "bad_options", f"only a choice has options, and this is {answer_type}"
    if answer_type == "yes_no" and answer not in ("yes", "no"):
        yield "bad_answer", f"a yes/no answer is 'yes' or 'no', got {answer!r}"
    if not answer.strip():
        yield "no_answer", "the answer is empty"
    for region in regions:
        if len(region.box_xyxy) != 4 or not all(map(math.isfinite, region.box_xyxy)):
            numbers = f"needs four finite numbers, got {region.box_xyxy}"
            yield "bad_box", f"the box of region {region.label!r} {numbers}"
            continue
        x0, y0, x1, y1 = region.box_xyxy
        if x1 <= x0 or y1 <= y0:
            yield "bad_box", f"the box of region {region.label!r} is empty or reversed: {region.box_xyxy} (xyxy)"


def open_image(ref: ImageRef) -> Image.Image:
    """Decodes an image: mode ``L`` or ``RGB``, upright, 8 bits.

    Raises:
        ImageError: there is no readable image.
        ValueError: the reference names no phantom.
    """
    if ref.encoded is None and ref.uri.startswith(PHANTOM_PREFIX):
        from vitar.data.phantoms.dataset import phantom_image

        return phantom_image(ref.uri)
    from vitar.imaging.loading import load_image

    return load_image(ref.uri if ref.encoded is None else ref.encoded)


def features() -> datasets.Features:
    """The columns of a stored set, one per field of `Example`."""
    from datasets import Features, Image, Sequence, Value

    text = Value("string")
    columns: dict[str, Any] = {field.name: text for field in fields(Example)}
    columns["images"] = Sequence(Image())
    columns["options"] = Sequence(text)
    box = Sequence(Value("float64"), length=4)
    columns["regions"] = [{"label": text, "box_xyxy": box, "mask": Value("binary")}]
    return Features(columns)


def to_dataset(examples: Iterable[Example], cache_dir: str | Path) -> datasets.Dataset:
    """A dataset that holds ``examples`` with their image files, written to ``cache_dir`` one batch at a time.

    ``examples`` is iterated once, and images are read as it goes, so memory stays flat.

    Raises:
        OSError: an image file cannot be read, or the dataset not written.
    """
    from datasets import Dataset
    from datasets.exceptions import DatasetGenerationError

    try:
        return Dataset.from_generator(_Rows(examples), features=features(), cache_dir=str(cache_dir))
    except DatasetGenerationError as error:  # hides what went wrong, e.g. which file is missing
        raise error.__cause__ or error from None


def from_dataset(dataset: datasets.Dataset) -> Sequence[Example]:
    """The examples of a dataset with `features`; each row is read when it is asked for, and no image is decoded.

    Raises:
        ValueError: columns are missing.
    """
    missing = {field.name for field in fields(Example)} - set(dataset.column_names)
    if missing:
        raise ValueError(f"not a set of examples: columns {sorted(missing)} are missing")
    return _StoredExamples(dataset.with_format("arrow"))


def save_examples(examples: Iterable[Example], out: str | Path) -> None:
    """Writes ``examples`` with their image files to the folder ``out``, which appears only once it is complete.

    Raises:
        FileExistsError: ``out`` is a file, or a folder with something in it.
        OSError: an image file cannot be read, or the dataset not written.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists and is not an empty folder; give another one or remove it first")
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as work:
        to_dataset(examples, Path(work) / "cache").save_to_disk(Path(work) / "dataset")
        if out.exists():
            out.rmdir()
        shutil.move(Path(work) / "dataset", out)


def load_examples(path: str | Path) -> Sequence[Example]:
    """The examples in a folder that `save_examples` wrote, read lazily.

    Raises:
        FileNotFoundError: there is no stored set in ``path``; the message names those in folders inside.
        ValueError: it has other columns.
    """
    from datasets import load_from_disk

    folders = set_folders(path)
    if folders != [Path(path)]:
        inside = " and ".join(folder.name for folder in folders)
        found = (
            f"has its sets in {inside}; name one of these, as in {folders[0]}" if folders else "has none inside either"
        )
        raise FileNotFoundError(f"{path} holds no stored set of examples, and {found}")
    return from_dataset(load_from_disk(str(path)))


def set_folders(path: str | Path) -> list[Path]:
    """The folder itself if it is a stored set, else those directly inside that are, as the splits of a curation."""
    if (Path(path) / STATE_NAME).is_file():
        return [Path(path)]
    return sorted(state.parent for state in Path(path).glob(f"*/{STATE_NAME}"))


class _StoredExamples(Sequence[Example]):
    """Rows of an Arrow table as examples; the encoded images stay as they lie."""

    def __init__(self, table: datasets.Dataset) -> None:
        self._table = table

    def __len__(self) -> int:
        return len(self._table)

    @overload
    def __getitem__(self, index: int) -> Example: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Example]: ...
    def __getitem__(self, index: int | slice) -> Example | Sequence[Example]:
        if isinstance(index, slice):
            return _StoredExamples(self._table.select(range(*index.indices(len(self)))))
        place = range(len(self))[index]  # from the end if negative; IndexError beyond either end
        (row,) = self._table[place : place + 1].to_pylist()
        return _example(row)


class _Rows:
    """Examples as rows for `Dataset.from_generator`.

    That function pickles its generator to look for an earlier result in the cache. What is pickled here is a
    token in place of the examples: these may be an iterator, or too many to hash, and the result is always new.
    """

    def __init__(self, examples: Iterable[Example]) -> None:
        self._examples = examples

    def __call__(self) -> Iterator[dict[str, Any]]:
        return map(_row, self._examples)

    def __getstate__(self) -> dict[str, str]:
        return {"token": uuid.uuid4().hex}


def _row(example: Example) -> dict[str, Any]:
    row: dict[str, Any] = {field.name: getattr(example, field.name) for field in fields(Example)}
    row["images"] = [_encoded(ref) for ref in example.images]
    row["options"] = list(example.options)
    row["regions"] = [{"label": r.label, "box_xyxy": list(r.box_xyxy), "mask": r.mask} for r in example.regions]
    return row


def _encoded(ref: ImageRef) -> dict[str, Any]:
    """What the dataset stores of an image: the bytes of its file as they are, or a PNG of the picture, and a name.

    The PNG is for phantoms, slices, and windows other than the file's own. A DICOM file is stored so too, since its
    header names the patient and other readers of the dataset cannot decode it.
    """
    if ref.encoded is not None:
        return {"bytes": ref.encoded, "path": ref.uri}
    if ref.uri.startswith(PHANTOM_PREFIX):
        return {"bytes": _png(open_image(ref)), "path": ref.uri}
    path, selection = split_reference(ref.uri)
    name = Path(path).name + ref.uri.removeprefix(path)
    data = Path(path).read_bytes()
    if selection != Selection() or scan_format(path, data):
        return {"bytes": _png(open_image(ref)), "path": name}
    return {"bytes": data, "path": name}


def _png(image: Image.Image) -> bytes:
    buffer = BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def _example(row: dict[str, Any]) -> Example:
    images = tuple(ImageRef(image["path"] or "", image["bytes"]) for image in row["images"])
    # Sets that were stored before regions could have masks lack that column.
    regions = tuple(Region(r["label"], tuple(r["box_xyxy"]), r.get("mask")) for r in row["regions"])
    texts = {name: row[name] for name in row if name not in ("images", "options", "regions")}
    return Example(images=images, options=tuple(row["options"]), regions=regions, **texts)
