"""Linear systems H v = b with H = grad_yy g(x, y), through counted Hessian-vector products.

Shapes: x (p,) or (p, B); y, b, v (q,) or (q, B).
"""

from __future__ import annotations

from bilevel_core.arrays import (
    Array,
    add_scaled,
    assign,
    conjugate_update,
    copy,
    dot,
    scale_and_add,
    vector_like,
    where,
)
from bilevel_core.looking import PASSES, any_left
from bilevel_core.oracle import Oracle, hvp_into, restrict


def ratio(numerator: Array, denominator: Array) -> Array:
    """numerator / denominator, and 0 where the denominator is not positive (a solved system)."""
    positive = denominator > 0.0
    return where(positive, numerator / where(positive, denominator, 1.0), 0.0)


def conjugate_gradient(oracle: Oracle, x: Array, y: Array, b: Array, v: Array, N: int) -> Array:
    """N conjugate gradient steps from v (Hestenes and Stiefel 1952); N + 1 products.

    The extra product is that of the initial residual.  Steps after exact convergence, and b = 0,
    leave v as it is and are still paid for: the cost of a call does not depend on the data.
    """
    v = copy(v)
    start_residual(oracle, x, y, b, v)
    _conjugate_steps(oracle, x, y, v, N)
    return v


def conjugate_gradient_from_zero(oracle: Oracle, x: Array, y: Array, b: Array, N: int) -> Array:
    """N conjugate gradient steps from v = 0, whose residual is b itself; N products."""
    v = vector_like(y, y.shape[0])
    assign(v, 0.0)
    assign(oracle.work.residual, b)
    _conjugate_steps(oracle, x, y, v, N)
    return v


def start_residual(oracle: Oracle, x: Array, y: Array, b: Array, v: Array) -> None:
    """Write b - H v into the work vector `residual`; one product."""
    residual = oracle.work.residual
    hvp_into(oracle, x, y, v, residual)
    scale_and_add(residual, -1.0, b)


def _conjugate_steps(oracle: Oracle, x: Array, y: Array, v: Array, N: int) -> None:
    residual, direction, product = oracle.work.residual, oracle.work.direction, oracle.work.product
    assign(direction, residual)
    squared = dot(residual, residual)
    for _ in range(N):
        hvp_into(oracle, x, y, direction, product)
        step = ratio(squared, dot(direction, product))
        previous = squared
        squared = conjugate_update(v, residual, step, direction, product)
        scale_and_add(direction, ratio(squared, previous), residual)


def conjugate_gradient_until(
    oracle: Oracle, x: Array, y: Array, b: Array, v: Array, tolerance: Array, most: int
) -> Array:
    """Conjugate gradient steps from v until ||b - H v|| <= tolerance; at most `most` steps.

    One product for the initial residual and one a step; each instance of a batch is charged until
    its own tolerance is met.  tolerance: a number or (B,).
    """
    v = copy(v)
    start_residual(oracle, x, y, b, v)
    residual, direction, product = oracle.work.residual, oracle.work.direction, oracle.work.product
    assign(direction, residual)
    squared = dot(residual, residual)
    for done in range(most):
        unsolved = squared > tolerance**2
        if not any_left(unsolved, done, PASSES):
            break
        hvp_into(restrict(oracle, unsolved), x, y, direction, product)
        step = where(unsolved, ratio(squared, dot(direction, product)), 0.0)
        previous = squared
        squared = conjugate_update(v, residual, step, direction, product)
        scale_and_add(direction, where(unsolved, ratio(squared, previous), 0.0), residual)
    return v


def neumann_series(oracle: Oracle, x: Array, y: Array, b: Array, eta: float, N: int) -> Array:
    """eta sum_{i=0}^{N} (I - eta H)^i b, the fixed-point iteration from 0; N products."""
    total = copy(b)
    term, product = oracle.work.residual, oracle.work.product
    assign(term, b)
    for _ in range(N):
        hvp_into(oracle, x, y, term, product)
        add_scaled(term, -eta, product)
        add_scaled(total, 1.0, term)
    return eta * total
