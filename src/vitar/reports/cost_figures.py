"""Plots of what answers cost: distributions in rows, and accuracy over a cost."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from vitar.reports.figures import (
    COLOURS,
    DASHES,
    LABEL_CHARACTERS,
    LEFT,
    OTHER_STYLE,
    RIGHT,
    ROW,
    WIDTH,
    extent,
    mark_at,
    svg_plot,
    text_at,
    ticks,
)
from vitar.reports.wording import UNDEFINED, cut, percent

WHISKERS, BOX, MEDIAN, TAIL = ("0.1", "0.9"), ("0.25", "0.75"), "0.5", "0.99"
"""Shares of the quantiles that a row draws."""


@dataclass(frozen=True)
class Spread:
    """One row of a distribution plot.

    Args:
        quantiles: share -> value, with the shares that are drawn; empty where nothing is known.
    """

    label: str
    quantiles: Mapping[str, float]
    style: int = OTHER_STYLE


@dataclass(frozen=True)
class Point:
    """A condition of a run on a plot of accuracy over cost.

    Args:
        cost: mean per question.
        accuracy, low, high: share of right answers with its interval.
        tag: what stands beside the marker, "" for nothing; before it where ``tag_before``.
    """

    label: str
    cost: float
    accuracy: float
    low: float | None
    high: float | None
    style: int = OTHER_STYLE
    tag: str = ""
    tag_before: bool = False


def distribution_plot(spreads: Sequence[Spread], show: Callable[[float], str], alt: str) -> Markup:
    """Boxes in rows over an axis from 0.

    A box goes from the first to the third quartile with a bar at the median, a line from the 10% to the 90% quantile,
    and a small dot stands at the 99% quantile. The median is written at the end of the row.
    """
    bottom = len(spreads) * ROW + 4
    end = max((spread.quantiles[TAIL] for spread in spreads if spread.quantiles), default=1.0) * 1.04 or 1.0

    def x_of(value: float) -> float:
        return LEFT + value / end * (RIGHT - LEFT)

    parts = []
    for tick in ticks(0.0, end, 3):
        parts.append(f'<path class="grid" d="M{x_of(tick):.1f} 2V{bottom}"/>')
        parts.append(text_at(f"{tick:,.4g}", x_of(tick), bottom + 14, "middle", "tick"))
    said = []
    for row, spread in enumerate(spreads):
        y, q = row * ROW + ROW / 2 + 2, spread.quantiles
        parts.append(text_at(cut(spread.label, LABEL_CHARACTERS), LEFT - 8, y + 4, "end"))
        parts.append(text_at(show(q[MEDIAN]) if q else UNDEFINED, WIDTH - 2, y + 4, "end"))
        if not q:
            said.append(f"{spread.label} {UNDEFINED}")
            continue
        colour = spread.style % COLOURS
        x0, x1 = (x_of(q[share]) for share in BOX)
        low, high = (x_of(q[share]) for share in WHISKERS)
        parts.append(f'<path class="line s{colour}" d="M{low:.1f} {y}H{high:.1f}"/>')
        parts.append(f'<rect class="box s{colour}" x="{x0:.1f}" y="{y - 5}" width="{x1 - x0:.1f}" height="10"/>')
        parts.append(f'<path class="line s{colour}" d="M{x_of(q[MEDIAN]):.1f} {y - 6}V{y + 6}"/>')
        parts.append(f'<circle class="mark s{colour}" cx="{x_of(q[TAIL]):.1f}" cy="{y}" r="2.6"/>')
        said.append(
            f"{spread.label} median {show(q[MEDIAN])}, 10% to 90% {show(q['0.1'])} to {show(q['0.9'])}, "
            f"99% {show(q[TAIL])}"
        )
    return svg_plot(bottom + 22, f"{alt}: {'; '.join(said)}", parts)


def tradeoff_plot(
    points: Sequence[Point], curves: Sequence[Sequence[Point]], show: Callable[[float], str], cost: str, alt: str
) -> Markup:
    """Accuracy with its interval over a mean cost, from 0.

    Args:
        points: each is drawn once.
        curves: points that a line joins, in order; each curve has its own dashes.
        show: a cost -> its text.
        cost: what stands below the axis.

    Raises:
        ValueError: there is no point.
    """
    if not points:
        raise ValueError("a plot of accuracy over cost needs at least one point")
    left, right, top, bottom = 40.0, WIDTH - 18.0, 8.0, 190.0
    x_high = max(point.cost for point in points) * 1.06 or 1.0
    ends = [end for p in points for end in (p.accuracy, p.low, p.high) if end is not None]
    y_low, y_high = extent(ends, pad=0.06)
    y_low, y_high = max(0.0, y_low), min(1.0, y_high)

    def place(point: Point, accuracy: float) -> tuple[float, float]:
        x = left + point.cost / x_high * (right - left)
        return x, bottom - (accuracy - y_low) / (y_high - y_low) * (bottom - top)

    parts = []
    for tick in ticks(y_low, y_high, 4):
        y = bottom - (tick - y_low) / (y_high - y_low) * (bottom - top)
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        parts.append(text_at(f"{100 * tick:.4g}", left - 6, y + 4, "end", "tick"))
    for tick in ticks(0.0, x_high, 4):
        parts.append(text_at(f"{tick:,.4g}", left + tick / x_high * (right - left), bottom + 16, "middle", "tick"))
    parts.append(text_at(cost, right, bottom + 32, "end", "tick"))
    for number, curve in enumerate(curves):
        drawn = "L".join("{:.1f} {:.1f}".format(*place(point, point.accuracy)) for point in curve)
        dashes = DASHES[number % len(DASHES)]
        dashed = f' stroke-dasharray="{dashes}"' if dashes else ""
        parts.append(f'<path class="join"{dashed} d="M{drawn}"/>')
    for point in points:
        x, y = place(point, point.accuracy)
        if point.low is not None and point.high is not None:
            ends_y = [place(point, end)[1] for end in (point.low, point.high)]
            parts.append(f'<path class="line s{point.style % COLOURS}" d="M{x:.1f} {ends_y[0]:.1f}V{ends_y[1]:.1f}"/>')
    for point in points:
        x, y = place(point, point.accuracy)
        parts.append(mark_at(x, y, point.style))
        if point.tag:
            side, anchor = (-7, "end") if point.tag_before else (7, "start")
            parts.append(text_at(point.tag, x + side, y + 4, anchor, "tick"))
    said = "; ".join(f"{point.label} {percent(point.accuracy)} at {show(point.cost)}" for point in points)
    return svg_plot(int(bottom) + 38, f"{alt}: {said}", parts)
