"""Mammogram phantoms: one mediolateral oblique view with masses and clusters of microcalcifications.

Parenchyma is a random field of power spectrum 1/f^3, as measured on mammograms and used in observer studies
(A. E. Burgess, F. L. Jacobson, P. F. Judy, Medical Physics 28, 2001), stronger where glandular tissue lies behind the
nipple. Cooper's ligaments, ducts, the pectoral muscle and the skin line are drawn into it. Lesions are added in the
quantity that is displayed, as in hybrid-image studies. Their descriptors are those of the BI-RADS atlas (5th edition,
American College of Radiology, 2013): margin of a mass; morphology of calcifications, which here are always grouped.
Like the specks of the ACR accreditation phantom and the discs of CDMAM, calcifications of every morphology bring the
same signal (contrast times area), so only their shape tells them apart.

The field of view is 102 mm, so a native pixel is 0.2 mm: a mass of usual size is 10 mm wide, a round calcification
0.6 mm, and the strands of a spiculated mass are 0.3 mm. The chest wall is the left edge and the nipple points to the
right. Look-alikes that are not asked about: summation of parenchyma, vascular calcification, intramammary lymph nodes
and single benign calcifications. Displayed values run from 0 (air) to 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from PIL import ImageDraw

from vitar.data.phantoms import physics
from vitar.data.phantoms.scene import SIDE_PX, Family, LesionSpec

LOCATIONS = (
    "upper anterior quadrant",
    "upper posterior quadrant",
    "lower anterior quadrant",
    "lower posterior quadrant",
)
MARGINS = ("circumscribed", "microlobulated", "spiculated")
MORPHOLOGIES = ("round", "fine linear", "rim")

_USUAL_RADIUS_PX = 25.0
_GAP_PX = 13.0
_LOBE_PX = 6.2  # outline per microlobule
_NOTCH_PX = 3.0
_STRAND_SPACING_PX = 4.6
_CALCIFICATION_SPACING_PX = 5.4
_AREA_PX = {"round": 8.3, "fine linear": 5.3, "rim": 11.0}
"""Native pixels that one calcification of each morphology covers."""
_PLACING_SIDE = 64  # cells per side of the coarse grid on which places are chosen
_CENTER_MARGIN_PX = 6.0  # lesions keep off the lines between quadrants, where a reader might disagree


class _Look(NamedTuple):
    """What distinguishes the shifted test: noise per native pixel, contrast of lesions, size of lesions."""

    noise: float
    contrast: float
    size: float


_LOOKS = {False: _Look(0.028, 1.0, 1.0), True: _Look(0.04, 0.85, 0.86)}


@dataclass(frozen=True)
class _Breast:
    """Outline of one breast in native pixels.

    Args:
        depth: chest wall to nipple.
        half_height: half the extent along the chest wall.
        nipple_y: row of the nipple, which also separates upper from lower.
        pectoral: where the border of the muscle meets the upper and the left edge of the image.
    """

    depth: float
    half_height: float
    nipple_y: float
    pectoral: tuple[float, float]

    @classmethod
    def random(cls, rng: np.random.Generator) -> _Breast:
        return cls(
            depth=rng.uniform(440, 490),
            half_height=rng.uniform(252, 275),
            nipple_y=rng.uniform(250, 262),
            pectoral=(rng.uniform(55, 95), rng.uniform(140, 220)),
        )

    def skin_x(self, y: np.ndarray) -> np.ndarray:
        """Column of the skin line at rows ``y``; the outline is an ellipse, somewhat squared."""
        v = np.minimum(np.abs(y - self.nipple_y) / self.half_height, 0.999)
        return self.depth * (1 - v**2.3) ** 0.55

    def skin_distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Approximate distance to the skin line, positive inside, on an open grid: float32 [H, W]."""
        edge = self.skin_x(y)
        slope = (self.skin_x(y + 1) - self.skin_x(y - 1)) / 2
        return ((edge - x) / np.sqrt(1 + slope**2)).astype(np.float32)

    def pectoral_distance(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Distance to the border of the pectoral muscle, positive in the muscle."""
        a, b = self.pectoral
        return (1 - x / a - y / b) * np.float32(a * b / np.hypot(a, b))

    def clearance(self, location: str) -> np.ndarray:
        """How far inside ``location`` each cell of the coarse grid lies, in native pixels."""
        x, y = physics.grid(_PLACING_SIDE)
        # Whether the breast or the image is halved makes no difference to any lesion: both lines are kept clear.
        middle = self.depth / 2, SIDE_PX / 2
        side = x - max(middle) if "anterior" in location else min(middle) - x
        middle = self.nipple_y, SIDE_PX / 2
        level = min(middle) - y if "upper" in location else y - max(middle)
        inside = np.minimum(side, level) - _CENTER_MARGIN_PX
        inside = np.minimum(inside, np.minimum(np.minimum(x, y), SIDE_PX - y) - 4)
        return np.minimum(inside, np.minimum(self.skin_distance(x, y) - 10, -self.pectoral_distance(x, y) - 6))


def _strands(rng: np.random.Generator, breast: _Breast) -> np.ndarray:
    """Cooper's ligaments, which hang from the skin, and ducts, which meet at the nipple: coverage float32 [H, W]."""
    count = 34
    y = rng.uniform(20, SIDE_PX - 20, count)
    skin = np.stack([breast.skin_x(y) - 3, y], axis=1)
    inward = np.stack([skin[:, 0] - rng.uniform(50, 190, count), y + rng.uniform(-70, 70, count)], axis=1)
    ligaments = np.stack([skin, (skin + inward) / 2 + rng.uniform(-22, 22, (count, 2)), inward], axis=1)
    ducts = 9
    nipple = np.tile([breast.depth - 4, breast.nipple_y], (ducts, 1)) + rng.uniform(-4, 4, (ducts, 2))
    fan = np.linspace(-0.75, 0.75, ducts) + rng.uniform(-0.1, 0.1, ducts)
    length = rng.uniform(120, 260, ducts)
    ends = nipple - length[:, None] * np.stack([np.cos(fan), np.sin(fan)], axis=1)
    tree = np.stack([nipple, (nipple + ends) / 2 + rng.uniform(-18, 18, (ducts, 2)), ends], axis=1)
    curves = physics.bezier(np.concatenate([ligaments, tree]), 10) * 2
    fills, widths = rng.integers(60, 200, count + ducts), rng.integers(2, 5, count + ducts)

    def paint(draw: ImageDraw.ImageDraw) -> None:
        for curve, fill, width in zip(curves, fills, widths, strict=True):
            draw.line(curve.ravel().tolist(), fill=int(fill), width=int(width))

    return physics.supersampled((SIDE_PX, SIDE_PX), paint, factor=2)


def _anatomy(rng: np.random.Generator, breast: _Breast) -> np.ndarray:
    """The breast without findings: float32 [H, W]. All but the strands is smooth enough for every other pixel."""
    x, y = physics.grid(SIDE_PX // 2)
    distance = breast.skin_distance(x, y)
    rounding = np.clip(distance * np.float32(1 / 80), 0, 1)
    thickness = np.sqrt(rounding * (2 - rounding))  # the compressed breast bulges at its free border
    density = rng.uniform(0.4, 1.0)  # from mostly fatty to dense
    center_x, center_y = breast.depth * rng.uniform(0.52, 0.66), breast.nipple_y + rng.uniform(-25, 25)
    across = np.exp(-(((x - center_x) / (0.34 * breast.depth)) ** 2))
    along = np.exp(-(((y - center_y) / (0.55 * breast.half_height)) ** 2))
    gland = (across * along).astype(np.float32)
    texture = np.clip(physics.power_law_texture(rng, SIDE_PX // 2, 3.0), -2.5, 2.5)
    tissue = np.float32(0.33) + np.float32(0.16 * density) * gland
    tissue += texture * (np.float32(0.045) + np.float32(0.05 * density) * gland)
    tissue += np.float32(0.15) * physics.soft_step(breast.pectoral_distance(x, y), 5.0)
    tissue *= thickness
    tissue += np.float32(0.12) * np.exp(-(((distance - 3) / 3) ** 2))  # skin, seen on edge
    image = physics.upsample2(tissue)
    image += np.minimum(np.float32(0.08) * _strands(rng, breast), np.float32(0.3) * image)  # none outside the breast
    rows, columns = physics.window(breast.depth, breast.nipple_y, 20)
    nipple = physics.soft_ellipse(
        *physics.local_grid(rows, columns), breast.depth - 5, breast.nipple_y, 13, 15, rim=3.0
    )
    image[rows, columns] = np.maximum(image[rows, columns], np.float32(0.36) * nipple)
    return image


def _inside(rng: np.random.Generator, breast: _Breast, columns: tuple[float, float], margin: float) -> np.ndarray:
    """A random point [2] between two columns, at least ``margin`` pixels within the outline of the breast."""
    x = rng.uniform(*columns)
    rows = np.arange(SIDE_PX)[breast.skin_x(np.arange(SIDE_PX)) > x + 1.5 * margin]
    return np.array([x, rng.uniform(rows[0] + margin, rows[-1] - margin)])


def _look_alikes(rng: np.random.Generator, image: np.ndarray, breast: _Breast, lesions: np.ndarray) -> None:
    """Draws structures that resemble findings, fainter or smaller than they are.

    They are the same whatever the plan; only what would touch one of the ``lesions`` [N, 3], given as (x, y, reach), is
    left out.
    """

    def clear(points: np.ndarray, reach: float) -> np.ndarray:
        offsets = points[:, None] - lesions[None, :, :2]
        return (np.hypot(offsets[..., 0], offsets[..., 1]) > lesions[:, 2] + reach).all(axis=1)

    for _ in range(int(rng.integers(1, 4))):  # summation of parenchyma has no border and may lie over a lesion
        cx, cy = _inside(rng, breast, (40, 380), 25)
        sigma, height = rng.uniform(12, 20), rng.uniform(0.04, 0.07)
        where = physics.window(cx, cy, 3 * sigma)
        x, y = physics.local_grid(*where)
        image[where] += np.float32(height) * np.exp(((x - cx) ** 2 + (y - cy) ** 2) * np.float32(-0.5 / sigma**2))
    node, angle, rx = _inside(rng, breast, (60, 200), 20), rng.uniform(0, np.pi), rng.uniform(7, 10)
    if rng.random() < 0.4 and clear(node[None], 4).all():  # lymph node: small, with a fatty hilum
        cx, cy = node
        where = physics.window(cx, cy, 14)
        x, y = physics.local_grid(*where)
        solid = physics.soft_ellipse(x, y, cx, cy, rx, 0.65 * rx, angle)
        hilum = physics.soft_ellipse(x, y, cx + 2, cy, 0.45 * rx, 0.3 * rx, angle)
        image[where] += np.float32(0.09) * (solid - hilum)
    for _ in range(int(rng.integers(0, 5))):  # single benign calcification
        cx, cy = _inside(rng, breast, (30, 400), 12)
        where = physics.window(cx, cy, 6)
        single = _marks(where, np.array([[cx, cy]]), "round", rng)
        if clear(np.array([[cx, cy]]), 4).all():
            image[where] += np.float32(0.35) * single
    if rng.random() < 0.4:  # vascular calcification: two dotted rails
        (cx, cy), course, bend = _inside(rng, breast, (90, 330), 45), rng.uniform(0, 2 * np.pi), rng.uniform(-14, 14)
        along = np.tile(np.linspace(-36, 36, 19), 2) + rng.uniform(-1, 1, 38)
        across = bend * (along / 36) ** 2 + np.repeat((-2.6, 2.6), 19)
        turn = np.array([[np.cos(course), np.sin(course)], [-np.sin(course), np.cos(course)]])
        rails = (cx, cy) + (np.stack([along, across], axis=1) @ turn)[rng.random(38) < 0.7]
        rails[~clear(rails, 4)] = -SIDE_PX  # out of sight, yet drawn, so that the others keep their random values
        where = physics.window(cx, cy, 44)
        image[where] += np.float32(0.2) * _marks(where, rails, "round", rng)


def _marks(where: tuple[slice, slice], points: np.ndarray, morphology: str, rng: np.random.Generator) -> np.ndarray:
    """Calcifications at ``points`` [n, 2], cut to a window: float32 [h, w]; each adds up to about 5 in any shape."""
    rows, columns = where
    shape = (rows.stop - rows.start, columns.stop - columns.start)
    centers = (points - (columns.start, rows.start)) * 4
    turns, fills = rng.uniform(0, np.pi, len(points)), rng.integers(150, 256, len(points))

    def paint(draw: ImageDraw.ImageDraw) -> None:
        for (px, py), turn, fill in zip(centers.tolist(), turns.tolist(), fills.tolist(), strict=True):
            if morphology == "fine linear":
                dx, dy = 8 * np.cos(turn), 8 * np.sin(turn)
                draw.line((px - dx, py - dy, px + dx, py + dy), fill=fill, width=5)
            elif morphology == "rim":
                draw.ellipse((px - 8, py - 8, px + 8, py + 8), outline=fill, width=4)
            else:
                draw.ellipse((px - 6, py - 6, px + 6, py + 6), fill=fill)

    return physics.supersampled(shape, paint) * np.float32(5 / _AREA_PX[morphology])


def _strand_fan(
    where: tuple[slice, slice], cx: float, cy: float, radius: float, rng: np.random.Generator
) -> np.ndarray:
    """Spicules that leave a mass of ``radius`` all around: coverage float32 [h, w] in its window."""
    rows, columns = where
    count = round(2 * np.pi * radius / _STRAND_SPACING_PX)
    angles = (np.arange(count) + rng.uniform(-0.3, 0.3, count)) * (2 * np.pi / count)
    slant, length = rng.normal(0, 0.12, count), rng.uniform(5, 10, count)
    inner, outer = angles, angles + slant
    start = (radius - 3) * np.stack([np.cos(inner), np.sin(inner)])
    stop = (radius - 2 + length) * np.stack([np.cos(outer), np.sin(outer)])
    offset = np.array([cx - columns.start, cy - rows.start])[:, None]
    lines = np.concatenate([start + offset, stop + offset]).T * 4  # [count, 4] on the canvas

    def paint(draw: ImageDraw.ImageDraw) -> None:
        for line in lines.tolist():
            draw.line(line, fill=255, width=5)

    return physics.supersampled((rows.stop - rows.start, columns.stop - columns.start), paint)


def _mass(
    where: tuple[slice, slice],
    cx: float,
    cy: float,
    radius: float,
    attributes: Mapping[str, str],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """A mass in its window: what it adds to the display, float32 [h, w], and its extent, bool [h, w]."""
    spiculated = attributes["margin"] == "spiculated"
    x, y = physics.local_grid(*where)
    body, _ = physics.blob(x, y, cx, cy, radius - 0.5 if spiculated else radius, "smooth", rng)
    if attributes["margin"] == "microlobulated":
        lobes = round(2 * np.pi * radius / _LOBE_PX)
        arc = np.abs(np.sin(np.arctan2(y - np.float32(cy), x - np.float32(cx)) * np.float32(lobes / 2)))
        body += np.float32(_NOTCH_PX) * (arc - np.float32(2 / np.pi))  # |sin| has mean 2 / pi
    solid = physics.soft_step(body, 0.9) * (np.float32(0.75) + np.float32(0.25) * physics.chord(body, radius))
    if spiculated:
        solid = np.maximum(solid, np.float32(0.8) * _strand_fan(where, cx, cy, radius, rng))
    # Dense, uneven parenchyma of any strength around a mass keeps the smoothed rim from naming the margin.
    rim = physics.soft_step(body + 4, 8.0) * np.float32(rng.uniform(0.1, 0.3))
    signal = np.maximum(solid, rim) + np.float32(0.45) * rim * physics.mottle(rng, solid.shape)
    contrast = np.float32(0.14 * rng.uniform(0.9, 1.15))
    return contrast * signal, body > (-1.0 if spiculated else 0.0)


def _cluster(
    where: tuple[slice, slice],
    cx: float,
    cy: float,
    radius: float,
    attributes: Mapping[str, str],
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Grouped microcalcifications in their window: what they add, float32 [h, w], and the group's extent, bool."""
    points = physics.lattice_points(rng, cx, cy, radius - 2.5, _CALCIFICATION_SPACING_PX)
    marks = _marks(where, points, attributes["morphology"], rng)
    x, y = physics.local_grid(*where)
    # Dust too fine to resolve lies between the calcifications.
    dust = np.float32(0.03) + np.float32(rng.uniform(0.018, 0.035)) * physics.mottle(rng, marks.shape)
    haze = dust * physics.soft_ellipse(x, y, cx, cy, radius, radius, rim=4.0)
    rows, columns = where
    extent = physics.hull_mask(marks.shape, points - (columns.start, rows.start), 3.0)
    return np.float32(rng.uniform(0.27, 0.33)) * marks + haze, extent


def _render(
    plan: tuple[LesionSpec, ...], rng: np.random.Generator, shifted: bool
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draws one breast with the planned lesions: uint8 [H, W] and one bool mask [H, W] per lesion."""
    look = _LOOKS[shifted]
    # Streams of their own, so that the same breast can be drawn with and without its lesions.
    anatomy_rng, alike_rng, lesion_rng, noise_rng = rng.spawn(4)
    breast = _Breast.random(anatomy_rng)
    radii = np.array([_USUAL_RADIUS_PX * look.size * spec.scale * lesion_rng.uniform(0.96, 1.04) for spec in plan])
    reach = radii + np.array([6.0 if "spiculated" in spec.attributes.values() else 3.0 for spec in plan])
    clearance = [breast.clearance(spec.location) for spec in plan]
    centers = physics.clear_centers(lesion_rng, clearance, reach, _GAP_PX)
    image = _anatomy(anatomy_rng, breast)
    _look_alikes(alike_rng, image, breast, np.column_stack([centers, reach]))
    masks = []
    for spec, (cx, cy), radius in zip(plan, centers.tolist(), radii.tolist(), strict=True):
        where = physics.window(cx, cy, radius + 14)
        draw = _mass if spec.kind == "mass" else _cluster
        signal, inside = draw(where, cx, cy, radius, spec.attributes, lesion_rng)
        image[where] += np.float32(look.contrast) * signal
        mask = np.zeros((SIDE_PX, SIDE_PX), bool)
        mask[where] = inside
        masks.append(mask)
    # Noise of the display grows with the attenuation; the air around the breast is exposed best and nearly free of it.
    image += physics.white_noise(noise_rng) * (np.float32(0.3 * look.noise) + np.float32(1.8 * look.noise) * image)
    return physics.to_uint8(image + np.float32(0.03)), masks


FAMILY = Family(
    name="mammogram",
    modality="mammogram",
    anatomy="breast",
    location_noun="quadrant",
    locations=LOCATIONS,
    kinds=("mass", "microcalcification cluster"),
    attributes={
        "mass": {"margin": MARGINS},
        "microcalcification cluster": {"morphology": MORPHOLOGIES},
    },
    render=_render,
)
