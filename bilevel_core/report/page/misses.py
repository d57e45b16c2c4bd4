"""Every run that did not reach its eps, gathered so that hundreds of them can be read.

Runs of one solver, problem and policy that ended in the same way form a list; in it, instances that
share kappa, eps and reason share a line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.report.groups import regime, solver_order
from bilevel_core.report.page.inventory import Missed, Run
from bilevel_core.report.points import WORST_LAST

if TYPE_CHECKING:
    from bilevel_core.record import RunConfig


class Line(NamedTuple):
    """seeds: of the instances; reason: as stored; predicted: calls, where nothing was run."""

    kappa: float
    eps: tuple[float, ...]
    seeds: tuple[int, ...]
    reason: str
    predicted: float | None


class Ending(NamedTuple):
    """Runs that ended alike: of one solver under one heading; targets: (kappa, eps, instance).

    reasons: how many different ones; the first stands for all in the list's own heading.
    """

    status: str
    heading: str
    solver: str
    targets: int
    reasons: int
    lines: tuple[Line, ...]


def endings(runs: Iterable[Run]) -> list[Ending]:
    """All of them: failed, diverged, censored, then infeasible; each by heading and solver."""
    found: dict[tuple[str, str, str], dict[Line, list[int]]] = {}
    for run in runs:
        for status, line in _lines(run):
            place = (status, heading(run.config), run.config.solver)
            found.setdefault(place, {}).setdefault(line, []).append(run.config.seed)
    solvers = solver_order(solver for _, _, solver in found)
    order = sorted(found, key=lambda at: (_rank(at[0]), at[0], at[1], solvers.index(at[2])))
    return [_ending(place, found[place]) for place in order]


def heading(config: RunConfig) -> str:
    """Problem and policy of a run in words."""
    return regime(config.problem, config.options, config.policy, config.overrides)


def _lines(run: Run) -> Iterator[tuple[str, Line]]:
    """Status and line, without a seed, of each way in which a run missed; its eps put together."""
    levels: dict[Missed, list[float]] = {}
    for missed in run.missed:
        levels.setdefault(missed._replace(eps=()), []).extend(missed.eps)
    for alike, eps in levels.items():
        line = Line(run.config.kappa, tuple(eps), (), alike.reason, alike.predicted)
        yield alike.status, line


def _ending(place: tuple[str, str, str], lines: dict[Line, list[int]]) -> Ending:
    merged = [line._replace(seeds=tuple(sorted(seeds))) for line, seeds in lines.items()]
    ordered = sorted(merged, key=lambda line: (line.kappa, [-e for e in line.eps], line.seeds))
    targets = sum(len(line.eps) * len(line.seeds) for line in ordered)
    reasons = len({line.reason for line in ordered})
    return Ending(*place, targets, reasons, tuple(ordered))


def _rank(status: str) -> int:
    """Worse first; what nobody knows comes before all."""
    worst_first = [*WORST_LAST[:1:-1], *WORST_LAST[1:2]]
    return worst_first.index(status) if status in worst_first else -1
