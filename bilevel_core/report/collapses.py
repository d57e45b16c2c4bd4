"""The collapse check as a figure: outer iterations over the theorem's own bound on them.

Flat lines that fall on one another say that the theorem's expression describes the counts.  Against
kappa at each eps, or against 1/eps where there is one kappa.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bilevel_core.report import wording
from bilevel_core.report.entries import collapse
from bilevel_core.report.groups import Group, label
from bilevel_core.report.points import points
from bilevel_core.report.style import lines_of, mark, panels, plain_ticks, power_ticks, short
from bilevel_core.report.styles import SCREEN, Style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bilevel_core.fit import Collapse

MOST = 5
"""Levels of eps that are drawn: more than these are thinned evenly."""

ENTRY = 0.75
"""Inches that a level takes in the legend, for texts of 7 points."""

SPREAD = 2.0
"""The vertical axis reaches at least this factor below and above, so that flat looks flat."""


def solvers(group: Group) -> list[str]:
    """The solvers with a theorem's bound on K in their rows, and at least one complete cell."""
    found = {solver: collapse(group, solver) for solver in group.solvers}
    return [solver for solver, c in found.items() if c is not None]


def across(kappas: Iterable[float]) -> tuple[str, str]:
    """What is drawn against, and what is told apart; kappas: of the cells that have a ratio."""
    return ("kappa", "eps") if len(set(kappas)) > 1 else ("eps", "kappa")


def levels(values: Iterable[float]) -> list[float]:
    """The levels that are told apart, descending; values: of the cells that have a ratio.

    Levels of a group's other solvers are none of them: they would have no mark.
    """
    found = sorted({float(value) for value in values}, reverse=True)
    return found[:: -(-len(found) // MOST)]


def draw(group: Group, style: Style = SCREEN) -> tuple[Figure, pd.DataFrame]:
    """The figure, and its table: solver and the columns of `points`, of the ratio."""
    import pandas as pd
    from matplotlib.figure import Figure

    names = solvers(group)
    tables = {}
    for solver in names:
        rows = group.of(solver)
        tables[solver] = points(rows, rows["outer"] / rows["outer_bound"].astype(float))
    table = pd.concat(tables, names=["solver"]).reset_index(level=0)

    columns = {1: 1, 2: 2, 4: 2}.get(len(names), 3)
    lines = -(-len(names) // columns)
    width = style.narrow if columns == 1 else style.wide
    height = style.height or style.inches(0.9 + 1.6 * lines)
    figure = Figure(figsize=(width, height), layout="constrained")
    complete = table[table["mean"].notna()]
    axis, other = across(complete["kappa"])
    apart = {level: _level(other, level) for level in levels(complete[other])}
    grid = panels(figure, len(names), columns, "κ" if axis == "kappa" else "1/ε")
    for place, (axes, solver) in enumerate(zip(grid, names, strict=True)):
        _panel(axes, tables[solver], axis, apart, style)
        title = _title(solver, collapse(group, solver))
        axes.set_title(title, fontsize=style.legend, parse_math=False)
        if place % columns == 0:
            axes.set_ylabel("measured K / bound on K")
    _scales(grid, axis, complete)
    heading = "\n".join(lines_of(group.heading, width, style.characters))
    figure.suptitle(heading, fontsize=style.heading, parse_math=False)
    fitting = max(1, int(width / style.inches(ENTRY)))
    figure.legend(
        *grid[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=min(len(apart), fitting),
    )
    return figure, table


def _level(column: str, value: float) -> str:
    symbol = "ε" if column == "eps" else "κ"
    return f"{symbol} = {short(value)}"


def _places(table: pd.DataFrame, axis: str) -> pd.Series[float]:
    return table["kappa"] if axis == "kappa" else 1 / table["eps"]


def _panel(
    axes: Axes, table: pd.DataFrame, axis: str, labels: dict[float, str], style: Style
) -> None:
    other = "eps" if axis == "kappa" else "kappa"
    for place, (value, text) in enumerate(labels.items()):
        look = mark(place)
        level = table[(table[other] == value) & table["mean"].notna()]
        mean = level["mean"]
        axes.errorbar(
            _places(level, axis), mean, yerr=[mean - level["low"], level["high"] - mean],
            marker=look.marker, color=look.colour, ls=look.dashes, mec="white", mew=0.3,
            elinewidth=style.frame, capsize=style.cap, label=text,
        )  # fmt: skip


def _title(solver: str, found: Collapse | None) -> str:
    name = label(solver)
    slopes = [
        f"slope in {axis} {wording.fixed(slope.value)} {wording.interval(slope)}"
        for axis, slope in (("κ", found.kappa), ("1/ε", found.eps))
        if slope is not None
    ] if found else []  # fmt: skip
    return "\n".join([name, *slopes])


def _scales(grid: list[Axes], axis: str, complete: pd.DataFrame) -> None:
    places = sorted({float(level) for level in _places(complete, axis)})
    low, high = complete["low"].min() / SPREAD, complete["high"].max() * SPREAD
    grid[0].set(xscale="log", yscale="log")
    grid[0].set(xlim=(places[0] / 1.25, places[-1] * 1.25), ylim=(low, high))
    for axes in grid:
        plain_ticks(axes.xaxis, places)
        power_ticks(axes.yaxis, low, high)
