"""Sources named as slices, mixed in an order that the seed decides."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from vitar.data.curation.pool import Pool, PoolError
from vitar.data.example import Example, save_examples

Make = Callable[..., Example]


@pytest.fixture(scope="module")
def stored(make_example: Make, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool") / "set"
    save_examples([make_example(number) for number in range(6)], folder)
    return folder


def test_every_item_of_every_slice_comes_once_and_mixed(stored: Path) -> None:
    pool = Pool([f"{stored}[1:5]", "phantoms:train[8:12]"])
    ids = [example.id for example in pool]
    phantoms = [f"phantom:{family}/train/2" for family in ("chest", "brain", "mammogram", "fundus")]
    assert sorted(ids) == sorted([*(f"made/{number}" for number in range(1, 5)), *phantoms])
    assert ids != [*(f"made/{number}" for number in range(1, 5)), *phantoms]
    assert [example.id for example in Pool([f"{stored}[1:5]", "phantoms:train[8:12]"])] == ids
    assert [example.id for example in Pool([f"{stored}[1:5]", "phantoms:train[8:12]"], seed=1)] != ids
    assert [example.id for example in pool[2:4]] == ids[2:4]


def test_a_slice_may_be_open(stored: Path) -> None:
    assert len(Pool([str(stored)])) == 6
    assert len(Pool([f"{stored}[4:]"])) == 2
    assert len(Pool([f"{stored}[:2]"])) == 2


def test_values_come_from_stored_answers_and_from_the_families(stored: Path) -> None:
    values = Pool([str(stored), "phantoms:train[0:4]"]).values
    assert values["made", "type"] == {"cyst", "stone", "left kidney"}
    assert {"left lung", "right hemisphere"} <= values["phantoms", "location"]
    assert {"smooth", "spiculated"} <= values["phantoms", "attribute"]
    assert values["phantoms", "count"] == {"0", "1", "2", "3"}


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("phantoms:train", "phantoms have no end"),
        ("phantoms:nowhere[0:4]", "unknown split"),
        ("phantoms:train[4:4]", "no such items"),
        ("{stored}[4:9]", "has 6"),
        ("{stored}[6:]", "has 6"),
        ("{stored}/nothing", "nothing"),
        ("", "empty"),
    ],
)
def test_a_source_that_is_not_there(stored: Path, spec: str, words: str) -> None:
    with pytest.raises(PoolError, match=words):
        Pool([spec.format(stored=stored)])
