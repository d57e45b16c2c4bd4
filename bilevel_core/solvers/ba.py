"""BA: bilevel approximation, growing inner loops from the same y0 at every outer step.

Ghadimi and Wang (2018), in the deterministic form that Ji, Yang and Liang (ICML 2021) list as
AID-BiO (Ghadimi and Wang).  For k = 0, 1, ...:

    y_k  = t_k gradient steps of size 2/(L + mu) on g(x_k, .) from y0, t_k = ceil((k + 1)^{1/4} / 2)
    v_k  = grad_yy g(x_k, y_k)^{-1} grad_y f(x_k, y_k), here by N conjugate gradient steps from 0
    x_{k+1} = x_k - beta [grad_x f(x_k, y_k) - grad_x grad_y g(x_k, y_k) v_k]

Nothing is warm-started: of order kappa^4 outer steps pass before t_k is long enough.
x: (p,) or (p, B); y, v: (q,) or (q, B).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bilevel_core.arrays import Array
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost
from bilevel_core.inner import descend, gradient_steps, implicit_gradient, linear_target
from bilevel_core.linear import conjugate_gradient_from_zero
from bilevel_core.oracle import Oracle
from bilevel_core.solvers import register_solver

GUARANTEE = "K = O(kappa^4 / eps), sum of t_k = O(kappa^5 / eps^{5/4})"


class Params(NamedTuple):
    """Step sizes and the number of conjugate gradient steps."""

    alpha: float  # inner step size, in (0, 2/(L + mu)]
    beta: float  # outer step size, in (0, 1/L_Phi]
    N: int  # conjugate gradient steps


class State(NamedTuple):
    """Iterate, the inner start that never changes, and the number of outer steps done."""

    x: Array
    y0: Array
    k: int


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, B) and y0 (q,) or (q, B)."""
    return State(x0, y0, 0)


def inner_steps(k: int) -> int:
    """t_k = ceil((k + 1)^{1/4} / 2): the nonconvex choice of Ghadimi and Wang.

    In integers, so that no rounding of a fourth root can move a step: t is the least with
    (2 t)^4 >= k + 1.
    """
    t = int(0.5 * (k + 1.0) ** 0.25)
    while 16 * t**4 < k + 1:
        t += 1
    return t


@register_solver("ba")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    y = gradient_steps(oracle, x, state.y0, params.alpha, inner_steps(state.k))
    v = conjugate_gradient_from_zero(oracle, x, y, linear_target(oracle, x, y), params.N)
    gradient = implicit_gradient(oracle, x, y, v)
    return State(descend(x, params.beta, gradient), state.y0, state.k + 1)


def cost_per_step(params: Params, k: int) -> Cost:
    """2 gradients of f, t_k of g, 1 Jacobian product, N Hessian products."""
    return Cost(grad_x_f=1, grad_y_f=1, grad_y_g=inner_steps(k), jvp=1, hvp=params.N)


def theory(constants: Constants, eps: float) -> Params:
    """alpha = 2/(L + mu), beta = 1/L_Phi; N leaves a hypergradient error of sqrt(eps)/4."""
    kappa = constants.kappa
    root = math.sqrt(kappa)
    rate = (root - 1.0) / (root + 1.0)
    error = 8.0 * root * kappa * constants.M / math.sqrt(eps)
    N = math.ceil(math.log(error) / -math.log(rate)) if error > 1 and rate > 0 else 1
    return Params(2.0 / (constants.L + constants.mu), 1.0 / constants.L_Phi, max(N, 1))
