"""Every benchmark by its name."""

from __future__ import annotations

from difflib import get_close_matches

from vitar.data.benchmarks import (
    huatuo_eval,
    med_frame_qa,
    med_xpert_qa,
    mmmu_health,
    omni_med_vqa,
    path_vqa,
    pmc_vqa,
    slake,
    vitar_16k,
    vqa_rad,
)
from vitar.data.benchmarks.record import Benchmark, BenchmarkError

_FILES = (
    vqa_rad,
    slake,
    path_vqa,
    pmc_vqa,
    omni_med_vqa,
    mmmu_health,
    med_xpert_qa,
    huatuo_eval,
    med_frame_qa,
    vitar_16k,
)

BENCHMARKS: dict[str, Benchmark] = {variant.name: variant for file in _FILES for variant in file.VARIANTS}
"""Name -> benchmark, the seven first."""


def benchmark(name: str) -> Benchmark:
    """The benchmark of this name.

    Raises:
        BenchmarkError: there is none.
    """
    if name not in BENCHMARKS:
        close = get_close_matches(name.replace("_", "-").lower(), BENCHMARKS, n=3)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known are {', '.join(BENCHMARKS)}"
        raise BenchmarkError(f"there is no benchmark {name!r}; {hint}")
    return BENCHMARKS[name]
