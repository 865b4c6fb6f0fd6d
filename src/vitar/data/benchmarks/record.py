"""What is known of a benchmark, and how its rows become examples."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from vitar.data.benchmarks.prompts import Prompt
from vitar.data.example import Example, ImageRef, Region, contradictions


class BenchmarkError(ValueError):
    """A benchmark cannot be read; the message says what was found, what was expected, what to do."""


@dataclass(frozen=True)
class Published:
    """A figure that a run on the benchmark can be held against.

    Args:
        model: name as published.
        accuracy: in percent.
        source: where the figure stands, and with which kit it was measured.
    """

    model: str
    accuracy: float
    source: str


@dataclass(frozen=True)
class Row:
    """One row of a benchmark in the terms of `Example`, before it is checked.

    Args:
        id: unique in its split.
        images: in the order in which the question numbers them; one whose file is missing has no bytes (``b""``).
        part: the data set or subject of a collection that the row belongs to.
        group: image, patient or video; by default the row itself.
    """

    id: str
    images: tuple[ImageRef, ...]
    question: str
    answer: str
    answer_type: str
    options: tuple[str, ...] = ()
    regions: tuple[Region, ...] = ()
    modality: str = ""
    anatomy: str = ""
    part: str = ""
    group: str = ""


@dataclass(frozen=True)
class LeftOut:
    """A row that cannot become an example.

    Args:
        id: of the example that it would have been.
        reason: a name for counting.
        detail: a sentence.
    """

    id: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Benchmark:
    """One set of questions that results are reported on. Variants of a benchmark are benchmarks of their own.

    Args:
        name: as on the command line.
        family: of the benchmark, shared by its variants; begins the ids, and is the examples' source.
        about: which items these are, in one line.
        items: how many there are; None where nobody has said.
        hub_id: dataset repository on the Hugging Face Hub.
        files: patterns of the files needed from there.
        split: ``train``, ``validation`` or ``test``.
        licence: as stated by the repository or its authors.
        access: what it takes to get the files.
        rows: reads a folder in the layout of the repository, one row at a time.
        prompts: how published kits ask these questions.
        published: figures to reproduce; empty where none is on record.
        revision: commit of the repository; None for its newest.
    """

    name: str
    family: str
    about: str
    items: int | None
    hub_id: str
    files: tuple[str, ...]
    split: str
    licence: str
    access: str
    rows: Callable[[Path], Iterator[Row | LeftOut]]
    prompts: tuple[Prompt, ...]
    published: tuple[Published, ...] = ()
    revision: str | None = None

    def examples(self, folder: Path) -> Iterator[Example | LeftOut]:
        """Every item in ``folder``, in the order of its files: an example, or why it can be none.

        Raises:
            BenchmarkError: files are missing or of another layout.
        """
        seen: set[str] = set()
        for row in self.rows(folder):
            problem = row if isinstance(row, LeftOut) else _problem(row, seen)
            full_id = f"{self.family}/{self.split}/{row.id}"
            seen.add(row.id)
            if problem is not None:
                yield replace(problem, id=full_id)
            elif isinstance(row, Row):
                yield self._example(full_id, row)

    def _example(self, full_id: str, row: Row) -> Example:
        return Example(
            id=full_id,
            images=row.images,
            question=row.question,
            options=row.options,
            answer=row.answer,
            answer_type=row.answer_type,
            regions=row.regions,
            modality=row.modality,
            anatomy=row.anatomy,
            kind="",
            source=f"{self.family}/{row.part}" if row.part else self.family,
            split=self.split,
            licence=self.licence,
            group=row.group or row.id,
        )


def _problem(row: Row, seen: Collection[str]) -> LeftOut | None:
    """Why a row cannot become an example, if it cannot; ``seen`` are the ids before it."""
    if row.id in seen:
        return LeftOut(row.id, "repeated_id", "another row has its id")
    missing = [ref.uri for ref in row.images if ref.encoded == b""]
    if missing or not row.images:
        detail = f"its image {missing[0]} is missing" if missing else "it has no image"
        return LeftOut(row.id, "no_image", detail)
    found = contradictions(row.id, row.question, row.options, row.answer, row.answer_type, row.regions)
    reason, detail = next(found, ("", ""))
    return LeftOut(row.id, reason, detail) if reason else None


def lingshu_table(qwen_7b: float, lingshu_7b: float, lingshu_32b: float) -> tuple[Published, ...]:
    """The three rows of the table in Lingshu's paper that a benchmark of the seven has."""
    source = "Lingshu paper, MedEvalKit"
    figures = {"Qwen2.5-VL-7B": qwen_7b, "Lingshu-7B": lingshu_7b, "Lingshu-32B": lingshu_32b}
    return tuple(Published(model, accuracy, source) for model, accuracy in figures.items())
