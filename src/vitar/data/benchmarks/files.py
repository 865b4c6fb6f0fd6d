"""The files of a benchmark as they lie in its repository: tables, JSON, and images in folders, archives or cells."""

from __future__ import annotations

import hashlib
import json
import re
import zlib
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Protocol
from zipfile import BadZipFile, ZipFile

from vitar.data.benchmarks.record import BenchmarkError
from vitar.data.example import ImageRef

ROWS_AT_ONCE = 32
"""Table rows in memory at a time, with their images."""


def download(hub_id: str, patterns: Collection[str], revision: str | None = None) -> Path:
    """The folder of the Hub's cache with the files of a dataset repository that match ``patterns``.

    The folder's name is the commit. What is in the cache already is not fetched again.

    Raises:
        BenchmarkError: the Hub cannot be reached, or does not give them.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError

    try:
        return Path(snapshot_download(hub_id, repo_type="dataset", revision=revision, allow_patterns=sorted(patterns)))
    except (HfHubHTTPError, OSError) as error:  # refused, gated or not there; no network, or no room on the disk
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise BenchmarkError(
            f"cannot fetch {hub_id} from the Hugging Face Hub: {reason}. Where the Hub cannot be reached, copy the "
            f"repository's files to a folder (`hf download {hub_id} --repo-type dataset --local-dir DIR`) and read "
            "that; where it asks for consent, give it on the repository's page and log in with `hf auth login`."
        ) from error


def one_of(folder: Path, *names: str) -> Path:
    """The first file of these names in ``folder``.

    Raises:
        BenchmarkError: there is none.
    """
    found = next((folder / name for name in names if (folder / name).is_file()), None)
    if found is None:
        raise BenchmarkError(f"{folder} has no {' or '.join(names)}; {_contents(folder)}")
    return found


def json_records(data: bytes, name: str, columns: Iterable[str]) -> list[dict[str, Any]]:
    """The records of a file that holds a JSON list, or one JSON object per line where its ``name`` ends in ``.jsonl``.

    Args:
        columns: what each record must have.

    Raises:
        BenchmarkError: it holds something else, or a column is missing.
    """
    try:
        if name.endswith(".jsonl"):
            records = [json.loads(line) for line in data.decode("utf-8").splitlines() if line.strip()]
        else:
            records = json.loads(data)
    except ValueError as error:
        raise BenchmarkError(f"{name} is no JSON ({error}); fetch it again") from error
    if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
        raise BenchmarkError(f"{name} holds no list of records; expected the benchmark's own file")
    needed = set(columns)
    for place, record in enumerate(records):
        if missing := needed - record.keys():
            raise BenchmarkError(
                f"{name}: record {place} lacks {', '.join(sorted(missing))}; it has {', '.join(record)}"
            )
    return records


def table_rows(folder: Path, pattern: str, columns: Iterable[str]) -> Iterator[dict[str, Any]]:
    """The rows of all Parquet or Arrow files below ``folder`` whose relative path matches, in the order of the paths.

    Args:
        pattern: as in `fnmatch.fnmatchcase`; a ``*`` matches folders too, as it does in a download's patterns.
        columns: those that must be there; all are read. Images stay encoded.

    Raises:
        BenchmarkError: no file matches, or columns are missing.
    """
    paths = sorted(path for path in folder.rglob("*") if fnmatchcase(path.relative_to(folder).as_posix(), pattern))
    if not paths:
        raise BenchmarkError(f"{folder} has no file {pattern}; {_contents(folder)}")
    for path in paths:
        for batch in _batches(path):
            missing = set(columns) - set(batch.schema.names)
            if missing:
                have = ", ".join(batch.schema.names)
                raise BenchmarkError(f"{path} lacks the columns {', '.join(sorted(missing))}; it has {have}")
            yield from batch.to_pylist()


def _batches(path: Path) -> Iterator[Any]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    if path.suffix == ".arrow":
        with pa.memory_map(str(path)) as file, pa.ipc.open_stream(file) as stream:
            yield from stream
    else:
        with pq.ParquetFile(path) as table:
            yield from table.iter_batches(batch_size=ROWS_AT_ONCE)


def embedded(cell: dict[str, Any] | None, name: str) -> ImageRef:
    """The image of a table's cell, called ``name``; without bytes if the cell is empty."""
    return ImageRef(name, (cell or {}).get("bytes") or b"")


def numbered_images(record: dict[str, Any], name: str) -> tuple[tuple[ImageRef, ...], str]:
    """The images of the columns ``image_1``, ``image_2``, ... up to the first null.

    Returns:
        the images, and what is wrong with their order, or "".
    """
    numbers = sorted(int(column[6:]) for column in record if re.fullmatch(r"image_\d+", column))
    given = [number for number in numbers if record[f"image_{number}"] is not None]
    images = tuple(embedded(record[f"image_{number}"], f"{name} image {number}") for number in given)
    if given != list(range(1, len(given) + 1)):
        return images, f"its images are numbered {', '.join(map(str, given))}; expected 1, 2, ... without a gap"
    return images, ""


def content_group(images: Iterable[ImageRef]) -> str:
    """A name for what these images show, where files have none: equal for equal files."""
    digest = hashlib.sha256()
    for image in images:
        digest.update(image.encoded or b"")
    return digest.hexdigest()[:16]


class Files(Protocol):
    """Files by their path below a root."""

    def names(self, below: str) -> list[str]:
        """The names of the files right in the folder ``below``, sorted, each with its path."""

    def read(self, name: str) -> bytes:
        """The bytes of a file that `names` listed."""

    def image(self, name: str) -> ImageRef:
        """A file as an image; without bytes (``b""``) if it is missing."""


@contextmanager
def open_files(folder: Path, root: str, archive: str) -> Iterator[Files]:
    """What lies below ``folder/root``, or in the zip ``folder/archive`` where that is not unpacked.

    In the archive the root may be missing, or lie deeper.

    Raises:
        BenchmarkError: there is neither, or the archive is damaged.
    """
    if (folder / root).is_dir():
        yield _Folder(folder / root)
        return
    if not (folder / archive).is_file():
        raise BenchmarkError(f"{folder} has neither a folder {root} nor {archive}; {_contents(folder)}")
    try:
        packed = ZipFile(folder / archive)
    except BadZipFile as error:
        raise BenchmarkError(f"{folder / archive} is damaged ({error}); fetch it again") from error
    with packed:
        yield _Archive(packed, root)


class _Folder:
    def __init__(self, root: Path) -> None:
        self._root = root

    def names(self, below: str) -> list[str]:
        paths = (path for path in (self._root / below).glob("*") if path.is_file())
        return sorted(path.relative_to(self._root).as_posix() for path in paths)

    def read(self, name: str) -> bytes:
        return (self._root / name).read_bytes()

    def image(self, name: str) -> ImageRef:
        path = self._root / name
        return ImageRef(str(path)) if path.is_file() else ImageRef(name, b"")


class _Archive:
    def __init__(self, packed: ZipFile, root: str) -> None:
        self._packed = packed
        files = (info.filename for info in packed.infolist() if not info.is_dir())
        self._members = {_below(root, name): name for name in files}

    def names(self, below: str) -> list[str]:
        return sorted(name for name in self._members if name.rpartition("/")[0] == below)

    def read(self, name: str) -> bytes:
        try:
            return self._packed.read(self._members[name])
        except (BadZipFile, zlib.error) as error:
            raise BenchmarkError(f"{self._packed.filename} is damaged at {name} ({error}); fetch it again") from error

    def image(self, name: str) -> ImageRef:
        return ImageRef(name, self.read(name) if name in self._members else b"")


def _below(root: str, name: str) -> str:
    """The part of an archive member's name after the root; all of it where the root does not occur."""
    _, found, rest = f"/{name}".partition(f"/{root}/")
    return rest if found else name


def _contents(folder: Path) -> str:
    """What a folder holds, for messages."""
    if not folder.is_dir():
        return "there is no such folder"
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))
    listed = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"it holds {listed or 'nothing'}; expected the files of the repository that `vitar data list` names"
