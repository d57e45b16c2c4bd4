"""How figures look: colours, marks, sizes and ticks.

Colours are Okabe and Ito's, told apart by colour-blind readers; each comes with a mark and a dash
pattern of its own, so that a grey print can be read too.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import floor, log10
from textwrap import wrap
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

TEXT_WIDTH = 6.9
"""Inches: both columns of a printed page; figures are drawn at the size they are printed."""

GUIDE = "#666666"

CHARACTERS = 15.5
"""Of a heading, in an inch."""

RC: dict[str, Any] = {
    "font.size": 7,
    "font.family": "DejaVu Sans",
    "axes.titlesize": 7,
    "axes.labelsize": 7,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.labelsize": 6,
    "ytick.labelsize": 6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.5,
    "legend.fontsize": 6.5,
    "legend.frameon": False,
    "figure.dpi": 100,
    "savefig.dpi": 160,
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "hatch.linewidth": 0.5,
}


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


def power_ticks(axis: Axis, low: float, high: float) -> None:
    """Ticks at the powers of ten inside low..high; at 1, 2 and 5 times them where these are few."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    inside = floor(log10(high)) - floor(log10(low))
    if inside >= 2:
        axis.set_major_locator(LogLocator(numticks=6))
        axis.set_minor_formatter(NullFormatter())
    else:
        axis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0), numticks=6))
        axis.set_major_formatter(FuncFormatter(lambda value, _: short(value)))
        axis.set_minor_formatter(NullFormatter())


def lines_of(heading: str, width: float) -> list[str]:
    """A heading broken into lines that fit into `width` inches at 7.5 points; never beside "="."""
    kept = heading.replace(" = ", "\u00a0=\u00a0")
    return [line.replace("\u00a0", " ") for line in wrap(kept, int(CHARACTERS * width))]


def short(value: float) -> str:
    """A number in few characters: 0.32, 8, 31.6, 1.3k, 250k, 4.2M, 3.1e10."""
    if value >= 0.9995e9:
        mantissa, exponent = f"{value:.1e}".split("e+")
        return f"{mantissa}e{int(exponent)}"
    for size, unit in ((1e6, "M"), (1e3, "k")):
        if value >= 0.9995 * size:
            scaled = value / size
            return f"{scaled:.3g}{unit}" if scaled < 100 else f"{scaled:.0f}{unit}"
    return f"{value:.3g}"
