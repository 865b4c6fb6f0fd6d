"""Two models on the same items: what a stage of training changed."""

from __future__ import annotations

import math

from vitar.evaluation.metrics import ALL, Comparison
from vitar.reports.run import THINK, Run, Verdict
from vitar.statistics import mcnemar, paired_difference


def change(before: Run, after: Run, condition: str = THINK) -> Comparison | None:
    """The later run against the earlier one under ``condition``, on the questions that both answered.

    Returns:
        the comparison, its sides named after the runs; None where the runs have no scored question in common.
    """
    earlier = {(e.id, e.question, e.options, e.answer) for e in before.examples}
    shared = [e for e in after.examples if (e.id, e.question, e.options, e.answer) in earlier]
    pairs = [(e, after.verdict(condition, e.id), before.verdict(condition, e.id)) for e in shared]
    scored = [pair for pair in pairs if not {None, Verdict.FAILED} & set(pair[1:])]
    if not scored:
        return None
    first = [a is Verdict.RIGHT for _, a, _ in scored]
    second = [b is Verdict.RIGHT for _, _, b in scored]
    groups = [example.group for example, _, _ in scored]
    paired = paired_difference(first, second, groups)
    first_only = sum(a and not b for a, b in zip(first, second, strict=True))
    second_only = sum(b and not a for a, b in zip(first, second, strict=True))
    low, high = paired.interval.low, paired.interval.high
    return Comparison(
        first=after.name,
        second=before.name,
        kind=ALL,
        n=len(scored),
        difference=paired.difference,
        low=None if math.isnan(low) else low,
        high=None if math.isnan(high) else high,
        first_only=first_only,
        second_only=second_only,
        p=mcnemar(first_only, second_only),
        p_holm=None,
        groups=len(set(groups)),
    )
