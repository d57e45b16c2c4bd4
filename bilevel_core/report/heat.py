"""A count over (kappa, eps) as a heat map, a panel a solver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bilevel_core.report.groups import HEADS, Group, label
from bilevel_core.report.points import points
from bilevel_core.report.style import TEXT_WIDTH, panels, short

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

WIDTH = 6.0
"""Inches of all panels of a row."""

CELL = 0.3
"""Inches that an annotated cell needs; panels are as many in a row as leave it that."""

BRIEF = {"censored": "cens.", "diverged": "div.", "failed": "fail."}
COLOURS = "cividis"
"""Even in lightness, so that it reads in grey and for colour-blind readers."""


def draw(group: Group, quantity: str) -> tuple[Figure, pd.DataFrame]:
    """The figure, and its table: solver, quantity and the columns of `points`."""
    import pandas as pd
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    tables = {}
    for solver in group.solvers:
        rows = group.of(solver)
        tables[solver] = points(rows, rows[quantity])
    table = pd.concat(tables, names=["solver"]).reset_index(level=0)
    table.insert(1, "quantity", quantity)
    means = table.loc[table["mean"] > 0, "mean"]
    low, high = (means.min(), means.max()) if len(means) else (1.0, 10.0)
    norm = LogNorm(low, max(high, 1.01 * low))

    columns = min(len(tables), max(1, min(3, int(WIDTH / CELL / len(group.levels("kappa"))))))
    lines, levels = -(-len(tables) // columns), len(group.levels("eps"))
    figure = Figure(figsize=(TEXT_WIDTH, 0.7 + lines * (0.5 + 0.19 * levels)), layout="constrained")
    grid = panels(figure, len(tables), columns)
    for place, (axes, (solver, found)) in enumerate(zip(grid, tables.items(), strict=True)):
        _panel(axes, found, group, norm)
        axes.set_title(label(solver), parse_math=False)
        if place % columns == 0:
            axes.set_ylabel("ε")
    figure.suptitle(
        f"{HEADS[quantity]}: {group.heading} (hatched: an instance missed ε)",
        fontsize=7.5, parse_math=False,
    )  # fmt: skip
    bar = figure.colorbar(ScalarMappable(norm, COLOURS), ax=grid, pad=0.01, aspect=30)
    bar.outline.set_visible(False)
    return figure, table


def _panel(axes: Axes, table: pd.DataFrame, group: Group, norm: LogNorm) -> None:
    from matplotlib import colormaps
    from matplotlib.patches import Rectangle

    kappas, epss = group.levels("kappa"), group.levels("eps")[::-1]
    axes.set_xticks(range(len(kappas)), [short(kappa) for kappa in kappas])
    axes.set_yticks(range(len(epss)), [short(eps) for eps in epss])
    axes.set_xlim(-0.5, len(kappas) - 0.5)
    axes.set_ylim(len(epss) - 0.5, -0.5)
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)
    columns = (table[name].tolist() for name in ("kappa", "eps", "mean", "status"))
    for kappa, eps, mean, status in zip(*columns, strict=True):
        x, y = kappas.index(kappa), epss.index(eps)
        complete = np.isfinite(mean)
        colour = colormaps[COLOURS](norm(mean)) if mean > 0 else (1.0, 1.0, 1.0)
        cell = Rectangle((x - 0.5, y - 0.5), 1, 1, fc=colour, ec="white", lw=0.5)
        if not complete:
            cell.set(hatch="////", ec="#999999", lw=0.0)
        axes.add_patch(cell)
        text = short(mean) if complete else BRIEF.get(status, status)
        dark = np.dot(colour[:3], (0.299, 0.587, 0.114)) < 0.5
        axes.text(
            x, y, text, ha="center", va="center", fontsize=5.5, color="white" if dark else "black",
            bbox=None if complete else {"fc": "white", "ec": "none", "pad": 0.6},
        )  # fmt: skip
