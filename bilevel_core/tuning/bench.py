"""Trying a candidate: runs on the instances of a search, one after the other, within a budget."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bilevel_core.record import RunConfig, RunRecord
from bilevel_core.solvers import Solver
from bilevel_core.tuning.price import (
    Spent,
    affordable_steps,
    cost_of,
    cost_of_hit,
    repetitions,
    spent_by,
)
from bilevel_core.tuning.search import Trial
from bilevel_core.tuning.settings import Settings

LONGER = 16.0
"""Most by which a run that turned out cheaper than declared is made longer at once."""
LOOK_BACK = 3.0
"""A projection goes by the last steps, from k/3 to k."""
FLATTEST, STEEPEST = 0.05, 2.0
"""Slopes of log(average) over log(k): below the first nothing is gained, and no steeper one than
the second is believed."""

Execute = Callable[[RunConfig], RunRecord]


class Bench(NamedTuple):
    """What one search tries its candidates with; `spent` grows with every run made here."""

    config: RunConfig  # of one eps
    solver: Solver
    settings: Settings
    execute: Execute
    spent: list[Spent]


def trial(bench: Bench, params: Any, seeds: Sequence[int], budget: float) -> Trial:
    """Runs on the instances with these seeds, up to the first that does not reach eps.

    budget: most that reaching eps may cost on each, a repetition of it if it is random.
    """
    config, settings = bench.config, bench.settings
    costs: tuple[float, ...] = ()
    for seed in seeds:
        outer = affordable_steps(bench.solver, params, budget, config.max_outer, settings)
        if outer < 1:
            return Trial((), math.inf, reason=f"instance {seed}: a step costs over {budget:.4g}")
        record, asked = _run(bench, params, seed, budget, outer)
        cost = cost_of_hit(record, config.eps[0], settings)
        if cost is None:
            return _unfinished(bench, record, seed, asked)
        if cost > budget:
            return Trial((), cost, reason=f"instance {seed}: costs {cost:.4g}, over {budget:.4g}")
        costs += (cost,)
    return Trial(costs, max(costs))


def _run(bench: Bench, params: Any, seed: int, budget: float, outer: int) -> tuple[RunRecord, int]:
    """A run of `outer` steps, made longer while it turns out cheaper than declared."""
    most = bench.config.max_outer
    while True:
        record = bench.execute(_config(bench.config, params, seed, outer))
        bench.spent.append(spent_by(record))
        paid = _paid(record, bench.settings)
        if not _was_cut(record, outer) or outer >= most or 2.0 * paid > budget:
            return record, outer
        longer = min(LONGER, budget / paid) if paid > 0 else LONGER
        outer = min(most, math.ceil(outer * longer))


def _paid(record: RunRecord, settings: Settings) -> float:
    return cost_of(spent_by(record), settings) / repetitions(record)


def _config(config: RunConfig, params: Any, seed: int, outer: int) -> RunConfig:
    # No two instances share a noise seed, nor does any with the sweep's own.
    n = len(config.noise_seeds)
    return dataclasses.replace(
        config,
        policy="custom",
        overrides=params._asdict(),
        seed=seed,
        noise_seeds=tuple(range(n * seed, n * (seed + 1))),
        max_outer=outer,
        tuning={},
    )


def _unfinished(bench: Bench, record: RunRecord, seed: int, asked: int) -> Trial:
    """Only a run that its own budget cut short may do better with a larger one."""
    if not _was_cut(record, asked) or asked >= bench.config.max_outer:
        reason = f"instance {seed}: {record.status}, {record.reason}"
        return Trial((), math.inf, True, reason)
    paid = _paid(record, bench.settings)
    reason = f"instance {seed}: eps not reached at a cost of {paid:.4g}"
    return Trial((), projected_cost(record, paid), reason=reason)


def _was_cut(record: RunRecord, outer: int) -> bool:
    return record.status == "censored" and sum(int(p["outer"]) for p in record.passes) == outer


def projected_cost(record: RunRecord, spent: float) -> float:
    """The cost at which a run that has spent this much looks like reaching its eps.

    Its recent slope goes on: that of the running average, or for "first" of the least value so far,
    over the last factor LOOK_BACK of outer steps.  Infinite where that does not go down.
    """
    name = "average" if record.config.criterion == "average" else "squared"
    points = [(point["outer"] + 1, point[name]) for point in record.trajectory]
    if len(points) < 2 or min(value for _, value in points) <= 0.0:
        return math.inf
    end = points[-1][0]
    earlier = [point for point in points if LOOK_BACK * point[0] <= end] or points[:1]
    if name == "squared":
        before, after = (min(value for _, value in part) for part in (earlier, points))
    else:
        before, after = earlier[-1][1], points[-1][1]
    slope = math.log(before / after) / math.log(end / earlier[-1][0])
    if slope < FLATTEST:
        return math.inf
    exponent = math.log(max(after / record.config.eps[-1], 1.0)) / min(slope, STEEPEST)
    return spent * math.exp(exponent) if exponent < 700.0 else math.inf
