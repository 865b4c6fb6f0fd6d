"""PMC-VQA: four-way questions written by a language model about figures of open-access articles.

A row of ``test_clean.csv`` (version 1), whose images lie in ``images.zip`` or its folder ``images/``::

    Figure_path,Question,Answer,Choice A,Choice B,Choice C,Choice D,Answer_label
    PMC1064097_F1.jpg,What is the uptake pattern in the breast?,Focal uptake pattern,
     A:Diffuse uptake pattern , B:Focal uptake pattern , C:No uptake pattern , D:Cannot determine ,B

A row of ``test_2.csv`` (version 2), whose images lie in ``images_2.zip`` or its folder ``figures/``, has ``index``,
``Figure_path``, ``Caption``, ``Question``, the choices, ``Answer`` (here the letter) and ``split``.

Two test sets go by one name: 2,000 items (HuatuoGPT-Vision, MedVLThinker) and 33,430 (MedEvalKit). They share six.

Traps: the card calls the files of version 2 ``test2.csv`` and ``images2.zip``; both names are read. Everything is
text, so an answer ``N/A`` is not missing. Choices carry their letter, no-break spaces and quotes, all taken off here.
A label may be a quote character, or two choices of a row may carry the same letter: such rows have no answer and are
left out.

Licence: CC BY-SA. Revision: none is pinned. To reproduce, on the 33,430: Lingshu-7B 56.3 (Lingshu paper, MedEvalKit).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from vitar.data.benchmarks.files import one_of, open_files
from vitar.data.benchmarks.prompts import HUATUOGPT, MEDEVALKIT_CHOICE_PMC_VQA, MEDVLTHINKER
from vitar.data.benchmarks.record import Benchmark, BenchmarkError, LeftOut, Row, lingshu_table

_LETTERS = "ABCD"
_LETTERED = re.compile(r"([A-D])\s*:\s*(.*)", re.DOTALL)


@dataclass(frozen=True)
class _Version:
    """What differs between the two releases."""

    tables: tuple[str, ...]
    label: str
    root: str
    archives: tuple[str, ...]


_V1 = _Version(("test_clean.csv",), "Answer_label", "images", ("images.zip",))
_V2 = _Version(("test_2.csv", "test2.csv"), "Answer", "figures", ("images_2.zip", "images2.zip"))


def _rows(folder: Path, *, version: _Version) -> Iterator[Row | LeftOut]:
    table = one_of(folder, *version.tables)
    archive = next((name for name in version.archives if (folder / name).is_file()), version.archives[0])
    with table.open(encoding="utf-8-sig", newline="") as lines, open_files(folder, version.root, archive) as images:
        reader = csv.DictReader(lines)
        needed = {"Figure_path", "Question", version.label, *(f"Choice {letter}" for letter in _LETTERS)}
        if missing := needed - set(reader.fieldnames or ()):
            raise BenchmarkError(f"{table} lacks the columns {', '.join(sorted(missing))}")
        for place, record in enumerate(reader):
            name = f"row-{place}"
            lettered = [_choice(letter, record[f"Choice {letter}"] or "") for letter in _LETTERS]
            letters = [letter for letter, _ in lettered]
            label = _bare(record[version.label] or "")
            if len(set(letters)) < len(letters):
                yield LeftOut(name, "repeated_letter", f"its choices carry the letters {', '.join(letters)}")
            elif label not in letters:
                yield LeftOut(name, "no_label", f"its label is {record[version.label]!r}, which names no choice")
            else:
                figure = record["Figure_path"].strip()
                options = tuple(text for _, text in lettered)
                yield Row(
                    id=name,
                    images=(images.image(figure),),
                    question=_bare(record["Question"]),
                    answer=options[letters.index(label)],
                    answer_type="choice",
                    options=options,
                    group=figure,
                )


def _choice(column: str, text: str) -> tuple[str, str]:
    """The letter that a choice carries, or else its column's, and what it says."""
    text = _bare(text)
    match = _LETTERED.fullmatch(text)
    return (match[1], _bare(match[2])) if match else (column, text)


def _bare(text: str) -> str:
    """Text without no-break spaces, and without spaces and quotes around it."""
    return text.replace("\xa0", " ").strip(" \t\r\n\"'")


def _benchmark(name: str, about: str, items: int, version: _Version) -> Benchmark:
    return Benchmark(
        name=name,
        family=name,
        about=about,
        items=items,
        hub_id="RadGenome/PMC-VQA",
        files=version.tables + version.archives,
        split="test",
        licence="CC-BY-SA",
        access="open",
        rows=partial(_rows, version=version),
        prompts=(MEDEVALKIT_CHOICE_PMC_VQA, HUATUOGPT, MEDVLTHINKER),
        published=lingshu_table(51.9, 56.3, 57.9) if version is _V2 else (),
    )


VARIANTS = (
    _benchmark("pmc-vqa", "the cleaned test questions of version 1", 2000, _V1),
    _benchmark("pmc-vqa-v2", "the test questions of version 2", 33430, _V2),
)
