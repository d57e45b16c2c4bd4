"""Axes of the page's pictures: from values to places in 0 .. 1, and where the ticks are."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from math import ceil, floor, log10
from typing import NamedTuple

from bilevel_core.report.style import short

LEAST, MOST = 1e-300, 1e300
"""What is beyond stands at the end of an axis: of a store that anybody made, numbers may be any."""

RAISED = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


class Axis(NamedTuple):
    """label: below or beside it; place: from a value to 0 .. 1; ticks: values with their text."""

    label: str
    place: Callable[[float], float]
    ticks: tuple[tuple[float, str], ...]


def logarithmic(
    label: str, low: float, high: float, ticks: Iterable[tuple[float, str]] = ()
) -> Axis:
    """From low to high, both > 0; without ticks, at powers of ten or at 1, 2, 5 times them."""
    high = _held(high)
    low = min(_held(low), high / 2)
    bottom, width = log10(low), log10(high) - log10(low)

    def place(value: float) -> float:
        return (log10(_held(value)) - bottom) / width

    return Axis(label, place, tuple(ticks) or tuple(_decades(low, high)))


def linear(label: str, low: float, high: float, ticks: Sequence[float]) -> Axis:
    """From low to high, with ticks at these values."""
    return Axis(
        label,
        lambda value: (value - low) / (high - low),
        tuple((value, f"{value:.4g}") for value in ticks),
    )


def percent(label: str) -> Axis:
    """From 0 to 1, a little more at both ends, in per cent."""
    ticks = tuple((share / 100, f"{share} %") for share in (0, 25, 50, 75, 100))
    return Axis(label, lambda value: (value + 0.03) / 1.06, ticks)


def at_levels(levels: Sequence[float], most: int = 6) -> list[tuple[float, str]]:
    """Ticks at the levels themselves, thinned to `most`."""
    return [(level, short(level)) for level in levels[:: -(-len(levels) // most)]]


def around(values: Iterable[float], factor: float) -> tuple[float, float]:
    """Smallest and largest of values > 0 with room on both sides; 1 to 10 where there is none."""
    known = list(values)
    low, high = (min(known), max(known)) if known else (1.0, 10.0)
    return low / factor, high * factor


def stretch(low: float, high: float, step: float) -> tuple[float, float, list[float]]:
    """The range widened to multiples of a step, and these, of which there are at most seven."""
    while (high - low) / step > 6:
        step *= 2
    first, last = floor(low / step), max(ceil(high / step), floor(low / step) + 1)
    return first * step, last * step, [step * place for place in range(first, last + 1)]


def power_of_ten(exponent: int) -> str:
    """As in 10⁻³."""
    return "10" + str(exponent).translate(RAISED)


def _held(value: float) -> float:
    """The value where an axis and its margins can be computed."""
    return min(max(value, LEAST), MOST)


def _decades(low: float, high: float, most: int = 6) -> list[tuple[float, str]]:
    first, last = ceil(log10(low) - 1e-9), floor(log10(high) + 1e-9)
    if last - first >= 1:
        step = -(-(last - first + 1) // most)
        return [(10.0**e, power_of_ten(e)) for e in range(first, last + 1, step)]
    values = (m * 10.0**e for e in range(first - 1, last + 2) for m in (1, 2, 5))
    return [(value, short(value)) for value in values if low <= value <= high]
