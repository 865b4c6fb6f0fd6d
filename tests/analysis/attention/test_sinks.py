"""Sinks by hand: a row of forty tokens gives even attention of 1/40 and less to each."""

from __future__ import annotations

import numpy as np

from vitar.analysis.attention.sinks import find_sinks

TOKENS, POSITIONS = 40, list(range(29, 39))  # ten tokens are generated, at 30 to 39


def rows(**attention: float | list[float]) -> np.ndarray:
    """Attention with given columns; what is left of each row is spread over the tokens that it sees."""
    rows_NT = np.zeros((len(POSITIONS), TOKENS))
    for name, column in attention.items():
        rows_NT[:, int(name.removeprefix("at"))] = column
    for row, position in enumerate(POSITIONS):
        rows_NT[row, : position + 1] += (1 - rows_NT[row].sum()) / (position + 1)
    return rows_NT


def sinks(rows_NT: np.ndarray) -> list[int]:
    return np.flatnonzero(find_sinks(rows_NT, POSITIONS)).tolist()


def test_even_attention_has_none() -> None:
    assert sinks(rows()) == []


def test_what_every_token_attends_to_is_a_sink() -> None:
    assert sinks(rows(at0=0.4, at7=0.35)) == [0, 7]


def test_a_strong_look_of_some_tokens_is_none() -> None:
    seldom = [0.9] * 8 + [0.0, 0.0]
    assert sinks(rows(at7=seldom)) == []
    often = [0.9] * 9 + [0.0]
    assert sinks(rows(at7=often)) == [7]


def test_a_generated_token_is_none_and_one_that_nobody_sees_is_none() -> None:
    rows_NT = np.zeros((2, 6))
    rows_NT[0, 2], rows_NT[1, 3] = 1, 1
    assert not find_sinks(rows_NT * 10, [2, 3])[[3, 4, 5]].any()


def test_only_those_that_see_a_token_count() -> None:
    """The token at 5 comes after the first two rows."""
    rows_NT = np.zeros((4, 200))
    rows_NT[:2, 0], rows_NT[2:, 105] = 0.5, 0.5
    assert np.flatnonzero(find_sinks(rows_NT, [100, 101, 150, 151])).tolist() == [105]
