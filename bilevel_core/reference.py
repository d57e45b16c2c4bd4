"""Numerical y* and grad Phi for problems without closed forms: uncounted, warm-started.

Newton's method on grad_y g = 0, each system solved by conjugate gradients, steps halved until the
gradient norm falls; then one more system for v* = H^{-1} grad_y f.  The products go through an
oracle of its own, whose ledger is thrown away.  What is left of either equation is looked at: where
it is more than `SLACK` tolerances, and more than rounding explains, there is no number but NaN, and
`why_unknown` says why.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bilevel_core.arrays import (
    Array,
    add_scaled,
    any_true,
    assign,
    copy,
    dot,
    scale_and_add,
    sqrt,
    where,
)
from bilevel_core.errors import InputError
from bilevel_core.inner import implicit_gradient, linear_target
from bilevel_core.linear import conjugate_gradient_until
from bilevel_core.oracle import (
    SLOTS,
    Oracle,
    family_f,
    grad_y_g,
    grad_y_g_into,
    hvp_into,
    make_work,
)

if TYPE_CHECKING:
    from bilevel_core.problem import Problem

NEWTON_STEPS = 60
HALVINGS = 40
TOLERANCE = 1e-10
"""Target for ||grad_y g|| / mu, that is for ||y - y*||, of a single numerical y*."""
TOLERANCE_ALONG_A_RUN = 1e-8
"""The same where ||grad Phi||^2 is followed along a run."""
SLACK = 1e3
"""Tolerances that a residual may be of: near the end of float64 the last of them are not to be had,
and what is left of an equation that was not solved is far more."""
ROUNDING = 64.0 * 2.0**-52
"""What rounding alone may leave, in units of L times the norm of the arguments."""
FAR = 1e8
"""An x that is so many times as far as 1 + ||x0|| has run away: that is the solver's doing."""
LOOKS = 200
"""Conjugate gradient steps in which a direction of negative curvature is looked for."""


def newton(oracle: Oracle, x: Array, y: Array, tolerance: float, most: int) -> Array:
    """Improve y in place until ||grad_y g(x, y)|| <= tolerance; returns the square of that norm.

    most: bounds each linear solve.
    """
    gradient = grad_y_g(oracle, x, y)
    trial = copy(y)
    trial_gradient = copy(gradient)
    zero = copy(y)
    assign(zero, 0.0)
    for _ in range(NEWTON_STEPS):
        norm = sqrt(dot(gradient, gradient))
        unsolved = norm > tolerance
        if not any_true(unsolved):
            break
        accuracy = where(unsolved, where(norm < 0.01, sqrt(norm), 0.1) * norm, np.inf)
        direction = conjugate_gradient_until(oracle, x, y, gradient, zero, accuracy, most)
        length = where(unsolved, 1.0, 0.0)
        for _ in range(HALVINGS):
            assign(trial, y)
            add_scaled(trial, -length, direction)
            grad_y_g_into(oracle, x, trial, trial_gradient)
            rejected = dot(trial_gradient, trial_gradient) > (norm * (1.0 - 0.25 * length)) ** 2
            if not any_true(rejected):
                break
            length = where(rejected, 0.5 * length, length)
        assign(y, trial)
        assign(gradient, trial_gradient)
    return dot(gradient, gradient)


def size(a: Array) -> Array:
    """||a||, a number or (B,)."""
    return sqrt(dot(a, a))


def improve(
    oracle: Oracle, x: Array, y: Array, v: Array, tolerance: Array, most: int, rounding: float
) -> tuple[Array, Array, Array]:
    """(grad Phi, y*, v*) at x from guesses y and v, to `tolerance` in both residuals.

    grad Phi is NaN where a residual says that y* or v* was not found.  tolerance: a number or (B,);
    rounding: of a residual, over the norm of the arguments.
    """
    y = copy(y)
    residual = newton(oracle, x, y, tolerance, most)
    target = linear_target(oracle, x, y)
    # No comparison stops at a NaN: what is not finite has to reach the gradient by arithmetic.
    invalid = 0.0 * (residual + dot(target, target))
    v = conjugate_gradient_until(oracle, x, y, target, v, tolerance, most)
    left = dot(oracle.work.residual, oracle.work.residual)
    allowed = SLACK * tolerance + rounding * (size(x) + size(y))
    allowed_v = SLACK * tolerance + rounding * size(v)
    invalid = invalid + where(residual > allowed * allowed, np.nan, 0.0)
    invalid = invalid + where(left > allowed_v * allowed_v, np.nan, 0.0)
    return implicit_gradient(oracle, x, y, v) + invalid, y, v


def squared_norm(
    oracle: Oracle, x: Array, y: Array, v: Array, tolerance: Array, most: int, rounding: float
) -> tuple[Array, Array, Array]:
    """(||grad Phi||^2, y*, v*) at x (p,) or (p, B), as in `improve`."""
    gradient, y, v = improve(oracle, x, y, v, tolerance, most, rounding)
    return dot(gradient, gradient), y, v


def private_oracle(problem: Problem) -> Oracle:
    """An oracle for one instance whose ledger nobody reads."""
    shape = (2, len(SLOTS))
    ledgers = (np.zeros(shape, np.int64), np.zeros(shape, np.int64))
    work = make_work(own_array(problem, problem.x0), own_array(problem, problem.y0))
    return Oracle(problem.data, *ledgers, None, work)


def own_array(problem: Problem, vector: np.ndarray) -> Array:
    """A copy of the vector in the library that the problem's functions are written for."""
    if problem.engines != ("torch",):
        return vector.copy()
    import torch

    return torch.tensor(vector)


def settings(problem: Problem, tolerance: float) -> tuple[float, int]:
    """Residual tolerance and the most conjugate gradient steps for a problem's reference."""
    return tolerance * problem.constants.mu, 10 * problem.dim_y + 100


def rounding_of(problem: Problem) -> float:
    """What rounding may leave of a residual, over the norm of the arguments."""
    return ROUNDING * problem.constants.L


def why_unknown(problem: Problem, x: np.ndarray, y: np.ndarray, tolerance: float) -> str:
    """Why grad Phi is unknown at x (p,), where Newton's method ended at y (q,).

    Empty where both equations are solved, or where something is not finite.
    """
    oracle, own_x, own_y = private_oracle(problem), own_array(problem, x), own_array(problem, y)
    (limit, most), rounding = settings(problem, tolerance), rounding_of(problem)
    residual = grad_y_g(oracle, own_x, own_y)
    if float(size(residual)) > SLACK * limit + rounding * float(size(own_x) + size(own_y)):
        what = f"y*(x) not found to {tolerance:g} in {NEWTON_STEPS} Newton steps"
        return f"{what}: {_suspicion(oracle, own_x, own_y, residual)}"
    target = copy(linear_target(oracle, own_x, own_y))
    v = conjugate_gradient_until(oracle, own_x, own_y, target, 0.0 * own_y, limit, most)
    if float(size(oracle.work.residual)) > SLACK * limit + rounding * float(size(v)):
        what = f"v*(x) not found to {tolerance:g} in {most} conjugate gradient steps"
        return f"{what}: {_suspicion(oracle, own_x, own_y, target)}"
    return ""


def why_unknown_along_a_run(problem: Problem, x: np.ndarray, y: np.ndarray) -> str:
    """The same along a run; empty where x has run away, which is a divergence like any other."""
    if not np.linalg.norm(x - problem.x0) <= FAR * (1.0 + np.linalg.norm(problem.x0)):
        return ""
    return why_unknown(problem, x, y, TOLERANCE_ALONG_A_RUN)


def _suspicion(oracle: Oracle, x: Array, y: Array, b: Array) -> str:
    if _meets_negative_curvature(oracle, x, y, b):
        return "negative curvature: g is not convex there"
    return "is g strongly convex?"


def _meets_negative_curvature(oracle: Oracle, x: Array, y: Array, b: Array) -> bool:
    """Whether conjugate gradients for H d = b come across a direction with d' H d <= 0."""
    residual, direction, product = copy(b), copy(b), copy(b)
    start = squared = float(dot(b, b))
    for _ in range(min(LOOKS, int(y.shape[0]))):
        hvp_into(oracle, x, y, direction, product)
        curvature = float(dot(direction, product))
        if curvature <= 0.0:
            return squared > 0.0
        add_scaled(residual, -squared / curvature, product)
        previous, squared = squared, float(dot(residual, residual))
        if not squared > 1e-20 * start:
            return False
        scale_and_add(direction, squared / previous, residual)
    return False


def numerical_y_star(problem: Problem, x: np.ndarray) -> np.ndarray:
    """y*(x) by Newton's method from y0: x (p,) gives (q,).

    Raises:
        InputError: it was not found.
    """
    own_x, y = own_array(problem, x), own_array(problem, problem.y0)
    limit, most = settings(problem, TOLERANCE)
    residual = newton(private_oracle(problem), own_x, y, limit, most)
    allowed = SLACK * limit + rounding_of(problem) * float(size(own_x) + size(y))
    if float(residual) > allowed * allowed:
        raise InputError(why_unknown(problem, x, np.asarray(y), TOLERANCE))
    return np.asarray(y)


def numerical_phi(problem: Problem, x: np.ndarray) -> np.ndarray:
    """Phi(x) through numerical y*: x (p,) gives (1,).

    Raises:
        InputError: y* was not found.
    """
    y = own_array(problem, numerical_y_star(problem, x))
    return np.array([float(family_f(problem.data, own_array(problem, x), y))])


def numerical_grad_phi(problem: Problem, x: np.ndarray) -> np.ndarray:
    """grad Phi(x) through numerical y* and v*: x (p,) gives (p,).

    Raises:
        InputError: y* or v* was not found.
    """
    own_x, y = own_array(problem, x), own_array(problem, problem.y0)
    limits = *settings(problem, TOLERANCE), rounding_of(problem)
    gradient, y, _ = improve(private_oracle(problem), own_x, y, 0.0 * y, *limits)
    gradient = np.asarray(gradient)
    if np.isnan(gradient).any():
        reason = why_unknown(problem, x, np.asarray(y), TOLERANCE)
        if reason:
            raise InputError(reason)
    return gradient
