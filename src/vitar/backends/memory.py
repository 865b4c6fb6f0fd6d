"""How much memory a piece of work takes at its peak."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import torch

_CLEAR, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_RESET_PEAK = "5"  # see proc(5), clear_refs
_PEAK_LINE = "VmHWM:"


def watch_peak(device: torch.device) -> Callable[[], int | None]:
    """Starts to watch; the returned function tells the peak since then, in bytes.

    On an NVIDIA or AMD GPU it is what PyTorch had allocated on ``device``, weights included. On a CPU it is the
    resident memory of the whole process, which Linux alone tells. None where nobody tells. There is one peak for a
    device: who watches next begins it anew.
    """
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        return lambda: torch.cuda.max_memory_allocated(device)
    if device.type != "cpu":
        return lambda: None
    try:
        _CLEAR.write_text(_RESET_PEAK)
    except OSError:  # another system, or a container that forbids it
        return lambda: None
    return _resident_peak


def _resident_peak() -> int | None:
    lines = (line.split() for line in _STATUS.read_text().splitlines() if line.startswith(_PEAK_LINE))
    return next((int(kilobytes) * 1024 for _, kilobytes, _ in lines), None)
