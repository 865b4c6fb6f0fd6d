"""Small copies of the benchmarks' repositories, file for file as they are published."""

from __future__ import annotations

import csv
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from vitar.data.benchmarks.record import LeftOut
from vitar.data.benchmarks.registry import benchmark
from vitar.data.example import Example

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
"""How `datasets` stores an image in a table."""


def picture(number: int, size: tuple[int, int] = (8, 6)) -> bytes:
    """A PNG that is another for each number; ``size`` is width and height."""
    buffer = BytesIO()
    Image.new("L", size, number).save(buffer, format="PNG")
    return buffer.getvalue()


class Repository:
    """Writes files of a benchmark's repository below one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def _at(self, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        return path

    def images(self, root: str, *names: str) -> None:
        """Unpacked images, numbered from 1 in the order of their names."""
        for number, name in enumerate(names, 1):
            self._at(f"{root}/{name}").write_bytes(picture(number))

    def archive(self, name: str, members: dict[str, bytes]) -> None:
        with zipfile.ZipFile(self._at(name), "w") as packed:
            for member, data in members.items():
                packed.writestr(member, data)

    def json(self, name: str, records: Any) -> None:
        self._at(name).write_text(json.dumps(records, ensure_ascii=False), encoding="utf-8")

    def json_lines(self, name: str, records: Sequence[dict[str, Any]]) -> None:
        self._at(name).write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in records), encoding="utf-8")

    def csv(self, name: str, header: Sequence[str], *rows: Sequence[str]) -> None:
        with self._at(name).open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])

    def parquet(self, name: str, records: Sequence[dict[str, Any]]) -> None:
        """A table as it is pushed to the Hub: columns called ``image...`` hold encoded images, or null."""
        columns = {}
        for column in records[0]:
            cells = [record[column] for record in records]
            if column.startswith("image"):
                cells = [None if cell is None else {"bytes": cell, "path": None} for cell in cells]
                columns[column] = pa.array(cells, IMAGE)
            else:
                columns[column] = pa.array(cells)
        pq.write_table(pa.table(columns), self._at(name))


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    return Repository(tmp_path / "repository")


@pytest.fixture
def repository_of(tmp_path: Path) -> Callable[[str], Repository]:
    """``repository_of(name)``: an empty one for each benchmark."""
    return lambda name: Repository(tmp_path / "repositories" / name)


@pytest.fixture(name="picture")
def _picture() -> Callable[..., bytes]:
    return picture


Items = tuple[list[Example], list[LeftOut]]


@pytest.fixture
def read(repository: Repository) -> Callable[..., Items]:
    """``read(name)``: the examples of a benchmark in the repository, and the rows left out, by their own ids."""

    def items(name: str, folder: Path | None = None) -> Items:
        rows = list(benchmark(name).examples(folder or repository.folder))
        prefix = f"{benchmark(name).family}/{benchmark(name).split}/"
        left_out = [replace(row, id=row.id.removeprefix(prefix)) for row in rows if isinstance(row, LeftOut)]
        return [row for row in rows if isinstance(row, Example)], left_out

    return items


@pytest.fixture(scope="session")
def real_vqa_rad() -> Path:
    """VQA-RAD as its authors publish it."""
    data = os.environ.get("VITAR_SHARED_DATA") or Path(__file__).parents[4] / "shared" / "data"
    folder = Path(data) / "vqa_rad"
    if not folder.is_dir():
        pytest.skip(f"there is no copy of VQA-RAD in {folder}; VITAR_SHARED_DATA names the folder above one")
    return folder
