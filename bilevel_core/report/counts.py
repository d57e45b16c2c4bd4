"""Counts against kappa at one eps, or against 1/eps at one kappa: a panel a solver and oracle."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from bilevel_core.report import wording
from bilevel_core.report.entries import ZERO, Entry
from bilevel_core.report.groups import HEADS, Group, label
from bilevel_core.report.ledgers import COUNTED, SAMPLES
from bilevel_core.report.points import INFEASIBLE, held, held_for, points
from bilevel_core.report.style import GUIDE, Mark, lines_of, mark, plain_ticks, power_ticks
from bilevel_core.report.styles import SCREEN, Style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

LEFT, HEADS_ABOVE, BOTTOM, LINE = 0.7245, 0.46, 0.49, 0.13
"""Inches for texts of 7 points: margins, and a line of the heading or of the legend."""

PROSE = 1.25
"""Words run narrower than headings, which are full of capitals and digits."""

SIGNS = "(·log: beside a log factor; ≈: local slopes still move)"

EDGE = {"censored": "^", INFEASIBLE: "d"}
"""Marks at the upper edge, of cells without a mean; any other status is an x."""

ABOVE = 2.5
"""Guides run this factor above the first point, so that they hide no measured line."""


def draw(
    group: Group, found: list[Entry], axis: str, style: Style = SCREEN
) -> tuple[Figure, pd.DataFrame]:
    """The figure along `axis` ("kappa" or "eps"), and what it shows as a table.

    Columns of the table: solver, quantity, those of `points`, fitted (the model's count) and guide
    (the bound's slope through the first point).  A solver that was not asked for the level at which
    the others are held is drawn at one of its own, which its name then says.
    """
    import pandas as pd

    level = held(group.rows, axis)
    levels = {solver: held_for(group, solver, axis) for solver in group.solvers}
    shown = [entry for entry in found if entry.quantity in COUNTED]
    tables = [_table(group, entry, axis, levels[entry.solver]) for entry in shown]
    symbol, other_symbol = ("κ", "ε") if axis == "kappa" else ("1/ε", "κ")
    counted = "; counted in samples" if group.ledger == SAMPLES else ""
    heading = f"{group.heading}; {other_symbol} = {level:.3g}{counted}"
    table = pd.concat(tables, ignore_index=True)
    handles = _handles(table, style)
    beside = style.columns == len(COUNTED)  # a row of panels a solver: names stand beside it
    if not beside:
        heading = f"{', '.join(map(label, group.solvers))} on {heading}"
    told = _told(shown, symbol)
    figure, grid = _page(group, heading, told, len(handles), style)
    for axes, entry, own in zip(grid.flat, shown, tables, strict=True):
        place = group.solvers.index(entry.solver)
        title = reading(entry, axis, style.apart)
        _panel(axes, own, axis, mark(place), style)
        if entry.verdict == ZERO:
            axes.text(0.5, 0.5, "0", transform=axes.transAxes, ha="center", va="center")
        if not beside:
            title = f"{HEADS[entry.quantity]}: {title or '0'}"
        elif entry.quantity == COUNTED[0]:
            at = levels[entry.solver]
            name = label(entry.solver) + ("" if at == level else f"\n{other_symbol} = {at:.3g}")
            axes.set_ylabel(name, parse_math=False)
        axes.set_title(title, pad=3, fontsize=style.title)
    _scales(grid, group, axis, table, style)
    if beside:
        _heads(grid[0], style)
    for axes in grid[-1]:
        axes.set_xlabel(symbol)
    figure.legend(handles=handles, loc="lower center", ncols=min(style.entries, len(handles)))
    return figure, table


def _told(shown: Iterable[Entry], symbol: str) -> str:
    """What stands above the panels, in words; of bounds only where there is one."""
    known = any(entry.bound is not None for entry in shown)
    parts = "its 95 % interval, and the bound's" if known else "and its 95 % interval"
    return f"above each panel: the exponent of {symbol}, {parts} {SIGNS}"


def _page(
    group: Group, heading: str, told: str, handles: int, style: Style
) -> tuple[Figure, np.ndarray]:
    """An empty figure with its heading, and its axes."""
    from matplotlib.figure import Figure

    lines = lines_of(heading, style.wide, style.characters)
    below = lines_of(told, style.wide, PROSE * style.characters)
    rows = len(group.solvers) * len(COUNTED) // style.columns
    legend = -(-handles // style.entries)
    beside = style.columns == len(COUNTED)
    heads = HEADS_ABOVE if beside else HEADS_ABOVE / 2
    top = style.inches(heads + 0.08 + LINE * (len(lines) + len(below)))
    top += style.title / 72 * 1.25 * style.apart.count("\n")
    bottom = style.inches(BOTTOM + LINE * legend)
    height = style.height or top + bottom + style.row * rows
    figure = Figure(figsize=(style.wide, height))
    figure.subplots_adjust(
        style.inches(LEFT) / style.wide, bottom / height, 0.99, 1 - top / height,
        wspace=0.14, hspace=style.gap,
    )  # fmt: skip
    look: dict[str, Any] = {"ha": "center", "va": "top", "parse_math": False}
    middle = style.inches(0.08 + LINE * len(lines))
    for inches, text, size in (
        (style.inches(0.05), lines, style.heading),
        (middle, below, style.text),
    ):
        figure.text(0.5, 1 - inches / height, "\n".join(text), fontsize=size, **look)
    grid = figure.subplots(rows, style.columns, sharex=True, sharey=True, squeeze=False)
    return figure, grid


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


def _panel(axes: Axes, table: pd.DataFrame, axis: str, look: Mark, style: Style) -> None:
    x = table["kappa"] if axis == "kappa" else 1 / table["eps"]
    mean, low, high = (table[name] for name in ("mean", "low", "high"))
    axes.plot(x, ABOVE * table["guide"], color=GUIDE, dashes=(4, 2), lw=style.thin)
    axes.plot(x, table["fitted"].where(mean > 0), color=look.colour)
    positive = mean > 0
    axes.errorbar(
        x[positive], mean[positive], yerr=[(mean - low)[positive], (high - mean)[positive]],
        fmt=look.marker, color=look.colour, mec="white", mew=0.3, capsize=style.cap,
        elinewidth=style.thin,
    )  # fmt: skip
    known = table["status"].where(table["status"].isin(["ok", *EDGE]), "other")
    for status, marker in (*EDGE.items(), ("other", "x")):
        missed = known == status
        axes.plot(
            x[missed], np.full(missed.sum(), 0.93), marker, color=look.colour, mfc="none",
            ms=style.marker + 0.5, transform=axes.get_xaxis_transform(), clip_on=False,
        )  # fmt: skip


def reading(entry: Entry, axis: str, apart: str) -> str:
    """What a panel says of an exponent: its value and interval, and the bound's; "" for neither.

    apart: what stands between the two.
    """
    against = _against(entry, axis)
    against = against and apart + against
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
        return "bound poly"
    return f"bound {bound:g}{'·log' if entry.bound.tilde else ''}"


def _brackets(low: float, high: float) -> str:
    return (
        f"[{wording.fixed(low)}, {wording.fixed(high)}]" if np.isfinite([low, high]).all() else ""
    )


def _scales(grid: np.ndarray, group: Group, axis: str, table: pd.DataFrame, style: Style) -> None:
    levels = group.levels(axis) if axis == "kappa" else [1 / e for e in group.levels("eps")[::-1]]
    positive = table[table["mean"] > 0]
    low, high = (1.0, 10.0) if positive.empty else (positive["low"].min(), positive["high"].max())
    first = grid[0, 0]
    first.set(xscale="log", yscale="log")
    first.set(xlim=(levels[0] / 1.25, levels[-1] * 1.25), ylim=(low / 2, high * 8))
    for axes in grid.flat:
        plain_ticks(axes.xaxis, levels, most=5)
        power_ticks(axes.yaxis, low / 2, high * 8, style.powers)


def _heads(top: np.ndarray, style: Style) -> None:
    above = 7.5 + 1.25 * style.title * (1 + style.apart.count("\n"))
    for axes, name in zip(top, COUNTED, strict=True):
        axes.annotate(
            HEADS[name], (0.5, 1), xytext=(0, above), ha="center", weight="bold",
            xycoords="axes fraction", textcoords="offset points",
        )  # fmt: skip


def _handles(table: pd.DataFrame, style: Style) -> list[Line2D]:
    """The legend: of curves and of marks at the edge, those that occur."""
    from matplotlib.lines import Line2D

    statuses = set(table["status"])
    bound: dict[str, Any] = {"color": GUIDE, "dashes": (4, 2), "lw": style.thin}
    curves = {
        "fit": ({"color": "black"}, table["fitted"].where(table["mean"] > 0)),
        "slope of the bound": (bound, table["guide"]),
    }
    edges = {
        "censored (at edge)": (EDGE["censored"], "censored" in statuses),
        "diverged or failed": ("x", not statuses <= {"ok", *EDGE}),
        "infeasible (not run)": (EDGE[INFEASIBLE], INFEASIBLE in statuses),
    }
    return [
        Line2D([], [], color="black", marker="o", ls="", label="mean, 95 % interval"),
        *(
            Line2D([], [], label=text, **look)
            for text, (look, drawn) in curves.items()
            if drawn.notna().any()
        ),
        *(
            Line2D([], [], color="black", marker=marker, mfc="none", ls="", label=text)
            for text, (marker, occurs) in edges.items()
            if occurs
        ),
    ]
