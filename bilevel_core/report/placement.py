"""Where condition numbers of real tasks lie on the curves that were measured on the registry.

Counts against kappa at one eps, as measured, with the fitted model drawn on beyond its data to the
largest kappa of a task.  What lies beyond is an extrapolation on a family made to be hard, and no
prediction for the task.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bilevel_core.report.entries import Entry, entries
from bilevel_core.report.groups import HEADS, Group, label
from bilevel_core.report.ledgers import COUNTED
from bilevel_core.report.points import held, points
from bilevel_core.report.style import GUIDE, lines_of, mark, power_ticks
from bilevel_core.report.styles import SCREEN, Style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BEYOND = 3.0
"""The axis ends at this factor above the largest kappa of a task."""
NARROWEST = 0.35
"""Tasks whose kappas are closer than this, in powers of ten, share one line."""
PANEL = 0.44
"""Width of a panel over the figure's."""
LETTER = 0.65
"""Width of a letter over its size, with some room between names."""


class Line(NamedTuple):
    """Where tasks lie: kappa, what stands above it, and the row of that, 0 next to the panel."""

    kappa: float
    name: str
    row: int


def draw(
    group: Group, tasks: Mapping[str, float], style: Style = SCREEN
) -> tuple[Figure, pd.DataFrame]:
    """The figure, a panel an oracle, and what it shows as a table.

    tasks: name to kappa, at least one.  Columns of the table: solver, quantity, kappa, eps, mean
    (NaN where nothing was measured), fitted, task ("" for a measured cell).
    """
    import pandas as pd
    from matplotlib.figure import Figure

    eps = held(group.rows, "kappa")
    shown = [entry for entry in entries(group) if entry.quantity in COUNTED and entry.fit]
    table = pd.concat([_table(group, entry, tasks, eps) for entry in shown], ignore_index=True)
    figure = Figure(figsize=(style.wide, 0.62 * style.wide), layout="constrained")
    grid = figure.subplots(2, 2, sharex=True, sharey=True)
    first, last = min(group.levels("kappa")) / 1.5, max(tasks.values()) * BEYOND
    letter = LETTER * style.tick / 72 / (PANEL * style.wide) * float(np.log10(last / first))
    lines = stacked(gathered(tasks), letter)
    above = 1.25 * style.tick * (1 + max(line.row for line in lines))
    for axes, quantity in zip(grid.flat, COUNTED, strict=True):
        own = [entry for entry in shown if entry.quantity == quantity]
        _panel(axes, group, own, table, tasks, eps)
        _name(axes, lines, style)
        axes.set_title(HEADS[quantity], weight="bold", pad=5 + above)
    positive = table["fitted"][table["fitted"] > 0]
    low, high = float(positive.min()) / 3.0, float(positive.max()) * 3.0
    grid[0, 0].set(xscale="log", yscale="log", ylim=(low, high))
    grid[0, 0].set_xlim(first, last)
    power_ticks(grid[0, 0].yaxis, low, high)
    for axes in grid[-1]:
        axes.set_xlabel("κ")
    for axes in grid[:, 0]:
        axes.set_ylabel("calls")
    heading = (
        f"{group.heading}; ε = {eps:.3g}. Marks: measured; dashed: the fit, extrapolated; "
        "grey: inner problems of real tasks"
    )
    figure.suptitle(
        "\n".join(lines_of(heading, style.wide, style.characters)),
        fontsize=style.heading,
        parse_math=False,
    )
    handles, names = grid[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower center", ncols=max(len(names), 1))
    return figure, table


def _table(group: Group, entry: Entry, tasks: Mapping[str, float], eps: float) -> pd.DataFrame:
    import pandas as pd

    assert entry.fit is not None
    rows = group.of(entry.solver)
    rows = rows[rows["eps"] == eps]
    measured = points(rows, rows[entry.quantity])[["kappa", "eps", "mean"]].assign(task="")
    asked = pd.DataFrame(
        {"kappa": list(tasks.values()), "eps": eps, "mean": np.nan, "task": list(tasks)}
    )
    table = pd.concat([measured, asked], ignore_index=True)
    table["fitted"] = entry.fit.predict(table["kappa"], table["eps"])
    table.insert(0, "quantity", entry.quantity)
    table.insert(0, "solver", entry.solver)
    return table


def _panel(
    axes: Axes,
    group: Group,
    own: list[Entry],
    table: pd.DataFrame,
    tasks: Mapping[str, float],
    eps: float,
) -> None:
    for entry in own:
        assert entry.fit is not None
        look = mark(group.solvers.index(entry.solver))
        is_own = (table["solver"] == entry.solver) & (table["quantity"] == entry.quantity)
        cells = table[is_own & (table["task"] == "")].dropna(subset="mean")
        within = np.geomspace(cells["kappa"].min(), cells["kappa"].max(), 30)
        beyond = np.geomspace(cells["kappa"].max(), max(tasks.values()), 60)
        name = label(entry.solver)
        axes.plot(within, entry.fit.predict(within, eps), color=look.colour)
        axes.plot(beyond, entry.fit.predict(beyond, eps), color=look.colour, ls=(0, (3, 2)))
        axes.plot(
            cells["kappa"], cells["mean"], look.marker, color=look.colour, mec="white", mew=0.3,
            label=name,
        )  # fmt: skip


def _name(axes: Axes, lines: Sequence[Line], style: Style) -> None:
    """The tasks' lines, named above the panel: inside, a name would lie on marks or curves."""
    for kappa, name, row in lines:
        axes.axvline(kappa, color=GUIDE, lw=0.7, zorder=0)
        axes.annotate(
            name, (kappa, 1), xycoords=("data", "axes fraction"),
            xytext=(0, 2 + 1.25 * style.tick * row), textcoords="offset points",
            ha="center", va="bottom", color=GUIDE, fontsize=style.tick, parse_math=False,
        )  # fmt: skip


def gathered(tasks: Mapping[str, float]) -> list[tuple[float, list[str]]]:
    """Lines to draw, (kappa, names), rising: tasks that lie too close for two texts share one."""
    lines: list[tuple[float, list[str]]] = []
    for name, kappa in sorted(tasks.items(), key=lambda item: item[1]):
        if lines and np.log10(kappa / lines[-1][0]) < NARROWEST:
            lines[-1][1].append(name)
        else:
            lines.append((kappa, [name]))
    return lines


def stacked(lines: Iterable[tuple[float, list[str]]], letter: float) -> list[Line]:
    """Each line's name in the lowest row where it meets no other; letter: in powers of ten."""
    ends: list[float] = []
    found = []
    for kappa, names in lines:
        name = ", ".join(names)
        half = letter * len(name) / 2
        free = (row for row, end in enumerate(ends) if end < np.log10(kappa) - half)
        row = next(free, len(ends))
        ends[row : row + 1] = [float(np.log10(kappa)) + half]
        found.append(Line(kappa, name, row))
    return found
