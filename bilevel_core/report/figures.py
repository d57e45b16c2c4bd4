"""Figures of a frame: counts against kappa and 1/eps, counts over both, and the collapse check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.report.entries import entries
from bilevel_core.report.groups import Group, label, plain, slugs, split
from bilevel_core.report.saving import save
from bilevel_core.report.styles import SCREEN, Style, drawn_in

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

HEAT = "gc_g"
"""The count of the heat map: the one that no solver goes without, and most often the largest."""


class Drawing(NamedTuple):
    """A figure with the data that it shows."""

    name: str
    figure: Figure
    data: pd.DataFrame


def write(frame: pd.DataFrame, directory: Path, style: Style = SCREEN) -> list[Path]:
    """Draw all figures of all groups into the style's folder of a directory; gives the files.

    Raises:
        InputError: an empty frame or a missing column.
        OSError: the directory cannot be written to.
    """
    groups = split(frame)
    folder = directory / style.folder
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for group, slug in zip(groups, slugs(groups), strict=True):
        with drawn_in(style):
            for name, figure, data in drawings(group, style):
                written += save(figure, data, folder / f"{slug}-{name}")
    return written


def drawings(group: Group, style: Style = SCREEN) -> Iterator[Drawing]:
    """The figures of one group; where a style has few solvers on a page, page by page."""
    if style.solvers is None:
        yield from _page(group, style)
        return
    for start in range(0, len(group.solvers), style.solvers):
        names = group.solvers[start : start + style.solvers]
        page = group._replace(rows=group.rows[group.rows["solver"].isin(names)])
        suffix = f"{start // style.solvers + 1}-{plain('-'.join(map(label, names)))}"
        for name, figure, data in _page(page, style):
            yield Drawing(f"{name}-{suffix}", figure, data)


def _page(group: Group, style: Style) -> Iterator[Drawing]:
    """The figures of one page; the collapse check only where a solver states a bound on K."""
    from bilevel_core.report import collapses, counts, heat

    found = entries(group)
    for axis in ("kappa", "eps"):
        if len(group.levels(axis)) > 1:
            yield Drawing(f"counts-{axis}", *counts.draw(group, found, axis, style))
    yield Drawing(f"heatmap-{HEAT}", *heat.draw(group, HEAT, style))
    if collapses.solvers(group):
        yield Drawing("collapse", *collapses.draw(group, style))
