"""Conditions of a run against each other, on the same items."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, ConfigDict

from vitar.evaluation.conditions import CONDITIONS
from vitar.evaluation.outcomes import Outcome, belongs
from vitar.evaluation.power import ALPHA, design_effect, detectable_difference
from vitar.statistics import holm, mcnemar, paired_difference

REFERENCE = "think_twice"
"""The condition that is compared with every other one."""

LOOK, IMAGE, EFFORT = "look", "image", "effort"
FAMILIES = {
    **dict.fromkeys(("blank_image", "shuffled_image", "text_only"), IMAGE),
    **dict.fromkeys(("think_0", "think_2", "think_3", "majority_k"), EFFORT),
}
"""Condition -> the family of comparisons that its own belong to, `LOOK` for all others. Each answers one question: does
the second look help, and is it the region; does the image matter; would more or less effort do as well. Holm adjusts
within a family, so that asking about the image costs nothing where the look is in question."""


class Comparison(BaseModel):
    """Two conditions on the same items; None where a figure is undefined.

    Args:
        n: items that count under both.
        groups: number of groups that these belong to; None in files of before it was kept.
        difference, low, high: first minus second accuracy, with its clustered bootstrap interval.
        first_only, second_only: items that one condition alone got right.
        p: exact McNemar.
        p_holm: ``p`` adjusted by Holm over the comparisons of the same kind and family.
        family: see `FAMILIES`.
        design_effect: see `vitar.evaluation.power.design_effect`.
        detectable: the smallest true difference that would be shown in four of five such runs: by the exact test, on
            as many items as these are worth with their groups, with the share that is discordant here, at the strictest
            level that Holm may ask of this comparison.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    first: str
    second: str
    kind: str
    n: int
    difference: float | None
    low: float | None
    high: float | None
    first_only: int
    second_only: int
    p: float | None
    p_holm: float | None
    family: str = LOOK
    design_effect: float | None = None
    detectable: float | None = None
    groups: int | None = None

    def flipped(self) -> Comparison:
        """The same comparison seen from the second condition."""
        names = {"first": self.second, "second": self.first}
        counts = {"first_only": self.second_only, "second_only": self.first_only}
        values = {"difference": self.difference, "low": self.high, "high": self.low}
        turned = {key: None if value is None else -value for key, value in values.items()}
        return self.model_copy(update={**names, **counts, **turned})


def comparisons_on(kind: str, outcomes: Mapping[str, Sequence[Outcome]], seed: int) -> list[Comparison]:
    """All comparisons on one kind, each family adjusted by itself."""
    found: list[Comparison] = []
    for family in (LOOK, IMAGE, EFFORT):
        pairs = [pair for pair in _pairs(list(outcomes)) if FAMILIES.get(pair[1], LOOK) == family]
        made = [_comparison(kind, pair, family, len(pairs), outcomes, seed) for pair in pairs]
        adjusted = holm([math.nan if comparison.p is None else comparison.p for comparison in made])
        found += [c.model_copy(update={"p_holm": defined(p)}) for c, p in zip(made, adjusted, strict=True)]
    return found


def _pairs(conditions: Sequence[str]) -> list[tuple[str, str]]:
    """`REFERENCE` against every other condition, and a single pass against the same without its image."""
    others = [name for name in conditions if name != REFERENCE and CONDITIONS.get(name) != CONDITIONS[REFERENCE]]
    pairs = [(REFERENCE, other) for other in others] if REFERENCE in conditions else []
    return pairs + [pair for pair in [("single_pass", "text_only")] if set(pair) <= set(conditions)]


def _comparison(
    kind: str, pair: tuple[str, str], family: str, size: int, outcomes: Mapping[str, Sequence[Outcome]], seed: int
) -> Comparison:
    """One comparison of a family of ``size``, not adjusted yet."""
    both = zip(*(outcomes[condition] for condition in pair), strict=True)
    pairs = [(a, b) for a, b in both if belongs(a.example, kind) and a.counts and b.counts]
    first, second = [a.correct for a, _ in pairs], [b.correct for _, b in pairs]
    first_only = sum(a and not b for a, b in zip(first, second, strict=True))
    second_only = sum(b and not a for a, b in zip(first, second, strict=True))
    groups = [a.example.group for a, _ in pairs]
    paired = paired_difference(first, second, groups, seed=seed)
    effect = design_effect(first, second, groups)
    discordant = (first_only + second_only) / len(pairs) if pairs else 0.0
    return Comparison(
        first=pair[0],
        second=pair[1],
        kind=kind,
        n=len(pairs),
        difference=defined(paired.difference),
        low=defined(paired.interval.low),
        high=defined(paired.interval.high),
        first_only=first_only,
        second_only=second_only,
        p=mcnemar(first_only, second_only) if pairs else None,
        p_holm=None,
        family=family,
        design_effect=effect if pairs else None,
        detectable=defined(detectable_difference(len(pairs) / effect, discordant, ALPHA / size)),
        groups=len(set(groups)),
    )


def defined(value: float) -> float | None:
    """The number, or None for NaN, which JSON does not have."""
    return None if math.isnan(value) else value
