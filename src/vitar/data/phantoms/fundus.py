"""Fundus phantoms: a colour photograph of a right eye with the red and bright lesions of diabetic retinopathy.

The lesion kinds are those that DIARETDB1 (T. Kauppi et al., British Machine Vision Conference 2007) and IDRiD
(P. Porwal et al., Data 3, 2018) annotate: microaneurysms, haemorrhages and exudates. Their variants are the descriptors
of clinical reading, as in the ETDRS extension of the Airlie House classification (Ophthalmology 98, 1991): dot, blot
and flame-shaped haemorrhages; hard exudate in scattered flecks, in circinate figures or as a plaque. A region is
outlined generously, around a whole group, as the readers of DIARETDB1 did.

The camera sees 50 degrees, centred near the macula, in a disc 490 native pixels wide; at about 0.29 mm per degree a
pixel is 30 micrometres. A single microaneurysm (up to 125 micrometres, 4 px) could not be found in a view of half
that resolution, so a lesion of this kind is a group of five to seven. Likewise a haemorrhage or an exudate is a patch
of 1 to 2 mm, and what names its variant is 1 to 3 px wide. All variants of a kind cover the same extent with the same
mean absorption or brightness. The optic disc lies to the right (nasal), the macula slightly left of the centre
(temporal). Quadrants divide the photograph at its centre. Look-alikes that are not asked about: vessel crossings,
drusen and dust on the lens. Displayed values run from 0 to 1 per channel; axes are H rows, W columns, channels R, G, B.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from PIL import ImageDraw

from vitar.data.phantoms import physics
from vitar.data.phantoms.scene import SIDE_PX, Family, LesionSpec

LOCATIONS = (
    "superior temporal quadrant",
    "superior nasal quadrant",
    "inferior temporal quadrant",
    "inferior nasal quadrant",
)
SHAPES = ("dot", "blot", "flame")
ARRANGEMENTS = ("scattered", "circinate", "plaque")

_FIELD_RADIUS_PX = 245.0
_USUAL_RADIUS_PX = {"microaneurysm cluster": 23.0, "exudate": 24.0, "haemorrhage": 24.0}
_GAP_PX = 14.0
_PLACING_SIDE = 64  # cells per side of the coarse grid on which places are chosen
_CENTER_MARGIN_PX = 6.0  # lesions keep off the lines between quadrants, where a reader might disagree
_BLOOD = (0.45, 1.0, 0.8)
"""Absorption of blood in R, G and B relative to G: haemoglobin lets red light through."""
_LIPID = (0.99, 0.90, 0.52)
"""Display colour of dense hard exudate."""


class _Look(NamedTuple):
    """What distinguishes the shifted test: noise per native pixel, contrast of lesions, size of lesions."""

    noise: float
    contrast: float
    size: float


_LOOKS = {False: _Look(0.025, 1.0, 1.0), True: _Look(0.036, 0.85, 0.86)}


@dataclass(frozen=True)
class _Eye:
    """Landmarks of one right eye in native pixels: optic disc and fovea."""

    disc: tuple[float, float]
    disc_radius: float
    fovea: tuple[float, float]

    @classmethod
    def random(cls, rng: np.random.Generator) -> _Eye:
        fovea = (rng.uniform(208, 238), rng.uniform(252, 272))
        # The disc lies about 15.5 degrees nasal of the fovea and slightly above it.
        disc = (fovea[0] + rng.uniform(148, 162), fovea[1] - rng.uniform(8, 22))
        return cls(disc, rng.uniform(29, 35), fovea)

    def clearance(self, location: str) -> np.ndarray:
        """How far inside ``location``, off the disc and the fovea each cell of the coarse grid lies, in native px."""
        x, y = physics.grid(_PLACING_SIDE)
        middle = SIDE_PX / 2
        side = middle - x if "temporal" in location else x - middle
        level = middle - y if "superior" in location else y - middle
        inside = np.minimum(side, level) - _CENTER_MARGIN_PX
        inside = np.minimum(inside, _FIELD_RADIUS_PX - 12 - np.hypot(x - middle, y - middle))
        off_disc = np.hypot(x - self.disc[0], y - self.disc[1]) - self.disc_radius - 8
        off_fovea = np.hypot(x - self.fovea[0], y - self.fovea[1]) - 12
        return np.minimum(inside, np.minimum(off_disc, off_fovea))


@lru_cache(maxsize=1)
def _outside_field() -> np.ndarray:
    """What the aperture of the camera hides: bool [H, W]."""
    x, y = physics.grid()
    return np.hypot(x - SIDE_PX / 2, y - SIDE_PX / 2) > _FIELD_RADIUS_PX


def _branches(rng: np.random.Generator, stems: np.ndarray, per_stem: int, length: tuple[float, float]) -> np.ndarray:
    """Vessels that leave ``stems`` [n, t, 2] at random points and bend back: [n * per_stem, 10, 2]."""
    count, steps = len(stems) * per_stem, stems.shape[1]
    stem, at = np.repeat(np.arange(len(stems)), per_stem), rng.integers(steps // 5, steps - 2, count)
    start = stems[stem, at]
    ahead = stems[stem, at + 1] - stems[stem, at - 1]
    turn = rng.choice((-1, 1), count) * rng.uniform(0.4, 0.9, count)
    course = np.arctan2(ahead[:, 1], ahead[:, 0]) + turn
    half = rng.uniform(*length, (count, 1)) / 2
    bend = start + half * np.stack([np.cos(course), np.sin(course)], axis=1)
    course -= rng.uniform(0.1, 0.6, count) * np.sign(turn)
    end = bend + half * np.stack([np.cos(course), np.sin(course)], axis=1)
    return physics.bezier(np.stack([start, bend, end], axis=1), 10)


def _vessels(rng: np.random.Generator, eye: _Eye) -> np.ndarray:
    """Arteries and veins that leave the disc: relative blood content, float32 [H, W], 0 to 1.

    Two pairs form the arcades that sweep temporally around the macula, two shorter pairs run nasally; a vessel branches
    four times and each branch once more.
    """
    disc, fovea = np.array(eye.disc), np.array(eye.fovea)
    controls, widths, fills = [], [], []
    for vertical in (-1, 1):
        for width, fill, shift in ((3.6, 150, 0), (5.0, 215, 16)):  # artery, vein
            start = disc + rng.uniform(-6, 6, 2)
            rise = 230 - shift + rng.uniform(-10, 10)
            peak = np.array([fovea[0] + rng.uniform(20, 90), fovea[1] + vertical * rise])
            end = np.array([rng.uniform(20, 60), fovea[1] + vertical * rng.uniform(60, 130)])
            out = np.array([rng.uniform(470, 520), disc[1] + vertical * rng.uniform(110, 190)])
            bend = (start + out) / 2 + (rng.uniform(-25, 5), vertical * rng.uniform(5, 40))
            controls += [(start, peak, end), (start, bend, out)]
            widths += [width, 0.75 * width]
            fills += [fill, fill]
    trunks = physics.bezier(np.array(controls), 21)
    twigs = _branches(rng, trunks, 4, (60, 130))
    shoots = _branches(rng, twigs, 1, (30, 70))

    def paint(draw: ImageDraw.ImageDraw) -> None:
        def line(points: np.ndarray, width: float, fill: int) -> None:
            draw.line((points * 2).ravel().tolist(), fill=fill, width=max(1, round(2 * width)), joint="curve")

        for i in np.argsort(fills).tolist():  # the darker vessel wins where two cross
            width, fill = widths[i], fills[i]
            for twig, shoot in zip(twigs[4 * i : 4 * i + 4], shoots[4 * i : 4 * i + 4], strict=True):
                line(shoot, 0.32 * width, fill - 40)
                line(twig, 0.5 * width, fill)
            for tail in range(0, 20, 4):  # narrows as it runs
                line(trunks[i, tail : tail + 5], width * (1 - 0.5 * tail / 20), fill)

    return physics.supersampled((SIDE_PX, SIDE_PX), paint, factor=2)


def _anatomy(rng: np.random.Generator, eye: _Eye) -> np.ndarray:
    """The retina without findings, as the light that leaves it: float32 [3, H, W], not yet cut to the field."""
    x, y = physics.grid(SIDE_PX // 2)
    pigment = rng.uniform(0.8, 1.2)
    red, green, blue = rng.uniform(0.66, 0.8), rng.uniform(0.36, 0.46), rng.uniform(0.16, 0.26)
    light_x, light_y = rng.uniform(196, 316, 2)
    falloff = ((x - light_x) ** 2 + (y - light_y) ** 2) * np.float32(rng.uniform(0.2, 0.45) / 245**2)
    fundus = (1 - falloff) * (1 + np.float32(0.075) * np.clip(physics.power_law_texture(rng, SIDE_PX // 2, 2.4), -3, 3))
    away = (x - eye.fovea[0]) ** 2 + (y - eye.fovea[1]) ** 2
    macula = np.float32(0.26 * pigment) * np.exp(away * np.float32(-0.5 / 30**2))
    macula += np.float32(0.12 * pigment) * np.exp(away * np.float32(-0.5 / 9**2))
    cx, cy = eye.disc
    head = physics.soft_ellipse(x, y, cx, cy, 0.93 * eye.disc_radius, eye.disc_radius, rim=4.0)
    cup = physics.soft_ellipse(x, y, cx - 3, cy, 0.42 * eye.disc_radius, 0.45 * eye.disc_radius, rim=7.0)
    halves = []
    disc_colour = (0.93, 0.68, 0.42)
    for base, disc_level, weight in zip((red, green, blue), disc_colour, (0.5, 1.0, 0.9), strict=True):
        level = np.float32(base) * fundus * (1 - np.float32(weight) * macula)
        level += head * (np.float32(disc_level) + np.float32(0.15) * cup - level)
        halves.append(physics.upsample2(level))
    return np.stack(halves)


def _absorb(image: np.ndarray, where: tuple[slice, slice], density: np.ndarray) -> None:
    """Light [3, H, W] crosses blood of optical ``density`` [h, w] in a window (Beer and Lambert)."""
    rows, columns = where
    for channel, share in enumerate(_BLOOD):
        image[channel, rows, columns] *= np.exp(np.float32(-share) * density)


def _cover(image: np.ndarray, where: tuple[slice, slice], cover: np.ndarray) -> None:
    """Lipid of relative ``cover`` [h, w], 0 to 1, hides the retina in a window."""
    rows, columns = where
    for channel, level in enumerate(_LIPID):
        part = image[channel, rows, columns]
        part += cover * (np.float32(level) - part)


def _specks(where: tuple[slice, slice], points: np.ndarray, diameter: float, ring: float = 0.0) -> np.ndarray:
    """Discs at ``points`` [n, 2], or rings of line width ``ring``, cut to a window: coverage float32 [h, w]."""
    rows, columns = where
    centers = (points - (columns.start, rows.start)) * 4
    reach = 2 * diameter

    def paint(draw: ImageDraw.ImageDraw) -> None:
        for px, py in centers.tolist():
            box = (px - reach, py - reach, px + reach, py + reach)
            if ring:
                draw.ellipse(box, outline=255, width=round(4 * ring))
            else:
                draw.ellipse(box, fill=255)

    return physics.supersampled((rows.stop - rows.start, columns.stop - columns.start), paint)


def _streaks(where: tuple[slice, slice], body: np.ndarray, course: float, rng: np.random.Generator) -> np.ndarray:
    """Blood between nerve fibres that run along ``course`` (radians), with feathered ends: float32 [h, w], 0 to 1."""
    x, y = physics.local_grid(*where)
    across = y * np.float32(np.cos(course)) - x * np.float32(np.sin(course))
    along = x * np.float32(np.cos(course)) + y * np.float32(np.sin(course))
    across += np.float32(1.2) * np.sin(along * np.float32(0.12) + np.float32(rng.uniform(0, 6)))
    fibre = across * np.float32(1 / 2.8)  # bundles are 2.8 px apart
    index = np.floor(fibre).astype(np.intp)
    index -= index.min()
    ends, phase = rng.uniform(-4.5, 4.5, index.max() + 1), rng.uniform(0, 6, index.max() + 1)
    lit = np.clip(np.float32(1.7) - np.float32(4) * np.abs(fibre - np.floor(fibre) - np.float32(0.5)), 0, 1)
    lit *= np.float32(0.75) + np.float32(0.35) * np.sin(along * np.float32(0.45) + phase.astype(np.float32)[index])
    return lit * physics.soft_step(body + ends.astype(np.float32)[index], 1.5)


def _evened(pattern: np.ndarray, body: np.ndarray, mean: float, rng: np.random.Generator) -> np.ndarray:
    """A pattern of one variant over a common ground, of one ``mean`` and equally mottled whatever the variant.

    Args:
        pattern: 0 to 1, float32 [h, w].
        body: signed distance to the outline of the lesion, positive inside.
        mean: of the result inside the outline.
    """
    inside = body > 0
    ground = physics.soft_step(body, 1.2)
    share, unevenness = rng.uniform(0.48, 0.65), rng.uniform(0.25, 0.45)
    level = np.float32(1 - share) * ground + np.float32(share / max(float(pattern[inside].mean()), 1e-3)) * pattern
    level *= np.float32(mean / float(level[inside].mean()))
    return np.maximum(level + np.float32(unevenness * mean) * ground * physics.mottle(rng, body.shape), 0)


def _blood(
    where: tuple[slice, slice],
    body: np.ndarray,
    center: tuple[float, float],
    shape: str,
    eye: _Eye,
    rng: np.random.Generator,
) -> np.ndarray:
    """Relative density of a haemorrhage of one of `SHAPES`, float32 [h, w]; ``body`` is the distance to its outline."""
    if shape == "flame":
        course = np.arctan2(center[1] - eye.disc[1], center[0] - eye.disc[0])  # nerve fibres run to the disc
        return _streaks(where, body, float(course), rng)
    solid = physics.soft_step(body, 1.2)
    if shape == "blot":
        return solid
    points = physics.lattice_points(rng, *center, float(body.max()) + 1, 4.3)
    return _specks(where, points, 2.9) * solid


def _lipid(
    where: tuple[slice, slice],
    body: np.ndarray,
    center: tuple[float, float],
    arrangement: str,
    rng: np.random.Generator,
) -> np.ndarray:
    """Relative cover of an exudate of one of `ARRANGEMENTS`, float32 [h, w]; ``body`` as for `_blood`."""
    reach = float(body.max()) + 1
    if arrangement == "plaque":
        return physics.soft_step(body, 1.2)
    spacing = 4.3 if arrangement == "scattered" else 6.4
    points = physics.lattice_points(rng, *center, reach, spacing)
    specks = _specks(where, points, 2.8) if arrangement == "scattered" else _specks(where, points, 5.4, ring=1.25)
    return specks * physics.soft_step(body, 1.2)


def _lesion(
    image: np.ndarray,
    spec: LesionSpec,
    center: tuple[float, float],
    radius: float,
    contrast: float,
    eye: _Eye,
    rng: np.random.Generator,
) -> np.ndarray:
    """Draws one lesion into ``image`` [3, H, W] and returns its extent: bool [H, W]."""
    where = physics.window(*center, radius + 12)
    rows, columns = where
    body, _ = physics.blob(*physics.local_grid(*where), *center, radius, "smooth", rng)
    extent = body > 0
    if spec.kind == "haemorrhage":
        pattern = _blood(where, body, center, spec.attributes["shape"], eye, rng)
        _absorb(image, where, _evened(pattern, body, contrast * rng.uniform(0.36, 0.44), rng))
    elif spec.kind == "exudate":
        pattern = _lipid(where, body, center, spec.attributes["arrangement"], rng)
        _cover(image, where, np.minimum(_evened(pattern, body, contrast * rng.uniform(0.3, 0.36), rng), 1))
    else:
        outer, inner = int(rng.integers(4, 6)), int(rng.integers(1, 3))
        turns = (np.arange(outer + inner) + rng.uniform(-0.25, 0.25, outer + inner)) * 2 * np.pi / outer
        away = (radius - 2) * np.where(np.arange(outer + inner) < outer, 1, 0.4) * rng.uniform(0.85, 1, outer + inner)
        points = np.stack([center[0] + away * np.cos(turns), center[1] + away * np.sin(turns)], axis=1)
        blush = np.float32(0.08) * physics.soft_step(body, 6.0)  # retina swollen by leakage
        _absorb(image, where, np.float32(0.8 * contrast) * _specks(where, points, 4.4) + blush)
        extent = physics.hull_mask(extent.shape, points - (columns.start, rows.start), 3.0)
    mask = np.zeros((SIDE_PX, SIDE_PX), bool)
    mask[where] = extent
    return mask


def _look_alikes(rng: np.random.Generator, image: np.ndarray, lesions: np.ndarray) -> None:
    """Draws drusen and dust, fainter or smaller than findings.

    They are the same whatever the plan, but no druse touches one of the ``lesions`` [N, 3] given as (x, y, reach).
    """
    count = int(rng.integers(2, 9))
    places = physics.ellipse_points(rng, count, SIDE_PX / 2, SIDE_PX / 2, 205, 205)
    for (cx, cy), (kind, size, strength, tilt) in zip(places.tolist(), rng.random((count, 4)).tolist(), strict=True):
        where = physics.window(cx, cy, 16)
        x, y = physics.local_grid(*where)
        if kind < 0.35:  # dust: out of focus, without colour
            spot = physics.soft_ellipse(x, y, cx, cy, 6 + 5 * size, 6 + 5 * size, rim=4.0)
            image[:, where[0], where[1]] *= 1 + np.float32(np.sign(tilt - 0.5) * (0.06 + 0.06 * strength)) * spot
        elif (np.hypot(lesions[:, 0] - cx, lesions[:, 1] - cy) > lesions[:, 2] + 7).all():
            radius = 2 + 2.5 * size
            spot = physics.soft_ellipse(x, y, cx, cy, radius, radius * (0.8 + 0.4 * tilt), rim=2.5)
            _cover(image, where, np.float32(0.1 + 0.12 * strength) * spot)


def _render(
    plan: tuple[LesionSpec, ...], rng: np.random.Generator, shifted: bool
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draws one retina with the planned lesions: uint8 [H, W, 3] and one bool mask [H, W] per lesion."""
    look = _LOOKS[shifted]
    # Streams of their own, so that the same eye can be drawn with and without its lesions.
    anatomy_rng, alike_rng, lesion_rng, noise_rng = rng.spawn(4)
    eye = _Eye.random(anatomy_rng)
    radii = np.array([_USUAL_RADIUS_PX[s.kind] * look.size * s.scale * lesion_rng.uniform(0.96, 1.04) for s in plan])
    reach = radii * 1.08 + 1  # a blob bulges by up to 8%
    centers = physics.clear_centers(lesion_rng, [eye.clearance(s.location) for s in plan], reach, _GAP_PX)
    image = _anatomy(anatomy_rng, eye)
    _look_alikes(alike_rng, image, np.column_stack([centers, reach]))
    vessels = _vessels(anatomy_rng, eye)
    for channel, share in zip(image, _BLOOD, strict=True):
        channel *= 1 - np.float32(1 - np.exp(-0.62 * share)) * vessels
    masks = [
        _lesion(image, spec, (float(cx), float(cy)), float(radius), look.contrast, eye, lesion_rng)
        for spec, (cx, cy), radius in zip(plan, centers, radii, strict=True)
    ]
    noise = physics.white_noise(noise_rng) * np.float32(look.noise)
    image[1] += noise
    image[0] += np.roll(noise, 101, axis=0)  # far enough away to be independent, and cheaper than drawing it
    image[2] += np.roll(noise, 57, axis=1)
    display = np.empty((SIDE_PX, SIDE_PX, 3), np.uint8)
    for channel, level in enumerate(image):
        display[..., channel] = physics.to_uint8(level)
    display[_outside_field()] = 0
    return display, masks


FAMILY = Family(
    name="fundus",
    modality="fundus photograph",
    anatomy="retina",
    location_noun="quadrant",
    locations=LOCATIONS,
    kinds=("microaneurysm cluster", "exudate", "haemorrhage"),
    attributes={
        "microaneurysm cluster": {},
        "exudate": {"arrangement": ARRANGEMENTS},
        "haemorrhage": {"shape": SHAPES},
    },
    render=_render,
)
