"""A group as a section of the page: its table, fits, pictures and data."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup

from bilevel_core.report import legend, tables
from bilevel_core.report.entries import Entry, entries
from bilevel_core.report.groups import COUNTINGS, HEADS, Group, label
from bilevel_core.report.ledgers import COUNTED
from bilevel_core.report.notation import HTML
from bilevel_core.report.page import (
    commands,
    distributions,
    explorer,
    fits,
    pictures,
    targets,
)
from bilevel_core.report.page import trajectories as runs_of
from bilevel_core.report.page.cells import Cell, cells
from bilevel_core.report.page.collapsed import collapsed
from bilevel_core.report.page.distributions import Score
from bilevel_core.report.page.fits import FitTable
from bilevel_core.report.page.inventory import Run
from bilevel_core.report.page.pictures import Picture
from bilevel_core.report.points import held
from bilevel_core.report.style import short


class Table(NamedTuple):
    """rows: the first cell of each is its head; classes: of the other cells."""

    head: tuple[str, ...]
    rows: tuple[tuple[Markup, tuple[tuple[Markup, str], ...]], ...]


class Against(NamedTuple):
    """Counts along one axis; held: at which level of the other."""

    symbol: str
    held: str
    picture: Picture


class Compared(NamedTuple):
    """Solvers on shared targets; free: sentences on those that never call an oracle."""

    solvers: str
    targets: int
    kappas: str
    epss: str
    profile: Picture | None
    runtime: Picture | None
    free: tuple[str, ...]
    scores: tuple[Score, ...]


class Paths(NamedTuple):
    """Trajectories; missing: solvers without one; remade: commands of the single runs."""

    picture: Picture
    kappa: str
    seed: int
    missing: tuple[str, ...]
    remade: tuple[str, ...]


class Section(NamedTuple):
    """Everything that the page says of one group.

    table: of the four oracles (K is among the fits); data: for the interactive picture.
    """

    name: str
    group: Group
    found: tuple[Entry, ...]
    caption: Markup
    table: Table
    countings: Table | None
    legend: tuple[Markup, ...]
    fits: tuple[FitTable, ...]
    slopes: tuple[Against, ...]
    counts: tuple[Against, ...]
    collapse: Picture | None
    compared: tuple[Compared, ...]
    paths: Paths | None
    cells: tuple[Cell, ...]
    data: dict[str, Any]


def section(name: str, group: Group, runs: Sequence[Run], directory: Path) -> Section:
    """A group's section; name: of its element, unique on the page."""
    found = entries(group)
    drawn = cells(group, found)
    shown = [entry for entry in found if entry.quantity != "outer"]  # K is half of Gc(f)
    words = legend.legend(group, shown, HTML)
    return Section(
        name,
        group,
        tuple(found),
        Markup(legend.caption(group, HTML)),
        _table(group, shown, COUNTED, ("Algorithm", *(HEADS[name] for name in COUNTED))),
        _countings(group, found),
        tuple(Markup(line) for line in words),
        tuple(fits.tables(found)),
        tuple(_slopes(group, found)),
        tuple(_counts(group, found, drawn)),
        collapsed(group),
        tuple(_compared(one, group) for one in targets.comparisons(group)),
        _paths(group, runs, directory),
        tuple(drawn),
        explorer.data(f"{name}-explorer", group, found, drawn),
    )


def _table(
    group: Group, found: list[Entry], columns: Sequence[str], head: tuple[str, ...]
) -> Table:
    verdicts = {(entry.solver, entry.quantity): entry.verdict for entry in found}
    solvers = [s for s in group.solvers if all((s, name) in verdicts for name in columns)]
    lines = tables.rows(group, found, columns, HTML)
    rows = []
    for solver, (first, *others) in zip(solvers, lines, strict=True):
        kinds = [verdicts[solver, name].replace(" ", "-") for name in columns]
        marked = [(Markup(c), kind) for c, kind in zip(others, kinds, strict=True)]
        rows.append((Markup(first), tuple(marked)))
    return Table(head, tuple(rows))


def _countings(group: Group, found: list[Entry]) -> Table | None:
    table = _table(group, found, tuple(COUNTINGS), ("HV in three countings", *COUNTINGS.values()))
    return table if table.rows else None


def _slopes(group: Group, found: list[Entry]) -> list[Against]:
    drawn = ((axis, pictures.slopes(group, found, axis)) for axis in pictures.SYMBOLS)
    return [Against(pictures.SYMBOLS[axis], "", picture) for axis, picture in drawn if picture]


def _counts(group: Group, found: list[Entry], drawn: list[Cell]) -> list[Against]:
    several = [axis for axis in pictures.SYMBOLS if len(group.levels(axis)) > 1]
    return [
        Against(
            pictures.SYMBOLS[axis],
            f"{'ε' if axis == 'kappa' else 'κ'} = {held(group.rows, axis):.3g}",
            pictures.counts(group, found, drawn, axis),
        )
        for axis in several or ["kappa"]
    ]


def _compared(one: targets.Comparison, group: Group) -> Compared:
    never: dict[tuple[str, ...], list[str]] = {}
    for name, solvers in distributions.free(one).items():
        never.setdefault(tuple(solvers), []).append(HEADS[name])
    return Compared(
        ", ".join(map(label, one.solvers)),
        len(one.targets),
        _levels({kappa for kappa, _, _ in one.targets}),
        _levels({eps for _, eps, _ in one.targets}),
        distributions.profiles(one, group.solvers),
        distributions.runtimes(one, group.solvers),
        tuple(
            f"{', '.join(map(label, solvers))}: no call of {' and '.join(names)}"
            for solvers, names in never.items()
        ),
        tuple(distributions.scores(one)),
    )


def _paths(group: Group, runs: Sequence[Run], directory: Path) -> Paths | None:
    configs = runs_of.chosen(group, runs)
    found = runs_of.read(directory, configs)
    quantities = ("squared", "average") if group.criterion == "average" else ("squared",)
    picture = pictures.trajectories(group, found, quantities)
    if picture is None:
        return None
    shown = {each.config.solver for each in found}
    remade = (commands.one(each.config) for each in found)
    return Paths(
        picture,
        f"{found[0].config.kappa:.4g}",
        found[0].config.seed,
        tuple(label(solver) for solver in group.solvers if solver not in shown),
        tuple(command for command in remade if command is not None),
    )


def _levels(values: set[float]) -> str:
    return ", ".join(short(value) for value in sorted(values))
