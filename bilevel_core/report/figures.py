"""Figures of a frame: counts against kappa and 1/eps, counts over both, and the collapse check."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.report.entries import entries
from bilevel_core.report.groups import Group, slugs, split
from bilevel_core.report.saving import save
from bilevel_core.report.style import RC

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


def write(frame: pd.DataFrame, directory: Path) -> list[Path]:
    """Draw all figures of all groups into a directory, made if missing; gives the files.

    Raises:
        InputError: an empty frame or a missing column.
        OSError: the directory cannot be written to.
    """
    import matplotlib

    groups = split(frame)
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for group, slug in zip(groups, slugs(groups), strict=True):
        with matplotlib.rc_context(RC):  # type: ignore[arg-type]
            for name, figure, data in drawings(group):
                written += save(figure, data, directory / f"{slug}-{name}")
    return written


def drawings(group: Group) -> Iterator[Drawing]:
    """The figures of one group; the collapse check only where a solver states a bound on K."""
    from bilevel_core.report import collapses, counts, heat

    found = entries(group)
    for axis in ("kappa", "eps"):
        if len(group.levels(axis)) > 1:
            yield Drawing(f"counts-{axis}", *counts.draw(group, found, axis))
    yield Drawing(f"heatmap-{HEAT}", *heat.draw(group, HEAT))
    if collapses.solvers(group):
        yield Drawing("collapse", *collapses.draw(group))
