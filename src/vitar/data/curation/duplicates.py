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

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from vitar.data.curation.alignment import (
    COARSE_PX,
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
from vitar.data.curation.fingerprints import BORDER, Gallery, inside

COPY = 0.885
"""Correlation of an aligned pair, look-alikes taken away, from which it is called a copy."""

COPY_AMONG_ALIKE = 0.925
"""The same for an image with many close look-alikes: of so many pairs that are alike some are very much so."""

SAME = 0.985
"""Correlation of an aligned pair from which it is called a copy whatever its look-alikes are; see `_averages`."""

_MAYBE = 0.55  # correlation at 16 x 16 above which a pair is aligned
_FIRST, _HOPELESS = 2, 0.3  # each query's best two are aligned too, from this correlation on
_LOOK_ALIKE = (0.5, 0.98)  # correlation of look-alikes; above it are copies, which must not be averaged away
_POOL = 2000  # images among which look-alikes are sought
_KNOWN = 0.55  # length of an average of look-alikes from which an image is laid over it; three give about that
_CROWD = 0.75  # length of an average of many close look-alikes
_POSED = 0.06  # share of each side left out of an image that was laid over the average
_NUDGES = ((-0.02, -0.02), (-0.02, 0.02), (0.02, -0.02), (0.02, 0.02))  # further starts of an alignment, in shares
_ROWS, _PAIRS = 256, 512  # of a block of matrix products, of a block of alignments


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


def find_copies(queries: Gallery, references: Gallery) -> list[Copy]:
    """Every query that is a copy of a reference, by place; a pair is named once."""
    kin = _Kin((references, queries))
    return _copies(_Posed(queries, kin), _Posed(references, kin), only_later=False)


def near_duplicates(gallery: Gallery) -> list[Copy]:
    """Every pair of copies in one gallery, the later image as the query."""
    posed = _Posed(gallery, _Kin((gallery,)))
    return _copies(posed, posed, only_later=True)


class _Kin:
    """The images among which look-alikes are sought, a random part of those that are compared; P in all.

    Every so many of them would not do: sets that go through their modalities in turn would lack some altogether.

    Attributes:
        posed_PF: patterns at 16 x 16 of the inside of the images, laid over the averages of their own look-alikes.
    """

    def __init__(self, galleries: Sequence[Gallery]) -> None:
        everyone = [each for gallery in galleries for each in gallery.fingerprints]
        count = min(_POOL, len(everyone))
        chosen = np.sort(np.random.default_rng(0).choice(len(everyone), count, replace=False))
        self.gallery = Gallery([everyone[place] for place in chosen])
        (average_PF,) = _averages(self.gallery, self.gallery, [self.gallery.fine_NF])
        known = np.flatnonzero(np.linalg.norm(average_PF, axis=1) > _KNOWN)
        self.posed_PF = _posed_patterns(self.gallery, _pose(self.gallery, average_PF, known))


class _Posed:
    """A gallery laid over the averages of its look-alikes.

    Attributes:
        fine, coarse, inner: averages of look-alikes, as the patterns of these names in `Gallery`.
        is_known, in_crowd: whether an image has enough look-alikes for an average, and whether it has many; bool [N].
        pose: of each image over its average.
        posed_NF: patterns at 16 x 16 of the inside of the images so laid.
        posed: averages of these.
    """

    def __init__(self, gallery: Gallery, kin: _Kin) -> None:
        self.gallery, of = gallery, kin.gallery
        averages = _averages(gallery, of, [of.fine_NF, of.coarse_NF, of.inner_NF, kin.posed_PF])
        self.fine, self.coarse, self.inner, self.posed = averages
        length_N = np.linalg.norm(self.fine, axis=1)
        self.is_known, self.in_crowd = length_N > _KNOWN, length_N > _CROWD
        self.pose = _pose(gallery, self.fine, np.flatnonzero(self.is_known))
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
        weight_NP /= weight_NP.sum(1, keepdims=True) + 2
        for average_NF, each in zip(averages, patterns, strict=True):
            average_NF[rows] = weight_NP @ each
    return averages


def _pose(gallery: Gallery, average_NF: np.ndarray, known: np.ndarray) -> Pose:
    """How each image lies over the average of its look-alikes; as it is if it is not among the ``known`` ones."""
    pose = Pose.centred(np.ones(len(gallery)))
    for first in range(0, len(known), _PAIRS):
        rows = known[first : first + _PAIRS]
        view = partial(crop_patterns, average_NF[rows])
        found = align(gallery.thumbnails_NHW[rows], view, pose.of(rows)).pose
        pose.scale_P2[rows], pose.shift_P2[rows] = found.scale_P2, found.shift_P2
    return pose


def _posed_patterns(gallery: Gallery, pose: Pose) -> np.ndarray:
    inner_N4 = inside(len(gallery), _POSED)
    shows_N1 = np.linalg.norm(gallery.coarse_NF, axis=1, keepdims=True) > 0
    return unit(flat(halved(gallery.patterns(pose.box(inner_N4[:, :2], inner_N4[:, 2:]))))) * shows_N1


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
            needed_P = np.where(references.in_crowd[r], COPY_AMONG_ALIKE, COPY)
            for i in np.flatnonzero((own_P >= needed_P) | (whole_P >= SAME)):
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
    mine_PHW, theirs_PHW, mean_PF = (
        queries.gallery.thumbnails_NHW[q],
        references.gallery.thumbnails_NHW[r],
        references.fine[r],
    )
    posed, inner = queries.pose.of(q).over(references.pose.of(r)), _inside_pose(start_P, 0.0, 0.0)
    laid_P1 = (start_P == 0)[:, None]
    scale_P2 = np.where(laid_P1, posed.scale_P2, inner.scale_P2)
    pose = Pose(scale_P2, np.where(laid_P1, posed.shift_P2, inner.shift_P2))
    pair = align(mine_PHW, partial(render, theirs_PHW), pose)
    whole_P, own_P = pair.whole_P, agreement(mine_PHW, theirs_PHW, mean_PF, pair)

    again = np.flatnonzero((own_P < COPY) & ~references.is_known[r])
    for across, down in _NUDGES if again.size else ():
        pose = _inside_pose(np.where(start_P[again] == 0, 1, start_P[again]), across, down)
        pair = align(mine_PHW[again], partial(render, theirs_PHW[again]), pose)
        own_P[again] = np.maximum(own_P[again], agreement(mine_PHW[again], theirs_PHW[again], mean_PF[again], pair))
        whole_P[again] = np.maximum(whole_P[again], pair.whole_P)
    return whole_P, own_P


def _inside_pose(start_P: np.ndarray, across: float, down: float) -> Pose:
    """The poses of starts 1 and 2 of `_coarse_scores`, the part that both show moved by shares of a side."""
    inner = 1 - 2 * BORDER
    corner = np.array([BORDER + across, BORDER + down], np.float32)
    first_P1 = (start_P == 1)[:, None]
    scale_P2 = np.where(first_P1, inner, 1 / inner).astype(np.float32).repeat(2, axis=1)
    return Pose(scale_P2, np.where(first_P1, corner, -corner / inner).astype(np.float32))
