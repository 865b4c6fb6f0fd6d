"""Numbers and names as a reader sees them."""

from __future__ import annotations

CONDITION_WORDS = {
    "single_pass": "one look, the question asked directly",
    "think_twice": "two looks, the model chooses the region",
    "oracle_box": "two looks, the true region instead of the model's",
    "random_box": "two looks, a random region of the same size",
    "wrong_region": "two looks, another lesion or a place that looks alike",
    "unmarked": "two looks, the second at the unchanged image",
    "blank_image": "two looks at an empty image",
    "shuffled_image": "two looks at another question's image",
    "text_only": "the question alone, asked directly",
    "think_0": "thinking aloud, no action allowed",
    "think_1": "as think_twice: up to one action",
    "think_2": "up to two actions",
    "think_3": "up to three actions",
    "majority_k": "one look, the most frequent of as many samples as take the tokens of two looks",
}
ABSENT = "–"
"""What does not apply: a condition that was not run, a first row's difference to the row above."""
UNDEFINED = "undefined"
"""A figure that was asked for and has no value, such as the mean IoU of no boxes."""
SHOWN = "*"
"""Mark of a difference that is shown; each table's note says against what."""


def cut(text: str, length: int) -> str:
    """``text`` in at most ``length`` characters, an ellipsis in the place of its middle."""
    if len(text) <= length:
        return text
    return f"{text[: length // 2]}…{text[len(text) - (length - length // 2 - 1) :]}"


def percent(value: float | None) -> str:
    """0.667 as ``66.7%``."""
    return UNDEFINED if value is None else f"{100 * value:.1f}%"


def share_between(value: float | None, low: float | None, high: float | None) -> str:
    """A share with its interval, ``66.7% (64.0–69.4)``."""
    if value is None or low is None or high is None:
        return percent(value)
    return f"{percent(value)} ({100 * low:.1f}–{100 * high:.1f})"


def points(value: float | None) -> str:
    """A share in percentage points without its sign, ``3.4``."""
    return UNDEFINED if value is None else f"{abs(100 * value):.1f}"


def signed_points(value: float | None) -> str:
    """A difference of shares in percentage points, ``+21.0`` or ``−3.5``."""
    if value is None:
        return UNDEFINED
    return _minus(f"{100 * value:+.1f}") if round(100 * value, 1) else "0.0"


def whole_points(value: float) -> str:
    """A difference for an axis, with the places it needs: ``+25`` or ``−2.5``."""
    return _minus(f"{100 * value:+.3g}") if value else "0"


def points_between(value: float | None, low: float | None, high: float | None) -> str:
    """A difference with its interval, ``+21.0 (+18.0 to +24.0)``."""
    if value is None or low is None or high is None:
        return signed_points(value)
    return f"{signed_points(value)} ({signed_points(low)} to {signed_points(high)})"


def p_value(p: float | None) -> str:
    """``p = 0.034`` without the ``p``; tiny values as a bound."""
    if p is None:
        return UNDEFINED
    if p < 0.001:
        return "< 0.001"
    return f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


def p_clause(p: float | None) -> str:
    """``p < 0.001`` or ``p = 0.034``, for a sentence that may not break there."""
    text = p_value(p)
    clause = f"p {text}" if text.startswith("<") else f"p = {text}"
    return clause.replace(" ", "\N{NO-BREAK SPACE}")


def decimals(value: float | None, places: int) -> str:
    """A number with a fixed number of places and thousands separated."""
    return UNDEFINED if value is None else _minus(f"{value:,.{places}f}")


def between(
    value: float | None, low: float | None, high: float | None, places: int = 2, *, signed: bool = False
) -> str:
    """A number with its interval, ``0.53 (0.51 to 0.55)``; ``0.53`` where it has none."""
    show = signed_decimals if signed else decimals
    if value is None or low is None or high is None:
        return show(value, places)
    return f"{show(value, places)} ({show(low, places)} to {show(high, places)})"


def signed_decimals(value: float | None, places: int) -> str:
    """A number with its sign, which a zero does not have."""
    if value is None:
        return UNDEFINED
    return _minus(f"{value:+,.{places}f}") if round(value, places) else f"{0:.{places}f}"


def listed(words: list[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``."""
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}" if words else ""


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")
