"""Dense targets: what lies under every visual token.

They teach the vision tower to see in minutes where language supervision alone gives perfect form and no sight.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vitar.data.phantoms.scene import Family, Phantom
from vitar.imaging.coordinates import View
from vitar.training.masking import IGNORE


@dataclass(frozen=True)
class Vocabulary:
    """Class indices of the dense targets: lesion kinds of all families, and values of all attributes."""

    kinds: tuple[str, ...]
    attributes: tuple[tuple[str, tuple[str, ...]], ...]

    @classmethod
    def of(cls, families: Sequence[Family]) -> Vocabulary:
        kinds = tuple(f"{family.name}/{kind}" for family in families for kind in family.kinds)
        attributes = tuple(
            (f"{family.name}/{kind}/{name}", values)
            for family in families
            for kind in family.kinds
            for name, values in family.attributes[kind].items()
        )
        return cls(kinds, attributes)


@dataclass(frozen=True)
class Seen:
    """A lesion in a picture.

    Args:
        kind: ``family/kind``.
        attributes: name -> value.
        xyxy: box in shares of the picture's width and height; may reach beyond 0 to 1.
    """

    kind: str
    attributes: Mapping[str, str]
    xyxy: tuple[float, float, float, float]


def seen_in(scene: Phantom, view: View) -> tuple[Seen, ...]:
    """The lesions of a phantom in the coordinates of a picture of it."""
    unit = view.frame.grid(1, 1)
    return tuple(
        Seen(f"{scene.family.name}/{lesion.spec.kind}", lesion.spec.attributes, lesion.box.to(unit).xyxy)
        for lesion in scene.lesions
    )


@dataclass(frozen=True)
class TokenTargets:
    """What lies under each visual token of one picture, in raster order.

    Args:
        kind_T: 0 for background, else 1 + index of the lesion kind; `IGNORE` where a lesion only touches the token.
        box_T4: centre x, y and width, height of the lesion relative to the token, in token sides; NaN on background.
        attributes_TA: value index per attribute of the vocabulary; `IGNORE` where it does not apply or cannot be seen.
    """

    kind_T: Tensor
    box_T4: Tensor
    attributes_TA: Tensor


def grid_hw(thw: Tensor) -> tuple[int, int]:
    """Rows and columns of visual tokens, from a row of ``image_grid_thw`` (patches, two of which make a token side)."""
    return int(thw[1]) // 2, int(thw[2]) // 2


def token_targets(
    lesions: Sequence[Seen], rows_columns: tuple[int, int], vocabulary: Vocabulary, *, fine: bool
) -> TokenTargets:
    """Dense targets of a picture with ``lesions`` that becomes ``rows_columns`` visual tokens.

    Args:
        fine: whether attributes are targets too (they can be seen on an enlarged region only).
    """
    rows, columns = rows_columns
    kind = np.zeros((rows, columns), dtype=np.int64)
    box = np.full((rows, columns, 4), np.nan, dtype=np.float32)
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
        for index, (name, values) in enumerate(vocabulary.attributes if fine else ()):
            lesion_kind, _, attribute = name.rpartition("/")
            if lesion_kind == lesion.kind:
                attributes[held, index] = values.index(lesion.attributes[attribute])
    flat = rows * columns
    return TokenTargets(
        torch.from_numpy(kind.reshape(flat)),
        torch.from_numpy(box.reshape(flat, 4)),
        torch.from_numpy(attributes.reshape(flat, -1)),
    )


def collate(rows: Sequence[Mapping[str, Any]], pad_token_id: int = 0) -> dict[str, Tensor]:
    """Right-pads token rows; concatenates what is per patch or per visual token.

    Returns:
        with text input_ids, attention_mask, labels, mm_token_type_ids [B, T]; with images pixel_values
        [patches, features], image_grid_thw [images, 3], and over all visual tokens V kind [V], box [V, 4],
        attributes [V, A].
    """
    batch: dict[str, Tensor] = {}
    pads = {"input_ids": pad_token_id, "attention_mask": 0, "labels": IGNORE, "mm_token_type_ids": 0}
    for name, value in pads.items():
        if name in rows[0]:
            padded = [one[name] for one in rows]
            batch[name] = torch.nn.utils.rnn.pad_sequence(padded, batch_first=True, padding_value=value)
    targets = [target for one in rows for target in one["targets"]]
    if not targets:
        return batch
    for name in ("pixel_values", "image_grid_thw"):
        batch[name] = torch.cat([one[name] for one in rows])
    batch["kind"] = torch.cat([t.kind_T for t in targets])
    batch["box"] = torch.cat([t.box_T4 for t in targets])
    batch["attributes"] = torch.cat([t.attributes_TA for t in targets])
    return batch
