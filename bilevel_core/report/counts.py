"""Counts against kappa at one eps, or against 1/eps at one kappa: a panel a solver and oracle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from bilevel_core.report import wording
from bilevel_core.report.entries import ZERO, Entry
from bilevel_core.report.groups import HEADS, Group, label
from bilevel_core.report.ledgers import COUNTED, SAMPLES
from bilevel_core.report.points import INFEASIBLE, held, held_for, points
from bilevel_core.report.style import (
    GUIDE,
    TEXT_WIDTH,
    Mark,
    lines_of,
    mark,
    plain_ticks,
    power_ticks,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ROW_HEIGHT, TOP, BOTTOM, LINE = 1.2, 0.8, 0.62, 0.13
"""Inches."""

READING = (
    "its 95 % interval, and the bound's (·log: beside a log factor; ≈: local slopes still move)"
)

EDGE = {"censored": "^", INFEASIBLE: "d"}
"""Marks at the upper edge, of cells without a mean; any other status is an x."""

ABOVE = 2.5
"""Guides run this factor above the first point, so that they hide no measured line."""


def draw(group: Group, found: list[Entry], axis: str) -> tuple[Figure, pd.DataFrame]:
    """The figure along `axis` ("kappa" or "eps"), and what it shows as a table.

    Columns of the table: solver, quantity, those of `points`, fitted (the model's count) and guide
    (the bound's slope through the first point).  A solver that was not asked for the level at which
    the others are held is drawn at one of its own, which its name then says.
    """
    import pandas as pd
    from matplotlib.figure import Figure

    level = held(group.rows, axis)
    levels = {solver: held_for(group, solver, axis) for solver in group.solvers}
    shown = [entry for entry in found if entry.quantity in COUNTED]
    tables = [_table(group, entry, axis, levels[entry.solver]) for entry in shown]
    solvers = group.solvers
    symbol, other_symbol = ("κ", "ε") if axis == "kappa" else ("1/ε", "κ")
    counted = "; counted in samples" if group.ledger == SAMPLES else ""
    heading = lines_of(f"{group.heading}; {other_symbol} = {level:.3g}{counted}", TEXT_WIDTH)
    top = TOP + LINE * (len(heading) - 1)
    height = top + BOTTOM + ROW_HEIGHT * len(solvers)
    figure = Figure(figsize=(TEXT_WIDTH, height))
    figure.subplots_adjust(0.105, BOTTOM / height, 0.99, 1 - top / height, wspace=0.14, hspace=0.3)
    grid = figure.subplots(len(solvers), len(COUNTED), sharex=True, sharey=True, squeeze=False)
    for place, (entry, table) in enumerate(zip(shown, tables, strict=True)):
        row, column = divmod(place, len(COUNTED))
        _panel(grid[row, column], entry, table, axis, mark(row))
        if column == 0:
            own = levels[entry.solver]
            name = label(entry.solver) + ("" if own == level else f"\n{other_symbol} = {own:.3g}")
            grid[row, 0].set_ylabel(name, parse_math=False)
    _scales(grid, group, axis, pd.concat(tables))
    _heads(grid[0])
    for axes in grid[-1]:
        axes.set_xlabel(symbol)
    look: dict[str, Any] = {"ha": "center", "va": "top", "parse_math": False}
    figure.text(0.5, 1 - 0.05 / height, "\n".join(heading), fontsize=7.5, **look)
    below = 0.21 + LINE * (len(heading) - 1)
    reading = f"above each panel: the exponent of {symbol}, {READING}"
    figure.text(0.5, 1 - below / height, reading, **look)
    _legend(figure, {name for table in tables for name in table["status"]})
    return figure, pd.concat(tables, ignore_index=True)


def _table(group: Group, entry: Entry, axis: str, level: float) -> pd.DataFrame:
    rows = group.of(entry.solver)
    rows = rows[rows["eps" if axis == "kappa" else "kappa"] == level]
    table = points(rows, rows[entry.quantity])
    table.insert(0, "quantity", entry.quantity)
    table.insert(0, "solver", entry.solver)
    table["fitted"] = entry.fit.predict(table["kappa"], table["eps"]) if entry.fit else np.nan
    table["guide"] = _guide(table, entry, axis)
    return table


def _guide(table: pd.DataFrame, entry: Entry, axis: str) -> pd.Series[float] | float:
    slope = getattr(entry.bound, axis, None)
    complete = table[table["mean"] > 0]
    if slope is None or complete.empty:
        return float("nan")
    x = table[axis] if axis == "kappa" else 1 / table[axis]
    first = complete.index[0]
    return complete.loc[first, "mean"] * (x / x[first]) ** slope


def _panel(axes: Axes, entry: Entry, table: pd.DataFrame, axis: str, look: Mark) -> None:
    x = table["kappa"] if axis == "kappa" else 1 / table["eps"]
    mean, low, high = (table[name] for name in ("mean", "low", "high"))
    axes.set_title(reading(entry, axis), pad=3, fontsize=6)
    if entry.verdict == ZERO:
        axes.text(0.5, 0.5, "0", transform=axes.transAxes, ha="center", va="center")
    axes.plot(x, ABOVE * table["guide"], color=GUIDE, dashes=(4, 2), lw=0.7)
    axes.plot(x, table["fitted"].where(mean > 0), color=look.colour)
    positive = mean > 0
    axes.errorbar(
        x[positive], mean[positive], yerr=[(mean - low)[positive], (high - mean)[positive]],
        fmt=look.marker, color=look.colour, mec="white", mew=0.3, capsize=1.5, elinewidth=0.7,
    )  # fmt: skip
    known = table["status"].where(table["status"].isin(["ok", *EDGE]), "other")
    for status, marker in (*EDGE.items(), ("other", "x")):
        missed = known == status
        axes.plot(
            x[missed], np.full(missed.sum(), 0.93), marker, color=look.colour, mfc="none", ms=4,
            transform=axes.get_xaxis_transform(), clip_on=False,
        )  # fmt: skip


def reading(entry: Entry, axis: str) -> str:
    """What a panel says of an exponent: its value and interval, and the bound's; "" for neither."""
    against = _against(entry, axis)
    exponent = getattr(entry.fit, axis, None)
    if entry.fit is None or exponent is None:
        return ("" if entry.verdict == ZERO else entry.verdict) + against
    if axis == "eps" and entry.fit.model == "logarithmic":
        return "log(1/ε)" + against
    settled = "" if entry.fit.slopes[axis].settled else "≈"
    interval = _brackets(exponent.low, exponent.high)
    log = "·log" if entry.fit.offset else ""
    return f"{settled}{wording.fixed(exponent.value)} {interval}{log}{against}"


def _against(entry: Entry, axis: str) -> str:
    if entry.bound is None:
        return ""
    bound = getattr(entry.bound, axis)
    if bound is None:
        return "  bound poly"
    return f"  bound {bound:g}{'·log' if entry.bound.tilde else ''}"


def _brackets(low: float, high: float) -> str:
    return (
        f"[{wording.fixed(low)}, {wording.fixed(high)}]" if np.isfinite([low, high]).all() else ""
    )


def _scales(grid: np.ndarray, group: Group, axis: str, table: pd.DataFrame) -> None:
    levels = group.levels(axis) if axis == "kappa" else [1 / e for e in group.levels("eps")[::-1]]
    positive = table[table["mean"] > 0]
    low, high = (1.0, 10.0) if positive.empty else (positive["low"].min(), positive["high"].max())
    first = grid[0, 0]
    first.set(xscale="log", yscale="log")
    first.set(xlim=(levels[0] / 1.25, levels[-1] * 1.25), ylim=(low / 2, high * 8))
    for axes in grid.flat:
        plain_ticks(axes.xaxis, levels, most=5)
        power_ticks(axes.yaxis, low / 2, high * 8)


def _heads(top: np.ndarray) -> None:
    for axes, name in zip(top, COUNTED, strict=True):
        axes.annotate(
            HEADS[name], (0.5, 1), xytext=(0, 15), ha="center", weight="bold",
            xycoords="axes fraction", textcoords="offset points",
        )  # fmt: skip


def _legend(figure: Figure, statuses: set[str]) -> None:
    from matplotlib.lines import Line2D

    handles = [
        Line2D([], [], color="black", marker="o", ls="", label="mean, 95 % interval"),
        Line2D([], [], color="black", label="fit"),
        Line2D([], [], color=GUIDE, dashes=(4, 2), lw=0.7, label="slope of the bound"),
        Line2D([], [], color="black", marker="^", mfc="none", ls="", label="censored (at edge)"),
        Line2D([], [], color="black", marker="x", ls="", label="diverged or failed"),
    ]
    if INFEASIBLE in statuses:
        look: dict[str, Any] = {"marker": EDGE[INFEASIBLE], "mfc": "none", "ls": ""}
        handles.append(Line2D([], [], color="black", label="infeasible (not run)", **look))
    figure.legend(handles=handles, loc="lower center", ncols=len(handles))
