"""An attention analysis made of figures alone."""

from __future__ import annotations

from vitar.analysis.attention.record import (
    Attention,
    ByHead,
    Change,
    Measured,
    Null,
    Occlusion,
    SinkPlace,
    Sinks,
)
from vitar.analysis.estimates import Estimate

UNDEFINED = Estimate(mean=None, low=None, high=None, n=0)


def about(mean: float, arm: float = 0.1, n: int = 24) -> Estimate:
    """An estimate with an interval of ``arm`` to both sides."""
    return Estimate(mean=mean, low=mean - arm, high=mean + arm, n=n)


RETHINK, OFF, HARMED, STAYS = about(2.0), about(-1.0), about(-0.5), about(0.02, 0.01)


def measured(look: int, image: int | None, measure: str, value: Estimate, **differences: Estimate) -> Measured:
    """A measure with nulls that are ``differences`` below it."""
    nulls = tuple(
        Null(name=name, expected=about((value.mean or 0.0) - (d.mean or 0.0)), difference=d)
        for name, d in differences.items()
    )
    return Measured(look=look, image=image, measure=measure, value=value, nulls=nulls)


def attention_of(
    rethink: Estimate = RETHINK,
    onto: Estimate = OFF,
    contrast: Estimate = HARMED,
    stays: Estimate = STAYS,
    places: tuple[SinkPlace, ...] = (),
    pictures: tuple[str, ...] = (),
) -> Attention:
    """Two looks at two images, in two layers of two heads.

    Args:
        rethink: enrichment of the second look at image 2; ``onto`` is what it is above the first look.
        contrast: of the causal check.
        stays: change of the share of attention on images since the first look.
    """
    first = {"shuffled_region": about(2.0), "other_image": about(0.05)}
    later = {"shuffled_region": about(1.0), "other_image": about(-1.0), "first_look": onto}
    measures = (
        measured(1, None, "share", about(0.2, 0.01), uniform=about(-0.1, 0.01)),
        measured(1, 1, "share", about(0.2, 0.01), uniform=about(-0.1, 0.01)),
        measured(1, 1, "enrichment", about(3.0), **first),
        measured(2, None, "share", about(0.22, 0.01), uniform=about(-0.1, 0.01), first_look=stays),
        measured(2, 1, "share", about(0.12, 0.01), uniform=about(-0.1, 0.01)),
        measured(2, 2, "share", about(0.1, 0.01), uniform=about(0.0, 0.01)),
        measured(2, 2, "enrichment", rethink, **later),
        measured(2, 2, "pointing", UNDEFINED, shuffled_region=UNDEFINED),
    )
    heads = ((1.0, 3.0), (None, 8.0))
    return Attention(
        model="tiny",
        condition="think_twice",
        layers=(0, 2),
        heads=(0, 1),
        items=24,
        groups=20,
        left_out={"no trace": 3},
        retokenised=2,
        seed=0,
        placements=50,
        others=20,
        measures=measures,
        by_head=(ByHead(look=1, image=1, measure="enrichment", mean=heads, low=heads, high=heads),),
        sinks=Sinks(excluded=False, factor=10.0, persistence=0.9, places=places),
        occlusion=Occlusion(
            changes=(
                Change(part="answer", intact=about(-0.4), region=about(-0.8), elsewhere=about(-0.3), contrast=contrast),
            ),
            left_out={"no region": 1},
        ),
        pictures=pictures,
    )
