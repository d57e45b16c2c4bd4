"""Step sizes by one procedure for all methods: every point of the grid gets the same budget.

Each point of a method's grid is run on one seed that no reported run has, with a fixed share of the
reported budget; its score is the mean of the objective, from validation data, over the second half
of what it spent.  The lowest score wins; of scores so close to it that they say nothing, the first
in the grid's order, which has small steps first.  A run that diverged, or has no such value, has no
score.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bilevel_core.experiments.task import Method
from bilevel_core.experiments.trial import TrialRecord

CLOSE = 0.005
"""Scores at most this share above the lowest are as good: where the outer step makes no difference
in a short run, the largest would be chosen by chance, and be too large for a long one."""


def grid(method: Method) -> list[dict[str, float]]:
    """The points of a method's grid, in order; one without parameters where nothing is tuned."""
    names = list(method.grid)
    return [
        dict(zip(names, values, strict=True)) for values in itertools.product(*method.grid.values())
    ]


def result(method: Method, runs: Sequence[TrialRecord], objective: str) -> dict[str, Any]:
    """What tuning a method gave, JSON-ready, from the runs of its grid in order.

    points: of the grid, each with its score (None where there is none), status and cost; chosen:
    the best point, None where no point has a score; at_edge: tuned parameters whose chosen value is
    the first or last of the grid; cost: calls, per-sample calls and seconds in all.
    """
    points: list[dict[str, Any]] = [
        {
            "point": point,
            "score": run.late(objective),
            "status": run.status,
            "reason": run.reason,
            **run.spent,
            "run": run.trial.key,
        }
        for point, run in zip(grid(method), runs, strict=True)
    ]
    best = chosen(points)
    return {
        "method": method.name,
        "solver": method.solver,
        "objective": objective,
        "close": CLOSE,
        "grid": {name: list(values) for name, values in method.grid.items()},
        "seed": runs[0].trial.seed,
        "budget": runs[0].trial.budget._asdict(),
        "points": points,
        "chosen": best,
        "at_edge": [] if best is None else edges(method, best),
        "cost": total_cost(run.spent for run in runs),
    }


def chosen(points: Sequence[Mapping[str, Any]]) -> dict[str, float] | None:
    """The first point whose score is the lowest, or close to it; None where none has a score."""
    scores = [point["score"] for point in points if point["score"] is not None]
    if not scores:
        return None
    lowest = min(scores)
    good = lowest + CLOSE * abs(lowest)
    found: dict[str, float] = next(
        point["point"] for point in points if point["score"] is not None and point["score"] <= good
    )
    return found


def edges(method: Method, point: Mapping[str, float]) -> list[str]:
    """Parameters whose value is the first or the last of a grid of more than two.

    A grid of one or two values has nothing but ends, and says nothing.
    """
    return [
        name
        for name, values in method.grid.items()
        if len(values) > 2 and point[name] in (values[0], values[-1])
    ]


def total_cost(costs: Iterable[Mapping[str, float]]) -> dict[str, float]:
    """Calls, per-sample calls and seconds of several runs."""
    listed = list(costs)
    return {kind: sum(cost[kind] for cost in listed) for kind in ("calls", "samples", "seconds")}
