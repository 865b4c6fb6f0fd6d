"""Axial head CT slices with haemorrhages and masses.

The image is built in Hounsfield units and shown in the usual brain window (level 40, width 80 HU): cerebrospinal
fluid 5-10 HU, white matter about 28, gray matter about 37, acute blood 50-80 (P. F. New and S. Aronow, Radiology 121,
1976), bone far above the window. Blood that looks uniform, swirled or layered follows the radiological vocabulary of
the swirl sign (D. Selariu et al., BMC Neurology 12, 2012) and of fluid-blood levels (M. J. Pfleger et al., American
Journal of Neuroradiology 15, 1994); a mass is told from blood by lower attenuation and by a wide zone of oedema.
Tissue texture is a 1/f^3 field (see `physics`), and the noise of a thin slice is blurred by the reconstruction kernel,
which gives it the falling spectrum that is measured on scanners (K. L. Boedeker et al., Physics in Medicine and Biology
52, 2007).

The view is radiological: from below, so the left hemisphere is on the viewer's right.
"""

from __future__ import annotations

import numpy as np

from vitar.data.phantoms import physics
from vitar.data.phantoms.scene import SIDE_PX, Family, LesionSpec

RADIUS_PX = 24.0
"""Usual radius of a lesion, oedema aside."""

OEDEMA_PX = 7.0
"""Usual width of the dark zone around a mass."""

GAP_PX = 12.0
"""Least distance between the visible extents of two lesions."""

REGIONS = {
    "right hemisphere": (174.0, 258.0, 28.0, 112.0, 0.05),
    "left hemisphere": (338.0, 258.0, 28.0, 112.0, -0.05),
}
"""Where centers of lesions may lie: ellipse (center x, center y, half width, half height, angle)."""

WINDOW_HU = (40.0, 80.0)
"""Level and width of the brain window."""

_COARSE_PX = SIDE_PX // 2  # anatomy has no detail below two native pixels
_CSF_HU, _WHITE_HU, _GRAY_HU, _BONE_HU = 8.0, 28.0, 37.0, 300.0  # bone is cut: it only has to exceed the window


def render(
    plan: tuple[LesionSpec, ...], rng: np.random.Generator, shifted: bool
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Draws a head CT slice: uint8 [512, 512] and one bool mask [512, 512] per planned lesion.

    Anatomy, noise and lesions draw from separate streams, so the same generator with another plan gives the same
    patient.
    """
    anatomy_rng, noise_rng, lesion_rng = rng.spawn(3)
    slice_hu = physics.upsample2(_anatomy(anatomy_rng))
    _add_calcifications(slice_hu, anatomy_rng)
    masks = _add_lesions(slice_hu, plan, lesion_rng, shifted)
    level_hu = noise_rng.uniform(8, 9.5) if shifted else noise_rng.uniform(5, 6.5)
    slice_hu += np.float32(level_hu) * physics.white_noise(noise_rng)
    center, width = WINDOW_HU
    if shifted:
        center, width = center + 4, width * 1.3
    return physics.to_uint8(physics.to_window(slice_hu, center + noise_rng.uniform(-2, 2), width)), masks


def _anatomy(rng: np.random.Generator) -> np.ndarray:
    """Attenuation of a healthy slice at the level of the lateral ventricles: float32 [256, 256], HU."""
    columns, rows = physics.grid(_COARSE_PX)
    turn, shift_x, shift_y = rng.uniform(-0.05, 0.05), rng.uniform(-5, 5), rng.uniform(-5, 5)
    dx, dy = columns - np.float32(256 + shift_x), rows - np.float32(258 + shift_y)
    x = dx * np.float32(np.cos(turn)) - dy * np.float32(np.sin(turn))  # head coordinates: midline x = 0
    y = dx * np.float32(np.sin(turn)) + dy * np.float32(np.cos(turn))
    texture = physics.power_law_texture(rng, _COARSE_PX, 3.0)
    folds = physics.power_law_texture(rng, _COARSE_PX, 2.8)

    head_rx, head_ry = rng.uniform(172, 180), rng.uniform(212, 222)
    inner = physics.ellipse_distance(x, y, 0, 0, head_rx - 16, head_ry - 17)
    skull = physics.soft_ellipse(x, y, 0, 0, head_rx, head_ry, rim=2)
    scalp = physics.soft_ellipse(x, y, 0, 0, head_rx + 11, head_ry + 11, rim=2)
    brain = physics.soft_step(inner, 2)

    white = physics.soft_step(inner - 24 + 9 * texture, 6)
    tissue = _GRAY_HU + (_WHITE_HU - _GRAY_HU) * white + 2.0 * texture
    lateral = np.abs(x)
    basal = physics.soft_ellipse(lateral, y, 58, -8, 17, 36, 0.15, rim=5)
    thalamus = physics.soft_ellipse(lateral, y, 26, 40, 17, 24, -0.2, rim=5)
    tissue += (_GRAY_HU - _WHITE_HU) * np.maximum(basal, thalamus) * white

    fluid = _ventricles(x, y, lateral, rng)
    # Sulci are where a rough field crosses zero, near the convexity only; they deepen with age.
    sulci = np.clip(1 - np.abs(folds) * np.float32(5), 0, 1) * physics.soft_step(22 - inner, 9)
    fissure = (
        np.clip(rng.uniform(4, 5.5) - np.abs(x + 1.5 * texture), 0, 2) * 0.5 * physics.soft_step(np.abs(y) - 92, 14)
    )
    fluid = np.maximum(fluid, np.maximum(rng.uniform(0.5, 0.85) * sulci, np.float32(0.8) * fissure))
    fluid = np.maximum(fluid, physics.soft_step(4 - inner, 2) * 0.7)
    tissue += (_CSF_HU - tissue) * fluid
    falx = np.clip(2.2 - lateral, 0, 1) * physics.soft_step(np.abs(y) - 100, 8)
    tissue += 22.0 * falx

    slice_hu = -40.0 + 62.0 * scalp  # padding and scalp
    slice_hu += (_BONE_HU - slice_hu) * skull
    slice_hu += (tissue - slice_hu) * brain
    return slice_hu.astype(np.float32, copy=False)


def _ventricles(x: np.ndarray, y: np.ndarray, lateral: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Share of ventricular fluid per pixel, 0 to 1: float32 [256, 256], in head coordinates."""
    size = rng.uniform(0.8, 1.2)
    frontal = physics.soft_ellipse(lateral, y, 19, -48, 9 * size, 36, -0.28, rim=2.5)
    atrium = physics.soft_ellipse(lateral, y, 40, 72, 10 * size, 32, -0.22, rim=2.5)
    third = physics.soft_ellipse(x, y, 0, 18, 4 * size, 24, rim=2)
    cistern = physics.soft_ellipse(x, y, 0, 66, 16, 8, rim=3)
    return np.maximum(np.maximum(frontal, atrium), np.maximum(third, np.float32(0.8) * cistern))


def _add_calcifications(slice_hu: np.ndarray, rng: np.random.Generator) -> None:
    """Adds the harmless bright spots of a head CT: pineal gland, choroid plexus, now and then the basal ganglia."""
    spots = []
    if rng.random() < 0.7:
        spots.append((256 + rng.normal(0, 4), 318 + rng.normal(0, 5), rng.uniform(4, 6), 60.0))
    if rng.random() < 0.7:
        cy = 334 + rng.normal(0, 6)
        spots += [
            (256 + sign * (44 + rng.normal(0, 3)), cy + rng.normal(0, 3), rng.uniform(5, 8), 55.0) for sign in (-1, 1)
        ]
    if rng.random() < 0.3:
        spots += [
            (256 + sign * (56 + rng.normal(0, 3)), 252 + rng.normal(0, 8), rng.uniform(4, 6), 30.0) for sign in (-1, 1)
        ]
    for cx, cy, radius, contrast_hu in spots:
        rows, columns = physics.window(cx, cy, radius + 4)
        x, y = physics.local_grid(rows, columns)
        spot = physics.soft_ellipse(x, y, cx, cy, radius, radius * rng.uniform(0.7, 1.0), rim=2)
        slice_hu[rows, columns] += np.float32(contrast_hu) * spot


def _add_lesions(
    slice_hu: np.ndarray, plan: tuple[LesionSpec, ...], rng: np.random.Generator, shifted: bool
) -> list[np.ndarray]:
    """Puts the planned lesions into the slice in place and returns their masks (oedema not included)."""
    if not plan:
        return []
    usual = RADIUS_PX * (0.85 if shifted else 1.0)
    radii = np.array([usual * spec.scale for spec in plan]) * rng.uniform(0.97, 1.03, len(plan))
    candidates = np.stack([physics.ellipse_points(rng, 800, *REGIONS[spec.location]) for spec in plan], axis=1)
    centers = physics.first_clear(candidates, radii * 1.08 + OEDEMA_PX, GAP_PX)
    masks = []
    for spec, radius, (cx, cy) in zip(plan, radii.tolist(), centers.tolist(), strict=True):
        rows, columns = physics.window(cx, cy, radius * 1.1 + OEDEMA_PX + 6)
        x, y = physics.local_grid(rows, columns)
        body, _ = physics.blob(x, y, cx, cy, radius, spec.attributes["margin"], rng)
        from_center = np.sqrt((x - np.float32(cx)) ** 2 + (y - np.float32(cy)) ** 2)
        if spec.kind == "haemorrhage":
            oedema_px, oedema_hu = 2.5, 22.0
            inside_hu = rng.uniform(54, 58) + _blood(spec, x - np.float32(cx), y - np.float32(cy), rng)
        else:
            oedema_px, oedema_hu = OEDEMA_PX, 16.0
            inside_hu = rng.uniform(44, 47) + _core(spec, from_center, radius, rng)
        tissue = slice_hu[rows, columns]
        around = physics.soft_step(body + oedema_px, 2.5) * np.float32(0.8)
        tissue = tissue + (np.float32(oedema_hu) - tissue) * around
        filled = physics.soft_step(body, 1)
        slice_hu[rows, columns] = tissue + (inside_hu - tissue) * filled
        mask = np.zeros(slice_hu.shape, bool)
        mask[rows, columns] = body > 0
        masks.append(mask)
    return masks


def _blood(spec: LesionSpec, dx: np.ndarray, dy: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Deviation of a haemorrhage from its mean attenuation, in HU: float32 [h, w], gone in the halved image."""
    phase, pitch_px = rng.uniform(0, 2 * np.pi), rng.uniform(2.9, 3.2)
    texture = spec.attributes["texture"]
    distance = np.sqrt(dx * dx + dy * dy)
    if texture == "uniform":
        return np.zeros_like(distance)
    if texture == "layered":  # blood settles with gravity, and the patient lies on the back: layers are level
        distance = dy + 0 * dx
    else:  # the turns of a spiral
        distance = distance + np.float32(pitch_px / (2 * np.pi)) * np.arctan2(dy, dx)
    bands = np.sin(distance * np.float32(2 * np.pi / pitch_px) + np.float32(phase))
    return np.float32(17) * physics.less_halved(bands)


def _core(spec: LesionSpec, from_center: np.ndarray, radius: float, rng: np.random.Generator) -> np.ndarray:
    """Deviation of a mass from its mean attenuation, in HU: float32 [h, w], gone in the halved image."""
    contrast_hu = {"solid": 0.0, "necrotic": -42.0, "calcified": 42.0}[spec.attributes["core"]]
    specks = physics.specks((from_center.shape[0], from_center.shape[1]), 0.55, rng)
    core = physics.soft_step(0.76 * radius - from_center, 2)
    return np.float32(contrast_hu) * physics.less_halved(core * specks)


_MARGIN = {"margin": ("smooth", "lobulated")}

FAMILY = Family(
    name="brain",
    modality="head CT",
    anatomy="brain",
    location_noun="side",
    locations=("left hemisphere", "right hemisphere"),
    kinds=("haemorrhage", "mass"),
    attributes={
        "haemorrhage": {"texture": ("uniform", "swirled", "layered"), **_MARGIN},
        "mass": {"core": ("solid", "necrotic", "calcified"), **_MARGIN},
    },
    render=render,
)
"""Head CT slices with blood or a mass in either hemisphere."""
