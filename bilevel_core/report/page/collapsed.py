"""The collapse check: measured K over the theorem's own bound on it, a panel a solver."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite

from bilevel_core.report.collapses import MOST, SPREAD, solvers
from bilevel_core.report.groups import Group, label
from bilevel_core.report.page import axes, svg
from bilevel_core.report.page.pictures import SYMBOLS, Legend, Picture
from bilevel_core.report.page.svg import Line, Panel
from bilevel_core.report.points import points
from bilevel_core.report.style import short

Ratio = tuple[float, float, float, float, float]
"""Place on the axis, level of the other one, mean, and both ends of its interval."""


def collapsed(group: Group) -> Picture | None:
    """Against kappa at up to five eps, or 1/eps where there is one kappa; None without a bound."""
    axis, other = ("kappa", "eps") if len(group.levels("kappa")) > 1 else ("eps", "kappa")
    found = {solver: _ratios(group, solver, axis) for solver in solvers(group)}
    found = {solver: ratios for solver, ratios in found.items() if ratios}
    if not found:
        return None
    levels = group.levels(other)[::-1]
    levels = levels[:: -(-len(levels) // MOST)]
    values = [value for ratios in found.values() for ratio in ratios for value in ratio[3:]]
    y = axes.logarithmic("", *axes.around(values, SPREAD))
    across = group.levels(axis)
    across = across if axis == "kappa" else [1 / eps for eps in across[::-1]]
    x = axes.logarithmic(SYMBOLS[axis], *axes.around(across, 1.2), axes.at_levels(across))
    panels = [
        Panel(label(solver), _told(solver, ratios, axis), _lines(ratios, levels))
        for solver, ratios in found.items()
    ]
    symbol = "ε" if other == "eps" else "κ"
    legend = tuple(
        Legend(svg.swatch(place), f"{symbol} = {short(level)}")
        for place, level in enumerate(levels)
    )
    return Picture(tuple(svg.draw(panel, x, y, svg.SMALL) for panel in panels), legend)


def _ratios(group: Group, solver: str, axis: str) -> list[Ratio]:
    rows = group.of(solver)
    table = points(rows, rows["outer"] / rows["outer_bound"].astype(float))
    columns = (table[name] for name in ("kappa", "eps", "mean", "low", "high"))
    placed = [
        (kappa if axis == "kappa" else 1 / eps, eps if axis == "kappa" else kappa, mean, low, high)
        for kappa, eps, mean, low, high in zip(*columns, strict=True)
        if isfinite(mean) and mean > 0
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
