"""A count over (kappa, eps) as a heat map, a panel a solver."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bilevel_core.report.groups import HEADS, Group, label
from bilevel_core.report.ledgers import SAMPLES
from bilevel_core.report.points import INFEASIBLE, points
from bilevel_core.report.style import lines_of, panels, short
from bilevel_core.report.styles import SCREEN, Style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

BESIDE = 0.9
"""Inches beside all panels of a row, for texts of 7 points: labels, and the bar of colours."""

CELL = 0.3
"""Inches that an annotated cell needs at 5.5 points; a row has the panels that leave it that."""

BRIEF = {"censored": "cens.", "diverged": "div.", "failed": "fail.", INFEASIBLE: "infeas."}
"""Words of cells without a mean.

What is stored of an infeasible one, its calls of all oracles over all repetitions of the noise,
compares with no count beside it: no number stands there.
"""

COLOURS = "cividis"
"""Even in lightness, so that it reads in grey and for colour-blind readers."""


def draw(group: Group, quantity: str, style: Style = SCREEN) -> tuple[Figure, pd.DataFrame]:
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

    cells, levels = len(group.levels("kappa")), len(group.levels("eps"))
    fitting = int((style.wide - style.inches(BESIDE)) / (CELL * style.cell / SCREEN.cell) / cells)
    columns = min(len(tables), max(1, min(3, fitting)))
    lines = -(-len(tables) // columns)
    height = style.height or style.inches(0.7 + lines * (0.5 + 0.19 * levels))
    figure = Figure(figsize=(style.wide, height), layout="constrained")
    grid = panels(figure, len(tables), columns, "κ")
    for place, (axes, (solver, found)) in enumerate(zip(grid, tables.items(), strict=True)):
        _panel(axes, found, group, norm, style)
        axes.set_title(label(solver), parse_math=False)
        if place % columns == 0:
            axes.set_ylabel("ε")
    infeasible = bool((table["status"] == INFEASIBLE).any())
    sparse = len(table) < len(tables) * levels * len(group.levels("kappa"))
    title = _title(group, quantity, infeasible, sparse, style)
    figure.suptitle(title, fontsize=style.heading, parse_math=False)
    bar = figure.colorbar(ScalarMappable(norm, COLOURS), ax=grid, pad=0.01, aspect=30)
    bar.outline.set_visible(False)
    return figure, table


def _title(group: Group, quantity: str, infeasible: bool, sparse: bool, style: Style) -> str:
    counted = " in samples" if group.ledger == SAMPLES else ""
    reading = "hatched: an instance missed ε"
    if infeasible:
        reading += "; dotted: infeasible, not run"
    if sparse:
        reading += "; blank: not asked for"
    heading = f"{HEADS[quantity]}{counted}: {group.heading}"
    parts = [heading, f"({reading})"] if counted or infeasible else [f"{heading} ({reading})"]
    lines = (lines_of(part, style.wide, style.characters) for part in parts)
    return "\n".join(line for part in lines for line in part)


def _panel(axes: Axes, table: pd.DataFrame, group: Group, norm: LogNorm, style: Style) -> None:
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
            hatch = "....." if status == INFEASIBLE else "////"
            cell.set(hatch=hatch, ec="#999999", lw=0.0)
        axes.add_patch(cell)
        text = short(mean) if complete else BRIEF.get(status, status)
        dark = np.dot(colour[:3], (0.299, 0.587, 0.114)) < 0.5
        axes.text(
            x, y, text, ha="center", va="center", fontsize=style.cell,
            color="white" if dark else "black",
            bbox=None if complete else {"fc": "white", "ec": "none", "pad": 0.6},
        )  # fmt: skip
