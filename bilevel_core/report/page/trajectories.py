"""||grad Phi(x_k)||^2 against oracle calls, of a few representative runs of a group."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.record import column_counts
from bilevel_core.report.groups import Group
from bilevel_core.report.ledgers import COUNTED
from bilevel_core.report.page.inventory import Run
from bilevel_core.sweep import store
from bilevel_core.sweep.keys import canonical, key, to_json
from bilevel_core.sweep.stock import INFEASIBLE

if TYPE_CHECKING:
    from bilevel_core.record import RunConfig, RunRecord


class Trajectory(NamedTuple):
    """One run's last pass, the one down to its smallest eps.

    calls: of all four oracles, added up; squared: ||grad Phi(x_k)||^2; average: of it over the
    iterates so far.  One entry a point, k = 0 left out: it has no calls.
    """

    config: RunConfig
    status: str
    eps: float
    calls: tuple[int, ...]
    squared: tuple[float, ...]
    average: tuple[float, ...]


def chosen(group: Group, runs: Iterable[Run]) -> list[RunConfig]:
    """One run for each solver, on one instance at one kappa, in the order of the paper.

    The instance is the one with the smallest seed (0 is nominal), kappa the one at which most
    solvers reached the smallest eps they were asked for, and of those the largest.  Where a solver
    has several runs there, the one with the smallest eps that was started.  Solvers that were not
    asked for that kappa are missing.
    """
    rows = group.rows
    nominal = rows[rows["seed"] == rows["seed"].min()]
    smallest = nominal.groupby(["solver", "kappa"])["eps"].transform("min")
    hardest = nominal[nominal["eps"] == smallest]
    solved = (hardest["status"] == "ok").groupby(hardest["kappa"]).sum()
    kappa = float(max(solved.index, key=lambda level: (solved[level], level)))
    seed = int(nominal["seed"].iloc[0])
    there = (run.config for run in runs if run.status != INFEASIBLE)
    found: dict[str, RunConfig] = {}
    for config in there:
        if (config.kappa, config.seed) == (kappa, seed) and belongs(config, group):
            known = found.get(config.solver, config)
            found[config.solver] = min(known, config, key=_rank)
    return [found[solver] for solver in group.solvers if solver in found]


def belongs(config: RunConfig, group: Group) -> bool:
    """Whether a run gave rows to a group; one that ran to the average has those of "first", too."""
    return (
        (config.problem, config.policy) == (group.problem, group.policy)
        and group.criterion in ("first", config.criterion)
        and _same(config.options, group.options)
        and _same(config.overrides, group.overrides)
    )


def read(directory: Path, configs: Iterable[RunConfig]) -> list[Trajectory]:
    """The trajectories of these runs; those that have no points are left out."""
    paths = (store.path_of(directory, key(config)) for config in configs)
    records = (store.read(path) for path in paths)
    found = (_trajectory(r) for r in records if not isinstance(r, store.Damaged) and r.trajectory)
    return [trajectory for trajectory in found if trajectory.calls]


def _trajectory(record: RunRecord) -> Trajectory:
    points = []
    for point in record.trajectory:
        counts = column_counts(point["calls"])
        total = sum(counts[name] for name in COUNTED)
        if total:
            points.append((total, float(point["squared"]), float(point["average"])))
    calls, squared, average = zip(*points, strict=True) if points else ((), (), ())
    return Trajectory(record.config, record.status, min(record.config.eps), calls, squared, average)


def _rank(config: RunConfig) -> tuple[float, str, str]:
    return min(config.eps), config.engine, key(config)


def _same(first: object, second: object) -> bool:
    return to_json(canonical(first)) == to_json(canonical(second))
