"""Inner loops, linear systems and hypergradients from random batches, over counted oracles.

Shapes: x (p,) or (p, B); y, b, v (q,) or (q, B).
"""

from __future__ import annotations

import math

from bilevel_core.arrays import Array, add_scaled, assign, copy, vector_like, where
from bilevel_core.looking import any_left
from bilevel_core.oracle import Oracle, restrict
from bilevel_core.sampled import (
    batch_grad_y_g_into,
    batch_gradients_f_into,
    batch_hvp_into,
    batch_jvp_into,
    held_hvp_into,
    hold_hessian,
)
from bilevel_core.streams import CHOICES, below, stream_of


def stochastic_gradient_steps(
    oracle: Oracle, x: Array, y: Array, alpha: float, D: int, S: int
) -> Array:
    """D steps y <- y - alpha grad_y G(x, y), each with a fresh batch of S."""
    y = copy(y)
    gradient = oracle.work.gradient
    for _ in range(D):
        batch_grad_y_g_into(oracle, x, y, S, gradient)
        add_scaled(y, -alpha, gradient)
    return y


def outer_gradients(oracle: Oracle, x: Array, y: Array, S: int) -> tuple[Array, Array]:
    """(grad_x F, grad_y F) over one batch of S, new arrays."""
    in_x, in_y = vector_like(x, x.shape[0]), vector_like(y, y.shape[0])
    batch_gradients_f_into(oracle, x, y, S, in_x, in_y)
    return in_x, in_y


def subtract_jacobian_product(
    oracle: Oracle, gradient: Array, x: Array, y: Array, v: Array, S: int
) -> None:
    """Take (grad_x grad_y G) v over a batch of S from a gradient in x, in place."""
    product = oracle.work.x
    batch_jvp_into(oracle, x, y, v, S, product)
    add_scaled(gradient, -1.0, product)


def rounded_batch(size: float) -> int:
    """A batch of at least this size and of at least 1."""
    return max(1, math.ceil(size))


def batch_neumann_series(
    oracle: Oracle, x: Array, y: Array, b: Array, eta: float, Q: int, B: int, shrink: float
) -> Array:
    """eta sum_{i=0}^{Q} r_i with r_Q = b and r_{i-1} = (I - eta grad_yy G(B_i)) r_i; Q products.

    Ji, Yang and Liang (ICML 2021), Algorithm 3: Q + 1 terms, b included, and independent batches
    |B_{Q+1-j}| = B Q shrink^{j-1}, shrink = 1 - eta mu: the Hessian applied first has the largest.
    """
    total, term, product = copy(b), oracle.work.residual, oracle.work.product
    assign(term, b)
    # By multiplication and not by a power, whose last digit could move a batch between engines.
    size = float(B * Q)
    for _ in range(Q):
        batch_hvp_into(oracle, x, y, term, rounded_batch(size), product)
        add_scaled(term, -eta, product)
        add_scaled(total, 1.0, term)
        size *= shrink
    return eta * total


def total_of_batches(Q: int, B: int, shrink: float) -> int:
    """Samples of Hessians that `batch_neumann_series` draws."""
    total, size = 0, float(B * Q)
    for _ in range(Q):
        total += rounded_batch(size)
        size *= shrink
    return total


def held_neumann_series(
    oracle: Oracle, x: Array, y: Array, b: Array, eta: float, Q: int, S: int
) -> Array:
    """The same series with one batch of S Hessians for all Q products, each of which costs S."""
    total, term, product = copy(b), oracle.work.residual, oracle.work.product
    assign(term, b)
    held = hold_hessian(oracle, y, S)
    for _ in range(Q):
        held_hvp_into(oracle, held, S, x, y, term, product)
        add_scaled(term, -eta, product)
        add_scaled(total, 1.0, term)
    return eta * total


def randomised_neumann_product(
    oracle: Oracle, x: Array, y: Array, b: Array, eta: float, most: int
) -> Array:
    """most eta prod_{i=1}^{p} (I - eta grad_yy G_i) b with p uniform on 0..most-1; p products.

    Ghadimi and Wang (2018): its mean is the series of `most` terms.  Batches of 1.
    """
    v, product = copy(b), oracle.work.product
    length = below(stream_of(oracle, CHOICES), most, b)
    for i in range(most):
        unfinished = length > i
        # Some instance of a batch draws nearly `most`: a device is not worth a look.
        if not any_left(unfinished, i, most):
            break
        batch_hvp_into(restrict(oracle, unfinished), x, y, v, 1, product)
        add_scaled(v, where(unfinished, -eta, 0.0), product)
    return most * eta * v
