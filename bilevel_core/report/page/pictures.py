"""The pictures of a group: what they show, in words too, as panels of inline SVG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from math import inf, isfinite, sqrt
from typing import TYPE_CHECKING, NamedTuple

from markupsafe import Markup

from bilevel_core.report.counts import ABOVE
from bilevel_core.report.entries import Entry
from bilevel_core.report.groups import HEADS, Group, label
from bilevel_core.report.ledgers import COUNTED
from bilevel_core.report.page import axes, svg
from bilevel_core.report.page.cells import Cell
from bilevel_core.report.page.svg import Line, Panel
from bilevel_core.report.points import held, held_for
from bilevel_core.report.style import short
from bilevel_core.report.wording import fixed

if TYPE_CHECKING:
    from bilevel_core.report.page.axes import Axis
    from bilevel_core.report.page.trajectories import Trajectory

SYMBOLS = {"kappa": "κ", "eps": "1/ε"}

FLOOR = 1e-3
"""Trajectories are drawn down to this much of the smallest eps: beyond it nothing is measured."""


class Legend(NamedTuple):
    """A line and mark with the solver that they stand for."""

    swatch: Markup
    name: str


class Picture(NamedTuple):
    """panels: inline SVG, one each; legend: what all of them share."""

    panels: tuple[Markup, ...]
    legend: tuple[Legend, ...]


def picture(
    panels: Iterable[Panel],
    x: Axis,
    y: Axis,
    solvers: Sequence[str],
    shown: Iterable[str],
    size: svg.Size = svg.SMALL,
    words: Mapping[str, str] | None = None,
) -> Picture:
    """Panels with one pair of axes; solvers: in the order of looks; shown: those in the legend.

    words: what the legend says behind the names of some of them.
    """
    said = words or {}
    legend = [
        Legend(svg.swatch(solvers.index(name)), label(name) + said.get(name, "")) for name in shown
    ]
    return Picture(tuple(svg.draw(panel, x, y, size) for panel in panels), tuple(legend))


def counts(group: Group, found: Sequence[Entry], cells: Sequence[Cell], axis: str) -> Picture:
    """Mean counts of all solvers along "kappa" or "eps", a panel an oracle.

    The legend names the level of a solver that was not asked for the one of the others.
    """
    level = held(group.rows, axis)
    levels = {solver: held_for(group, solver, axis) for solver in group.solvers}
    other = "eps" if axis == "kappa" else "kappa"
    drawn = [cell for cell in cells if getattr(cell, other) == levels[cell.solver]]
    means = [cell.mean(name)[0] for cell in drawn for name in COUNTED if cell.status == "ok"]
    low, high = axes.around((mean for mean in means if mean > 0), 2.0)
    top, panels = 3 * high, []
    for name in COUNTED:
        entries = {entry.solver: entry for entry in found if entry.quantity == name}
        lines = tuple(
            _counted(place, entries[solver], [c for c in drawn if c.solver == solver], axis, top)
            for place, solver in enumerate(group.solvers)
        )
        ends = [_ends(label(group.solvers[line.position]), line) for line in lines]
        told = f"{HEADS[name]} against {SYMBOLS[axis]}: {'; '.join(ends)}."
        panels.append(Panel(HEADS[name], told, lines))
    words = {
        solver: f" at {'ε' if other == 'eps' else 'κ'} = {short(own)}"
        for solver, own in levels.items()
        if own != level
    }
    return picture(panels, _across(group, axis), axes.logarithmic("", low, top),
                   group.solvers, group.solvers, words=words)  # fmt: skip


def slopes(group: Group, found: Sequence[Entry], axis: str) -> Picture | None:
    """Local slopes between neighbouring levels, a panel an oracle; None below three levels."""
    known = [
        (entry, _local(entry, axis))
        for entry in found
        if entry.quantity in COUNTED and entry.fit is not None
    ]
    known = [(entry, local) for entry, local in known if len(local) > 1]
    if not known:
        return None
    values = [slope for _, local in known for _, slope in local]
    bounds = [b for entry, _ in known if (b := _bound(entry, axis)) is not None]
    low, high, ticks = axes.stretch(min(values + bounds), max(values + bounds), 0.25)
    panels = []
    for name in COUNTED:
        own = [(entry, local) for entry, local in known if entry.quantity == name]
        lines = tuple(
            _sloped(group.solvers.index(entry.solver), local, _bound(entry, axis))
            for entry, local in own
        )
        told = [
            f"{label(entry.solver)} from {fixed(local[0][1])} to {fixed(local[-1][1])}"
            for entry, local in own
        ]
        alt = f"Local slope of {HEADS[name]} in {SYMBOLS[axis]}: {'; '.join(told) or 'none'}."
        panels.append(Panel(HEADS[name], alt, lines))
    shown = [solver for solver in group.solvers if any(e.solver == solver for e, _ in known)]
    y = axes.linear("", low - 0.1 * (high - low), high + 0.1 * (high - low), ticks)
    return picture(panels, _across(group, axis), y, group.solvers, shown)


def trajectories(
    group: Group, found: Sequence[Trajectory], quantities: Sequence[str]
) -> Picture | None:
    """A panel for each of "squared" and "average"; None where no run has points."""
    if not found:
        return None
    floor = FLOOR * min(each.eps for each in found)
    drawn = {name: [_kept(each, name, floor) for each in found] for name in quantities}
    points = [point for some in drawn.values() for kept in some for point in kept]
    if not points:
        return None
    x = axes.logarithmic("oracle calls, all four", *axes.around((p[0] for p in points), 1.3))
    y = axes.logarithmic("", *axes.around((p[1] for p in points), 2.0))
    titles = {"squared": "‖∇Φ(x_k)‖²", "average": "its mean over the iterates so far"}
    panels = []
    for name in quantities:
        lines = tuple(
            Line(group.solvers.index(each.config.solver), joined=tuple(kept),
                 points=tuple(kept[-1:]))
            for each, kept in zip(found, drawn[name], strict=True)
        )  # fmt: skip
        told = [
            f"{label(each.config.solver)} from {kept[0][1]:.3g} to {kept[-1][1]:.3g} "
            f"after {short(kept[-1][0])} calls"
            for each, kept in zip(found, drawn[name], strict=True)
            if kept
        ]
        levels = tuple(sorted({each.eps for each in found}))
        panels.append(Panel(titles[name], f"{titles[name]}: {'; '.join(told)}.", lines, levels))
    shown = [each.config.solver for each in found]
    return picture(panels, x, y, group.solvers, shown, svg.LARGE)


def _across(group: Group, axis: str) -> Axis:
    levels = group.levels(axis)
    levels = levels if axis == "kappa" else [1 / eps for eps in levels[::-1]]
    low, high = axes.around(levels, 1.2)
    return axes.logarithmic(SYMBOLS[axis], low, high, axes.at_levels(levels))


def _counted(position: int, entry: Entry, cells: Sequence[Cell], axis: str, top: float) -> Line:
    name = entry.quantity
    ordered = sorted(cells, key=lambda cell: cell.at(axis))
    complete = [c for c in ordered if c.status == "ok" and c.mean(name)[0] > 0]
    points = tuple((cell.at(axis), cell.mean(name)[0]) for cell in complete)
    bars = tuple((cell.at(axis), *cell.mean(name)[1:3]) for cell in complete)
    fitted = tuple((cell.at(axis), cell.mean(name)[3]) for cell in complete)
    known = tuple(point for point in fitted if isfinite(point[1]) and point[1] > 0)
    slope = _bound(entry, axis)
    guide: tuple[tuple[float, float], ...] = ()
    if len(points) > 1 and slope is not None:
        guide = _guide(points, slope, top)
    missed = tuple((cell.at(axis), cell.status) for cell in ordered if cell.status != "ok")
    return Line(position, points, bars, missed, guide, known)


def _guide(
    points: Sequence[tuple[float, float]], slope: float, top: float
) -> tuple[tuple[float, float], ...]:
    """A line of this slope from above the first point to the last, or to where it reaches `top`."""
    x0, y0 = points[0][0], ABOVE * points[0][1]
    leaves = x0 * (top / y0) ** (1 / slope) if slope > 0 else inf
    end = min(points[-1][0], leaves)
    return ((x0, y0), (end, y0 * (end / x0) ** slope))


def _ends(name: str, line: Line) -> str:
    if not line.points:
        return f"{name}: no mean" if line.missed else f"{name}: 0"
    (x0, y0), (x1, y1) = line.points[0], line.points[-1]
    text = f"{name} from {short(y0)} at {short(x0)} to {short(y1)} at {short(x1)}"
    return text + (f", {len(line.missed)} levels missed" if line.missed else "")


def _local(entry: Entry, axis: str) -> list[tuple[float, float]]:
    """Local slopes with the geometric middle of the two levels that each is between."""
    fit = entry.fit
    if fit is None:
        return []
    levels = fit.levels[axis] if axis == "kappa" else [1 / eps for eps in fit.levels[axis]]
    middles = (sqrt(low * high) for low, high in pairwise(levels))
    pairs = zip(middles, fit.local_slopes[axis], strict=False)
    return [(middle, slope) for middle, slope in pairs if isfinite(slope)]


def _bound(entry: Entry, axis: str) -> float | None:
    return None if entry.bound is None else getattr(entry.bound, axis)


def _sloped(position: int, local: list[tuple[float, float]], bound: float | None) -> Line:
    ends = () if bound is None else ((local[0][0], bound), (local[-1][0], bound))
    return Line(position, points=tuple(local), joined=tuple(local), guide=ends)


def _kept(each: Trajectory, name: str, floor: float) -> list[tuple[float, float]]:
    values = getattr(each, name)
    return [(float(x), y) for x, y in zip(each.calls, values, strict=True) if y >= floor]
