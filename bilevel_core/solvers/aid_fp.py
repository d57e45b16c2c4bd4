"""AID-FP: implicit differentiation by a Neumann series, y warm-started, the series started afresh.

Fixed-point implicit differentiation of Grazzi et al. (ICML 2020) and Lorraine, Vicol and Duvenaud
(AISTATS 2020), in the outer loop of Ji, Yang and Liang (ICML 2021), Algorithm 1.  For k = 0, 1,
...:

    y_k  = D gradient steps of size alpha on g(x_k, .) from y_{k-1}
    v_k  = eta sum_{i=0}^{N} (I - eta H)^i grad_y f(x_k, y_k),  H = grad_yy g(x_k, y_k)
    x_{k+1} = x_k - beta [grad_x f(x_k, y_k) - grad_x grad_y g(x_k, y_k) v_k]

The series leaves (1 - eta mu)^{N+1} M/mu, which no warm start of y removes: N grows with
log(1/eps). x: (p,) or (p, B); y, v: (q,) or (q, B).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bilevel_core.arrays import Array
from bilevel_core.certificate import certified_steps, first_steps
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost
from bilevel_core.inner import descend, gradient_steps, implicit_gradient, linear_target
from bilevel_core.linear import neumann_series
from bilevel_core.oracle import Oracle
from bilevel_core.solvers import register_solver

GUARANTEE = (
    "K = O(kappa^3 / eps), D = Theta(kappa), N = Theta(kappa log(1/eps)); derived, not in a table"
)


class Params(NamedTuple):
    """Step sizes and numbers of steps."""

    alpha: float  # inner step size, in (0, 2/(L + mu)]
    beta: float  # outer step size, in (0, 1/L_Phi]
    eta: float  # step size of the series, in (0, 1/L]
    D: int  # inner gradient steps
    N: int  # products of the series
    first_D: int  # inner gradient steps at the first outer step


class State(NamedTuple):
    """Iterates and the number of outer steps done."""

    x: Array
    y: Array
    k: int


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, B) and y0 (q,) or (q, B)."""
    return State(x0, y0, 0)


@register_solver("aid_fp")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    D = params.first_D if state.k == 0 else params.D
    y = gradient_steps(oracle, x, state.y, params.alpha, D)
    v = neumann_series(oracle, x, y, linear_target(oracle, x, y), params.eta, params.N)
    gradient = implicit_gradient(oracle, x, y, v)
    return State(descend(x, params.beta, gradient), y, state.k + 1)


def cost_per_step(params: Params, k: int) -> Cost:
    """2 gradients of f, D of g, 1 Jacobian product, N Hessian products."""
    D = params.first_D if k == 0 else params.D
    return Cost(grad_x_f=1, grad_y_f=1, grad_y_g=D, jvp=1, hvp=params.N)


def theory(constants: Constants, eps: float) -> Params:
    """Steps of AID-BiO; N so that the series leaves a hypergradient error of sqrt(eps)/4."""
    alpha, beta = 1.0 / constants.L, 1.0 / (8.0 * constants.L_Phi)
    D, _ = certified_steps(constants, alpha, beta)
    first_D, _ = first_steps(constants, alpha, D, 1)
    error = 4.0 * constants.kappa * constants.M / math.sqrt(eps)
    contraction = 1.0 - alpha * constants.mu
    N = math.ceil(math.log(error) / -math.log(contraction)) if error > 1 and contraction > 0 else 1
    return Params(alpha, beta, alpha, D, max(N, 1), first_D)
