"""Regions of an image on the grid of its visual tokens.

The processor resizes an image to a whole number of tokens each way, so a token stands for an equal rectangle of the
image, and a region covers it in part or whole. Boxes are here in *unit* coordinates: left, top, right, bottom, with
the image from 0 to 1 both ways. So one region can be laid over images of other sizes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitar.imaging.geometry import Box, Frame


def unit_boxes(boxes: Sequence[Box], frame: Frame) -> np.ndarray:
    """The parts of ``boxes`` that an image shows, in unit coordinates [N, 4]; what lies outside of it is left out.

    Args:
        boxes: in any frame over the same original.
        frame: of the image shown.
    """
    shown = [box.to(frame.grid(1, 1)).clipped() for box in boxes]
    return np.array([box.xyxy for box in shown if box.area > 0], dtype=float).reshape(-1, 4)


def coverage(boxes_N4: np.ndarray, grid_hw: tuple[int, int]) -> np.ndarray:
    """Share of each visual token that the boxes cover together, row by row [T], 0 to 1 and exact.

    All edges, of boxes and of tokens, cut the image into rectangles that are wholly inside or outside of each box.

    Args:
        boxes_N4: in unit coordinates.
        grid_hw: rows and columns of tokens.
    """
    rows, columns = grid_hw
    y_edges, row_of = _cuts(boxes_N4[:, 1::2], rows)
    x_edges, column_of = _cuts(boxes_N4[:, 0::2], columns)
    y, x = (y_edges[1:] + y_edges[:-1]) / 2, (x_edges[1:] + x_edges[:-1]) / 2
    left, top, right, bottom = (boxes_N4[:, side, None] for side in range(4))
    inside_NY, inside_NX = (top < y) & (y < bottom), (left < x) & (x < right)
    covered_YX = (inside_NY[:, :, None] & inside_NX[:, None, :]).any(axis=0)
    area_YX = np.diff(y_edges)[:, None] * np.diff(x_edges)[None] * covered_YX
    token_YX = row_of[:, None] * columns + column_of[None]
    return np.bincount(token_YX.ravel(), area_YX.ravel(), minlength=rows * columns) * (rows * columns)


def shuffled(boxes_N4: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The same boxes, each moved to a place in the image that is drawn uniformly [N, 4], unit coordinates."""
    size_N2 = boxes_N4[:, 2:] - boxes_N4[:, :2]
    corner_N2 = rng.random(size_N2.shape) * (1 - size_N2)
    return np.concatenate([corner_N2, corner_N2 + size_N2], axis=1)


def _cuts(sides: np.ndarray, cells: int) -> tuple[np.ndarray, np.ndarray]:
    """All edges along one axis in order, and for each stretch between two of them the number of its cell."""
    grid = np.linspace(0, 1, cells + 1)
    edges = np.unique(np.concatenate([grid, np.clip(sides.ravel(), 0, 1)]))
    middles = (edges[1:] + edges[:-1]) / 2
    return edges, np.clip(np.searchsorted(grid, middles, side="right") - 1, 0, cells - 1)
