"""What a predicted cost takes in seconds on one core: for order, for progress, and to plan by.

    seconds = outer (step + evaluation) + calls call + looks(outer) look

A call multiplies each part of y (a class of logistic regression, else the whole) by the largest
matrix of the data; where that gives more numbers than y has, they are scores of samples, and go
through a loss. Evaluation, which no ledger counts, is part of a step where Phi has closed forms,
else about `REFERENCE_CALLS` calls. A run is looked at after 16 steps, and then ever less often.

What a call and a step take was measured once (`benchmarks/calibrate.py` writes speeds.json), on a
machine that took so long for a `yardstick`; another machine is taken to be faster or slower at all
of it by as much as it is at that. No count, and so no decision on what is run, depends on it.
"""

from __future__ import annotations

import functools
import json
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.engines.loop import LONGEST, SHORTEST
from bilevel_core.problem import Problem
from bilevel_core.record import RunConfig
from bilevel_core.sweep.cost_model import Prediction, passes

PATH = Path(__file__).with_name("speeds.json")
YARDSTICK, TRIES = 10_000, 50
"""Additions of a yardstick, each of which waits for the one before, and how often it is tried."""
REFERENCE_CALLS = 16
"""Calls that a numerical ||grad Phi||^2 takes, warm-started along a run."""


class Speed(NamedTuple):
    """Seconds of an engine: of an oracle call, and of an outer step with its evaluation."""

    call: float
    step: float


class Speeds(NamedTuple):
    """Seconds of everything, on one core of one machine.

    yardstick: of `yardstick` there; multiplication, row, loss: of a product of two numbers within a
    call, of a row of its matrix, of a score of a sample and class; noise_call, noise_number: what
    noise adds to a call, and to each unknown in it; noise_step: what repetitions add to an outer
    step; look: between two stretches of outer steps; run: to start and to store a run; compilation:
    of one solver on one family where the disk does not hold it yet.  solvers: factors of those that
    take longer than calls and steps say, or less.
    """

    yardstick: float
    engines: Mapping[str, Speed]
    solvers: Mapping[str, float]
    multiplication: float
    row: float
    loss: float
    noise_call: float
    noise_number: float
    noise_step: float
    look: float
    run: float
    compilation: float


def read(path: Path = PATH) -> Speeds:
    """The speeds that a calibration has written."""
    content = json.loads(path.read_text(encoding="utf-8"))
    engines = {name: Speed(**content.pop(name)) for name in ("compiled", "torch")}
    return Speeds(engines=engines, **content)


def yardstick(clock: Callable[[], float] = time.perf_counter) -> float:
    """The least seconds of a running sum of `YARDSTICK` numbers, which takes a core a moment.

    The least of `TRIES`, since other work on the machine can only slow one down.
    """
    numbers = np.ones(YARDSTICK)
    out = np.empty_like(numbers)
    least = math.inf
    for _ in range(TRIES):
        started = clock()
        np.cumsum(numbers, out=out)
        least = min(least, clock() - started)
    return least


def scaled(speeds: Speeds, factor: float) -> Speeds:
    """The speeds of a machine that takes `factor` times as long for everything."""
    engines = {
        name: Speed(*(seconds * factor for seconds in speed))
        for name, speed in speeds.engines.items()
    }
    numbers: dict[str, Any] = {
        name: value * factor for name, value in speeds._asdict().items() if isinstance(value, float)
    }
    return speeds._replace(engines=engines, **numbers)


@functools.cache
def here() -> Speeds:
    """The speeds of this machine, looked at once."""
    measured = read()
    return scaled(measured, yardstick() / measured.yardstick)


def seconds(
    config: RunConfig,
    per_call: float,
    has_closed_forms: bool,
    predictions: Sequence[Prediction],
    speeds: Speeds,
) -> float:
    """Seconds of a run, within its max_outer and max_seconds.

    per_call: of `seconds_per_call`; predictions: of each eps of the run.
    """
    evaluation = 0.0 if has_closed_forms else REFERENCE_CALLS * per_call
    step = speeds.engines[config.engine].step + (speeds.noise_step if config.noise_seeds else 0.0)
    repetitions = max(1, len(config.noise_seeds))
    factor = speeds.solvers.get(config.solver, 1.0)
    limit = math.inf if config.max_seconds is None else config.max_seconds
    spent = speeds.run
    for group in passes(predictions):
        last = group[-1]
        outer = min(last.outer, config.max_outer)
        steps = repetitions * outer * (step + evaluation)
        calls = last.calls * outer / last.outer * per_call
        looked = repetitions * looks(outer) * speeds.look
        spent += min(limit, factor * (steps + calls) + looked)
    return spent


def looks(outer: float) -> float:
    """Stretches in which the loop around a session makes so many outer steps."""
    stretches, done = 0, 0
    while done < outer and done // 8 < LONGEST:
        done += max(SHORTEST, done // 8)
        stretches += 1
    return stretches + math.ceil(max(0.0, outer - done) / LONGEST)


def seconds_per_call(problem: Problem, engine: str, speeds: Speeds) -> float:
    """Seconds of one oracle call, from the sizes of the instance."""
    size = size_of(problem)
    call = (
        speeds.engines[engine].call
        + speeds.multiplication * size.products
        + speeds.row * size.rows
        + speeds.loss * size.scores
    )
    noise = speeds.noise_call + speeds.noise_number * (problem.dim_x + problem.dim_y)
    return call if problem.noise is None else call + noise


class Size(NamedTuple):
    """What one oracle call goes through: products of two numbers, rows, scores of samples."""

    products: int
    rows: int
    scores: int


def size_of(problem: Problem) -> Size:
    """The size of an oracle call, from the largest matrix of the data."""
    products, rows = max(
        (_sizes(array, problem.dim_y) for array in _arrays(problem.data)), default=(0, 0)
    )
    scores = rows if rows > problem.dim_y else 0
    return Size(products + problem.dim_x + problem.dim_y, rows, scores)


def _sizes(array: np.ndarray, dim_y: int) -> tuple[int, int]:
    """Products and results of an (n, m) matrix times each of the m-vectors that y consists of.

    Of any other array its size: it is gone through once.
    """
    if array.ndim == 2 and array.shape[1] and dim_y % array.shape[1] == 0:
        return array.shape[0] * dim_y, array.shape[0] * dim_y // array.shape[1]
    return array.size, 0


def _arrays(data: Any) -> Iterator[np.ndarray]:
    for value in data:
        if isinstance(value, np.ndarray):
            yield value
        elif hasattr(value, "_fields"):
            yield from _arrays(value)
