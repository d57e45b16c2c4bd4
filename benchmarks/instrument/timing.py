"""What runs of a known number of calls and steps take, and the speeds that explain it best."""

from __future__ import annotations

import itertools
import math
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

import bilevel_core as bl
import problems
from benchmarks.instrument.solving import NEVER, calls_of
from bilevel_core.engines.loop import SHORTEST
from bilevel_core.policies import params_for
from bilevel_core.problem import Problem
from bilevel_core.record import RunRecord
from bilevel_core.solvers import get
from bilevel_core.sweep import store
from bilevel_core.sweep.executors import pin_torch
from bilevel_core.sweep.speed_model import (
    REFERENCE_CALLS,
    Size,
    Speed,
    Speeds,
    looks,
    size_of,
    yardstick,
)

ENOUGH = 0.1
"""CPU seconds of a run whose time is taken."""
MOST_STEPS = 100_000
EPS = 0.01
"""What parameters are for; the runs go on."""
DETERMINISTIC = ("aid_bio", "itd_bio", "aid_fp", "ba", "hoag")
RANDOM = ("stocbio", "ttsa", "bsa")
START, LEAST = 1e-8, 1e-13
"""Seconds that a search for speeds starts from, and below which one is 0."""
RIDGE = 1.0
"""Weight of a solver's factor being 1 against one of its runs being explained."""
KAPPAS = (4.0, 16.0)
NOISE = {"noise": "gaussian", "sigma": 0.1}


class Case(NamedTuple):
    """One solver on one instance."""

    name: str
    problem: Problem
    solver: str
    engine: str


class Timed(NamedTuple):
    """One run: CPU seconds without those of its start, and what it did in them.

    calls: those of a numerical evaluation included; size: of each call; numbers: unknowns to which
    noise is added, 0 without.
    """

    case: str
    solver: str
    engine: str
    seconds: float
    steps: float
    calls: float
    size: Size
    numbers: int


def cases() -> Iterator[Case]:
    """Small and large instances of families that differ in what a call does."""
    hard, logistic = ("hard", {"curvature": 3}), ("logistic", {})
    quadratics = [("quadratic", {"dim": dim}) for dim in (8, 20, 100)]
    for kappa, (family, options) in itertools.product(KAPPAS, [hard, *quadratics]):
        for solver in DETERMINISTIC:
            yield _case(solver, family, kappa, options)
    for kappa, (family, options) in itertools.product(KAPPAS, [hard, *quadratics[:2]]):
        for solver in RANDOM:
            yield _case(solver, family, kappa, options | NOISE)
    for solver in DETERMINISTIC:
        yield _case(solver, logistic[0], KAPPAS[0], logistic[1])
    for family, options in (hard, *quadratics, logistic):
        yield _case("aid_bio", family, KAPPAS[0], options, "torch")


def _case(
    solver: str, family: str, kappa: float, options: dict[str, Any], engine: str = "compiled"
) -> Case:
    settings = ", ".join(f"{name} {value}" for name, value in {"kappa": kappa, **options}.items())
    problem = problems.make(family, kappa=kappa, **options)
    return Case(f"{solver} on {family} ({settings}), {engine}", problem, solver, engine)


def timed(case: Case) -> Timed:
    """Time one case, over as many outer steps as take `ENOUGH` seconds."""
    pin_torch(case.engine)
    start, _ = _run(case, 1)
    steps = 16
    while True:
        spent, record = _run(case, steps)
        if spent - start > ENOUGH or steps >= MOST_STEPS:
            break
        steps *= 4
    spent, record = min((_run(case, steps) for _ in range(3)), key=lambda run: run[0])
    repetitions = max(1, len(record.config.noise_seeds))
    taken = repetitions * sum(each["outer"] for each in record.passes)
    evaluation = 0 if case.problem.closed_forms else REFERENCE_CALLS * taken
    return Timed(
        case.name,
        case.solver,
        case.engine,
        spent - start,
        taken,
        repetitions * calls_of(record) + evaluation,
        size_of(case.problem),
        0 if case.problem.noise is None else case.problem.dim_x + case.problem.dim_y,
    )


def _run(case: Case, steps: int) -> tuple[float, Any]:
    """CPU seconds and record; compiled code is made or loaded before the clock starts."""
    policy = "theory" if case.problem.exact_smoothness is None else "sharp"
    params = params_for(get(case.solver), case.problem, policy, {}, EPS)._asdict()

    def run(most: int) -> RunRecord:
        return bl.run(case.problem, case.solver, NEVER, params, case.engine, max_outer=most)

    if steps == 1:
        run(1)
    started = time.process_time()
    record = run(steps)
    return time.process_time() - started, record


COLUMNS: dict[str, Callable[[Timed], float]] = {
    "call": lambda run: run.calls,
    "step": lambda run: run.steps,
    "multiplication": lambda run: run.calls * run.size.products,
    "row": lambda run: run.calls * run.size.rows,
    "loss": lambda run: run.calls * run.size.scores,
    "noise_call": lambda run: run.calls * (run.numbers > 0),
    "noise_number": lambda run: run.calls * run.numbers,
    "noise_step": lambda run: run.steps * (run.numbers > 0),
}
"""What each of the speeds is a second of."""


def explained(
    runs: Sequence[Timed], known: Mapping[str, float]
) -> tuple[dict[str, float], dict[str, float]]:
    """Speeds and factors of solvers that explain runs of one engine best, by ratios.

    known: speeds that stand already.  Those that nothing was measured on are 0.
    """
    from scipy.optimize import least_squares

    unknown = [n for n, column in COLUMNS.items() if n not in known and any(map(column, runs))]
    solvers = sorted({run.solver for run in runs})

    def named(logs: np.ndarray) -> tuple[dict[str, float], dict[str, float]]:
        values = [float(value) if value > LEAST else 0.0 for value in np.exp(logs)]
        speeds = (
            dict.fromkeys(COLUMNS, 0.0) | dict(known) | dict(zip(unknown, values, strict=False))
        )
        return speeds, dict(zip(solvers, values[len(unknown) :], strict=True))

    def misfit(logs: np.ndarray) -> list[float]:
        speeds, factors = named(logs)
        ratios = (factors[run.solver] * said(run, speeds) / run.seconds for run in runs)
        return [*map(math.log, ratios), *(RIDGE * logs[len(unknown) :])]

    start = [math.log(START)] * len(unknown) + [0.0] * len(solvers)
    return named(least_squares(misfit, start, bounds=(-50.0, 10.0)).x)


def said(run: Timed, speeds: Mapping[str, float]) -> float:
    """What the speeds say of a run, but for the factor of its solver."""
    return sum(speeds[name] * column(run) for name, column in COLUMNS.items())


def start_and_store() -> float:
    """Wall seconds of a run of one step, and of its file, until the disk has it."""
    problem = problems.make("hard", kappa=8.0, curvature=3)
    with tempfile.TemporaryDirectory() as name:

        def once() -> float:
            started = time.perf_counter()
            record = bl.run(problem, "aid_bio", (0.1, 0.03, 0.01), "theory", max_outer=1)
            store.write(Path(name), record)
            return time.perf_counter() - started

        once()
        return statistics.median(once() for _ in range(20))


def look() -> float:
    """CPU seconds of a look at a run, from runs whose few steps take next to nothing."""
    problem = problems.make("hard", kappa=8.0, curvature=3)

    def spent(outer: int) -> float:
        def once() -> float:
            started = time.process_time()
            bl.run(problem, "aid_bio", NEVER, "theory", max_outer=outer)
            return time.process_time() - started

        once()
        return min(once() for _ in range(20))

    few, many = SHORTEST, 64 * SHORTEST
    return (spent(many) - spent(few)) / (looks(many) - looks(few))


def compilation() -> float:
    """CPU seconds that a first run takes longer in a new process without compiled code on disk."""
    code = (
        "import time, bilevel_core as bl, problems\n"
        "problem = problems.make('hard', kappa=4.0)\n"
        "started = time.process_time()\n"
        "bl.run(problem, 'aid_bio', 1e-300, 'sharp', max_outer=1)\n"
        "print(time.process_time() - started)\n"
    )
    with tempfile.TemporaryDirectory() as name:
        environment = os.environ | {"BILEVEL_CACHE_DIR": name}
        first, second = (
            float(subprocess.check_output([sys.executable, "-c", code], env=environment))
            for _ in range(2)
        )
    return first - second


def measure(show: Callable[[str], None]) -> Speeds:
    """The speeds of this machine; shows each run with what they say of it."""
    least = yardstick()
    runs = [timed(case) for case in cases()]
    on_torch = [run for run in runs if run.engine == "torch"]
    exact = [run for run in runs if run.engine == "compiled" and not run.numbers]
    noisy = [run for run in runs if run.numbers]
    torch, of_torch = explained(on_torch, {})
    compiled, factors = explained(exact, {})
    # What noise adds is looked for beside what calls take without.
    speeds, of_random = explained(noisy, {n: v for n, v in compiled.items() if v})
    for part, found, own in (
        (on_torch, torch, of_torch),
        (exact, speeds, factors),
        (noisy, speeds, of_random),
    ):
        for run in part:
            ratio = own[run.solver] * said(run, found) / run.seconds
            show(f"{ratio:6.2f}  {run.seconds:8.3f} s  {run.case}")
    return Speeds(
        yardstick=least,
        engines={
            "compiled": Speed(speeds["call"], speeds["step"]),
            "torch": Speed(torch["call"], torch["step"]),
        },
        solvers=factors | of_random,
        **{name: speeds[name] for name in COLUMNS if name not in Speed._fields},
        look=look(),
        run=start_and_store(),
        compilation=compilation(),
    )
