"""Performance profiles and runtime distributions of a comparison, as pictures and as a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import NamedTuple

import numpy as np

from bilevel_core.report.groups import HEADS, label
from bilevel_core.report.ledgers import COUNTED
from bilevel_core.report.page import axes, svg
from bilevel_core.report.page.pictures import Picture, picture
from bilevel_core.report.page.profiles import Steps, is_free, ratios, shares, thinned
from bilevel_core.report.page.svg import Line, Panel
from bilevel_core.report.page.targets import Comparison
from bilevel_core.report.style import short

FINEST = 200
"""Steps that are drawn: more are narrower than a line."""

WIDEST = 1e6
"""Ratios beyond this are not drawn: curves are flat from there to their end on the right."""


Corners = tuple[tuple[float, float], ...]


class Score(NamedTuple):
    """One solver in one oracle: shares of targets, the median cost, and the median over the best.

    best: the share where its cost is the smallest, None where it has no rival; medians: infinity
    where it reached fewer than half of the targets.
    """

    solver: str
    quantity: str
    best: float | None
    reached: float
    budget: float
    ratio: float | None


def profiles(comparison: Comparison, order: Sequence[str]) -> Picture | None:
    """Share of targets against the ratio to the best solver; None below two solvers.

    order: of the solvers' looks.
    """
    curves = {name: _profile(comparison, name) for name in COUNTED}
    ends = [curve.at[-1] for some in curves.values() for curve in some.values() if len(curve.at)]
    if not ends:
        return None
    last = min(max(2.0, *ends) * 1.15, WIDEST)
    x = axes.logarithmic("cost over that of the best solver", 0.93, last)
    panels = [
        Panel(
            HEADS[name],
            _told(f"Performance profile in {HEADS[name]}", some, _won),
            _lines(some, order, 1.0, last),
        )
        for name, some in curves.items()
    ]
    return picture(panels, x, axes.percent(""), order, comparison.solvers)


def runtimes(comparison: Comparison, order: Sequence[str]) -> Picture | None:
    """Share of targets against the budget of calls (or samples); None where nothing was reached.

    What is reached for nothing is drawn at the left edge.
    """
    curves = {name: _runtime(comparison, name) for name in COUNTED}
    paid = [v for some in curves.values() for curve in some.values() for v in curve.at if v > 0]
    if not paid:
        return None
    low, high = axes.around(paid, 1.5)
    panels = [
        Panel(
            HEADS[name],
            _told(f"Targets reached within a budget of {HEADS[name]}", some, _spent),
            _lines(some, order, low, high),
        )
        for name, some in curves.items()
    ]
    x = axes.logarithmic("budget", low, high)
    return picture(panels, x, axes.percent(""), order, comparison.solvers)


def scores(comparison: Comparison) -> list[Score]:
    """All solvers, each in the four oracles."""
    won = {name: _profile(comparison, name) for name in COUNTED}
    spent = {name: _runtime(comparison, name) for name in COUNTED}
    return [
        Score(
            solver,
            name,
            rival.within(1.0) if rival else None,
            spent[name][solver].last,
            spent[name][solver].quantile(0.5),
            rival.quantile(0.5) if rival else None,
        )
        for solver in comparison.solvers
        for name in COUNTED
        for rival in [won[name].get(solver)]
    ]


def free(comparison: Comparison) -> dict[str, list[str]]:
    """Of each oracle the solvers that never call it, and so have no part in its profile."""
    found = {name: is_free(comparison.costs[name]) for name in COUNTED}
    return {
        name: [s for s, out in zip(comparison.solvers, is_out, strict=True) if out]
        for name, is_out in found.items()
        if is_out.any()
    }


def _profile(comparison: Comparison, name: str) -> dict[str, Steps]:
    """Curves of the solvers that call this oracle; none where fewer than two do."""
    rivals = np.flatnonzero(~is_free(comparison.costs[name]))
    if len(rivals) < 2:
        return {}
    columns = ratios(comparison.costs[name][:, rivals]).T
    return {
        comparison.solvers[place]: shares(column)
        for place, column in zip(rivals, columns, strict=True)
    }


def _runtime(comparison: Comparison, name: str) -> dict[str, Steps]:
    columns = comparison.costs[name].T
    return {s: shares(column) for s, column in zip(comparison.solvers, columns, strict=True)}


def _lines(
    curves: Mapping[str, Steps], order: Sequence[str], first: float, last: float
) -> tuple[Line, ...]:
    """Step curves from `first` to `last`, each with its mark half the way up."""
    lines = []
    for solver, curve in curves.items():
        seen = thinned(curve, FINEST)
        kept = seen.at <= last
        at = np.maximum(seen.at[kept], first)
        corners = tuple(svg.steps(at, seen.share[kept], last))
        lines.append(Line(order.index(solver), points=_half_way(corners), joined=corners))
    return tuple(lines)


def _half_way(corners: Corners) -> Corners:
    return tuple(corner for corner in corners if 2 * corner[1] >= corners[-1][1])[:1]


def _told(what: str, curves: Mapping[str, Steps], one: Callable[[Steps], str]) -> str:
    parts = [f"{label(solver)} {one(curve)}" for solver, curve in curves.items()]
    return f"{what}: {'; '.join(parts) or 'fewer than two solvers call it'}."


def _won(curve: Steps) -> str:
    return f"is best on {curve.within(1.0):.0%} and reaches {curve.last:.0%}"


def _spent(curve: Steps) -> str:
    half = curve.quantile(0.5)
    within = f", half of them within {short(half)}" if isfinite(half) else ""
    return f"reaches {curve.last:.0%}{within}"
