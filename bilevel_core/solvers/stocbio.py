"""stocBiO: warm-started stochastic gradient steps, and a Neumann series of shrinking batches.

Ji, Yang and Liang (ICML 2021), Algorithms 2 and 3 and Theorem 3.  For k = 0, 1, ...:

    y_k = D steps y <- y - alpha grad_y G(x_k, y; S_t) from y_{k-1}, fresh batches of S
    r_Q = grad_y F(x_k, y_k; D_F),  r_{i-1} = r_i - eta grad_yy G(x_k, y_k; B_i) r_i,  i = Q..1
    v_Q = eta sum_{i=0}^{Q} r_i,  |B_{Q+1-j}| = B Q (1 - eta mu)^{j-1}
    x_{k+1} = x_k - beta [grad_x F(x_k, y_k; D_F) - grad_x grad_y G(x_k, y_k; D_G) v_Q]

D_F, the B_i and D_G are independent; v is not warm-started.  The first outer step takes first_D
inner steps.  x: (p,) or (p, B); y, v: (q,) or (q, B).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bilevel_core.arrays import Array
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost
from bilevel_core.estimators import (
    batch_neumann_series,
    outer_gradients,
    stochastic_gradient_steps,
    subtract_jacobian_product,
    total_of_batches,
)
from bilevel_core.inner import descend
from bilevel_core.oracle import Oracle
from bilevel_core.solvers import register_solver

GUARANTEE = "K = O(kappa^3 / eps), S = O(kappa^5 / eps), D_f = D_g = B = O(kappa^2 / eps)"


class Params(NamedTuple):
    """Step sizes, numbers of steps, and batches."""

    alpha: float  # inner step size, in (0, 2/(L + mu)]
    beta: float  # outer step size, in (0, 1/L_Phi]
    eta: float  # step size of the series, in (0, 1/L]
    D: int  # inner gradient steps
    Q: int  # products of the series
    S: int  # batch of an inner step
    B: int  # scale of the batches of Hessians
    D_f: int  # batch of f
    D_g: int  # batch of the Jacobian
    first_D: int  # inner gradient steps at the first outer step
    shrink: float  # 1 - eta mu, by which the batches of Hessians shrink


class State(NamedTuple):
    """Iterates and the number of outer steps done."""

    x: Array
    y: Array
    k: int


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, B) and y0 (q,) or (q, B)."""
    return State(x0, y0, 0)


@register_solver("stocbio")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    D = params.first_D if state.k == 0 else params.D
    y = stochastic_gradient_steps(oracle, x, state.y, params.alpha, D, params.S)
    gradient, target = outer_gradients(oracle, x, y, params.D_f)
    v = batch_neumann_series(oracle, x, y, target, params.eta, params.Q, params.B, params.shrink)
    subtract_jacobian_product(oracle, gradient, x, y, v, params.D_g)
    return State(descend(x, params.beta, gradient), y, state.k + 1)


def cost_per_step(params: Params, k: int) -> Cost:
    """2 gradients of f, D of g, 1 Jacobian product, Q Hessian products, each of a batch."""
    D = params.first_D if k == 0 else params.D
    return Cost(grad_x_f=1, grad_y_f=1, grad_y_g=D, jvp=1, hvp=params.Q)


def samples_per_step(params: Params, k: int) -> Cost:
    """2 D_f, D S, D_g, and the sum of the batches of Hessians."""
    D = params.first_D if k == 0 else params.D
    return Cost(
        grad_x_f=params.D_f,
        grad_y_f=params.D_f,
        grad_y_g=D * params.S,
        jvp=params.D_g,
        hvp=total_of_batches(params.Q, params.B, params.shrink),
    )


def theory(constants: Constants, eps: float) -> Params:
    """Theorem 3 with explicit constants: each of its error terms is at most eps/8 or eps/16.

    alpha = 2/(L + mu), beta = 1/(4 L_Phi), eta = 1/L; S = 32 L_y^2 sigma^2/(L mu eps); D_f = D_g =
    B = 16 kappa^2 M^2/eps (sigma in place of M where noise without a bound has sigma > M);
    Q + 1 = log(kappa M sqrt(32/eps))/-log(1 - eta mu); D = log 5/(2 log((kappa + 1)/(kappa - 1)));
    first_D brings the start's error down by (1 + kappa)^2.
    """
    kappa, L, mu, M = constants.kappa, constants.L, constants.mu, constants.M
    eta = 1.0 / L
    shrink = 1.0 - eta * mu
    terms = math.log(max(kappa * M * math.sqrt(32.0 / eps), 1.0)) / -math.log(shrink)
    contraction = math.log((kappa + 1.0) / (kappa - 1.0))
    D = max(1, math.ceil(math.log(5.0) / (2.0 * contraction)))
    S = math.ceil(32.0 * constants.L_y**2 * constants.sigma**2 / (L * mu * eps))
    batch = max(1, math.ceil(16.0 * kappa**2 * max(M, constants.sigma) ** 2 / eps))
    return Params(
        alpha=2.0 / (L + mu),
        beta=1.0 / (4.0 * constants.L_Phi),
        eta=eta,
        D=D,
        Q=max(1, math.ceil(terms) - 1),
        S=max(1, S),
        B=batch,
        D_f=batch,
        D_g=batch,
        first_D=max(D, math.ceil(2.0 * math.log(1.0 + kappa) / contraction)),
        shrink=shrink,
    )


def outer_bound(constants: Constants, eps: float) -> float:
    """64 L_Phi (Phi(x0) - inf Phi)/eps: K for which the bound on the average is eps."""
    return 64.0 * constants.L_Phi * constants.gap / eps
