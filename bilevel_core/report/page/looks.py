"""What a solver looks like in the page's pictures: a colour, a shape and a dash pattern.

Colours are variables of the style sheet (`--s0` to `--s6`), so that they follow the page from light
to dark; shapes and dashes tell solvers apart without them.
"""

from __future__ import annotations

from typing import NamedTuple

SHAPES = (
    "M-3.5,0A3.5,3.5 0 1,0 3.5,0A3.5,3.5 0 1,0 -3.5,0Z",
    "M-3.2,-3.2H3.2V3.2H-3.2Z",
    "M0,-4.5L4.5,0L0,4.5L-4.5,0Z",
    "M-4,-3H4L0,4Z",
    "M-4,3H4L0,-4Z",
    "M0,-4.2L4,-1.2L2.5,3.5H-2.5L-4,-1.2Z",
    "M-4,-1.4H-1.4V-4H1.4V-1.4H4V1.4H1.4V4H-1.4V1.4H-4Z",
)
"""Outlines around the origin, about 8 units across: disc, square, diamond, triangles, ..."""

DASHES = ("none", "7 2", "2 2", "6 2 2 2", "4 2 2 2 2 2", "10 3", "3 1.5")

MISSED = {"censored": "M-4,3H4L0,-4.5Z", "infeasible": "M0,-4.5L4,0L0,4.5L-4,0Z"}
"""Outlines of cells without a mean, drawn hollow at the upper edge; any other status is a cross."""

CROSS = "M-3.5,-3.5L3.5,3.5M-3.5,3.5L3.5,-3.5"

COLOURS = 7


class Look(NamedTuple):
    """Number of the colour, outline of the mark, and pattern of the line."""

    colour: int
    shape: str
    dashes: str


def look(position: int) -> Look:
    """The look of the series at this position; 49 differ before it repeats."""
    colour, turn = position % COLOURS, position // COLOURS
    return Look(colour, SHAPES[colour], DASHES[(colour + turn) % len(DASHES)])


def outline(status: str) -> str:
    """The mark of a cell that has this status in place of a mean."""
    return MISSED.get(status, CROSS)
