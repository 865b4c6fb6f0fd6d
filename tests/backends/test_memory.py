"""The peak is that of the work watched, not of what was before."""

from __future__ import annotations

import sys

import pytest
import torch

from vitar.backends import memory
from vitar.backends.memory import watch_peak

CPU = torch.device("cpu")
LARGE, SMALL = 400 * 2**20, 50 * 2**20


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of a process")
def test_the_peak_is_of_the_work_that_was_watched() -> None:
    def peak_with(size: int) -> int:
        peak = watch_peak(CPU)
        torch.ones(size, dtype=torch.uint8)
        found = peak()
        assert found is not None
        return found

    assert peak_with(LARGE) - peak_with(SMALL) > LARGE / 2  # the large one came first and does not count again


def test_where_nobody_tells_it_is_unknown(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr(memory, "_CLEAR", memory.Path(f"{tmp_path}/none/here"))
    assert watch_peak(CPU)() is None


@pytest.mark.gpu
def test_the_peak_of_a_gpu() -> None:
    peak = watch_peak(torch.device("cuda"))
    torch.ones(LARGE, dtype=torch.uint8, device="cuda")
    assert (peak() or 0) >= LARGE
