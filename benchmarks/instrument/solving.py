"""Growth of a run: in kappa, in the dimension of the inner problem, in the number of instances."""

from __future__ import annotations

import time
from collections.abc import Sequence

import bilevel_core as bl
import problems
from benchmarks.instrument.panels import Panel, Series
from bilevel_core.problem import Problem
from bilevel_core.record import RunRecord
from bilevel_core.run import run_many
from bilevel_core.sweep.executors import pin_torch

SOLVER = "aid_bio"
REPEATS = 3
NEVER = 1e-300
"""An eps that no run reaches, so that it makes all of its steps."""

FAMILIES = {"hard": {"curvature": 3}, "quadratic": {"dim": 8}}
KAPPAS = (4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)
EPS = 0.01

DIMENSIONS = (2, 5, 10, 20, 50, 100, 200, 500, 1000)
PRODUCTS_FROM = 100
"""From this dimension on products with a matrix are most of a call."""
CALLS = {"compiled": 200_000, "torch": 3_000}
"""Oracle calls of a measurement, about; fewer where they are large."""
NUMBERS = 2e9
"""Products of two numbers that a measurement makes at most, about."""

BATCHES = (1, 4, 16, 64, 256, 1024, 4096)
BATCH_DIMENSION, BATCH_STEPS = 20, 40
FULL_FROM = 64
"""From this number of instances on a batch is more than the work around it."""


def calls_of(record: RunRecord) -> int:
    """All oracle calls of a run."""
    return sum(sum(each["spent"].values()) for each in record.passes)


def best_run(problem: Problem, eps: float, engine: str, max_outer: int) -> RunRecord:
    """The fastest of some runs under policy "sharp"; they differ in their seconds alone."""
    pin_torch(engine)
    runs = (
        bl.run(problem, SOLVER, eps, "sharp", engine, max_outer=max_outer) for _ in range(REPEATS)
    )
    return min(runs, key=lambda record: record.seconds)


def in_kappa(kappas: Sequence[float] = KAPPAS) -> list[Panel]:
    """Solver seconds to a fixed eps, oracle calls, and what one call takes, against kappa."""
    found = {
        family: [
            (kappa, best_run(problems.make(family, kappa, **options), EPS, "compiled", 10**9))
            for kappa in kappas
        ]
        for family, options in FAMILIES.items()
    }
    note = f"AID-BiO, policy sharp, ε = {EPS:g}"
    quantities = {
        ("Time of a run", "solver seconds"): lambda record: record.seconds,
        ("Calls of a run", "oracle calls"): calls_of,
        ("Time of a call", "seconds per oracle call"): lambda r: r.seconds / calls_of(r),
    }
    return [
        Panel(
            title,
            "condition number κ",
            label,
            note,
            [Series(name, [(k, value(run)) for k, run in runs]) for name, runs in found.items()],
        )
        for (title, label), value in quantities.items()
    ]


def in_dimension(dimensions: Sequence[int] = DIMENSIONS) -> list[Panel]:
    """Seconds of an oracle call on a dense quadratic problem, against its dimension."""
    series = [
        Series(engine, [(d, _seconds_per_call(d, engine)) for d in dimensions], PRODUCTS_FROM)
        for engine in CALLS
    ]
    note = f"quadratic, one instance; line from {PRODUCTS_FROM}"
    return [
        Panel("Time of a call", "inner unknowns d", "seconds per oracle call", note, series),
    ]


def _seconds_per_call(dimension: int, engine: str) -> float:
    problem = problems.make("quadratic", kappa=10.0, dim=dimension)
    calls = min(CALLS[engine], NUMBERS / dimension**2)
    first = bl.run(problem, SOLVER, NEVER, "sharp", engine, max_outer=1)
    record = best_run(problem, NEVER, engine, max(2, int(calls / calls_of(first))))
    return record.seconds / calls_of(record)


def in_batch(sizes: Sequence[int] = BATCHES) -> list[Panel]:
    """Seconds of `run_many` against the number of instances: outer steps, and all of the call."""
    pin_torch("torch")
    made = [
        problems.make("quadratic", kappa=10.0, seed=seed, dim=BATCH_DIMENSION)
        for seed in range(max(sizes))
    ]
    names = {"torch": "torch, one batch", "compiled": "compiled, one by one"}
    found = {
        name: [(n, _seconds_of_many(made[:n], engine)) for n in sizes]
        for engine, name in names.items()
    }
    note = f"quadratic d = {BATCH_DIMENSION}, {BATCH_STEPS} outer steps; line from {FULL_FROM}"
    titles = {
        "Many instances": "solver seconds",
        "Many instances, from the call to the records": "seconds",
    }
    return [
        Panel(
            title,
            "instances B",
            label,
            note,
            [
                Series(name, [(n, seconds[part]) for n, seconds in points], FULL_FROM)
                for name, points in found.items()
            ],
        )
        for part, (title, label) in enumerate(titles.items())
    ]


def _seconds_of_many(instances: Sequence[Problem], engine: str) -> tuple[float, float]:
    """Seconds of outer steps, and of all of the call, each the least of some calls."""

    def seconds() -> tuple[float, float]:
        started = time.perf_counter()
        records = run_many(instances, SOLVER, NEVER, "sharp", engine, max_outer=BATCH_STEPS)
        return sum(record.seconds for record in records), time.perf_counter() - started

    calls = [seconds() for _ in range(REPEATS if len(instances) < 1000 else 1)]
    return min(steps for steps, _ in calls), min(whole for _, whole in calls)
