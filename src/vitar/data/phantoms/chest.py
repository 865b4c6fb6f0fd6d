"""Frontal chest radiographs with lung nodules.

The image is built in log exposure: each structure adds its attenuation line integral (mu t, no unit), which is what a
logarithmic detector display shows, so a nodule is added to ribs and vessels rather than pasted over them. That and
the thickness profile of a ball follow Samei, Flynn and Eyler (Radiology 202, 1997). Kinds and attributes use the words
of the LIDC readings (S. G. Armato et al., "The Lung Image Database Consortium and Image Database Resource
Initiative", Medical Physics 38, 2011): texture, margin, lobulation, spiculation, calcification. The 1/f^3 clutter
stands for the many soft structures of the chest wall and lung that a radiograph superimposes.

The view is the usual one: the patient faces the viewer, so the left lung is on the viewer's right.
"""

from __future__ import annotations

import numpy as np

from vitar.data.phantoms import physics
from vitar.data.phantoms.scene import SIDE_PX, Family, LesionSpec

RADIUS_PX = 24.0
"""Usual radius of a nodule."""

GAP_PX = 12.0
"""Least distance between the visible extents of two nodules."""

CONTRAST = {"solid nodule": 0.45, "cavitary nodule": 0.45, "ground-glass nodule": 0.33}
"""Peak attenuation of a nodule above the lung (mu t)."""

SPICULE_CONTRAST = 0.27
"""Peak attenuation of a spicule (mu t), whatever the kind of nodule."""

REGIONS = {"right lung": (142.0, 232.0, 34.0, 108.0, 0.10), "left lung": (374.0, 218.0, 30.0, 98.0, -0.12)}
"""Where centers of nodules may lie: ellipse (center x, center y, half width, half height, angle)."""

_COARSE_PX = SIDE_PX // 2  # anatomy has no detail below two native pixels
_MIDLINE_PX = 256.0


def render(
    plan: tuple[LesionSpec, ...], rng: np.random.Generator, shifted: bool
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draws a radiograph: uint8 [512, 512] and one bool mask [512, 512] per planned nodule.

    Anatomy, noise and nodules draw from separate streams, so the same generator with another plan gives the same
    patient.
    """
    anatomy_rng, noise_rng, lesion_rng = rng.spawn(3)
    exposure = physics.upsample2(_anatomy(anatomy_rng))
    _add_distractors(exposure, anatomy_rng)
    masks = _add_nodules(exposure, plan, lesion_rng, shifted)
    # Quantum noise falls with exposure; a single level per image is enough at the contrast of a lung.
    level = noise_rng.uniform(0.085, 0.1) if shifted else noise_rng.uniform(0.055, 0.07)
    exposure += np.float32(level) * physics.white_noise(noise_rng)
    width = noise_rng.uniform(3.1, 3.4) if shifted else noise_rng.uniform(2.4, 2.7)
    center = noise_rng.uniform(1.35, 1.5)
    return physics.to_uint8(physics.to_window(exposure, center, width)), masks


def _anatomy(rng: np.random.Generator) -> np.ndarray:
    """Attenuation line integral of a healthy chest: float32 [256, 256]."""
    x, y = physics.grid(_COARSE_PX)
    shift_x, shift_y = rng.uniform(-6, 6, 2).astype(np.float32)
    x, y = x - shift_x, y - shift_y
    clutter = physics.power_law_texture(rng, _COARSE_PX, 3.0)
    wander = physics.power_law_texture(rng, _COARSE_PX, 4.0)

    right = physics.soft_ellipse(x, y, 143, 245, 80, 190, 0.10, square=True, rim=6)
    left = physics.soft_ellipse(x, y, 371, 240, 76, 185, -0.10, square=True, rim=6)
    liver = physics.soft_ellipse(x, y, 140, 505, 125, 110, rim=5)
    stomach = physics.soft_ellipse(x, y, 380, 512, 120, 108, rim=5)
    heart_rx, heart_ry = rng.uniform(62, 76), rng.uniform(78, 92)
    heart = physics.soft_ellipse(x, y, 286, 342, heart_rx, heart_ry, -0.55, rim=8)
    lung = (right + left) * (1 - liver) * (1 - stomach)
    lung_visible = lung * (1 - 0.8 * heart)

    body = physics.soft_ellipse(x, y, 256, 360, 268, 372, square=True, rim=10)
    exposure = 0.25 + 1.65 * body - 1.15 * lung + 0.62 * heart * lung
    middle = x - np.float32(_MIDLINE_PX)
    exposure += 0.35 * np.exp(-((middle * np.float32(1 / 24)) ** 2))  # spine and sternum
    aortic_knob = physics.soft_ellipse(x, y, 292, 165, 26, 28, rim=5)
    exposure += 0.3 * aortic_knob * lung

    bone = _ribs(middle, y, rng)
    exposure += bone * (0.3 + 0.7 * lung_visible) * body
    tilt = rng.uniform(0.12, 0.24)
    for sign in (-1.0, 1.0):
        clavicle_y = 96 - tilt * (sign * middle - 100) + 8 * np.sin(middle * np.float32(0.02))
        along = physics.soft_step(110 - np.abs(sign * middle - 132), 10)
        exposure += 0.22 * physics.soft_step(9 - np.abs(y - clavicle_y), 2) * along
    exposure += _vessels(x, y, wander, rng) * lung_visible
    exposure += (0.05 * clutter + 0.04 * wander) * body
    return exposure.astype(np.float32, copy=False)


def _ribs(middle: np.ndarray, y: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Attenuation of the ribs: float32 [256, 256], from the offset to the midline [1, W] and y [H, 1].

    In a suitably bent coordinate all ribs of one course are level, so each course is one profile along that
    coordinate, looked up per pixel.
    """
    lateral = np.abs(middle)
    start = rng.uniform(-20, 20)
    posterior = y - np.float32(0.10) * lateral - np.float32(0.0011) * lateral**2 + np.float32(start)
    anterior = y + np.float32(0.55) * lateral - np.float32(0.0006) * lateral**2 + np.float32(start)
    bone = np.zeros(posterior.shape, np.float32)
    for course, spacing, half_width, strength in ((posterior, 37.0, 7.0, 0.11), (anterior, 46.0, 8.0, 0.07)):
        level = np.arange(-300, 900, dtype=np.float32)
        centers = np.arange(-300, 900, spacing) + rng.uniform(-4, 4, len(np.arange(-300, 900, spacing)))
        nearest = centers[np.abs(level[:, None] - centers).argmin(axis=1)].astype(np.float32)
        inside = half_width - np.abs(level - nearest)
        cortex = np.exp(-(((inside - 2) / 1.8) ** 2))
        profile = np.float32(strength) * (physics.soft_step(inside, 1.5) + np.float32(0.5) * cortex)
        bone += profile.astype(np.float32)[(course + np.float32(300)).astype(np.intp)]
    return bone * physics.soft_step(lateral - 18, 8)


def _vessels(x: np.ndarray, y: np.ndarray, wander: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Attenuation of the lung vessels, which fan out from each hilum, taper and wander: float32 [256, 256]."""
    vessels = np.zeros(wander.shape, np.float32)
    half = _COARSE_PX // 2
    for columns, hilum_x in ((slice(0, half), 210.0), (slice(half, None), 306.0)):
        dx, dy = x[:, columns] - np.float32(hilum_x), y - np.float32(228)
        distance = np.sqrt(dx * dx + dy * dy)
        theta = np.arctan2(dy, dx) + np.float32(0.16) * wander[:, columns]
        taper = np.clip(1 - distance * np.float32(1 / 210), 0, 1)
        hilum = 0.22 * physics.soft_step(1 - distance * np.float32(1 / 46), 0.8)
        for branches, first, width in ((9, 0, 4.5), (17, 60, 3.0)):
            across = np.abs(np.sin(theta * np.float32(branches / 2) + np.float32(rng.uniform(0, 6.3))))
            across = across * distance * np.float32(2 / branches)
            strand = np.clip(width * (taper + 0.15) - across, 0, 3) * np.float32(1 / 3)
            vessels[:, columns] += 0.2 * strand * np.sqrt(taper) * np.clip((distance - first) * 0.04, 0, 1)
        vessels[:, columns] += hilum
    return vessels


def _add_distractors(exposure: np.ndarray, rng: np.random.Generator) -> None:
    """Adds what resembles a nodule from afar: vessels seen end on, nipple shadows, an electrode."""
    for x_hilum in (196.0, 320.0):
        for _ in range(int(rng.integers(1, 4))):  # end-on vessels, close to the hilum
            cx, cy = x_hilum + rng.normal(0, 22), 228 + rng.normal(0, 38)
            _add_disc(exposure, cx, cy, rng.uniform(4, 6.5), rng.uniform(0.2, 0.3), rim=1.5)
    if rng.random() < 0.4:  # a symmetric pair: nipples, soft and low in the chest
        offset, cy = rng.uniform(112, 132), rng.uniform(345, 365)
        for sign in (-1, 1):
            _add_disc(exposure, 256 + sign * offset, cy + rng.normal(0, 3), rng.uniform(9, 12), 0.16, rim=4)
    if rng.random() < 0.4:  # an electrode: a sharp ring around a metal stud
        cx, cy = 256 + rng.choice([-1, 1]) * rng.uniform(60, 130), rng.uniform(90, 330)
        _add_disc(exposure, cx, cy, 13, 0.16, rim=0.8)
        _add_disc(exposure, cx, cy, 9, -0.1, rim=0.8)
        _add_disc(exposure, cx, cy, 4, 0.8, rim=0.8)


def _add_disc(exposure: np.ndarray, cx: float, cy: float, radius: float, contrast: float, rim: float) -> None:
    rows, columns = physics.window(cx, cy, radius + rim + 1)
    x, y = physics.local_grid(rows, columns)
    exposure[rows, columns] += np.float32(contrast) * physics.soft_ellipse(x, y, cx, cy, radius, radius, rim=rim)


def _add_nodules(
    exposure: np.ndarray, plan: tuple[LesionSpec, ...], rng: np.random.Generator, shifted: bool
) -> list[np.ndarray]:
    """Adds the planned nodules to the exposure in place and returns their masks."""
    if not plan:
        return []
    usual = RADIUS_PX * (0.85 if shifted else 1.0)
    radii = np.array([usual * spec.scale for spec in plan]) * rng.uniform(0.97, 1.03, len(plan))
    candidates = np.stack([physics.ellipse_points(rng, 800, *REGIONS[spec.location]) for spec in plan], axis=1)
    centers = physics.first_clear(candidates, radii + physics.SPICULE_REACH_PX, GAP_PX)
    masks = []
    for spec, radius, (cx, cy) in zip(plan, radii.tolist(), centers.tolist(), strict=True):
        rows, columns = physics.window(cx, cy, radius * 1.1 + physics.SPICULE_REACH_PX + 4)
        x, y = physics.local_grid(rows, columns)
        body, spicules = physics.blob(x, y, cx, cy, radius, spec.attributes["margin"], rng)
        contrast = CONTRAST[spec.kind] * (0.85 if shifted else 1.0)
        from_center = np.sqrt((x - np.float32(cx)) ** 2 + (y - np.float32(cy)) ** 2)
        # A hazy rim of any strength, as from the vessels around a nodule, comes with every margin.
        haze = physics.soft_step(body + 4, 8) * np.float32(rng.uniform(0.12, 0.28))
        profile = np.maximum(_profile(spec, body, from_center, radius, rng), haze)
        profile += np.float32(SPICULE_CONTRAST / contrast) * physics.less_halved(spicules, 0.5)
        exposure[rows, columns] += np.float32(contrast) * profile
        mask = np.zeros(exposure.shape, bool)
        mask[rows, columns] = (body > 0) | (spicules > 0.2)
        masks.append(mask)
    return masks


def _profile(
    spec: LesionSpec, body: np.ndarray, from_center: np.ndarray, radius: float, rng: np.random.Generator
) -> np.ndarray:
    """Attenuation of a nodule relative to its peak: float32 [h, w].

    Args:
        body: signed distance to the outline, positive inside, in pixels [h, w].
        from_center: distance from the center, in pixels [h, w].
    """
    if spec.kind == "ground-glass nodule":
        haze = physics.power_law_texture(rng, 128, 2.0)[: body.shape[0], : body.shape[1]]
        return physics.soft_step(body - 0.5, 2) * (np.float32(0.85) + np.float32(0.12) * haze)
    # A ball that is a little flattened, so that the outline stays visible.
    solid = np.float32(0.5) * physics.soft_step(body, 1) + np.float32(0.5) * physics.chord(body, radius)
    if spec.kind == "cavitary nodule":
        return solid - np.float32(0.95) * physics.soft_step(0.48 * radius - from_center, 2.5)
    where = {
        "none": np.zeros_like(body),
        "central": physics.soft_step(0.5 * radius - from_center, 1.5),
        "rim": physics.soft_step(2.5 - np.abs(body - 4.5), 1),
    }[spec.attributes["calcification"]]
    dust = where * physics.specks((body.shape[0], body.shape[1]), 0.55, rng)
    return solid + np.float32(1.1) * physics.less_halved(dust)


_MARGIN = {"margin": physics.MARGINS}

FAMILY = Family(
    name="chest",
    modality="chest radiograph",
    anatomy="chest",
    location_noun="side",
    locations=("left lung", "right lung"),
    kinds=("solid nodule", "cavitary nodule", "ground-glass nodule"),
    attributes={
        "solid nodule": {**_MARGIN, "calcification": ("none", "central", "rim")},
        "cavitary nodule": _MARGIN,  # an air-filled center has nothing to calcify
        "ground-glass nodule": _MARGIN,
    },
    render=render,
    lesion_noun="nodule",
)
"""Chest radiographs with nodules in either lung."""
