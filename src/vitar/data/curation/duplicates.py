"""Whether two images are copies of one another, up to compression, size, brightness and a border cut off or added.

A perceptual hash keeps the coarse structure of an image, and by its coarse structure every frontal chest radiograph is
a copy of every other. So thumbnails with even local contrast are compared here, in three steps:

1. Every image is laid over the average of its look-alikes, if it has any. That takes out a border that was cut off.
2. All pairs, at 16 x 16: correlation of what is left of two images once the average is taken away, and once everything
   is projected out that a small shift or stretch could explain. This is a handful of matrix products.
3. The pairs that may be copies are aligned with each other and compared at 64 x 64. Copies agree almost everywhere.
   Two images of one anatomy agree as well, but not in what is their own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from PIL import Image

from vitar.data.curation.alignment import (
    COARSE_PX,
    FINE_PX,
    THUMBNAIL_PX,
    Pose,
    agreement,
    align,
    crop_patterns,
    flat,
    halved,
    orthonormal,
    render,
    tangents,
    unit,
    without,
)

COPY = 0.885
"""Correlation of an aligned pair, look-alikes taken away, from which it is called a copy."""

SAME = 0.985
"""Correlation of an aligned pair from which it is called a copy whatever its look-alikes are; see `_averages`."""

BORDER = 0.03
"""Share of each side that is left out where one image is compared with the inside of another."""

_MAYBE = 0.55  # correlation at 16 x 16 above which a pair is aligned
_FIRST, _HOPELESS = 2, 0.3  # each query's best two are aligned too, from this correlation on
_FLAT = 2.0  # length of a pattern of 32 x 32 below which an image shows nothing to compare
_LOOK_ALIKE = (0.5, 0.98)  # correlation of look-alikes; above it are copies, which must not be averaged away
_POOL = 2000  # images among which look-alikes are sought
_KNOWN = 0.3  # length of an average of look-alikes from which an image is laid over it
_POSED = 0.06  # share of each side left out of an image that was laid over the average
_ROWS, _PAIRS = 256, 512  # of a block of matrix products, of a block of alignments


@dataclass(frozen=True)
class Fingerprint:
    """What is kept of an image to find its copies.

    Args:
        digest: SHA-256 of size, mode and pixels.
        thumbnail_hw: uint8 gray [64, 64], whatever the proportions of the image.
    """

    digest: str
    thumbnail_hw: np.ndarray


@dataclass(frozen=True)
class Copy:
    """A pair of images that show the same.

    Args:
        query, reference: their places in the two galleries.
        agreement: 1 for equal pixels, else the correlation of the aligned thumbnails.
    """

    query: int
    reference: int
    agreement: float


def fingerprint(image: Image.Image) -> Fingerprint:
    """The fingerprint of an image in mode ``L`` or ``RGB``."""
    digest = hashlib.sha256(f"{image.mode} {image.size}".encode())
    digest.update(image.tobytes())
    size = (THUMBNAIL_PX, THUMBNAIL_PX)
    thumbnail = image.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0).convert("L")
    return Fingerprint(digest.hexdigest(), np.asarray(thumbnail))


class Gallery:
    """Fingerprints made ready for comparison; N in all.

    Attributes:
        thumbnails_NHW: float32.
        fine_NF: patterns at 32 x 32 of unit length; zero for an image that shows nothing to compare.
        coarse_NF, inner_NF: at 16 x 16, of the whole image and of the image without its border.
    """

    def __init__(self, fingerprints: Sequence[Fingerprint]) -> None:
        self.fingerprints = tuple(fingerprints)
        thumbnails = [each.thumbnail_hw for each in fingerprints]
        self.thumbnails_NHW = np.array(thumbnails, np.float32).reshape(-1, THUMBNAIL_PX, THUMBNAIL_PX)
        whole_NHW = self.patterns(_inside(len(self), 0))
        shows_N1 = np.linalg.norm(flat(whole_NHW), axis=1, keepdims=True) > _FLAT
        self.fine_NF = unit(flat(whole_NHW)) * shows_N1
        self.coarse_NF = unit(flat(halved(whole_NHW))) * shows_N1
        self.inner_NF = unit(flat(halved(self.patterns(_inside(len(self), BORDER))))) * shows_N1

    def __len__(self) -> int:
        return len(self.fingerprints)

    def patterns(self, boxes_N4: np.ndarray) -> np.ndarray:
        """The patterns [N, 32, 32] of a box of each image."""
        blocks = [slice(i, i + _PAIRS) for i in range(0, len(self), _PAIRS)]
        found = [render(self.thumbnails_NHW[block], boxes_N4[block]) for block in blocks]
        return np.concatenate([np.zeros((0, FINE_PX, FINE_PX), np.float32), *found])


def find_copies(queries: Gallery, references: Gallery) -> list[Copy]:
    """Every query that is a copy of a reference, by place; a pair is named once."""
    kin = _Kin((references, queries))
    return _copies(_Posed(queries, kin), _Posed(references, kin), only_later=False)


def near_duplicates(gallery: Gallery) -> list[Copy]:
    """Every pair of copies in one gallery, the later image as the query."""
    posed = _Posed(gallery, _Kin((gallery,)))
    return _copies(posed, posed, only_later=True)


class _Kin:
    """The images among which look-alikes are sought, evenly spread over those that are compared; P in all.

    Attributes:
        posed_PF: patterns at 16 x 16 of the inside of the images, laid over the averages of their own look-alikes.
    """

    def __init__(self, galleries: Sequence[Gallery]) -> None:
        everyone = [each for gallery in galleries for each in gallery.fingerprints]
        chosen = np.unique(np.linspace(0, len(everyone) - 1, _POOL).astype(int)) if everyone else ()
        self.gallery = Gallery([everyone[place] for place in chosen])
        (average_PF,) = _averages(self.gallery, self.gallery, [self.gallery.fine_NF])
        self.posed_PF = _posed_patterns(self.gallery, _pose(self.gallery, average_PF))


class _Posed:
    """A gallery laid over the averages of its look-alikes.

    Attributes:
        fine, coarse, inner: averages of look-alikes, as the patterns of these names in `Gallery`.
        pose: of each image over its average.
        posed_NF: patterns at 16 x 16 of the inside of the images so laid.
        posed: averages of these.
    """

    def __init__(self, gallery: Gallery, kin: _Kin) -> None:
        self.gallery, of = gallery, kin.gallery
        averages = _averages(gallery, of, [of.fine_NF, of.coarse_NF, of.inner_NF, kin.posed_PF])
        self.fine, self.coarse, self.inner, self.posed = averages
        self.pose = _pose(gallery, self.fine)
        self.posed_NF = _posed_patterns(gallery, self.pose)


def _averages(gallery: Gallery, kin: Gallery, patterns: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The average of each image's look-alikes [N, F]: what its kind shows, and not it alone.

    It is drawn towards zero where look-alikes are few. Of many copies of one image the average is that image, so that
    nothing of it would be left: nearly equal patterns do not count as look-alikes.

    Args:
        patterns: each [P, F], of the images in ``kin``.
    """
    averages = [np.zeros((len(gallery), each.shape[1]), np.float32) for each in patterns]
    low, high = _LOOK_ALIKE
    for start in range(0, len(gallery), _ROWS):
        rows = slice(start, start + _ROWS)
        likeness_NP = gallery.coarse_NF[rows] @ kin.coarse_NF.T
        weight_NP = ((likeness_NP > low) & (likeness_NP < high)).astype(np.float32)
        weight_NP /= weight_NP.sum(1, keepdims=True) + 4
        for average_NF, each in zip(averages, patterns, strict=True):
            average_NF[rows] = weight_NP @ each
    return averages


def _pose(gallery: Gallery, average_NF: np.ndarray) -> Pose:
    """How each image lies over the average of its look-alikes; as it is where there are too few."""
    pose = Pose.centred(np.ones(len(gallery)))
    known = np.flatnonzero(np.linalg.norm(average_NF, axis=1) > _KNOWN)
    for first in range(0, len(known), _PAIRS):
        rows = known[first : first + _PAIRS]
        view = partial(crop_patterns, average_NF[rows])
        found = align(gallery.thumbnails_NHW[rows], view, pose.of(rows)).pose
        pose.scale_P2[rows], pose.shift_P2[rows] = found.scale_P2, found.shift_P2
    return pose


def _posed_patterns(gallery: Gallery, pose: Pose) -> np.ndarray:
    inside = _inside(len(gallery), _POSED)
    shows_N1 = np.linalg.norm(gallery.coarse_NF, axis=1, keepdims=True) > 0
    return unit(flat(halved(gallery.patterns(pose.box(inside[:, :2], inside[:, 2:]))))) * shows_N1


def _inside(count: int, border: float) -> np.ndarray:
    """Boxes [count, 4] that leave out ``border`` on every side."""
    return np.tile(np.array([border, border, 1 - border, 1 - border], np.float32), (count, 1))


def _copies(queries: _Posed, references: _Posed, only_later: bool) -> list[Copy]:
    """The pairs of copies; ``only_later`` compares each query with what comes before it alone."""
    found = {
        pair: Copy(*pair, 1.0)
        for pair in _equal(queries.gallery, references.gallery)
        if not only_later or pair[1] < pair[0]
    }
    for rows, scores_QR, starts_QR in _coarse_scores(queries, references):
        if only_later:
            scores_QR[np.arange(rows.start, rows.stop)[:, None] <= np.arange(len(references.gallery))[None]] = -1
        for q, r in _candidates(scores_QR):
            whole_P, own_P = _agreement(queries, references, q + rows.start, r, starts_QR[q, r])
            for i in np.flatnonzero((own_P >= COPY) | (whole_P >= SAME)):
                pair = int(q[i]) + rows.start, int(r[i])
                found.setdefault(pair, Copy(*pair, round(float(whole_P[i]), 3)))
    return sorted(found.values(), key=lambda copy: (copy.query, copy.reference))


def _equal(queries: Gallery, references: Gallery) -> Iterator[tuple[int, int]]:
    """Pairs of equal pixels."""
    places: dict[str, list[int]] = {}
    for place, known in enumerate(references.fingerprints):
        places.setdefault(known.digest, []).append(place)
    for query, asked in enumerate(queries.fingerprints):
        yield from ((query, place) for place in places.get(asked.digest, ()))


def _coarse_scores(queries: _Posed, references: _Posed) -> Iterator[tuple[slice, np.ndarray, np.ndarray]]:
    """Step 2 by blocks of queries: their rows, scores [Q, R], and from which start each score is.

    Start 0: both laid over their averages. 1: the reference shows the query without its border. 2: the reverse.
    """
    mine, theirs = queries.gallery, references.gallery
    pairs = (
        (queries.posed_NF, references.posed_NF, references.posed),
        (mine.inner_NF, theirs.coarse_NF, references.coarse),
        (mine.coarse_NF, theirs.inner_NF, references.inner),
    )
    bases = [orthonormal(tangents(a_NF.reshape(-1, COARSE_PX, COARSE_PX))) for a_NF, _, _ in pairs]
    for start in range(0, len(mine), _ROWS):
        rows = slice(start, min(start + _ROWS, len(mine)))
        scores = [
            _partial_correlation(a_NF[rows], basis_NKF[rows], b_MF, mean_MF)
            for (a_NF, b_MF, mean_MF), basis_NKF in zip(pairs, bases, strict=True)
        ]
        yield rows, np.max(scores, axis=0), np.argmax(scores, axis=0)


def _partial_correlation(a_NF: np.ndarray, basis_NKF: np.ndarray, b_MF: np.ndarray, mean_MF: np.ndarray) -> np.ndarray:
    """Correlation [N, M] of ``a - mean`` with ``b - mean``, both without their parts along the basis of ``a``."""
    b_MF = unit(b_MF - mean_MF)
    a_NF = without(a_NF, basis_NKF)
    shared_NM = a_NF @ b_MF.T - (mean_MF * b_MF).sum(1)[None]
    size_NM = (a_NF**2).sum(1)[:, None] - 2 * a_NF @ mean_MF.T + (mean_MF**2).sum(1)[None]
    left_NM = np.ones_like(shared_NM)
    for k in range(basis_NKF.shape[1]):
        along_b, along_mean = basis_NKF[:, k] @ b_MF.T, basis_NKF[:, k] @ mean_MF.T
        shared_NM += along_mean * along_b
        size_NM -= along_mean**2
        left_NM -= along_b**2
    return shared_NM / np.sqrt(np.maximum(size_NM, 1e-4) * np.maximum(left_NM, 0.05))


def _candidates(scores_QR: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pairs that are worth aligning, as places in the block and references, some at a time.

    A copy far from every start may score no better than look-alikes do, but where there are none it still comes first.
    """
    chosen_QR = scores_QR > _MAYBE
    if scores_QR.shape[1]:
        first = min(_FIRST, scores_QR.shape[1])
        least_Q1 = np.partition(scores_QR, -first, axis=1)[:, [-first]]
        chosen_QR |= (scores_QR >= least_Q1) & (scores_QR > _HOPELESS)
    places_q, places_r = np.nonzero(chosen_QR)
    for start in range(0, len(places_q), _PAIRS):
        yield places_q[start : start + _PAIRS], places_r[start : start + _PAIRS]


def _agreement(
    queries: _Posed, references: _Posed, q: np.ndarray, r: np.ndarray, start_P: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Step 3: how pairs agree once aligned [P], as they are and with the average of look-alikes taken away."""
    inner = 1 - 2 * BORDER
    centred = Pose.centred(np.array([1, inner, 1 / inner])[start_P])
    posed = queries.pose.of(q).over(references.pose.of(r))
    laid_P1 = (start_P == 0)[:, None]
    scale_P2 = np.where(laid_P1, posed.scale_P2, centred.scale_P2)
    pose = Pose(scale_P2, np.where(laid_P1, posed.shift_P2, centred.shift_P2))
    mine_PHW, theirs_PHW = queries.gallery.thumbnails_NHW[q], references.gallery.thumbnails_NHW[r]
    pair = align(mine_PHW, partial(render, theirs_PHW), pose)
    return pair.whole_P, agreement(mine_PHW, theirs_PHW, references.fine[r], pair)
