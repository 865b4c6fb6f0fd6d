"""A benchmark's files become a stored set of examples, complete or not at all."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tqdm import tqdm

from vitar.data.benchmarks.files import download
from vitar.data.benchmarks.record import Benchmark, BenchmarkError, LeftOut
from vitar.data.example import Example, load_examples, save_examples

RECORD = "benchmark.json"
"""In the folder of a prepared benchmark: what it is, where it came from, and every row that was left out."""


@dataclass(frozen=True)
class Prepared:
    """What became of a benchmark; the content of `RECORD`.

    Args:
        revision: commit of the Hub's repository; None for a local folder.
        folder: the local folder; None for the Hub.
        items: examples in the set.
        known_items: how many are known to be there; None where nobody has said.
    """

    name: str
    hub_id: str
    revision: str | None
    folder: str | None
    split: str
    licence: str
    items: int
    known_items: int | None
    left_out: tuple[LeftOut, ...]


class CountError(BenchmarkError):
    """A benchmark has more or fewer usable items than expected.

    Args:
        found: how many it has.
    """

    def __init__(self, message: str, found: int) -> None:
        super().__init__(message)
        self.found = found


def prepare(
    benchmark: Benchmark, out: str | Path, folder: str | Path | None = None, allow_count: int | None = None
) -> Prepared:
    """Writes the benchmark's examples to the folder ``out`` for `load_examples`, with a progress bar.

    Args:
        folder: a copy in the layout of the benchmark's repository; by default the files come from the Hub.
        allow_count: how many examples to expect in place of the known number.

    Raises:
        FileExistsError: ``out`` is a file, or a folder with something in it.
        CountError: the number of examples is another than expected, or 0.
        BenchmarkError: files cannot be fetched, are missing, or of another layout.
        OSError: an image cannot be read, or the set not written.
    """
    out = Path(out)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise FileExistsError(f"{out} exists and is not an empty folder; give another one or remove it first")
    source = Path(folder) if folder else download(benchmark.hub_id, benchmark.files, benchmark.revision)
    expected = benchmark.items if allow_count is None else allow_count
    left_out: list[LeftOut] = []
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{out.name}-", dir=out.parent) as work:
        staged = Path(work) / "set"
        save_examples(_counted(benchmark, source, expected, left_out), staged)
        prepared = Prepared(
            name=benchmark.name,
            hub_id=benchmark.hub_id,
            revision=None if folder else source.name,
            folder=str(folder) if folder else None,
            split=benchmark.split,
            licence=benchmark.licence,
            items=len(load_examples(staged)),
            known_items=benchmark.items,
            left_out=tuple(left_out),
        )
        (staged / RECORD).write_text(
            json.dumps(asdict(prepared), indent=1, ensure_ascii=False) + "\n", encoding="utf-8"
        )
        if out.exists():
            out.rmdir()
        shutil.move(staged, out)
    return prepared


def account(left_out: Sequence[LeftOut]) -> str:
    """How many rows were left out for which reason, with the first of each; "" if none was."""
    first = {row.reason: row for row in reversed(left_out)}
    counts = Counter(row.reason for row in left_out)
    return "; ".join(f"{n} {reason} ({first[reason].id}: {first[reason].detail})" for reason, n in counts.most_common())


def _counted(benchmark: Benchmark, source: Path, expected: int | None, left_out: list[LeftOut]) -> Iterator[Example]:
    """The examples of a benchmark, which end in a `CountError` if their number is wrong, so that nothing is stored."""
    items = 0
    for row in tqdm(benchmark.examples(source), desc=benchmark.name, total=benchmark.items, unit="item"):
        if isinstance(row, LeftOut):
            left_out.append(row)
        else:
            items += 1
            yield row
    if not items or (expected is not None and items != expected):
        wanted = "at least one" if expected is None else f"{expected:,}"
        lost = f" {len(left_out):,} rows were left out: {account(left_out)}." if left_out else ""
        raise CountError(f"{source} gives {items:,} items of {benchmark.name}, expected {wanted}.{lost}", items)
