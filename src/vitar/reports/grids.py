"""A figure for each layer and head: a grid of tinted cells."""

from __future__ import annotations

import math
from collections.abc import Sequence

from markupsafe import Markup

from vitar.reports.figures import WIDTH, svg_plot, text_at
from vitar.reports.wording import UNDEFINED

FULL_AT = 8
"""Times even attention with the full tint; the same scale as on the heat maps over images."""
MOST_NUMBERS = 10
"""Heads up to which a cell has room for its number."""


def head_grid(
    values_LH: Sequence[Sequence[float | None]], layers: Sequence[int], heads: Sequence[int], alt: str
) -> Markup:
    """Times even attention by layer (row) and head (column).

    A cell without tint is at even attention or below it; the tint grows with the logarithm, up to `FULL_AT`. A cell
    that is undefined is crossed out.
    """
    left, right, top = 44.0, WIDTH - 4.0, 20.0
    width = (right - left) / max(1, len(heads))
    height = 20.0 if len(layers) <= 12 else 9.0
    numbered = len(heads) <= MOST_NUMBERS and height >= 20
    step = math.ceil(len(heads) / MOST_NUMBERS)
    parts = [text_at("head", left - 6, top - 7, "end", "tick")]
    for column in range(0, len(heads), step):
        parts.append(text_at(str(heads[column]), left + (column + 0.5) * width, top - 7, "middle", "tick"))
    for row, layer in enumerate(layers):
        y = top + row * height
        if numbered or row % 4 == 0:
            word = f"layer {layer}" if row == 0 else str(layer)
            parts.append(text_at(word, left - 6, y + height / 2 + 4, "end", "tick"))
        for column, value in enumerate(values_LH[row]):
            x = left + column * width
            frame = f'x="{x:.1f}" y="{y:.1f}" width="{width - 1:.1f}" height="{height - 1:.1f}"'
            if value is None:
                parts.append(f'<rect class="cell" fill-opacity="0" {frame}/>')
                parts.append(f'<path class="grid" d="M{x:.1f} {y:.1f}l{width - 1:.1f} {height - 1:.1f}"/>')
                continue
            tint = math.log(min(max(value, 1.0), FULL_AT)) / math.log(FULL_AT)
            parts.append(f'<rect class="cell" fill-opacity="{0.7 * tint:.2f}" {frame}/>')
            if numbered:
                parts.append(text_at(f"{value:.1f}", x + width / 2 - 0.5, y + height / 2 + 3.5, "middle", "inside"))
    return svg_plot(int(top + len(layers) * height) + 4, f"{alt}: {_said(values_LH, layers, heads)}", parts)


def _said(values_LH: Sequence[Sequence[float | None]], layers: Sequence[int], heads: Sequence[int]) -> str:
    """The range, and where its upper end is."""
    found = [
        (value, f"layer {layer}, head {head}")
        for layer, row in zip(layers, values_LH, strict=True)
        for head, value in zip(heads, row, strict=True)
        if value is not None
    ]
    if not found:
        return UNDEFINED
    most, where = max(found)
    return f"from {min(found)[0]:.2f} to {most:.2f}, the most in {where}"
