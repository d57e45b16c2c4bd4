"""How badly conditioned the inner problems of real tasks are, by counted Lanczos.

At the start, and after a number of inner gradient steps of 1/L there, which is what the first outer
step of a method sees.  A Ritz value never leaves the spectrum: kappa is not overstated, and where a
residual is large it may be understated by the errors that are given.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bilevel_core.inner import gradient_steps
from bilevel_core.oracle import CALLS, GRAD_Y_G
from bilevel_core.problem import Problem
from bilevel_core.reference import own_array, private_oracle
from bilevel_core.spectrum import Spectrum, spectrum

STEPS = 200
"""Inner gradient steps between the two points."""


class Condition(NamedTuple):
    """The inner Hessian's ends at one point of one task, and what finding them cost."""

    task: str
    point: str
    unknowns: int
    smallest: float
    largest: float
    smallest_error: float
    largest_error: float
    kappa: float
    certified: float  # L/mu of the problem's constants
    products: int  # Hessian-vector products
    gradients: int  # of g, to get there


def conditions(
    task: str, problem: Problem, steps: int = STEPS, tolerance: float = 0.05
) -> tuple[Condition, Condition]:
    """Both points of one task; steps >= 1; tolerance of `spectrum`.

    Raises:
        InputError: Lanczos' method does not converge.
    """
    first = spectrum(problem, problem.x0, problem.y0, tolerance)
    y, gradients = after_steps(problem, 1.0 / first.largest, steps)
    later = spectrum(problem, problem.x0, y, tolerance)
    return (
        _condition(task, "at the start", problem, first, 0),
        _condition(task, f"after {steps} inner steps", problem, later, gradients),
    )


def after_steps(problem: Problem, alpha: float, steps: int) -> tuple[np.ndarray, int]:
    """y (dim_y,) after gradient steps alpha from y0 at x0, and the gradients of g they took."""
    oracle = private_oracle(problem)
    x, y = own_array(problem, problem.x0), own_array(problem, problem.y0)
    y = gradient_steps(oracle, x, y, alpha, steps)
    return np.asarray(y), int(oracle.ledger[CALLS, GRAD_Y_G])


def _condition(
    task: str, point: str, problem: Problem, found: Spectrum, gradients: int
) -> Condition:
    constants = problem.constants
    return Condition(
        task,
        point,
        problem.dim_y,
        found.smallest,
        found.largest,
        found.smallest_error,
        found.largest_error,
        found.kappa,
        constants.L / constants.mu,
        found.products,
        gradients,
    )
