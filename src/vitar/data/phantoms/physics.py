"""Image formation shared by the phantom families: coordinates, random fields, shapes, lesion outlines, digitisation.

Tissue texture is a Gaussian random field whose power spectrum falls as 1/f^beta, the model that Burgess and others
fitted to radiographs (A. E. Burgess, F. L. Jacobson, P. F. Judy, "Human observer detection experiments with
mammograms and power-law noise", Medical Physics 28, 2001; beta about 3). Nodules follow the practice of E. Samei,
M. J. Flynn and W. R. Eyler ("Simulation of subtle lung nodules in projection chest radiography", Radiology 202,
1997): a radial thickness profile is added to the anatomy in the quantity that the detector is linear in, before
blur, noise and display.

Lengths are in native pixels. A pixel is one unit wide and its center lies at index + 0.5, as in `imaging.geometry`.
Axis letters: H rows, W columns, N lesions, K candidate layouts.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

import numpy as np
import scipy.fft
from PIL import Image, ImageDraw
from scipy import ndimage
from scipy.spatial import ConvexHull

from vitar.data.phantoms.scene import SIDE_PX

MARGINS = ("smooth", "lobulated", "spiculated")
"""Outlines that `blob` draws; the lexicon of the LIDC readings and of BI-RADS for nodules and masses."""

SPICULE_REACH_PX = 9.0
"""How far the longest spicule runs beyond the body of a lesion."""


@lru_cache(maxsize=8)
def grid(side: int = SIDE_PX) -> tuple[np.ndarray, np.ndarray]:
    """Pixel-center coordinates in native pixels as an open grid: x float32 [1, side], y float32 [side, 1].

    The two broadcast to the full image. A ``side`` below the native one covers the same field with larger pixels.
    """
    centers = (np.arange(side, dtype=np.float32) + 0.5) * (SIDE_PX / side)
    centers.flags.writeable = False
    return centers[None, :], centers[:, None]


def window(cx: float, cy: float, reach: float, side: int = SIDE_PX) -> tuple[slice, slice]:
    """Rows and columns of the square of half width ``reach`` around (cx, cy), cut to the image.

    It starts and ends at even pixels, so it holds whole 2 x 2 blocks of the image (see `less_halved`).
    """
    x0, y0 = max(0, int(cx - reach)) // 2 * 2, max(0, int(cy - reach)) // 2 * 2
    x1, y1 = min(side, int(cx + reach) // 2 * 2 + 2), min(side, int(cy + reach) // 2 * 2 + 2)
    return slice(y0, y1), slice(x0, x1)


def local_grid(rows: slice, columns: slice) -> tuple[np.ndarray, np.ndarray]:
    """The part of the native `grid` inside a `window`: x float32 [1, w], y float32 [h, 1]."""
    x, y = grid()
    return x[:, columns], y[rows]


@lru_cache(maxsize=16)
def _power_law_amplitude(side: int, beta: float) -> np.ndarray:
    """Amplitude sqrt(f^-beta) on the rfft2 grid without its constant term, scaled to a field of unit variance."""
    fy, fx = np.fft.fftfreq(side)[:, None], np.fft.rfftfreq(side)[None, :]
    frequency = np.hypot(fy, fx)
    frequency[0, 0] = 1.0
    amplitude = frequency ** (-beta / 2)
    amplitude[0, 0] = 0.0
    weight = np.full(fx.shape, 2.0)  # an interior column stands for its mirror image too
    weight[0, [0, -1]] = 1.0
    # Real and imaginary parts have unit variance each; irfft2 divides by side^2.
    amplitude *= side**2 / np.sqrt((weight * amplitude**2).sum() * 2)
    return amplitude.astype(np.float32)


def power_law_texture(rng: np.random.Generator, side: int, beta: float) -> np.ndarray:
    """A random field of power spectrum 1/f^beta: float32 [side, side], zero mean, unit variance over the ensemble.

    Most of the power of a steep field lies in its lowest frequencies, so one sample may have less variance.
    """
    amplitude = _power_law_amplitude(side, beta)
    spectrum = rng.standard_normal((*amplitude.shape, 2), dtype=np.float32).view(np.complex64)[..., 0]
    spectrum *= amplitude
    return scipy.fft.irfft2(spectrum, s=(side, side), workers=1, overwrite_x=True)


def white_noise(rng: np.random.Generator, side: int = SIDE_PX) -> np.ndarray:
    """Uncorrelated quantum or electronic noise: float32 [side, side], zero mean, unit variance."""
    return rng.standard_normal((side, side), dtype=np.float32)


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian point spread function of ``sigma`` pixels over the last two axes."""
    sigmas = (0.0,) * (image.ndim - 2) + (sigma, sigma)
    return ndimage.gaussian_filter(image, sigmas, mode="nearest", truncate=3.0)


def upsample2(image: np.ndarray) -> np.ndarray:
    """Bilinear enlargement by two: float32 [H, W] -> [2H, 2W], pixel centers kept in place."""
    height, width = image.shape
    near, far = np.float32(0.75) * image, np.float32(0.25) * image
    tall = np.empty((2 * height, width), np.float32)
    np.add(near[1:], far[:-1], out=tall[2::2])
    np.add(near[:-1], far[1:], out=tall[1:-1:2])
    tall[0], tall[-1] = image[0], image[-1]
    near, far = np.float32(0.75) * tall, np.float32(0.25) * tall
    wide = np.empty((2 * height, 2 * width), np.float32)
    np.add(near[:, 1:], far[:, :-1], out=wide[:, 2::2])
    np.add(near[:, :-1], far[:, 1:], out=wide[:, 1:-1:2])
    wide[:, 0], wide[:, -1] = tall[:, 0], tall[:, -1]
    return wide


def soft_step(distance: np.ndarray, rim: float) -> np.ndarray:
    """0 below -rim, 1 above rim and a smooth cubic ramp between, of a signed distance in pixels."""
    t = np.clip(distance * np.float32(0.5 / rim) + np.float32(0.5), 0, 1)
    return t * t * (3 - 2 * t)


def ellipse_distance(
    x: np.ndarray,
    y: np.ndarray,
    cx: float,
    cy: float,
    rx: float,
    ry: float,
    angle: float = 0.0,
    square: bool = False,
) -> np.ndarray:
    """Approximate signed distance to an ellipse, positive inside, in pixels.

    Args:
        x, y: coordinates that broadcast, as `grid` gives them.
        cx, cy, rx, ry: center and half axes.
        angle: of the first half axis, in radians from x towards y.
        square: a superellipse of exponent 4 instead of 2.
    """
    dx, dy = x - np.float32(cx), y - np.float32(cy)
    cosine, sine = np.float32(np.cos(angle)), np.float32(np.sin(angle))
    u = (dx * cosine + dy * sine) * np.float32(1 / rx)
    v = (dy * cosine - dx * sine) * np.float32(1 / ry)
    u, v = u * u, v * v
    q = np.sqrt(np.sqrt(u * u + v * v)) if square else np.sqrt(u + v)
    return (1 - q) * np.float32(min(rx, ry))


def soft_ellipse(
    x: np.ndarray,
    y: np.ndarray,
    cx: float,
    cy: float,
    rx: float,
    ry: float,
    angle: float = 0.0,
    square: bool = False,
    rim: float = 2.0,
) -> np.ndarray:
    """Mask of an ellipse or superellipse, 0 to 1, whose edge is blurred over ``rim`` pixels on either side."""
    return soft_step(ellipse_distance(x, y, cx, cy, rx, ry, angle, square), rim)


def blob(
    x: np.ndarray, y: np.ndarray, cx: float, cy: float, radius: float, outline: str, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A roundish lesion of irregular outline.

    The outline is a radius over the angle: two low harmonics give every lesion its own shape, and a lobulated one has
    rounded lobes between notches. Spicules are strands about 1.5 px wide that leave the body of a spiculated
    one radially. Bodies are scaled so that the visible area hardly depends on the outline.

    Args:
        x, y: coordinates of a `window` around the lesion, as `local_grid` gives them.
        radius: mean radius.
        outline: one of `MARGINS`.

    Returns:
        body: float32 [h, w], approximate signed distance to the outline of the body in pixels, positive inside.
        spicules: float32 [h, w], soft mask from 0 to 1 of the strands outside the body; all 0 unless spiculated.
    """
    dx, dy = x - np.float32(cx), y - np.float32(cy)
    distance = np.sqrt(dx * dx + dy * dy)
    theta = np.arctan2(dy, dx)
    phase2, phase3, phase_lobe = rng.uniform(0, 2 * np.pi, 3).astype(np.float32)
    outline_radius = 1 + np.float32(0.05) * np.cos(2 * theta + phase2) + np.float32(0.03) * np.cos(3 * theta + phase3)
    if outline == "lobulated":
        lobes = round(2 * np.pi * radius / 7.5)
        uneven = np.float32(2) * np.sin(theta + phase2)  # no two lobes are equally wide
        arc = np.abs(np.sin((theta * lobes + uneven + phase_lobe) / 2))
        depth = np.float32(3.4 / radius)  # |sin| has mean 2 / pi and a cusp, the notch, at 0
        outline_radius = outline_radius + depth * (arc - np.float32(2 / np.pi))
    shrink = np.float32(0.94 if outline == "spiculated" else 1.0)
    body = np.float32(radius) * shrink * outline_radius - distance
    spicules = np.zeros_like(body)
    if outline == "spiculated":
        count = round(radius * 1.2)
        spacing = 2 * np.pi / count
        angles = (np.arange(count) + rng.uniform(-0.3, 0.3, count)) * spacing + float(phase_lobe)
        lengths = rng.uniform(0.55, 1.0, count) * SPICULE_REACH_PX
        # The nearest strand of each pixel: the angles are jittered by less than half their spacing.
        turn = np.mod(theta - np.float32(phase_lobe), np.float32(2 * np.pi)) / np.float32(spacing)
        nearest = np.rint(turn).astype(np.intp) % count
        across = np.abs(np.sin(theta - angles.astype(np.float32)[nearest])) * distance
        beyond = -body / lengths.astype(np.float32)[nearest]  # 0 at the body, 1 at the tip
        strand = np.clip(np.float32(1.2) - across, 0, 1) * np.clip(3 - 3 * beyond, 0, 1)
        spicules = strand * (body < 1)
    return body, spicules


def chord(body: np.ndarray, radius: float) -> np.ndarray:
    """Relative thickness, 0 to 1, of a ball seen in projection, from the signed distance of `blob` to its outline."""
    t = np.clip(body * np.float32(1 / radius), 0, 1)
    return np.sqrt(t * (2 - t))


def specks(shape: tuple[int, int], density: float, rng: np.random.Generator) -> np.ndarray:
    """Punctate detail at the pixel limit, e.g. dust-like calcification: float32 [h, w], 1 at a speck, else 0.

    Args:
        shape: even numbers of rows and columns.
        density: share of the 2 x 2 blocks that hold a speck; a block holds at most one.
    """
    height, width = shape[0] // 2, shape[1] // 2
    field = np.zeros((height, 2, width, 2), np.float32)
    rows, columns = np.nonzero(rng.random((height, width), dtype=np.float32) < density)
    corner = rng.integers(0, 4, rows.size)
    field[rows, corner // 2, columns, corner % 2] = 1
    return field.reshape(shape)


def less_halved(detail: np.ndarray, share: float = 1.0) -> np.ndarray:
    """Takes from ``detail`` what survives halving: the mean of each 2 x 2 block, or a ``share`` of it.

    With share 1 the image that is averaged down by two is the same with the detail as without it, so what the detail
    says can only be read at native resolution. The blocks are those of the image if ``detail`` lies in a `window`.
    """
    height, width = detail.shape
    means = detail.reshape(height // 2, 2, width // 2, 2).mean(axis=(1, 3)) * np.float32(share)
    return detail - np.repeat(np.repeat(means, 2, axis=0), 2, axis=1)


def first_clear(
    candidates_kn2: np.ndarray,
    reach_n: np.ndarray,
    gap: float,
    occupied: tuple[tuple[float, float, float], ...] = (),
) -> np.ndarray:
    """The first candidate layout in which no two lesions come closer than ``gap``: centers [N, 2] as (x, y).

    Args:
        candidates_kn2: K layouts of N centers, every center inside its own location already.
        reach_n: radius of the visible extent of each lesion.
        gap: least distance between the extents of two lesions.
        occupied: (x, y, reach) of structures that lesions keep off, without a gap.

    Raises:
        ValueError: no layout is clear; the plan asks for more than the anatomy holds.
    """
    apart = np.linalg.norm(candidates_kn2[:, :, None] - candidates_kn2[:, None], axis=-1)
    need = reach_n[:, None] + reach_n[None] + gap
    np.fill_diagonal(need, 0.0)
    clear = (apart >= need).all(axis=(1, 2))
    for x, y, reach in occupied:
        off = np.hypot(candidates_kn2[..., 0] - x, candidates_kn2[..., 1] - y) >= reach_n + reach
        clear &= off.all(axis=1)
    if not clear.any():
        raise ValueError(f"none of {len(clear)} layouts keeps {len(reach_n)} lesions of reach {reach_n} px apart")
    return candidates_kn2[int(clear.argmax())]


def ellipse_points(
    rng: np.random.Generator, count: int, cx: float, cy: float, rx: float, ry: float, angle: float = 0.0
) -> np.ndarray:
    """``count`` points spread evenly over an ellipse: float [count, 2] as (x, y)."""
    distance, theta = np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
    u, v = rx * distance * np.cos(theta), ry * distance * np.sin(theta)
    return np.stack([cx + u * np.cos(angle) - v * np.sin(angle), cy + u * np.sin(angle) + v * np.cos(angle)], axis=1)


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Display values 0 to 1, any shape, as uint8; values outside are clipped."""
    return (np.clip(image, 0, 1) * np.float32(255) + np.float32(0.5)).astype(np.uint8)


def to_window(image: np.ndarray, center: float, width: float) -> np.ndarray:
    """Display values of a linear window: ``center`` maps to 0.5, ``width`` spans 0 to 1 (unclipped)."""
    return (image - np.float32(center - width / 2)) * np.float32(1 / width)


def supersampled(shape: tuple[int, int], paint: Callable[[ImageDraw.ImageDraw], None], factor: int = 4) -> np.ndarray:
    """Area coverage of what ``paint`` draws: float32 [h, w], 0 to 1, free of the jagged edges of a direct drawing.

    Args:
        shape: rows and columns of the result.
        paint: draws with fills from 0 to 255 on a canvas that is ``factor`` times as large in both directions.
    """
    canvas = Image.new("L", (shape[1] * factor, shape[0] * factor))
    paint(ImageDraw.Draw(canvas))
    return np.asarray(canvas.reduce(factor), dtype=np.float32) * np.float32(1 / 255)


def lattice_points(rng: np.random.Generator, cx: float, cy: float, radius: float, spacing: float) -> np.ndarray:
    """Points of a jittered hexagonal lattice inside a disc, evenly dense to its rim: float [n, 2] as (x, y)."""
    steps = np.arange(-int(radius / spacing) - 2, int(radius / spacing) + 3)
    row, column = (axis.ravel() for axis in np.meshgrid(steps, steps, indexing="ij"))
    offsets = np.stack([column + 0.5 * (row % 2), row * np.sqrt(0.75)], axis=1) + rng.uniform(0, 1, 2)
    turn = rng.uniform(0, 2 * np.pi)
    rotation = np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    points = (offsets + rng.uniform(-0.2, 0.2, offsets.shape)) @ rotation * spacing
    return points[np.hypot(points[:, 0], points[:, 1]) <= radius] + (cx, cy)


def hull_mask(shape: tuple[int, int], points: np.ndarray, reach: float) -> np.ndarray:
    """The outline that a reader draws around a group: bool [h, w], the convex hull of ``points`` grown by ``reach``.

    Args:
        shape: rows and columns of the mask.
        points: float [n, 2] as (x, y) in pixels of the mask.
        reach: half the size of a member of the group, in pixels.
    """
    turns = np.linspace(0, 2 * np.pi, 12, endpoint=False)
    rim = reach * np.stack([np.cos(turns), np.sin(turns)], axis=1)
    cloud = (points[:, None] + rim[None]).reshape(-1, 2)
    outline = cloud[ConvexHull(cloud).vertices]
    return supersampled(shape, lambda draw: draw.polygon((outline * 4).ravel().tolist(), fill=255)) >= 0.5


def bezier(ends_nk2: np.ndarray, steps: int) -> np.ndarray:
    """Quadratic curves through control points [n, 3, 2]: float [n, steps, 2]."""
    t = np.linspace(0, 1, steps)[None, :, None]
    start, bend, stop = (ends_nk2[:, i, None] for i in range(3))
    return (1 - t) ** 2 * start + 2 * t * (1 - t) * bend + t**2 * stop


def clear_centers(
    rng: np.random.Generator,
    clearance_nhw: list[np.ndarray],
    reach_n: np.ndarray,
    gap: float,
    layouts: int = 2000,
) -> np.ndarray:
    """Random centers that keep lesions inside their locations and apart: float [N, 2] as (x, y).

    Args:
        clearance_nhw: per lesion, on one `grid` of any side, the distance in native pixels to the nearest border of
            its location or to what it must keep off; negative outside.
        reach_n: radius of the visible extent of each lesion, native pixels.
        gap: least distance between the extents of two lesions, native pixels.
        layouts: how many random layouts are tried.

    Raises:
        ValueError: a lesion does not fit into its location, or no layout keeps the lesions apart.
    """
    candidates = np.empty((layouts, len(reach_n), 2))
    for i, (clearance, reach) in enumerate(zip(clearance_nhw, reach_n, strict=True)):
        cells = np.flatnonzero(clearance >= reach)
        if not cells.size:
            raise ValueError(f"lesion {i} of reach {reach:.0f} px does not fit into its location")
        row, column = np.divmod(rng.choice(cells, layouts), clearance.shape[1])
        pitch = SIDE_PX / clearance.shape[1]
        candidates[:, i] = np.stack([(column + 0.5) * pitch, (row + 0.5) * pitch], axis=1)
    return first_clear(candidates, reach_n, gap)


def mottle(rng: np.random.Generator, shape: tuple[int, int], grain: float = 1.3) -> np.ndarray:
    """Unevenness of any real lesion, coarse enough to survive halving: float32 [h, w], zero mean, unit variance."""
    field = blur(rng.standard_normal(shape, dtype=np.float32), grain)
    return field * np.float32(2 * np.sqrt(np.pi) * grain)  # a Gaussian filter leaves 1 / (4 pi sigma^2) of the variance
