"""From the tracks of a run's passes to its record."""

from __future__ import annotations

import math
from typing import Any

from bilevel_core.declarations import bound_on_outer
from bilevel_core.engines.loop import Track
from bilevel_core.environment import environment
from bilevel_core.passes import Pass
from bilevel_core.policies import constants_for
from bilevel_core.problem import Problem
from bilevel_core.record import RunConfig, RunRecord, slot_counts
from bilevel_core.solvers import Solver

THEOREM = ("theory", "sharp")
"""Policies whose parameters are a theorem's, so that its bound on K holds."""
_WORST_FIRST = ("failed", "diverged", "censored", "ok")


def record_of(
    config: RunConfig,
    solver: Solver,
    problem: Problem,
    result: list[tuple[Pass, Track]],
    seconds: float,
    code: str,
) -> RunRecord:
    """The record of a run from the tracks of its passes, in the order of its eps."""
    worst = min((track for _, track in result), key=lambda t: _WORST_FIRST.index(t.status))
    bounds = outer_bounds(config, solver, problem)
    passes = [
        {
            "eps": list(each.eps),
            "params": each.named,
            "status": track.status,
            "reason": track.reason,
            "outer": track.outer,
            "spent": {} if track.spent is None else slot_counts(track.spent[0]),
            "outer_bound": {repr(eps): bounds[eps] for eps in each.eps if eps in bounds},
        }
        | _only_random(solver, track)
        | ({} if each.tuning is None else {"tuning": each.tuning.summary()})
        for each, track in result
    ]
    hits = [
        {
            "criterion": hit.criterion,
            "eps": hit.eps,
            "outer": hit.outer,
            "calls": slot_counts(hit.ledger[0]),
            "samples": slot_counts(hit.ledger[1]),
        }
        for _, track in result
        for hit in track.hits
    ]
    last_pass, last = result[-1]
    trajectory = [
        {
            "eps": last_pass.eps[-1],
            "outer": k,
            "squared": _rounded(s),
            "average": _rounded(a),
            "calls": slot_counts(ledger[0]),
        }
        for k, s, a, ledger in last.trajectory
        if math.isfinite(s) and math.isfinite(a)
    ]
    return RunRecord(
        config=config,
        constants=problem.constants.to_dict(),
        status=worst.status,
        reason=worst.reason,
        passes=passes,
        hits=hits,
        trajectory=trajectory,
        environment=environment(),
        seconds=seconds,
        code=code,
    )


def _rounded(value: float) -> float:
    """Eight digits: a trajectory is for the eye, and hits are stored by themselves."""
    return float(f"{value:.8g}")


def _only_random(solver: Solver, track: Track) -> dict[str, Any]:
    """What a pass with batches spent in samples."""
    if not solver.is_random or track.spent is None:
        return {}
    return {"spent_samples": slot_counts(track.spent[1])}


def outer_bounds(config: RunConfig, solver: Solver, problem: Problem) -> dict[float, float]:
    """The theorem's bounds on K by eps, where it holds and states finite ones.

    Raises:
        InputError: the solver's own bound fails or is no number.
    """
    if solver.outer_bound is None or config.policy not in THEOREM or config.overrides:
        return {}
    constants = constants_for(config.policy, problem)
    bounds = {eps: bound_on_outer(solver, constants, eps) for eps in config.eps}
    return {eps: bound for eps, bound in bounds.items() if bound is not None}
