"""Adds up what single episodes showed: means with intervals, against nulls, by layer and head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import numpy as np

from vitar.analysis.attention.looking import EpisodeAttention, Glance
from vitar.analysis.attention.measures import REGION_MEASURES
from vitar.analysis.attention.nulls import other_images, shuffled_region
from vitar.analysis.attention.occlusion import Occluded
from vitar.analysis.attention.record import ByHead, Change, Measured, Null, SinkPlace
from vitar.analysis.estimates import Estimate, estimates
from vitar.statistics import grouped_means

FIRST = (1, 1)
"""Place of the first look at the image of the question."""

Place = tuple[int, int]
"""Look and image."""


@dataclass(frozen=True)
class Item:
    """One analysed episode; ``occluded`` is None where the causal check could not be made."""

    example_id: str
    group: str
    attention: EpisodeAttention
    occluded: Occluded | None


class Summary:
    """The items of one condition, added up.

    Args:
        items: one or more, in order.
        seed: of nulls and bootstrap.
    """

    def __init__(self, items: Sequence[Item], seed: int) -> None:
        self.items, self.seed = items, seed
        self.groups = [item.group for item in items]
        self._glances = [{(g.look, g.image): g for g in item.attention.glances} for item in items]
        self.places: list[Place] = sorted({place for glances in self._glances for place in glances})

    def measures(self) -> tuple[Measured, ...]:
        """Every measure of every look at every image, with its nulls."""
        found = []
        first_share_N, _ = self._shares(1, [FIRST])
        first_NM = self._of_region(FIRST)
        for look, places in groupby(self.places, key=lambda place: place[0]):
            seen = list(places)
            for image, which in [(None, seen), *((place[1], [place]) for place in seen)]:
                share_N, uniform_N = self._shares(look, which)
                nulls = {"uniform": uniform_N}
                if look > 1 and image in (None, 1):  # what was shown later has no share before
                    nulls["first_look"] = first_share_N
                found.append(self._measured(look, image, "share", share_N, nulls))
            for place in seen:
                value_NM, shuffled_NM, other_NM = self._of_region(place), *self._nulls_of(place)
                for column, name in enumerate(REGION_MEASURES):
                    nulls = {"shuffled_region": shuffled_NM[:, column], "other_image": other_NM[:, column]}
                    if look > 1 and place[1] == 1:  # a zoom shows it larger, and enrichment ends at 1 / size
                        nulls["first_look"] = first_NM[:, column]
                    found.append(self._measured(*place, name, value_NM[:, column], nulls))
        return tuple(found)

    def by_head(self) -> tuple[ByHead, ...]:
        """Every measure of every look at every image for each layer and head."""
        found = []
        for look, image in self.places:
            glances = [glances[look, image] for glances in self._glances if (look, image) in glances]
            groups = [g for g, seen in zip(self.groups, self._glances, strict=True) if (look, image) in seen]
            columns_NLHM = np.stack([np.concatenate([g.share_LH[..., None], g.region_LHM], axis=-1) for g in glances])
            means = grouped_means(columns_NLHM, groups, self.seed)
            for column, name in enumerate(("share", *REGION_MEASURES)):
                tables = (_table(array[..., column]) for array in (means.mean, means.low, means.high))
                mean, low, high = tables
                found.append(ByHead(look=look, image=image, measure=name, mean=mean, low=low, high=high))
        return tuple(found)

    def sinks(self) -> tuple[SinkPlace, ...]:
        """The sinks in each place, averaged over the items that have the place."""
        tallies = [tally for item in self.items for tally in item.attention.sinks]
        found = []
        for place in dict.fromkeys(tally.place for tally in tallies):
            here = [tally for tally in tallies if tally.place == place]
            looks = max(len(tally.attention) for tally in here)
            shares = tuple(
                float(np.mean([t.attention[look] for t in here if look < len(t.attention)])) for look in range(looks)
            )
            inside = [tally.inside_region for tally in here if np.isfinite(tally.inside_region)]
            found.append(
                SinkPlace(
                    place=place,
                    per_episode=float(np.mean([tally.count for tally in here])),
                    attention=shares,
                    inside_region=float(np.mean(inside)) if inside else None,
                )
            )
        return tuple(found)

    def changes(self) -> tuple[Change, ...]:
        """What hiding the region, and hiding something else, does to the log-probability of the answer."""
        found = []
        for part in ("answer", "turn"):
            log_N3 = np.array(
                [np.full(3, np.nan) if i.occluded is None else getattr(i.occluded, part) for i in self.items]
            )
            intact_N, region_N, elsewhere_N = log_N3.T
            found.append(
                Change(
                    part=part,
                    intact=self._estimate(intact_N),
                    region=self._estimate(region_N - intact_N),
                    elsewhere=self._estimate(elsewhere_N - intact_N),
                    contrast=self._estimate(region_N - elsewhere_N),
                )
            )
        return tuple(found)

    def _shares(self, look: int, places: Sequence[Place]) -> tuple[np.ndarray, np.ndarray]:
        """Share of a look's attention on the images of ``places`` together, and of even attention [N]."""
        pairs_N2 = np.full((len(self.items), 2), np.nan)
        for row, glances in enumerate(self._glances):
            seen = [glances[place] for place in places if place in glances and place[0] == look]
            if seen:
                pairs_N2[row] = sum(g.share for g in seen), sum(g.uniform for g in seen)
        return pairs_N2[:, 0], pairs_N2[:, 1]

    def _of_region(self, place: Place) -> np.ndarray:
        """`REGION_MEASURES` of every item [N, 3]."""
        return np.stack([g[place].region if place in g else _UNDEFINED for g in self._glances])

    def _nulls_of(self, place: Place) -> tuple[np.ndarray, np.ndarray]:
        """`REGION_MEASURES` under both nulls of the region, for every item [N, 3] each."""
        here: list[tuple[str, Glance]] = [
            (group, glances[place])
            for group, glances in zip(self.groups, self._glances, strict=True)
            if place in glances
        ]
        shuffled_NM, other_NM = [], []
        for row, (group, glances) in enumerate(zip(self.groups, self._glances, strict=True)):
            if place not in glances:
                shuffled_NM.append(_UNDEFINED)
                other_NM.append(_UNDEFINED)
                continue
            rng = np.random.default_rng([self.seed, row, *place])
            shuffled_NM.append(shuffled_region(glances[place], rng))
            other_NM.append(other_images(glances[place], [g for other, g in here if other != group], rng))
        return np.stack(shuffled_NM), np.stack(other_NM)

    def _measured(
        self, look: int, image: int | None, measure: str, value_N: np.ndarray, nulls: dict[str, np.ndarray]
    ) -> Measured:
        return Measured(
            look=look,
            image=image,
            measure=measure,
            value=self._estimate(value_N),
            nulls=tuple(
                Null(
                    name=name,
                    expected=self._estimate(np.where(np.isfinite(value_N), null_N, np.nan)),
                    difference=self._estimate(value_N - null_N),
                )
                for name, null_N in nulls.items()
            ),
        )

    def _estimate(self, value_N: np.ndarray) -> Estimate:
        (estimate,) = estimates(value_N[:, None], self.groups, self.seed)
        return estimate


_UNDEFINED = np.full(len(REGION_MEASURES), np.nan)


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _table(values_LH: np.ndarray) -> tuple[tuple[float | None, ...], ...]:
    return tuple(tuple(_number(value) for value in row) for row in values_LH.tolist())
