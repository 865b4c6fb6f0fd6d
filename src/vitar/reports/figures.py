"""Plots as inline SVG: intervals in rows, lines over steps.

A plot is 340 units wide and shown at about that size, so its text stays readable on a phone; larger subjects become
several small plots. Colours are CSS classes (``s0`` to ``s7``, the Okabe-Ito palette adjusted for both schemes), and
nothing is told by colour alone: rows are labelled, markers differ, lines differ in their dashes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from vitar.reports.wording import cut

WIDTH = 340
ROW = 22
LEFT, RIGHT = 122.0, 290.0
"""Of the axis of a plot in rows: labels stand before, values after it."""
LABEL_CHARACTERS = 17
"""Of the label of a row; longer ones are cut in their middle."""
STYLES = {
    "single_pass": 0,
    "think_twice": 1,
    "oracle_box": 2,
    "random_box": 3,
    "unmarked": 4,
    "blank_image": 5,
    "shuffled_image": 6,
    "wrong_region": 8,
    "text_only": 9,
    "think_0": 10,
    "think_1": 11,
    "think_2": 12,
    "think_3": 13,
    "majority_k": 14,
}
"""Condition -> number of its style: from 8 on the colours come again, each with another marker."""
OTHER_STYLE = 7
MAX_POINTS = 120
"""Points of a line; longer histories are averaged, since single steps of reinforcement are noise."""

_MARKERS = (
    "M-4-4H4V4H-4Z",  # square
    "M-4.5 0A4.5 4.5 0 1 0 4.5 0A4.5 4.5 0 1 0-4.5 0Z",  # disc
    "M0-5.5L5.5 0L0 5.5L-5.5 0Z",  # diamond
    "M0-5L5 4H-5Z",  # triangle
    "M0 5L5-4H-5Z",  # triangle, point down
    "M-4-1.3H-1.3V-4H1.3V-1.3H4V1.3H1.3V4H-1.3V1.3H-4Z",  # plus
    "M-5 0L-2-4H2L5 0L2 4H-2Z",  # hexagon
    "M0-5L4.8-1.5L3 4H-3L-4.8-1.5Z",  # pentagon
)
COLOURS = 8
DASHES = ("", "6 3", "2 3", "8 3 2 3", "4 2", "1 2", "10 4", "3 3")


@dataclass(frozen=True)
class Plot:
    """A figure with its caption; the key, where there is one, is HTML."""

    caption: str
    svg: Markup
    key: Markup | None = None


@dataclass(frozen=True)
class Dot:
    """One row of an interval plot; a row without a value is drawn as a gap."""

    label: str
    value: float | None
    low: float | None
    high: float | None
    text: str
    style: int = OTHER_STYLE


@dataclass(frozen=True)
class Line:
    """One quantity over steps."""

    label: str
    points: Sequence[tuple[float, float]]


def interval_plot(
    dots: Sequence[Dot], low: float, high: float, show: Callable[[float], str], alt: str, zero: float | None = None
) -> Markup:
    """Dots with their intervals in rows, over an axis from ``low`` to ``high``.

    Args:
        show: axis value -> its text.
        alt: what the plot is of; the rows' texts are added to it.
        zero: where a heavier line stands, for differences.
    """
    height = len(dots) * ROW + 26

    def x_of(value: float) -> float:
        return LEFT + (min(max(value, low), high) - low) / (high - low) * (RIGHT - LEFT)

    bottom = len(dots) * ROW + 4
    parts = []
    for tick in ticks(low, high, 4):
        x = x_of(tick)
        parts.append(f'<path class="grid" d="M{x:.1f} 2V{bottom}"/>')
        parts.append(text_at(show(tick), x, bottom + 14, "middle", "tick"))
    if zero is not None:
        parts.append(f'<path class="zero" d="M{x_of(zero):.1f} 2V{bottom}"/>')
    for row, dot in enumerate(dots):
        y = row * ROW + ROW / 2 + 2
        parts.append(text_at(cut(dot.label, LABEL_CHARACTERS), LEFT - 8, y + 4, "end"))
        parts.append(text_at(dot.text, WIDTH - 2, y + 4, "end"))
        if dot.value is None:
            continue
        if dot.low is not None and dot.high is not None:
            span = f"M{x_of(dot.low):.1f} {y}H{x_of(dot.high):.1f}"
            parts.append(f'<path class="line s{dot.style % COLOURS}" d="{span}"/>')
        parts.append(mark_at(x_of(dot.value), y, dot.style))
    rows = "; ".join(f"{dot.label} {dot.text}" for dot in dots)
    return svg_plot(height, f"{alt}: {rows}", parts)


def line_plot(lines: Sequence[Line], alt: str, x_name: str = "step") -> Markup:
    """Lines over training steps, or other whole numbers; each has its colour and dashes, as `legend` shows them.

    Raises:
        ValueError: there is nothing to draw.
    """
    points = [point for line in lines for point in line.points]
    if not points:
        raise ValueError("a line plot needs at least one point")
    left, right, top, bottom = 44.0, WIDTH - 14.0, 8.0, 160.0
    x_low, x_high = extent([x for x, _ in points], pad=0)
    y_low, y_high = extent([y for _, y in points], pad=0.05)

    def x_of(step: float) -> float:
        return left + (step - x_low) / (x_high - x_low) * (right - left)

    def y_of(value: float) -> float:
        return bottom - (value - y_low) / (y_high - y_low) * (bottom - top)

    parts = []
    for tick in ticks(y_low, y_high, 4):
        y = y_of(tick)
        parts.append(f'<path class="grid" d="M{left} {y:.1f}H{right}"/>')
        parts.append(text_at(f"{tick:.4g}".replace("-", "\N{MINUS SIGN}"), left - 6, y + 4, "end", "tick"))
    for tick in ticks(x_low, x_high, 4):
        if tick.is_integer():
            parts.append(text_at(f"{tick:,.0f}", x_of(tick), bottom + 16, "middle", "tick"))
    parts.append(text_at(x_name, right, bottom + 32, "end", "tick"))
    for number, line in enumerate(lines):
        drawn = [f"{x_of(step):.1f} {y_of(value):.1f}" for step, value in thinned(line.points)]
        parts.append(_curve(number, "M" + "L".join(drawn if len(drawn) > 1 else drawn * 2)))
    ends = "; ".join(f"{ln.label} from {ln.points[0][1]:.3g} to {ln.points[-1][1]:.3g}" for ln in lines if ln.points)
    return svg_plot(int(bottom) + 38, f"{alt}: {ends}", parts)


def legend(lines: Sequence[Line]) -> Markup:
    """The key to a `line_plot`, as an HTML list that wraps."""
    items = []
    for number, line in enumerate(lines):
        swatch = f'<svg aria-hidden="true" viewBox="0 0 26 8" width="26" height="8">{_curve(number, "M0 4H26")}</svg>'
        items.append(f"<li>{swatch} {escape(line.label)}</li>")
    return Markup(f'<ul class="legend">{"".join(items)}</ul>')


def marker_key(entries: Sequence[tuple[str, int]]) -> Markup:
    """The key to markers, label and style of each, as an HTML list that wraps."""
    items = []
    for label, style in entries:
        swatch = f'<svg aria-hidden="true" viewBox="0 0 14 14" width="14" height="14">{mark_at(7, 7, style)}</svg>'
        items.append(f"<li>{swatch} {escape(label)}</li>")
    return Markup(f'<ul class="legend">{"".join(items)}</ul>')


def ticks(low: float, high: float, count: int) -> list[float]:
    """About ``count`` round numbers from ``low`` to ``high``."""
    raw = (high - low) / count
    power = 10 ** math.floor(math.log10(raw))
    step = next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= raw * 0.999)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return [round(number * step, 12) + 0.0 for number in range(first, last + 1)]


def thinned(points: Sequence[tuple[float, float]], limit: int = MAX_POINTS) -> list[tuple[float, float]]:
    """At most ``limit`` points: the means of runs of equal length."""
    size = math.ceil(len(points) / limit)
    groups = [points[start : start + size] for start in range(0, len(points), size)] if size else []
    return [(sum(x for x, _ in g) / len(g), sum(y for _, y in g) / len(g)) for g in groups]


def _curve(number: int, drawn: str) -> str:
    """A path in the colour and dashes of line ``number`` of a plot."""
    style = number % len(DASHES)
    dashes = f' stroke-dasharray="{DASHES[style]}"' if DASHES[style] else ""
    return f'<path class="curve s{(style + 1) % len(DASHES)}"{dashes} d="{drawn}"/>'


def mark_at(x: float, y: float, style: int) -> str:
    """The marker of a style, in its colour."""
    shape = _MARKERS[style if style < COLOURS else (style + 3) % COLOURS]
    return f'<path class="mark s{style % COLOURS}" transform="translate({x:.1f} {y:.1f})" d="{shape}"/>'


def text_at(words: str, x: float, y: float, anchor: str, kind: str = "") -> str:
    """Words at a place; ``anchor`` is SVG's, ``kind`` a class."""
    shown = f' class="{kind}"' if kind else ""
    return f'<text{shown} x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(words)}</text>'


def extent(values: Sequence[float], pad: float) -> tuple[float, float]:
    """From the least to the greatest value, with ``pad`` of that on both sides, and never nothing."""
    low, high = min(values), max(values)
    room = (high - low) * pad
    if low == high:
        room = abs(low) * 0.1 or 1.0
    return low - room, high + room


def svg_plot(height: int, alt: str, parts: Sequence[str]) -> Markup:
    """A plot of `WIDTH`, with ``alt`` for those who cannot see it."""
    head = f'<svg class="plot" role="img" viewBox="0 0 {WIDTH} {height}" aria-label="{escape(alt)}">'
    return Markup(head + "".join(parts) + "</svg>")
