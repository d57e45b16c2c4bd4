"""The collapse check: measured K over the theorem's own bound on it, a panel a solver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from bilevel_core.report.collapses import SPREAD, across, levels, solvers
from bilevel_core.report.groups import Group, label
from bilevel_core.report.page import axes, svg
from bilevel_core.report.page.pictures import SYMBOLS, Legend, Picture
from bilevel_core.report.page.svg import Line, Panel
from bilevel_core.report.points import points
from bilevel_core.report.style import short

if TYPE_CHECKING:
    import pandas as pd

Ratio = tuple[float, float, float, float, float]
"""Place on the axis, level of the other one, mean, and both ends of its interval."""


def collapsed(group: Group) -> Picture | None:
    """Against kappa at up to five eps, or 1/eps where there is one kappa; None without a bound."""
    tables = {solver: _complete(group, solver) for solver in solvers(group)}
    axis, other = across(kappa for table in tables.values() for kappa in table["kappa"])
    found = {solver: _ratios(table, axis) for solver, table in tables.items()}
    found = {solver: ratios for solver, ratios in found.items() if ratios}
    if not found:
        return None
    apart = levels(ratio[1] for ratios in found.values() for ratio in ratios)
    values = [value for ratios in found.values() for ratio in ratios for value in ratio[3:]]
    y = axes.logarithmic("", *axes.around(values, SPREAD))
    places = sorted({ratio[0] for ratios in found.values() for ratio in ratios})
    x = axes.logarithmic(SYMBOLS[axis], *axes.around(places, 1.2), axes.at_levels(places))
    panels = [
        Panel(label(solver), _told(solver, ratios, axis), _lines(ratios, apart))
        for solver, ratios in found.items()
    ]
    symbol = "ε" if other == "eps" else "κ"
    legend = tuple(
        Legend(svg.swatch(place), f"{symbol} = {short(level)}") for place, level in enumerate(apart)
    )
    return Picture(tuple(svg.draw(panel, x, y, svg.SMALL) for panel in panels), legend)


def _complete(group: Group, solver: str) -> pd.DataFrame:
    rows = group.of(solver)
    table = points(rows, rows["outer"] / rows["outer_bound"].astype(float))
    return table[table["mean"] > 0]


def _ratios(table: pd.DataFrame, axis: str) -> list[Ratio]:
    columns = (table[name] for name in ("kappa", "eps", "mean", "low", "high"))
    placed = [
        (kappa if axis == "kappa" else 1 / eps, eps if axis == "kappa" else kappa, mean, low, high)
        for kappa, eps, mean, low, high in zip(*columns, strict=True)
    ]
    return sorted(placed)


def _lines(ratios: Sequence[Ratio], levels: Sequence[float]) -> tuple[Line, ...]:
    return tuple(
        Line(
            place,
            points=tuple((r[0], r[2]) for r in ratios if r[1] == level),
            bars=tuple((r[0], r[3], r[4]) for r in ratios if r[1] == level),
            joined=tuple((r[0], r[2]) for r in ratios if r[1] == level),
        )
        for place, level in enumerate(levels)
    )


def _told(solver: str, ratios: Sequence[Ratio], axis: str) -> str:
    means = [ratio[2] for ratio in ratios]
    ends = f"from {min(means):.3g} to {max(means):.3g}"
    return f"{label(solver)}: measured K over its bound, against {SYMBOLS[axis]}, {ends}."
