"""Dense targets: what lies under every visual token.

They teach the vision tower to see in minutes where language supervision alone gives perfect form and no sight.
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitar.data.phantoms.scene import Family, LesionSpec, Phantom
from vitar.imaging.coordinates import View
from vitar.training.base.tokenizer import COORDINATE_STEP
from vitar.training.masking import IGNORE


@dataclass(frozen=True)
class Vocabulary:
    """Class indices of the dense targets: lesion kinds of all families, and the values of all that lesions have.

    Args:
        kinds: ``family/kind``.
        attributes: name and values; ``family/kind/name`` for what a region shows, ``family/location`` and ``size`` for
            what a whole image shows.
    """

    kinds: tuple[str, ...]
    attributes: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, families: Sequence[Family]) -> Vocabulary:
        kinds = tuple(f"{family.name}/{kind}" for family in families for kind in family.kinds)
        fine = [
            (f"{family.name}/{kind}/{name}", values)
            for family in families
            for kind in family.kinds
            for name, values in family.attributes[kind].items()
        ]
        places = [(f"{family.name}/location", family.locations) for family in families]
        return cls(kinds, (*fine, *places, ("size", SIZE_WORDS)))


@dataclass(frozen=True)
class Seen:
    """A lesion in a picture.

    Args:
        kind: ``family/kind``.
        attributes: name in the `Vocabulary` -> value, of what this picture shows of it.
        xyxy: box in shares of the picture's width and height; may reach beyond 0 to 1.
        pointed_at: whether questions about this picture ask for the box.
    """

    kind: str
    attributes: Mapping[str, str]
    xyxy: tuple[float, float, float, float]
    pointed_at: bool = False


SIZE_WORDS = ("small", "medium", "large")

SIZE_WORD_BOUNDS = (0.92, 1.1)
"""A scale below the first is called small, above the second large."""


def size_word(spec: LesionSpec) -> str:
    """Two lesions that a question compares have different words, since one is at least 1.5 times the other."""
    return SIZE_WORDS[bisect(SIZE_WORD_BOUNDS, spec.scale)]


def seen_in(scene: Phantom, view: View, *, whole: bool) -> tuple[Seen, ...]:
    """The lesions of a phantom in the coordinates of a picture of it.

    Args:
        whole: whether the picture is the whole phantom, which shows locations and sizes, or an enlarged region, which
            shows fine attributes.
    """
    unit = view.frame.grid(1, 1)
    family = scene.family.name
    lesions = []
    for lesion in scene.lesions:
        spec, kind = lesion.spec, f"{family}/{lesion.spec.kind}"
        coarse = {f"{family}/location": spec.location, "size": size_word(spec)}
        fine = {f"{kind}/{name}": value for name, value in spec.attributes.items()}
        lesions.append(Seen(kind, coarse if whole else fine, lesion.box.to(unit).xyxy, whole))
    return tuple(lesions)


@dataclass(frozen=True)
class TokenTargets:
    """What lies under each visual token of one picture, in raster order.

    Args:
        kind_T: 0 for background, else 1 + index of the lesion kind; `IGNORE` where a lesion only touches the token.
        box_T4: centre x, y and width, height of the lesion relative to the token, in token sides; NaN on background.
        corners_T4: x0, y0, x1, y1 of the lesion in the picture, in `COORDINATE_STEP` thousandths of its sides;
            `IGNORE` on background and on pictures that are not pointed at.
        attributes_TA: value index per attribute of the vocabulary; `IGNORE` where it does not apply or cannot be seen.
    """

    kind_T: Tensor
    box_T4: Tensor
    corners_T4: Tensor
    attributes_TA: Tensor


def grid_hw(thw: Tensor) -> tuple[int, int]:
    """Rows and columns of visual tokens, from a row of ``image_grid_thw`` (patches, two of which make a token side)."""
    return int(thw[1]) // 2, int(thw[2]) // 2


def token_targets(lesions: Sequence[Seen], rows_columns: tuple[int, int], vocabulary: Vocabulary) -> TokenTargets:
    """Dense targets of a picture with ``lesions`` that becomes ``rows_columns`` visual tokens."""
    rows, columns = rows_columns
    kind = np.zeros((rows, columns), dtype=np.int64)
    box = np.full((rows, columns, 4), np.nan, dtype=np.float32)
    corners = np.full((rows, columns, 4), IGNORE, dtype=np.int64)
    attributes = np.full((rows, columns, len(vocabulary.attributes)), IGNORE, dtype=np.int64)
    row, column = np.mgrid[0:rows, 0:columns]
    for lesion in lesions:
        x0, y0, x1, y1 = np.array(lesion.xyxy) * (columns, rows, columns, rows)
        width = np.clip(np.minimum(column + 1, x1) - np.maximum(column, x0), 0, None)
        height = np.clip(np.minimum(row + 1, y1) - np.maximum(row, y0), 0, None)
        overlap = width * height  # in token areas
        held = overlap > 0.3 * min(1.0, (x1 - x0) * (y1 - y0))
        kind[(overlap > 0.02) & ~held & (kind == 0)] = IGNORE
        kind[held] = 1 + vocabulary.kinds.index(lesion.kind)
        box[held, 0], box[held, 1] = ((x0 + x1) / 2 - column)[held], ((y0 + y1) / 2 - row)[held]
        box[held, 2], box[held, 3] = x1 - x0, y1 - y0
        if lesion.pointed_at:
            corners[held] = np.rint(np.array(lesion.xyxy) * 1000 / COORDINATE_STEP)
        for index, (name, values) in enumerate(vocabulary.attributes):
            if name in lesion.attributes:
                attributes[held, index] = values.index(lesion.attributes[name])
    flat = rows * columns
    return TokenTargets(
        torch.from_numpy(kind.reshape(flat)),
        torch.from_numpy(box.reshape(flat, 4)),
        torch.from_numpy(corners.reshape(flat, 4)),
        torch.from_numpy(attributes.reshape(flat, -1)),
    )


def collate(rows: Sequence[Mapping[str, Any]], pad_token_id: int = 0) -> dict[str, Any]:
    """Right-pads token rows; concatenates what is per patch or per visual token.

    Returns:
        with text input_ids, attention_mask, labels, mm_token_type_ids [B, T]; with images pixel_values
        [patches, features], image_grid_thw [images, 3], and in ``dense`` over all visual tokens V kind [V],
        box [V, 4], corners [V, 4], attributes [V, A].
    """
    batch: dict[str, Any] = {}
    pads = {"input_ids": pad_token_id, "attention_mask": 0, "labels": IGNORE, "mm_token_type_ids": 0}
    for name, value in pads.items():
        if name in rows[0]:
            padded = [one[name] for one in rows]
            batch[name] = torch.nn.utils.rnn.pad_sequence(padded, batch_first=True, padding_value=value)
    targets = [target for one in rows for target in one["targets"]]
    if not targets:
        return batch
    for name in ("pixel_values", "image_grid_thw"):
        batch[name] = torch.cat([one[name] for one in rows if name in one])
    batch["dense"] = {
        "kind": torch.cat([t.kind_T for t in targets]),
        "box": torch.cat([t.box_T4 for t in targets]),
        "corners": torch.cat([t.corners_T4 for t in targets]),
        "attributes": torch.cat([t.attributes_TA for t in targets]),
    }
    return batch
