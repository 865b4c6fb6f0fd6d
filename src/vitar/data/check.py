"""A stored set of examples, examined item by item in one pass over its files.

Rows are read from disk one record batch at a time and not through a memory map, and of the items before only digests
are kept, so memory does not grow with the images. An image that many questions share is decoded once.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Any

from vitar.data.example import (
    PHANTOM_PREFIX,
    STATE_NAME,
    ImageRef,
    Region,
    contradictions,
    features,
    open_image,
    set_folders,
)
from vitar.grading import grade
from vitar.protocol.prompts import OPTION_LETTERS

if TYPE_CHECKING:
    import pyarrow as pa

_MASK = "mask"


class DataSetError(ValueError):
    """A path holds no set of examples that could be examined."""


@dataclass(frozen=True)
class Finding:
    """One thing wrong with one item.

    Args:
        problem: a short name, for counting.
        detail: one sentence.
    """

    problem: str
    detail: str


@dataclass(frozen=True)
class CheckedItem:
    """One item with everything that is wrong with it.

    Args:
        place: folder and row, from 0.
        id: as stored; "" where there is none.
        findings: empty for an item in order.
    """

    place: str
    id: str
    findings: tuple[Finding, ...]


def check_examples(path: str | Path) -> Iterator[CheckedItem]:
    """Examines every item of a set that `save_examples` wrote, or of all such sets directly inside a folder.

    Ids must be unique, and a group must keep to one split, over everything that is examined.

    Raises:
        DataSetError: there is no such set, its columns are others, or a file of it is damaged.
    """
    memory = _Memory()
    folders = set_folders(path)
    if not folders:
        raise DataSetError(
            f"{path}: no stored set of examples here or in a folder directly inside. Expected a folder that "
            "`vitar data` or `vitar curate` wrote."
        )
    for folder in folders:
        for row_number, row in enumerate(_rows(folder)):
            place = f"{folder} row {row_number}"
            yield CheckedItem(place, row["id"] or "", tuple(_findings(row, place, memory)))


class _Memory:
    """What has to be known of earlier items, by digest.

    Attributes:
        places: of each id.
        splits: of each group, with the place where it was first seen.
        images: width and height, or why there are none.
    """

    def __init__(self) -> None:
        self.places: dict[bytes, str] = {}
        self.splits: dict[bytes, tuple[str, str]] = {}
        self.images: dict[bytes, tuple[int, int] | str] = {}


def _findings(row: dict[str, Any], place: str, memory: _Memory) -> Iterator[Finding]:
    """Everything wrong with a row, as it lies in the file."""
    missing = [name for name, value in row.items() if value is None]
    if missing:
        yield Finding("missing_value", f"no value for {', '.join(missing)}")
    if row["id"] is not None and (first := memory.places.setdefault(_digest(row["id"]), place)) != place:
        yield Finding("duplicate_id", f"the id is that of {first} too")
    yield from _group_findings(row, place, memory)

    regions = [
        Region(each["label"] or "", tuple(each["box_xyxy"] or ()), each.get(_MASK)) for each in row["regions"] or ()
    ]
    options = row["options"] or ()
    texts = {name: row[name] or "" for name in ("id", "question", "answer", "answer_type")}
    yield from (Finding(*each) for each in contradictions(**texts, options=options, regions=regions))
    if len(options) > len(OPTION_LETTERS):
        yield Finding("bad_options", f"{len(options)} options, and letters for {len(OPTION_LETTERS)}")
    if texts["answer"].strip() and texts["answer_type"] in ("closed", "open"):
        yield from _ungradable(texts["answer_type"], texts["answer"])

    if not row["images"]:
        yield Finding("missing_image", "the item has no image")
        return
    sizes = [_image_size(stored, number, memory) for number, stored in enumerate(row["images"], start=1)]
    yield from (size for size in sizes if isinstance(size, Finding))
    if not isinstance(sizes[0], Finding):
        yield from _region_findings(regions, *sizes[0])


def _group_findings(row: dict[str, Any], place: str, memory: _Memory) -> Iterator[Finding]:
    group, split = row["group"], row["split"]
    if group is None or split is None:
        return
    if not group.strip():
        yield Finding("no_group", "the group is empty; without a known patient it is the image")
        return
    earlier, first = memory.splits.setdefault(_digest(group), (split, place))
    if earlier != split:
        yield Finding(
            "group_in_two_splits", f"group {group!r} is in split {split!r} here and in {earlier!r} at {first}"
        )


def _ungradable(answer_type: str, answer: str) -> Iterator[Finding]:
    """An answer that the grader cannot compare with anything, such as a lone dash."""
    try:
        grade(answer_type, answer, (), answer)
    except ValueError as error:
        yield Finding("ungradable_answer", str(error))


def _image_size(stored: dict[str, Any] | None, number: int, memory: _Memory) -> tuple[int, int] | Finding:
    """Width and height of an image that decodes."""
    if stored is None or (stored["bytes"] is None and not stored["path"]):
        return Finding("missing_image", f"image {number} has neither bytes nor a path")
    ref = ImageRef(stored["path"] or "", stored["bytes"])
    if ref.encoded is None and not ref.uri.startswith(PHANTOM_PREFIX) and not Path(ref.uri).is_file():
        return Finding("missing_image", f"image {number}: there is no file {ref.uri}")
    digest = _digest(ref.uri if ref.encoded is None else ref.encoded)
    if digest not in memory.images:
        try:
            memory.images[digest] = open_image(ref).size
        except ValueError as error:  # ImageError is one, and so is the name of a phantom that does not exist
            memory.images[digest] = str(error)
    size = memory.images[digest]
    return Finding("undecodable_image", f"image {number}, {ref.uri!r}: {size}") if isinstance(size, str) else size


def _region_findings(regions: list[Region], width: int, height: int) -> Iterator[Finding]:
    """What is wrong with regions as parts of an image of ``width`` x ``height`` pixels."""
    for region in regions:
        if len(region.box_xyxy) != 4 or region.box(width, height).area <= 0:
            continue  # contradicts itself, and was named for that
        if not region.box(width, height).is_valid:
            size = f"{width} x {height}"
            detail = f"the box of region {region.label!r} leaves the image of {size}: {region.box_xyxy}"
            yield Finding("box_outside_image", detail)
        elif region.mask is not None:
            try:
                mask_hw = region.mask_hw(width, height)
            except (ValueError, OSError) as error:  # OSError: Pillow cannot read the PNG
                yield Finding("bad_mask", str(error))
            else:
                if mask_hw is not None and not mask_hw.any():
                    yield Finding("bad_mask", f"the mask of region {region.label!r} has no pixel")


def _rows(folder: Path) -> Iterator[dict[str, Any]]:
    """The rows of a stored set, read through once."""
    import pyarrow as pa

    try:
        state = json.loads((folder / STATE_NAME).read_text())
        for data_file in state["_data_files"]:
            with pa.OSFile(str(folder / data_file["filename"])) as file, pa.ipc.open_stream(file) as stream:
                _require_columns(stream.schema, folder)
                for batch in stream:
                    for row_number in range(len(batch)):
                        yield batch.slice(row_number, 1).to_pylist()[0]
    except (OSError, pa.ArrowInvalid, json.JSONDecodeError, KeyError) as error:
        advice = "Expected a folder that `vitar data` or `vitar curate` wrote to its end; write it again."
        raise DataSetError(f"{folder}: cannot be read ({error}). {advice}") from error


def _require_columns(schema: pa.Schema, folder: Path) -> None:
    expected = features().arrow_schema
    wrong = [
        f"{name} {'is missing' if name not in schema.names else f'holds {schema.field(name).type}'}"
        for name in expected.names
        if name not in schema.names or not _is_readable(schema.field(name).type, expected.field(name).type)
    ]
    if wrong:
        raise DataSetError(f"{folder}: not a set of examples: {'; '.join(wrong)}. Expected the columns of an Example.")


def _is_readable(found: pa.DataType, expected: pa.DataType) -> bool:
    """Whether a column has its type; regions may lack masks, as in sets stored before there were any."""
    import pyarrow as pa

    if found == expected or not pa.types.is_list(expected) or not pa.types.is_list(found):
        return found == expected
    if not pa.types.is_struct(expected.value_type) or not pa.types.is_struct(found.value_type):
        return False
    wanted = {field.name: field.type for field in expected.value_type}
    given = {field.name: field.type for field in found.value_type}
    return {_MASK: wanted.get(_MASK), **given} == wanted


def _digest(value: str | bytes) -> bytes:
    return blake2b(value.encode() if isinstance(value, str) else value, digest_size=16).digest()
