"""How much of a model's attention lies on an image, and how much of that on a region of it.

All measures take attention in any number of leading axes, for instance layers and heads, and give one number for each.
A measure that has no meaning is NaN: a region that an image does not show, or one that covers all of it.
"""

from __future__ import annotations

import numpy as np
from scipy.stats import rankdata

REGION_MEASURES = ("enrichment", "pointing", "auc")
"""Measures of attention against a region, in the order of the last axis of `region_measures`."""


def enrichment(attention: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Share of an image's attention that lies on a region, over the region's share of the image's area.

    1 is what attention spread evenly gives, whatever the region's size.

    Args:
        attention: [..., T] on the image's visual tokens, not negative.
        inside: [..., T], share of each token that the region covers.
    """
    total, area = attention.sum(-1), inside.mean(-1)
    share = (attention * inside).sum(-1)
    return _where_two_sided(inside, _divided(share, total * area))


def pointing(attention: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """The pointing game (Zhang et al., ECCV 2016) on tokens: 1 if the token with most attention touches the region.

    Of tokens with equal attention the first counts. A region touches more tokens than its area would suggest, so chance
    is what `shuffled` regions score, not their area.

    Args:
        attention, inside: see `enrichment`.
    """
    attention, inside = np.broadcast_arrays(attention, inside)
    most = attention.argmax(-1)[..., None]
    hit = (np.take_along_axis(inside, most, -1)[..., 0] > 0).astype(float)
    return _where_two_sided(inside, np.where(attention.sum(-1) > 0, hit, np.nan))


def roc_auc(attention: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Area under the ROC curve of attention as a detector of the region; 0.5 is chance, size does not matter.

    A token that the region covers in part counts as inside and as outside with these weights, as it would for
    scikit-learn's ``roc_auc_score`` with two weighted samples. So the area is the chance that a random point of the
    region gets more attention than a random point beside it, ties counting half.

    Args:
        attention, inside: see `enrichment`.
    """
    shape = np.broadcast_shapes(attention.shape, inside.shape)
    outside = 1 - inside

    def taken(values: np.ndarray, places: np.ndarray) -> np.ndarray:
        return np.take_along_axis(
            np.broadcast_to(values, (*shape[:-1], values.shape[-1])), np.broadcast_to(places, shape), -1
        )

    ordered = taken(outside, attention.argsort(-1))
    below = np.concatenate([np.zeros_like(ordered[..., :1]), ordered.cumsum(-1)], axis=-1)  # outside the k lowest
    fewer, up_to = (rankdata(attention, method, axis=-1).astype(int) for method in ("min", "max"))
    beaten = (taken(below, fewer - 1) + taken(below, up_to)) / 2
    area = _divided((inside * beaten).sum(-1), inside.sum(-1) * outside.sum(-1))
    return _where_two_sided(inside, np.where(attention.sum(-1) > 0, area, np.nan))


def region_measures(attention: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """All `REGION_MEASURES` on a last axis [..., 3]; arguments as for `enrichment`. Without a token all are NaN."""
    if not inside.shape[-1]:
        return np.full((*attention.shape[:-1], len(REGION_MEASURES)), np.nan)
    return np.stack([measure(attention, inside) for measure in (enrichment, pointing, roc_auc)], axis=-1)


def _divided(numerator: np.ndarray, denominator: np.ndarray) -> np.ndarray:
    return np.divide(numerator, denominator, out=np.full(np.shape(numerator), np.nan), where=denominator > 0)


def _where_two_sided(inside: np.ndarray, values: np.ndarray) -> np.ndarray:
    """``values`` where the region covers something and not everything, up to rounding, else NaN."""
    area = inside.mean(-1)
    return np.where((area > 1e-9) & (area < 1 - 1e-9), values, np.nan)
