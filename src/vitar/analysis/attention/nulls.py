"""What the measures would be if attention and region had nothing to do with each other.

A model that looks at the middle of every image looks at many lesions. Two nulls take that apart: the region put
elsewhere in the same image, and the same region laid over the attention on other images.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from vitar.analysis.attention.looking import Glance
from vitar.analysis.attention.measures import REGION_MEASURES
from vitar.analysis.attention.regions import shuffled

PLACEMENTS = 50
"""Places that are drawn for each region."""

OTHERS = 20
"""Other images that a region is laid over, at most."""


def shuffled_region(glance: Glance, rng: np.random.Generator) -> np.ndarray:
    """Mean of `REGION_MEASURES` over uniform placements of the same boxes in the same image [3]."""
    if not len(glance.boxes_N4):
        return np.full(len(REGION_MEASURES), np.nan)
    return _mean_defined(glance.against(*(shuffled(glance.boxes_N4, rng) for _ in range(PLACEMENTS))))


def other_images(glance: Glance, others: Sequence[Glance], rng: np.random.Generator) -> np.ndarray:
    """Mean of `REGION_MEASURES` of the attention on other images against this image's regions [3].

    Args:
        others: the same look at the same image number, in episodes of other groups. `OTHERS` of them are drawn.
    """
    if not len(glance.boxes_N4) or not others:
        return np.full(len(REGION_MEASURES), np.nan)
    drawn = rng.choice(len(others), size=min(OTHERS, len(others)), replace=False)
    return _mean_defined(np.concatenate([others[index].against(glance.boxes_N4) for index in drawn]))


def _mean_defined(values_P3: np.ndarray) -> np.ndarray:
    """Mean of each measure where it is defined; a small region may fall on excluded sinks alone."""
    count_3 = np.isfinite(values_P3).sum(0)
    return np.divide(np.nansum(values_P3, 0), count_3, out=np.full(len(count_3), np.nan), where=count_3 > 0)
