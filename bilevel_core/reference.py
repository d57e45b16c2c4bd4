"""Numerical y* and grad Phi for problems without closed forms: uncounted, warm-started.

Newton's method on grad_y g = 0, each system solved by conjugate gradients, steps halved until the
gradient norm falls; then one more system for v* = H^{-1} grad_y f.  The products go through an
oracle of its own, whose ledger is thrown away.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bilevel_core.arrays import Array, add_scaled, any_true, assign, copy, dot, sqrt, where
from bilevel_core.inner import implicit_gradient, linear_target
from bilevel_core.linear import conjugate_gradient_until
from bilevel_core.oracle import SLOTS, Oracle, family_f, grad_y_g, grad_y_g_into, make_work

if TYPE_CHECKING:
    from bilevel_core.problem import Problem

NEWTON_STEPS = 60
HALVINGS = 40
TOLERANCE = 1e-10
"""Target for ||grad_y g|| / mu, that is for ||y - y*||, of a single numerical y*."""
TOLERANCE_ALONG_A_RUN = 1e-8
"""The same where ||grad Phi||^2 is followed along a run."""


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
        accuracy = where(norm < 0.01, sqrt(norm), 0.1) * norm
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


def improve(
    oracle: Oracle, x: Array, y: Array, v: Array, tolerance: float, most: int
) -> tuple[Array, Array, Array]:
    """(grad Phi, y*, v*) at x from guesses y and v, to `tolerance` in both residuals."""
    y = copy(y)
    residual = newton(oracle, x, y, tolerance, most)
    target = linear_target(oracle, x, y)
    # No comparison stops at a NaN: what is not finite has to reach the gradient by arithmetic.
    invalid = 0.0 * (residual + dot(target, target))
    v = conjugate_gradient_until(oracle, x, y, target, v, tolerance, most)
    return implicit_gradient(oracle, x, y, v) + invalid, y, v


def squared_norms(
    oracle: Oracle, positions: Array, y: Array, v: Array, tolerance: float, most: int, out: Array
) -> tuple[Array, Array]:
    """||grad Phi||^2 at n positions (n, p[, B]) into out (n[, B]); returns the last y*, v*."""
    for i in range(positions.shape[0]):
        gradient, y, v = improve(oracle, positions[i], y, v, tolerance, most)
        out[i] = dot(gradient, gradient)
    return y, v


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


def numerical_y_star(problem: Problem, x: np.ndarray) -> np.ndarray:
    """y*(x) by Newton's method from y0: x (p,) gives (q,)."""
    x, y = own_array(problem, x), own_array(problem, problem.y0)
    newton(private_oracle(problem), x, y, *settings(problem, TOLERANCE))
    return np.asarray(y)


def numerical_phi(problem: Problem, x: np.ndarray) -> np.ndarray:
    """Phi(x) through numerical y*: x (p,) gives (1,)."""
    y = own_array(problem, numerical_y_star(problem, x))
    return np.array([float(family_f(problem.data, own_array(problem, x), y))])


def numerical_grad_phi(problem: Problem, x: np.ndarray) -> np.ndarray:
    """grad Phi(x) through numerical y* and v*: x (p,) gives (p,)."""
    x, y = own_array(problem, x), own_array(problem, problem.y0)
    gradient, _, _ = improve(private_oracle(problem), x, y, 0.0 * y, *settings(problem, TOLERANCE))
    return np.asarray(gradient)
