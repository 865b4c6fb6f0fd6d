"""Text files that a kill cannot leave half written."""

from __future__ import annotations

import os
from pathlib import Path


def write_atomically(path: Path, text: str, errors: str = "strict") -> None:
    """Writes a file that is there, in UTF-8, as a whole or not at all.

    Args:
        errors: what becomes of a character that UTF-8 has no form for, a lone surrogate; see `open`.
    """
    partial = path.with_name(f".{path.name}.partial")
    with partial.open("w", encoding="utf-8", errors=errors) as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
