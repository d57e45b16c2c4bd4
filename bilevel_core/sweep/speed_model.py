"""What a predicted cost takes in seconds on one core: for order, for progress, and to plan by.

    seconds = outer (step + evaluation) + calls call

A call multiplies each part of y (a class of logistic regression, else the whole) by the largest
matrix of the data; where that gives more numbers than y has, they are scores of samples, and go
through a loss. Evaluation, which no ledger counts, is some operations on x where Phi has closed
forms, else about `REFERENCE_CALLS` calls. Calibrated on a shared 2-core machine, where most runs
took between a third of the predicted seconds and three times as many.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.problem import Problem
from bilevel_core.record import RunConfig
from bilevel_core.sweep.cost_model import Prediction, passes


class Speed(NamedTuple):
    """Seconds of an engine: of an oracle call, of an outer step around it, of closed forms."""

    call: float
    step: float
    evaluation: float


SPEEDS = {"compiled": Speed(10e-9, 300e-9, 150e-9), "torch": Speed(30e-6, 0.0, 60e-6)}
MULTIPLICATION = 0.5e-9
"""Seconds a product of two numbers within a call."""
LOSS = 8e-9
"""Seconds a score of a sample and class."""
NOISE_CALL, NOISE_STEP = 60e-9, 4e-6
"""Seconds that random numbers add to a call, and repetitions to an outer step."""
REFERENCE_CALLS = 16
"""Calls that a numerical ||grad Phi||^2 takes, warm-started along a run."""
RUN = 0.02
"""Seconds to start and to store a run."""
COMPILATION = 3.0
"""Seconds to compile one solver on one family where the disk does not hold it yet."""


def seconds(
    config: RunConfig, per_call: float, has_closed_forms: bool, predictions: Sequence[Prediction]
) -> float:
    """Seconds of a run, within its max_outer and max_seconds.

    per_call: of `seconds_per_call`; predictions: of each eps of the run.
    """
    speed = SPEEDS[config.engine]
    evaluation = speed.evaluation if has_closed_forms else REFERENCE_CALLS * per_call
    step = speed.step + (NOISE_STEP if config.noise_seeds else 0.0)
    repetitions = max(1, len(config.noise_seeds))
    limit = math.inf if config.max_seconds is None else config.max_seconds
    spent = RUN
    for group in passes(predictions):
        last = group[-1]
        outer = min(last.outer, config.max_outer)
        steps = repetitions * outer * (step + evaluation)
        spent += min(limit, steps + last.calls * outer / last.outer * per_call)
    return spent


def seconds_per_call(problem: Problem, engine: str) -> float:
    """Seconds of one oracle call, from the sizes of the instance."""
    products, results = max(
        (_sizes(array, problem.dim_y) for array in _arrays(problem.data)), default=(0, 0)
    )
    scores = results if results > problem.dim_y else 0
    noise = 0.0 if problem.noise is None else NOISE_CALL
    products += problem.dim_x + problem.dim_y
    return SPEEDS[engine].call + noise + MULTIPLICATION * products + LOSS * scores


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
