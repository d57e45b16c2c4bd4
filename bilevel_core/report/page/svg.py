"""Pictures as inline SVG: one panel each, in the page's own colours, with its content in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import NamedTuple

from markupsafe import Markup

from bilevel_core.report.page.axes import Axis
from bilevel_core.report.page.looks import look, outline

WIDTH, HEIGHT = 320.0, 230.0
LEFT, RIGHT, TOP, BOTTOM = 46.0, 10.0, 24.0, 38.0
"""Of a panel, in units that are CSS pixels where the page is wide."""

EDGE = 0.955
"""Height at which cells without a mean are marked."""


class Line(NamedTuple):
    """One series of a panel.

    position: of its look; points: (x, y); bars: (x, low, high) of intervals; missed: (x, status) of
    cells without a mean; guide: further points, drawn faint; joined: whether a line joins the
    points; marked: whether each has a mark.
    """

    position: int
    points: tuple[tuple[float, float], ...] = ()
    bars: tuple[tuple[float, float, float], ...] = ()
    missed: tuple[tuple[float, str], ...] = ()
    guide: tuple[tuple[float, float], ...] = ()
    joined: tuple[tuple[float, float], ...] = ()


class Panel(NamedTuple):
    """title: above it; alt: what it shows, in words and numbers; levels: dotted lines across."""

    title: str
    alt: str
    lines: tuple[Line, ...]
    levels: tuple[float, ...] = ()


def draw(panel: Panel, x: Axis, y: Axis) -> Markup:
    """The panel as an SVG element that names itself to readers who do not see it."""
    parts = [
        f'<svg class="panel" role="img" viewBox="0 0 {WIDTH:g} {HEIGHT:g}" '
        f'aria-label="{escape(panel.alt)}">',
        f'<text class="head" x="{LEFT + _wide() / 2:g}" y="14">{escape(panel.title)}</text>',
        *_grid(x, y),
        *(_polyline("level", [(0.0, y.place(v)), (1.0, y.place(v))]) for v in panel.levels),
        *(part for line in panel.lines for part in _line(line, x, y)),
        "</svg>",
    ]
    return Markup("".join(parts))  # noqa: S704 - all text in it is escaped above


def swatch(position: int) -> Markup:
    """A solver's line and mark for a legend; beside its name, which says the rest."""
    seen = look(position)
    return Markup(  # noqa: S704 - numbers and our own outlines
        f'<svg class="swatch s{seen.colour}" viewBox="0 0 34 12" aria-hidden="true">'
        f'<path class="line" d="M1,6H33" stroke-dasharray="{seen.dashes}"/>'
        f'<path class="mark" transform="translate(17,6)" d="{seen.shape}"/></svg>'
    )


def steps(at: Iterable[float], share: Iterable[float], end: float) -> list[tuple[float, float]]:
    """The corners of a step function up to `end`, beginning where it first rises from 0."""
    corners: list[tuple[float, float]] = []
    height = 0.0
    for place, risen in zip(at, share, strict=True):
        corners += [(float(place), height), (float(place), float(risen))]
        height = float(risen)
    return [*corners, (end, height)] if corners else []


def _line(line: Line, x: Axis, y: Axis) -> Iterator[str]:
    seen = look(line.position)
    yield f'<g class="s{seen.colour}">'
    yield _polyline("guide", _placed(line.guide, x, y))
    yield _polyline("line", _placed(line.joined, x, y), f' stroke-dasharray="{seen.dashes}"')
    for at, low, high in line.bars:
        yield _polyline("bar", _placed([(at, low), (at, high)], x, y))
    for h, v in _placed(line.points, x, y):
        yield f'<path class="mark" transform="{_moved(h, v)}" d="{seen.shape}"/>'
    for at, status in line.missed:
        d = outline(status)
        yield f'<path class="missed" transform="{_moved(x.place(at), EDGE)}" d="{d}"/>'
    yield "</g>"


def _grid(x: Axis, y: Axis) -> Iterator[str]:
    bottom = HEIGHT - BOTTOM
    for value, text in x.ticks:
        across = LEFT + _wide() * x.place(value)
        yield f'<path class="grid" d="M{across:.1f},{TOP:g}V{bottom:g}"/>'
        yield f'<text class="x" x="{across:.1f}" y="{bottom + 13:g}">{escape(text)}</text>'
    for value, text in y.ticks:
        down = bottom - _high() * y.place(value)
        yield f'<path class="grid" d="M{LEFT:g},{down:.1f}H{WIDTH - RIGHT:g}"/>'
        yield f'<text class="y" x="{LEFT - 5:g}" y="{down + 3.5:.1f}">{escape(text)}</text>'
    yield f'<path class="frame" d="M{LEFT:g},{TOP:g}V{bottom:g}H{WIDTH - RIGHT:g}"/>'
    middle = LEFT + _wide() / 2
    yield f'<text class="label" x="{middle:g}" y="{HEIGHT - 7:g}">{escape(x.label)}</text>'


def _placed(
    points: Iterable[tuple[float, float]], x: Axis, y: Axis
) -> list[tuple[float, float]]:
    return [(x.place(h), y.place(v)) for h, v in points]


def _polyline(name: str, points: list[tuple[float, float]], more: str = "") -> str:
    if not points:
        return ""
    corners = " ".join(f"{_across(h):.1f},{_down(v):.1f}" for h, v in points)
    return f'<polyline class="{name}" points="{corners}"{more}/>'


def _moved(h: float, v: float) -> str:
    return f"translate({_across(h):.1f},{_down(v):.1f})"


def _across(h: float) -> float:
    return LEFT + _wide() * h


def _down(v: float) -> float:
    return HEIGHT - BOTTOM - _high() * min(max(v, -0.02), 1.02)


def _wide() -> float:
    return WIDTH - LEFT - RIGHT


def _high() -> float:
    return HEIGHT - TOP - BOTTOM
