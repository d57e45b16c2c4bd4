"""How figures look, in every style: colours, marks and ticks.

Colours are Okabe and Ito's, told apart by colour-blind readers; each comes with a mark and a dash
pattern of its own, so that a grey print can be read too.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, isinf, log10
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

from bilevel_core.report.styles import SCREEN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

TEXT_WIDTH = SCREEN.wide
"""Inches: both columns of a printed page; figures are drawn at the size they are printed."""

GUIDE = "#666666"


class Mark(NamedTuple):
    """What a solver or a level looks like."""

    colour: str
    marker: str
    dashes: Any


MARKS = (
    Mark("#0072B2", "o", "-"),
    Mark("#D55E00", "s", (0, (5, 1))),
    Mark("#009E73", "D", (0, (1, 1))),
    Mark("#CC79A7", "v", (0, (4, 1, 1, 1))),
    Mark("#E69F00", "^", (0, (3, 1, 1, 1, 1, 1))),
    Mark("#56B4E9", "p", (0, (7, 2))),
    Mark("#000000", "X", (0, (2, 1))),
)


def mark(position: int) -> Mark:
    """The look of the series at this position; it repeats after seven."""
    return MARKS[position % len(MARKS)]


def panels(figure: Figure, count: int, columns: int, xlabel: str) -> list[Axes]:
    """`count` axes that share both scales, in rows of `columns`; each column keeps tick labels."""
    rows = -(-count // columns)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    used, spare = list(grid.flat)[:count], list(grid.flat)[count:]
    for axes in spare:
        axes.set_axis_off()
    for axes in used[-columns:]:
        axes.tick_params(labelbottom=True)
        axes.set_xlabel(xlabel)
    return used


def plain_ticks(axis: Axis, levels: Sequence[float], most: int = 6) -> None:
    """Ticks at the levels themselves, as plain numbers, thinned to `most`; no minor ticks."""
    from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

    step = -(-len(levels) // most)
    axis.set_major_locator(FixedLocator(list(levels[::step])))
    axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
    axis.set_minor_locator(NullLocator())


def power_ticks(axis: Axis, low: float, high: float, most: int = SCREEN.powers) -> None:
    """Ticks at powers of ten inside low..high; at 1, 2 and 5 times them where these are few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    inside = floor(log10(high)) - floor(log10(low))
    if inside >= 2:
        axis.set_major_locator(LogLocator(numticks=most))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=most))
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        axis.set_minor_formatter(NullFormatter())


def lines_of(heading: str, width: float, characters: float = SCREEN.characters) -> list[str]:
    """A heading in lines of `width` inches, `characters` in an inch; never broken beside "="."""
    kept = heading.replace(" = ", "\u00a0=\u00a0")
    return [line.replace("\u00a0", " ") for line in wrap(kept, int(characters * width))]


def short(value: float) -> str:
    """A number in few characters: 0.32, 8, 31.6, 1.3k, 250k, 4.2M, 3.1e10, inf."""
    if isinf(value):
        return str(value)
    if value >= 0.9995e9:
        mantissa, exponent = f"{value:.1e}".split("e+")
        return f"{mantissa}e{int(exponent)}"
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            scaled = value / size
            return f"{scaled:.3g}{unit}" if scaled < 100 else f"{scaled:.0f}{unit}"
    return f"{value:.3g}"
