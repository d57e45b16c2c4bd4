"""TTSA: one inner step and one randomised hypergradient a step, on two time scales, batches of 1.

Hong, Wai, Wang and Yang (2020), for nonconvex outer problems.  For k = 0, 1, ...:

    y_k = y_{k-1} - alpha grad_y G(x_k, y_{k-1})
    v_k = b eta prod_{i=1}^{p} (I - eta grad_yy G_i(x_k, y_k)) grad_y F(x_k, y_k),  p ~ U{0..b-1}
    x_{k+1} = x_k - beta [grad_x F(x_k, y_k) - grad_x grad_y G(x_k, y_k) v_k]

alpha is of order K^{-2/5} and beta of order K^{-3/5}; X is the whole space, so nothing is
projected.  x: (p,) or (p, B); y, v: (q,) or (q, B).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bilevel_core.arrays import Array
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost, CostRange
from bilevel_core.estimators import (
    outer_gradients,
    randomised_neumann_product,
    stochastic_gradient_steps,
    subtract_jacobian_product,
)
from bilevel_core.inner import descend
from bilevel_core.oracle import Oracle
from bilevel_core.solvers import bsa, register_solver

GUARANTEE = "K = O(poly(kappa) / eps^{5/2})"


class Params(NamedTuple):
    """Step sizes and the length of the series."""

    alpha: float  # inner step size, in (0, 2/(L + mu)]
    beta: float  # outer step size, in (0, 1/L_Phi]
    eta: float  # step size of the series, in (0, 1/L]
    b: int  # terms of the series


class State(NamedTuple):
    """Iterates."""

    x: Array
    y: Array


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, B) and y0 (q,) or (q, B)."""
    return State(x0, y0)


@register_solver("ttsa")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    y = stochastic_gradient_steps(oracle, x, state.y, params.alpha, 1, 1)
    gradient, target = outer_gradients(oracle, x, y, 1)
    v = randomised_neumann_product(oracle, x, y, target, params.eta, params.b)
    subtract_jacobian_product(oracle, gradient, x, y, v, 1)
    return State(descend(x, params.beta, gradient), y)


def cost_per_step(params: Params, k: int) -> CostRange:
    """2 gradients of f, 1 of g, 1 Jacobian product, 0 to b - 1 Hessian products."""
    least = Cost(grad_x_f=1, grad_y_f=1, grad_y_g=1, jvp=1)
    return CostRange(least, least._replace(hvp=params.b - 1))


samples_per_step = cost_per_step


def theory(constants: Constants, eps: float) -> Params:
    """Derived so that each error is at most eps/12 or eps/4; eta = 1/L, b as for BSA.

    With the tracking error E ||y - y*||^2 <= alpha sigma^2/mu + 4 (kappa beta)^2 V/(alpha mu)^2,
    weighed by L_y^2: alpha = mu eps/(12 L_y^2 sigma^2), of order eps = K^{-2/5}, and beta = alpha
    mu sqrt(eps/(48 V))/(kappa L_y), of order eps^{3/2} = K^{-3/5}, at most eps/(4 L_Phi V).
    """
    L, mu, L_y = constants.L, constants.mu, constants.L_y
    b = bsa.series_length(constants, eps)
    V = bsa.estimator_moment(constants, b)
    alpha = 1.0 / L
    if constants.sigma > 0.0:
        alpha = min(alpha, mu * eps / (12.0 * L_y**2 * constants.sigma**2))
    beta = min(
        1.0 / constants.L_Phi,
        eps / (4.0 * constants.L_Phi * V),
        alpha * mu * math.sqrt(eps / (48.0 * V)) / (constants.kappa * L_y),
    )
    return Params(alpha, beta, 1.0 / L, b)
