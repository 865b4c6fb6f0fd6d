"""Small images and folders in the layout of a data set."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


class Layout:
    """A folder that a test fills like a download.

    Every image is 30 x 20 pixels unless told otherwise: not square, so that a swap of axes shows.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def image(self, name: str, size: tuple[int, int] = (30, 20), mode: str = "L") -> Path:
        return self._save(Image.new(mode, size, None if mode == "1" else 90), name)

    def mask(self, name: str, box_xyxy: tuple[int, int, int, int] | None, value: int = 255) -> Path:
        """A mask of ``value`` inside a box, 0 elsewhere."""
        mask_hw = np.zeros((20, 30), dtype=np.uint8)
        if box_xyxy is not None:
            x0, y0, x1, y1 = box_xyxy
            mask_hw[y0:y1, x0:x1] = value
        return self._save(Image.fromarray(mask_hw), name)

    def text(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def json(self, name: str, data: object) -> Path:
        return self.text(name, json.dumps(data))

    def _save(self, image: Image.Image, name: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(path)
        return path


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    folder = tmp_path / "set"
    folder.mkdir()
    return Layout(folder)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data beside the project; the test is skipped where there is none."""
    folder = Path(os.environ.get("VITAR_SHARED_DATA") or Path(__file__).parents[4] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"there is no real data in {folder}; VITAR_SHARED_DATA names its folder")
    return folder
