"""Pictures as inline SVG: one panel each, in the page's own colours, with its content in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from markupsafe import Markup

from bilevel_core.report.notation import escape_html
from bilevel_core.report.page.axes import Axis
from bilevel_core.report.page.looks import look, outline

LEFT, RIGHT, TOP, BOTTOM = 40.0, 8.0, 22.0, 34.0
"""Of a panel, in units that are about a CSS pixel where the page is wide."""

EDGE = 0.955
"""Height at which cells without a mean are marked."""

ASIDE = 0.015
"""How far the marks of one solver stand beside those of the one before, so that none hides."""


class Size(NamedTuple):
    """Of a panel, in the same units."""

    width: float
    height: float

    def place(self, h: float, v: float) -> tuple[float, float]:
        """From places on both axes to units; what leaves the panel is held near its edge."""
        across = LEFT + (self.width - LEFT - RIGHT) * h
        down = self.height - BOTTOM - (self.height - TOP - BOTTOM) * min(max(v, -0.02), 1.02)
        return across, down


SMALL, LARGE = Size(240.0, 188.0), Size(470.0, 290.0)


class Line(NamedTuple):
    """One series of a panel.

    position: of its look; points: (x, y) with a mark each; bars: (x, low, high) of intervals;
    missed: (x, status) of cells without a mean; guide, joined: corners of a faint and a full line.
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


def draw(panel: Panel, x: Axis, y: Axis, size: Size) -> Markup:
    """The panel as an SVG element that names itself to readers who do not see it."""
    middle = size.place(0.5, 0.0)[0]
    box, alt = f"0 0 {size.width:g} {size.height:g}", escape_html(panel.alt)
    parts = [
        f'<svg class="panel" role="img" viewBox="{box}" aria-label="{alt}">',
        f'<text class="head" x="{middle:g}" y="13">{escape_html(panel.title)}</text>',
        *_grid(x, y, size),
        *(_polyline("level", [(0.0, y.place(v)), (1.0, y.place(v))], size) for v in panel.levels),
        *(part for line in panel.lines for part in _line(line, x, y, size)),
        "</svg>",
    ]
    return Markup("".join(parts))


def swatch(position: int) -> Markup:
    """A solver's line and mark for a legend; beside its name, which says the rest."""
    seen = look(position)
    return Markup(
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


def _line(line: Line, x: Axis, y: Axis, size: Size) -> Iterator[str]:
    seen = look(line.position)
    yield f'<g class="s{seen.colour}">'
    yield _polyline("guide", _placed(line.guide, x, y), size)
    dashes = f' stroke-dasharray="{seen.dashes}"'
    yield _polyline("line", _placed(line.joined, x, y), size, dashes)
    for at, low, high in line.bars:
        yield _polyline("bar", _placed([(at, low), (at, high)], x, y), size)
    for place in _placed(line.points, x, y):
        yield _mark("mark", place, seen.shape, size)
    for at, status in line.missed:
        aside = x.place(at) + ASIDE * line.position
        yield _mark("missed", (aside, EDGE), outline(status), size)
    yield "</g>"


def _grid(x: Axis, y: Axis, size: Size) -> Iterator[str]:
    right, bottom = size.place(1.0, 0.0)
    for value, text in x.ticks:
        across = size.place(x.place(value), 0.0)[0]
        yield f'<path class="grid" d="M{across:.1f},{TOP:g}V{bottom:g}"/>'
        yield f'<text class="x" x="{across:.1f}" y="{bottom + 12:g}">{escape_html(text)}</text>'
    for value, text in y.ticks:
        down = size.place(0.0, y.place(value))[1]
        yield f'<path class="grid" d="M{LEFT:g},{down:.1f}H{right:g}"/>'
        yield f'<text class="y" x="{LEFT - 4:g}" y="{down + 3.5:.1f}">{escape_html(text)}</text>'
    yield f'<path class="frame" d="M{LEFT:g},{TOP:g}V{bottom:g}H{right:g}"/>'
    middle = (LEFT + right) / 2
    label = escape_html(x.label)
    yield f'<text class="label" x="{middle:g}" y="{size.height - 6:g}">{label}</text>'


def _placed(points: Iterable[tuple[float, float]], x: Axis, y: Axis) -> list[tuple[float, float]]:
    return [(x.place(h), y.place(v)) for h, v in points]


def _polyline(name: str, points: list[tuple[float, float]], size: Size, more: str = "") -> str:
    if not points:
        return ""
    corners = " ".join("{:.1f},{:.1f}".format(*size.place(h, v)) for h, v in points)
    return f'<polyline class="{name}" points="{corners}"{more}/>'


def _mark(name: str, place: tuple[float, float], d: str, size: Size) -> str:
    across, down = size.place(*place)
    return f'<path class="{name}" transform="translate({across:.1f},{down:.1f})" d="{d}"/>'
