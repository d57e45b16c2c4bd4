"""BSA: growing inner loops from the same y0, and one randomised hypergradient a step, batches of 1.

Ghadimi and Wang (2018), Algorithm 2.  For k = 0, 1, ...:

    y_k = t_k steps y <- y - alpha_t grad_y G(x_k, y) from y0,  t_k = ceil(sqrt(k + 1)),
          alpha_t = alpha offset/(t + offset) = 2/(mu (t + offset))
    v_k = b eta prod_{i=1}^{p} (I - eta grad_yy G_i(x_k, y_k)) grad_y F(x_k, y_k),  p ~ U{0..b-1}
    x_{k+1} = x_k - beta [grad_x F(x_k, y_k) - grad_x grad_y G(x_k, y_k) v_k]

Nothing is warm-started.  x: (p,) or (p, B); y, v: (q,) or (q, B).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bilevel_core.arrays import Array, add_scaled, copy
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost, CostRange
from bilevel_core.estimators import (
    outer_gradients,
    randomised_neumann_product,
    subtract_jacobian_product,
)
from bilevel_core.inner import descend
from bilevel_core.oracle import Oracle
from bilevel_core.sampled import batch_grad_y_g_into
from bilevel_core.solvers import register_solver

GUARANTEE = "K = O(kappa^6 / eps^2), sum of t_k = O(kappa^9 / eps^3)"


class Params(NamedTuple):
    """Step sizes and the length of the series."""

    alpha: float  # first inner step size, in (0, 2/(L + mu)]
    offset: float  # inner steps t shrink like 1/(t + offset)
    beta: float  # outer step size, in (0, 1/L_Phi]
    eta: float  # step size of the series, in (0, 1/L]
    b: int  # terms of the series


class State(NamedTuple):
    """Iterate, the inner start that never changes, and the number of outer steps done."""

    x: Array
    y0: Array
    k: int


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, B) and y0 (q,) or (q, B)."""
    return State(x0, y0, 0)


def inner_steps(k: int) -> int:
    """t_k = ceil(sqrt(k + 1)), in integers: the least t with t^2 >= k + 1."""
    t = int((k + 1.0) ** 0.5)
    while t * t < k + 1:
        t += 1
    return t


def shrinking_steps(
    oracle: Oracle, x: Array, y: Array, alpha: float, offset: float, D: int
) -> Array:
    """D steps of size alpha offset/(t + offset), t = 0..D-1, with batches of 1."""
    y = copy(y)
    gradient = oracle.work.gradient
    for t in range(D):
        batch_grad_y_g_into(oracle, x, y, 1, gradient)
        add_scaled(y, -alpha * offset / (t + offset), gradient)
    return y


@register_solver("bsa")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    D = inner_steps(state.k)
    y = shrinking_steps(oracle, x, state.y0, params.alpha, params.offset, D)
    gradient, target = outer_gradients(oracle, x, y, 1)
    v = randomised_neumann_product(oracle, x, y, target, params.eta, params.b)
    subtract_jacobian_product(oracle, gradient, x, y, v, 1)
    return State(descend(x, params.beta, gradient), state.y0, state.k + 1)


def cost_per_step(params: Params, k: int) -> CostRange:
    """2 gradients of f, t_k of g, 1 Jacobian product, 0 to b - 1 Hessian products."""
    least = Cost(grad_x_f=1, grad_y_f=1, grad_y_g=inner_steps(k), jvp=1)
    return CostRange(least, least._replace(hvp=params.b - 1))


samples_per_step = cost_per_step


def theory(constants: Constants, eps: float) -> Params:
    """alpha = 1/L, offset = 2 kappa, eta = 1/L; b and beta leave eps/16 and eps/4.

    b: the truncated series leaves a hypergradient error of sqrt(eps)/4.  beta = eps/(4 L_Phi V),
    V the bound on the estimator's second moment, since the average of ||grad Phi||^2 is at most
    2 gap/(beta K) + L_Phi beta V + the bias; derived, of order 1/sqrt K as Ghadimi and Wang ask.
    """
    L = constants.L
    b = series_length(constants, eps)
    V = estimator_moment(constants, b)
    beta = min(1.0 / constants.L_Phi, eps / (4.0 * constants.L_Phi * V))
    return Params(1.0 / L, 2.0 * constants.kappa, beta, 1.0 / L, b)


def series_length(constants: Constants, eps: float) -> int:
    """Terms after which kappa M (1 - 1/kappa)^b is at most sqrt(eps)/4."""
    error = 4.0 * constants.kappa * constants.M / math.sqrt(eps)
    return max(1, math.ceil(math.log(max(error, 1.0)) / -math.log(1.0 - 1.0 / constants.kappa)))


def estimator_moment(constants: Constants, b: int) -> float:
    """2 (M^2 + sigma^2) (1 + 2 L b/mu): a bound on E ||hypergradient||^2 with eta = 1/L.

    E ||v||^2 <= b eta (M^2 + sigma^2)/mu, since a factor I - eta grad_yy G shrinks the mean square
    by 1 - eta mu; the Jacobian's mean square is at most 2 L^2.
    """
    square = constants.M**2 + constants.sigma**2
    return 2.0 * square * (1.0 + 2.0 * constants.L * b / constants.mu)
