"""Puts a trained model into the package as one of its embedded models, in bfloat16.

Usage: python -m vitar.training.shipping runs/tiny/grpo/final tiny
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

import torch

from vitar.backends.pretrained import EMBEDDED_MODELS, load_model, load_processor

MAX_BYTES = 12_000_000
"""Limit of an embedded model's weights, in bytes; the package carries two."""

CARD_NAME = "README.md"


def ship(source: str, folder: Path) -> Path:
    """Writes model and processor of ``source`` into ``folder``, in place of what is there, but for its model card.

    Raises:
        ModelError: the model cannot be loaded.
        ValueError: it is too large to ship.
    """
    model, processor = load_model(source, dtype=torch.bfloat16), load_processor(source)
    with tempfile.TemporaryDirectory(dir=folder.parent) as work:
        made = Path(work) / "model"
        model.save_pretrained(made)
        processor.save_pretrained(made)
        size = (made / "model.safetensors").stat().st_size
        if size > MAX_BYTES:
            raise ValueError(f"{source} has {size} bytes of weights in bfloat16; at most {MAX_BYTES} are shipped")
        if (folder / CARD_NAME).is_file():
            shutil.copyfile(folder / CARD_NAME, made / CARD_NAME)
        if folder.exists():
            shutil.rmtree(folder)
        made.rename(folder)
    for file in folder.iterdir():
        file.chmod(0o644)
    return folder


def main(argv: Sequence[str] | None = None) -> None:
    """Command line, see the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", help="folder of a trained model")
    parser.add_argument("name", choices=EMBEDDED_MODELS)
    args = parser.parse_args(argv)
    import vitar

    ship(args.source, Path(vitar.__file__).parent / "models" / args.name)


if __name__ == "__main__":
    main()
