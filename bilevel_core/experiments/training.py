"""One training run: outer steps until the budget is spent, looked at on a fixed schedule.

The clock and the ledger see outer steps only: not compilation, evaluation, refreshing or
checkpoints.  What a run gives does not depend on the lengths of the stretches that it is made of,
nor on whether it was interrupted, but for its seconds.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.engines.snapshots import fits, leaves
from bilevel_core.engines.steps import Clock, CompiledSteps, Steps, Stretch
from bilevel_core.experiments import budget as budgets
from bilevel_core.experiments.budget import NEVER, Budget, Target
from bilevel_core.experiments.task import Task
from bilevel_core.record import slot_counts
from bilevel_core.solvers import Solver

LOOK = 0.5
"""Seconds of outer steps between two chances to stop by Ctrl-C."""
FINE_LOOK = 0.02
"""The same under a budget of seconds, which ends at such a look."""


class Training(NamedTuple):
    """What a run gives.

    curve: of each evaluation outer, calls and samples by slot, spent (per-sample oracle calls in
    all), reached (of the budget), seconds, and metrics (None where one is not finite); total: the
    same at the end, without metrics.
    """

    status: str  # "ok", "censored" or "diverged"
    reason: str
    total: dict[str, Any]
    curve: list[dict[str, Any]]


class Keep(NamedTuple):
    """Where a run in progress is kept: `load` gives what `save` was last given, or None."""

    load: Callable[[], tuple[dict[str, np.ndarray], dict[str, Any]] | None]
    save: Callable[[dict[str, np.ndarray], dict[str, Any]], None]


NOWHERE = Keep(lambda: None, lambda arrays, progress: None)


def open_steps(
    task: Task, solver: Solver, params: Any, seed: int, device: str, clock: Clock
) -> Steps:
    """A run of the task on its engine, at its start; compiled and not timed yet."""
    noise_seed = seed if solver.is_random else None
    if task.engine == "compiled":
        return CompiledSteps(task.problem, solver, params, noise_seed, clock)
    from bilevel_core.engines.torch_steps import TorchSteps

    return TorchSteps(task.problem, solver, params, noise_seed, clock, device)


def train(
    task: Task,
    solver: Solver,
    params: Any,
    seed: int,
    budget: Budget,
    points: int,
    device: str = "cpu",
    keep: Keep = NOWHERE,
    stop_if_asked: Callable[[int], None] = lambda outer: None,
    clock: Clock = time.perf_counter,
) -> Training:
    """Run a solver on a task until its budget is spent.

    seed: of the run's random numbers, >= 0.  points: evaluations after the first, evenly in the
    budget; each follows the first outer step that reaches its target.  stop_if_asked is called with
    the outer steps done, now and then, and may raise.

    Raises:
        InputError: the budget is not allowed, or the device is not there.
    """
    budgets.check(budget)
    steps = open_steps(task, solver, params, seed, device, clock)
    meter, pace = _Meter(budget, task.samples_of, solver.is_random), _Pace(budget)
    curve: list[dict[str, Any]] = []
    kept = keep.load()
    if kept is not None and fits(kept[0], steps.snapshot()):
        steps.restore(kept[0])
        curve = kept[1]["curve"]
    else:
        curve.append(_look(task, steps, meter))
    with np.errstate(all="ignore"):
        for target in budgets.targets(budget, points):
            if meter.is_past(steps, target):
                continue
            _advance(task, steps, meter, pace, target, stop_if_asked)
            if not _is_finite(steps.state()):
                reason = f"x or y is not finite after {steps.outer} outer steps"
                return Training("diverged", reason, _spent(steps, meter), curve)
            curve.append(_look(task, steps, meter))
            keep.save(steps.snapshot(), {"curve": curve})
            stop_if_asked(steps.outer)
    if meter.reached(steps) < budget.amount:
        reason = f"max_outer = {budget.max_outer} reached"
        return Training("censored", reason, _spent(steps, meter), curve)
    return Training("ok", "budget spent", _spent(steps, meter), curve)


class _Meter:
    """What a run has spent of its budget."""

    def __init__(self, budget: Budget, samples_of: Mapping[str, int], is_random: bool) -> None:
        self.budget, self._is_random = budget, is_random
        self._size = budgets.sizes(samples_of)
        self.prices = budgets.prices(budget.kind, self._size, is_random)

    def samples(self, ledger: np.ndarray) -> np.ndarray:
        return budgets.samples(ledger, self._size, self._is_random)

    def reached(self, steps: Steps) -> float:
        if self.budget.kind == "seconds":
            return steps.seconds
        return float((self.prices * steps.ledger()).sum())

    def is_past(self, steps: Steps, target: Target) -> bool:
        return steps.outer >= target.outer or self.reached(steps) >= target.amount


class _Pace:
    """How many outer steps take about as long as the wait between two looks, by the last ones."""

    def __init__(self, budget: Budget) -> None:
        self._wait = FINE_LOOK if budget.kind == "seconds" else LOOK
        self.most = 1

    def saw(self, outer: int, seconds: float) -> None:
        if outer:
            self.most = max(1, min(2 * outer, int(self._wait * outer / max(seconds, 1e-9))))


def _advance(
    task: Task,
    steps: Steps,
    meter: _Meter,
    pace: _Pace,
    target: Target,
    stop_if_asked: Callable[[int], None],
) -> None:
    """Outer steps until the target is reached or x diverges."""
    amount = NEVER if meter.budget.kind == "seconds" else math.ceil(target.amount)
    while not meter.is_past(steps, target):
        outer, seconds, most = steps.outer, steps.seconds, pace.most
        if task.refresh is not None:
            steps.refresh(task.refresh)
            most = 1
        steps.advance(Stretch(meter.prices, amount, min(most, target.outer - outer)))
        pace.saw(steps.outer - outer, steps.seconds - seconds)
        stop_if_asked(steps.outer)
        if not _is_finite((steps.state().x,)):
            return


def _is_finite(state: tuple[Any, ...]) -> bool:
    vectors = (leaf for _, leaf in leaves(state, "state") if isinstance(leaf, np.ndarray))
    return all(bool(np.isfinite(vector).all()) for vector in vectors)


def _look(task: Task, steps: Steps, meter: _Meter) -> dict[str, Any]:
    metrics = task.evaluate(steps.state())
    plain = {name: float(value) for name, value in metrics.items()}
    return {
        **_spent(steps, meter),
        "metrics": {k: v if math.isfinite(v) else None for k, v in plain.items()},
    }


def _spent(steps: Steps, meter: _Meter) -> dict[str, Any]:
    ledger = steps.ledger()
    samples = meter.samples(ledger)
    return {
        "outer": steps.outer,
        "calls": slot_counts(ledger[0]),
        "samples": slot_counts(samples),
        "spent": int(samples.sum()),
        "reached": meter.reached(steps),
        "seconds": steps.seconds,
    }
