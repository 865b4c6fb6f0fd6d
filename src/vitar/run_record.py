"""What a run, of training or of evaluation, leaves beside its results so that it can be repeated."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import vitar
from vitar.files import write_atomically

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

RECORD_NAME = "run.json"
PACKAGES = (
    "torch",
    "transformers",
    "trl",
    "accelerate",
    "datasets",
    "tokenizers",
    "numpy",
    "pillow",
    "scipy",
    "statsmodels",
)


def bf16_is_fast() -> bool:
    """Whether bfloat16 is worth using: any CUDA GPU that has it, or a CPU with AMX tiles.

    A CPU with AVX-512 BF16 alone multiplies the matrices of a small model more slowly in bfloat16 than in float32.
    """
    import torch

    if torch.cuda.is_available():
        return torch.cuda.is_bf16_supported()
    return bool(torch.cpu._is_amx_tile_supported())


def write_run_record(output_dir: Path, config: DataclassInstance, *, anew: bool = False, **extra: Any) -> None:
    """Writes ``run.json``: the resolved configuration, seed included, package versions, commit and machine.

    Where a run is given again with other versions, another commit or machine, these are added under ``continued``: what
    it makes from then on is theirs.

    Args:
        anew: nothing has come of the run whose record is there, so that its record goes.
        config: a command's configuration; its class names the command.
        extra: more entries; values that JSON can hold.
    """
    import torch

    output_dir.mkdir(parents=True, exist_ok=True)
    setting = {
        "vitar": vitar.__version__,
        "commit": source_commit(),
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu x {os.cpu_count()}",
        **extra,
    }
    command = type(config).__name__
    started = {"started": datetime.now(UTC).isoformat(timespec="seconds")}
    path = output_dir / RECORD_NAME
    record = json.loads(path.read_text(encoding="utf-8")) if path.is_file() and not anew else {}
    if record.get("command") == command:
        latest = [record, *record.get("continued", [])][-1]
        if any(latest.get(name) != value for name, value in setting.items()):
            record["continued"] = [*record.get("continued", []), started | setting]
        record["config"] = asdict(config)
    else:
        record = {"command": command, **started, "config": asdict(config), **setting}
    write_atomically(path, json.dumps(record, indent=2) + "\n")


def source_commit() -> str | None:
    """The commit of the source tree that runs, with ``-dirty`` if it has changes; None outside a git checkout."""
    folder = Path(vitar.__file__).parent
    result = subprocess.run(
        ["git", "-C", str(folder), "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
        capture_output=True,
        text=True,
        check=False,
    )
    return result.stdout.strip() or None if result.returncode == 0 else None


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
