"""The collapse check as a figure: outer iterations over the theorem's own bound on them.

Flat lines that fall on one another say that the theorem's expression describes the counts.  Against
kappa at each eps, or against 1/eps where there is one kappa.
"""

from __future__ import annotations

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
    axis, other = ("kappa", "eps") if len(group.levels("kappa")) > 1 else ("eps", "kappa")
    grid = panels(figure, len(names), columns, "κ" if axis == "kappa" else "1/ε")
    levels = group.levels(other)[::-1]
    levels = levels[:: -(-len(levels) // MOST)]
    for place, (axes, solver) in enumerate(zip(grid, names, strict=True)):
        _panel(axes, tables[solver], axis, {level: _level(other, level) for level in levels}, style)
        title = _title(solver, collapse(group, solver))
        axes.set_title(title, fontsize=style.legend, parse_math=False)
        if place % columns == 0:
            axes.set_ylabel("measured K / bound on K")
    _scales(grid, group, axis, table)
    heading = "\n".join(lines_of(group.heading, width, style.characters))
    figure.suptitle(heading, fontsize=style.heading, parse_math=False)
    fitting = max(1, int(width / style.inches(ENTRY)))
    figure.legend(
        *grid[0].get_legend_handles_labels(),
        loc="outside lower center",
        ncols=min(len(levels), fitting),
    )
    return figure, table


def _level(column: str, value: float) -> str:
    symbol = "ε" if column == "eps" else "κ"
    return f"{symbol} = {short(value)}"


def _panel(
    axes: Axes, table: pd.DataFrame, axis: str, labels: dict[float, str], style: Style
) -> None:
    other = "eps" if axis == "kappa" else "kappa"
    for place, (value, text) in enumerate(labels.items()):
        look = mark(place)
        level = table[(table[other] == value) & table["mean"].notna()]
        mean = level["mean"]
        x = level["kappa"] if axis == "kappa" else 1 / level["eps"]
        axes.errorbar(
            x, mean, yerr=[mean - level["low"], level["high"] - mean],
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


def _scales(grid: list[Axes], group: Group, axis: str, table: pd.DataFrame) -> None:
    levels = group.levels(axis)
    levels = levels if axis == "kappa" else [1 / eps for eps in levels[::-1]]
    low, high = table["low"].min() / SPREAD, table["high"].max() * SPREAD
    grid[0].set(xscale="log", yscale="log")
    grid[0].set(xlim=(levels[0] / 1.25, levels[-1] * 1.25), ylim=(low, high))
    for axes in grid:
        plain_ticks(axes.xaxis, levels)
        power_ticks(axes.yaxis, low, high)
