"""For whom figures are drawn: the screen, a page of two columns, or a slide.

A style is a value that the drawing functions read: sizes in inches and points.  Nothing is global
but what `drawn_in` sets, and that only inside matplotlib's own context.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from bilevel_core.errors import unknown_name


class Style(NamedTuple):
    """Sizes of figures: widths in inches, texts and lines in points.

    wide: of a figure with several panels in a row; narrow: of one panel alone; height: of every
    figure, None where the panels decide; row: of a row of panels; characters: of a heading in an
    inch; columns: panels in a row of a figure of counts, a divisor of 4; solvers: on one page of a
    figure, None for all; entries: of a legend in one row; powers: of ten
    that are ticked, at most; apart: between a measured exponent and
    its bound; folder: below the directory of figures.
    """

    folder: str
    wide: float
    narrow: float
    height: float | None
    row: float
    gap: float  # between rows of panels, over their height
    font: str
    mathematics: str
    heading: float
    text: float
    title: float
    tick: float
    legend: float
    cell: float
    line: float
    thin: float
    frame: float
    marker: float
    cap: float
    characters: float
    columns: int
    solvers: int | None
    entries: int
    powers: int
    apart: str
    dots: int  # of a picture, in an inch

    def inches(self, inches: float) -> float:
        """Inches of a margin that is right for texts of 7 points, for the texts of this style."""
        return inches * self.text / SCREEN.text


SCREEN = Style(
    folder="",
    wide=6.9,
    narrow=3.795,
    height=None,
    row=1.2,
    gap=0.3,
    font="DejaVu Sans",
    mathematics="dejavusans",
    heading=7.5,
    text=7,
    title=6,
    tick=6,
    legend=6.5,
    cell=5.5,
    line=1.0,
    thin=0.7,
    frame=0.6,
    marker=3.5,
    cap=1.5,
    characters=15.5,
    columns=4,
    solvers=None,
    entries=5,
    powers=6,
    apart="  ",
    dots=160,
)
"""Pages on a screen, and both columns of a printed one."""

PAPER = Style(
    folder="paper",
    wide=6.75,
    narrow=3.25,
    height=None,
    row=1.3,
    gap=0.5,
    font="STIXGeneral",
    mathematics="stix",
    heading=8,
    text=8,
    title=8,
    tick=8,
    legend=8,
    cell=8,
    line=1.0,
    thin=0.7,
    frame=0.5,
    marker=3.5,
    cap=1.5,
    characters=18.0,
    columns=4,
    solvers=None,
    entries=3,
    powers=6,
    apart="\n",
    dots=300,
)
"""A journal's page, in the letters of Times: 3.25 inches for one column, 6.75 for both."""

SLIDE = Style(
    folder="slide",
    wide=40 / 3,
    narrow=40 / 3,
    height=7.5,
    row=1.2,
    gap=0.4,
    font="DejaVu Sans",
    mathematics="dejavusans",
    heading=20,
    text=18,
    title=18,
    tick=18,
    legend=18,
    cell=18,
    line=3.0,
    thin=2.0,
    frame=1.5,
    marker=11.0,
    cap=5.0,
    characters=6.0,
    columns=2,
    solvers=1,
    entries=3,
    powers=3,
    apart="  ",
    dots=120,
)
"""A slide of 16:9 for one solver: four panels at most, letters that the last row can read."""

STYLES = {"screen": SCREEN, "paper": PAPER, "slide": SLIDE}


def style_of(name: str) -> Style:
    """The style of this name.

    Raises:
        InputError: there is none.
    """
    if name not in STYLES:
        raise unknown_name("style", name, STYLES)
    return STYLES[name]


@contextlib.contextmanager
def drawn_in(style: Style) -> Iterator[None]:
    """matplotlib as the style has it, whatever the user's own settings of matplotlib are."""
    # Figures are files; a backend of this name that is none would end the import.
    backend = os.environ.pop("MPLBACKEND", None)
    import matplotlib.style

    if backend is not None:
        os.environ["MPLBACKEND"] = backend
    with matplotlib.style.context(rc(style), after_reset=True):
        yield


def rc(style: Style) -> dict[str, Any]:
    """What matplotlib is told of a style; fonts are embedded as TrueType outlines."""
    return {
        "font.size": style.text,
        "font.family": style.font,
        "mathtext.fontset": style.mathematics,
        "axes.titlesize": style.text,
        "axes.labelsize": style.text,
        "axes.linewidth": style.frame,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "xtick.labelsize": style.tick,
        "ytick.labelsize": style.tick,
        "xtick.major.width": style.frame,
        "ytick.major.width": style.frame,
        "xtick.minor.width": style.frame * 2 / 3,
        "ytick.minor.width": style.frame * 2 / 3,
        "lines.linewidth": style.line,
        "lines.markersize": style.marker,
        "legend.fontsize": style.legend,
        "legend.frameon": False,
        "figure.dpi": 100,
        "savefig.dpi": style.dots,
        "pdf.fonttype": 42,
        "ps.fonttype": 42,
        "hatch.linewidth": 0.5,
    }
