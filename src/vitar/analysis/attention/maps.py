"""Heat maps: what each look saw, under the attention that it paid to it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vitar.analysis.attention.looking import Glance
from vitar.analysis.attention.replay import Episode
from vitar.imaging.geometry import Box, Frame
from vitar.imaging.mark import mark_region

PANEL_PX = 320
"""Longer side of each picture of a row."""

FULL_AT = 8
"""A token with this many times even attention, or more, has the full tint."""

_PAD_PX, _LINE_PX, _FONT_PX = 8, 18, 14
_HEAT = (0, 220, 255)  # stands out on gray images and on a red retina alike
_STRENGTH = 0.75  # opacity of a full tint
_INK, _PAPER = (30, 30, 30), (255, 255, 255)


def heat_map(image: Image.Image, glance: Glance) -> Image.Image:
    """``image`` with true regions outlined, and a tint on the visual tokens that get more than even attention.

    The tint grows with the logarithm of the excess and has the same scale in every picture, so that a map without a
    preference looks like one. A square of it is a token: attention has no finer detail than that.
    """
    scale = PANEL_PX / max(image.size)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    shown = image.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    mean = glance.attention_T[glance.kept_T].mean() if glance.kept_T.any() else 0.0
    times_even_T = glance.attention_T / mean if mean > 0 else np.ones_like(glance.attention_T)
    level_T = np.log(np.clip(times_even_T, 1, FULL_AT)) / np.log(FULL_AT)
    opacity_hw = (255 * _STRENGTH * level_T).round().astype(np.uint8).reshape(glance.grid_hw)
    opacity = Image.fromarray(opacity_hw).resize(size, Image.Resampling.NEAREST)
    tinted = Image.composite(Image.new("RGB", size, _HEAT), shown, opacity)
    unit = Frame(1, 1, 0, 0, *size)
    return mark_region(tinted, [Box(x0, y0, x1, y1, unit) for x0, y0, x1, y1 in glance.boxes_N4.tolist()])


def picture_of(episode: Episode, glances: Sequence[Glance], names: dict[int, str]) -> Image.Image:
    """One row of heat maps, in the order of looks and images, over what they are and how much they hold.

    Args:
        names: look -> what to call it.
    """
    panels = [heat_map(episode.views[glance.image - 1].image, glance) for glance in glances]
    width = sum(panel.width for panel in panels) + _PAD_PX * (len(panels) + 1)
    height = max(panel.height for panel in panels) + 2 * _PAD_PX + 2 * _LINE_PX
    row = Image.new("RGB", (width, height), _PAPER)
    draw, font = ImageDraw.Draw(row), ImageFont.load_default(_FONT_PX)
    x = _PAD_PX
    for panel, glance in zip(panels, glances, strict=True):
        row.paste(panel, (x, _PAD_PX))
        enrichment = glance.region[0]
        held = f"{glance.share:.0%} of attention"
        on_region = f", {enrichment:.1f} x on the region" if np.isfinite(enrichment) else ""
        y = _PAD_PX + panel.height + 2
        draw.text((x, y), f"{names[glance.look]}, image {glance.image}", _INK, font)
        draw.text((x, y + _LINE_PX), held + on_region, _INK, font)
        x += panel.width + _PAD_PX
    return row
