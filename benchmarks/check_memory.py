"""Peak memory of ``vitar data check`` over a large set.

Makes a set of distinct images, larger on disk than the memory that is allowed for it, and examines it. Run it as
``python benchmarks/check_memory.py`` (100,000 items, about 1.3 GB of disk, minutes).
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vitar.data.example import Example

SIDE_PX = 112
"""Side of the images; noise of this size is a PNG of 12.6 kB."""


def made_examples(count: int) -> Iterator[Example]:
    """Items in order, each with an image of its own and one region."""
    from io import BytesIO

    import numpy as np
    from PIL import Image

    from vitar.data.example import Example, ImageRef, Region

    rng = np.random.default_rng(0)
    for number in range(count):
        buffer = BytesIO()
        pixels_hw = rng.integers(0, 256, (SIDE_PX, SIDE_PX), dtype=np.uint8)
        Image.fromarray(pixels_hw).save(buffer, format="PNG", compress_level=1)
        yield Example(
            id=f"made/{number}",
            images=(ImageRef(f"{number}.png", buffer.getvalue()),),
            question="Which margin does the nodule have?",
            options=("smooth", "lobulated", "spiculated"),
            answer="smooth",
            answer_type="choice",
            regions=(Region("nodule", (10.0, 20.0, 50.0, 60.0)),),
            modality="noise",
            anatomy="",
            kind="attribute",
            source="made",
            split="train",
            licence="CC0-1.0",
            group=f"image {number}",
        )


def measure(items: int) -> str:
    """Makes a set and examines it, each in a process of its own.

    A process counts the memory of the one that it was started from towards its own peak (Linux, `execve`), so this one
    imports nothing large.
    """
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder) / "set"
        subprocess.run([sys.executable, __file__, "--items", str(items), "--make", str(data)], check=True)
        size_mb = sum(file.stat().st_size for file in data.iterdir()) / 1e6
        started = time.perf_counter()
        process = subprocess.Popen([sys.executable, "-m", "vitar.cli.main", "data", "check", str(data)])
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - started
    if code := os.waitstatus_to_exitcode(status):
        raise SystemExit(f"vitar data check ended with {code}")
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return f"{items} items, {size_mb:.0f} MB: {seconds:.0f} s, peak {usage.ru_maxrss * unit / 1e6:.0f} MB"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--items", type=int, default=100_000, help="default: %(default)s")
    parser.add_argument("--make", type=Path, help="write the set there, and do no more")
    args = parser.parse_args()
    if args.make:
        from vitar.data.example import save_examples

        save_examples(made_examples(args.items), args.make)
    else:
        sys.stdout.write(measure(args.items) + "\n")


if __name__ == "__main__":
    main()
