"""A bank of pictures without words for the vision phase: whole phantoms, and enlarged regions of them.

Fine detail takes hundreds of thousands of looks to learn and each rendering takes as long as a training step on three
regions, so pictures are rendered once, kept in memory, and seen many times, each time turned, mirrored and lit
another way.
"""

from __future__ import annotations

import logging
import multiprocessing
import pickle
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm
from transformers import ProcessorMixin

from vitar.data.phantoms.dataset import FAMILIES
from vitar.data.phantoms.scene import seeded_rng
from vitar.training.base.architecture import FIRST_LOOK_PX
from vitar.training.base.dense import Seen, Vocabulary, grid_hw, seen_in, token_targets
from vitar.training.base.lessons import crowded_scene, region_view, whole_view

logger = logging.getLogger(__name__)

CROPS_PER_LESION = 2

WHOLE_COST = 4
"""A whole phantom costs as many visual tokens as four regions."""

ROW_COST = 16
"""Of every row, in regions."""


@dataclass(frozen=True)
class Picture:
    """One picture as the model gets it.

    Args:
        pixels: uint8 [H, W] or [H, W, 3].
        lesions: what is in it.
    """

    pixels: np.ndarray
    lesions: tuple[Seen, ...]


def picture_bank(folder: Path, scenes: int, split: str, processes: int) -> tuple[list[Picture], list[Picture]]:
    """Whole phantoms and regions of ``scenes`` crowded phantoms, rendered once and kept in ``folder``."""
    path = folder / f"pictures-{split}-{scenes}.pickle"
    if not path.is_file():
        with multiprocessing.get_context("fork").Pool(processes) as pool:
            made = pool.imap(partial(_scene_pictures, split=split), range(scenes), chunksize=16)
            bank = list(tqdm(made, total=scenes, desc=f"pictures of {split}"))
        folder.mkdir(parents=True, exist_ok=True)
        partial_path = path.with_suffix(".partial")
        partial_path.write_bytes(pickle.dumps(bank))
        partial_path.replace(path)
    bank = pickle.loads(path.read_bytes())
    return [whole for whole, _ in bank], [region for _, regions in bank for region in regions]


def _scene_pictures(index: int, split: str) -> tuple[Picture, list[Picture]]:
    torch.set_num_threads(1)
    rng = seeded_rng("pictures", split, index)
    family = list(FAMILIES.values())[index % len(FAMILIES)]
    scene = crowded_scene(family, split, index // len(FAMILIES), rng)
    whole = whole_view(scene)
    small = whole.image.resize((FIRST_LOOK_PX, FIRST_LOOK_PX), Image.Resampling.BOX)
    regions = [region_view(scene, lesion, rng) for lesion in scene.lesions for _ in range(CROPS_PER_LESION)]
    return (
        Picture(np.asarray(small), seen_in(scene, whole, whole=True)),
        [Picture(np.asarray(view.image), seen_in(scene, view, whole=False)) for view in regions],
    )


class PictureDataset(torch.utils.data.Dataset[dict[str, Any]]):
    """Rows of whole phantoms and regions, drawn from the bank; row ``i`` is the same in every run.

    Args:
        wholes_per_row: whole phantoms in each row; regions fill it up to `ROW_COST`.
        start: the first row.
    """

    def __init__(
        self,
        processor: ProcessorMixin,
        wholes: list[Picture],
        regions: list[Picture],
        count: int,
        wholes_per_row: int,
        start: int = 0,
    ) -> None:
        self.processor, self.wholes, self.regions = processor, wholes, regions
        self.count, self.wholes_per_row, self.start = count, wholes_per_row, start
        self.vocabulary = Vocabulary.of(tuple(FAMILIES.values()))

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict[str, Any]:
        rng = seeded_rng("row", self.start + index)
        pictures = [_lit(self.wholes[n], rng) for n in rng.integers(len(self.wholes), size=self.wholes_per_row)]
        for place in rng.integers(len(self.regions), size=ROW_COST - WHOLE_COST * self.wholes_per_row):
            pictures.append(_lit(_turned(self.regions[place], int(rng.integers(8))), rng))
        images = [Image.fromarray(picture.pixels) for picture in pictures]
        inputs = dict(self.processor.image_processor(images=images, return_tensors="pt"))
        targets = [
            token_targets(picture.lesions, grid_hw(thw), self.vocabulary)
            for picture, thw in zip(pictures, inputs["image_grid_thw"], strict=True)
        ]
        return {**inputs, "targets": targets}


def _turned(picture: Picture, symmetry: int) -> Picture:
    """One of the eight symmetries of the square; lesions keep their kind and attributes under all of them."""
    pixels, boxes = picture.pixels, [lesion.xyxy for lesion in picture.lesions]
    if symmetry & 1:
        pixels, boxes = pixels[:, ::-1], [(1 - x1, y0, 1 - x0, y1) for x0, y0, x1, y1 in boxes]
    if symmetry & 2:
        pixels, boxes = pixels[::-1], [(x0, 1 - y1, x1, 1 - y0) for x0, y0, x1, y1 in boxes]
    if symmetry & 4:
        pixels, boxes = pixels.swapaxes(0, 1), [(y0, x0, y1, x1) for x0, y0, x1, y1 in boxes]
    lesions = tuple(replace(lesion, xyxy=box) for lesion, box in zip(picture.lesions, boxes, strict=True))
    return Picture(np.ascontiguousarray(pixels), lesions)


def _lit(picture: Picture, rng: np.random.Generator) -> Picture:
    """Another brightness and contrast."""
    gain, offset = np.exp(rng.normal(0, 0.1)), rng.normal(0, 6)
    values = picture.pixels.astype(np.float32) * gain + offset
    return Picture(np.clip(values, 0, 255).astype(np.uint8), picture.lesions)
