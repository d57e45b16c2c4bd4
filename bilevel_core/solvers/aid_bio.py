"""AID-BiO: implicit differentiation by conjugate gradients, y and v warm-started.

Ji, Yang and Liang (ICML 2021), Algorithm 1 and Theorem 1.  For k = 0, 1, ...:

    y_k  = D gradient steps of size alpha on g(x_k, .) from y_{k-1}
    v_k  = N conjugate gradient steps on grad_yy g(x_k, y_k) v = grad_y f(x_k, y_k) from v_{k-1}
    x_{k+1} = x_k - beta [grad_x f(x_k, y_k) - grad_x grad_y g(x_k, y_k) v_k]

The first outer step takes first_D and first_N steps: the start's error counts kappa^4 otherwise.
x: (p,) or (p, B); y, v: (q,) or (q, B).
"""

from __future__ import annotations

from typing import NamedTuple

from bilevel_core.arrays import Array
from bilevel_core.certificate import (
    certified_steps,
    conjugate_gradient_factor,
    first_steps,
    transient,
)
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost
from bilevel_core.inner import descend, gradient_steps, implicit_gradient, linear_target
from bilevel_core.linear import conjugate_gradient
from bilevel_core.oracle import Oracle
from bilevel_core.solvers import register_solver

GUARANTEE = "K = O(kappa^3 / eps), D = Theta(kappa), N = Theta(sqrt kappa) up to log kappa"


class Params(NamedTuple):
    """Step sizes and numbers of steps."""

    alpha: float  # inner step size, in (0, 2/(L + mu)]
    beta: float  # outer step size, in (0, 1/L_Phi]
    D: int  # inner gradient steps
    N: int  # conjugate gradient steps
    first_D: int  # the same, at the first outer step
    first_N: int


class State(NamedTuple):
    """Iterates and the number of outer steps done."""

    x: Array
    y: Array
    v: Array
    k: int


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, B) and y0 (q,) or (q, B), with v = 0."""
    return State(x0, y0, 0.0 * y0, 0)


@register_solver("aid_bio")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    D, N = (params.first_D, params.first_N) if state.k == 0 else (params.D, params.N)
    y = gradient_steps(oracle, x, state.y, params.alpha, D)
    v = conjugate_gradient(oracle, x, y, linear_target(oracle, x, y), state.v, N)
    gradient = implicit_gradient(oracle, x, y, v)
    return State(descend(x, params.beta, gradient), y, v, state.k + 1)


def cost_per_step(params: Params, k: int) -> Cost:
    """2 gradients of f, D of g, 1 Jacobian product, N + 1 Hessian products."""
    D, N = (params.first_D, params.first_N) if k == 0 else (params.D, params.N)
    return Cost(grad_x_f=1, grad_y_f=1, grad_y_g=D, jvp=1, hvp=N + 1)


def theory(constants: Constants, eps: float) -> Params:
    """alpha = 1/L and beta = 1/(8 L_Phi) as in Theorem 1; D and N certified, whatever eps."""
    alpha, beta = 1.0 / constants.L, 1.0 / (8.0 * constants.L_Phi)
    D, N = certified_steps(constants, alpha, beta)
    first_D, first_N = first_steps(constants, alpha, D, N)
    return Params(alpha, beta, D, N, first_D, first_N)


def outer_bound(constants: Constants, eps: float) -> float:
    """[4 gap/beta + 4 H0^2]/eps: the certificate's bound on K for the average criterion."""
    params = theory(constants, eps)
    contraction, kappa = 1.0 - params.alpha * constants.mu, constants.kappa
    a = contraction**params.D
    c = conjugate_gradient_factor(kappa, params.N)
    # The first step leaves less of the start's errors than T says, by what its extra steps do.
    e = constants.distance * contraction ** (params.first_D - params.D)
    saved = conjugate_gradient_factor(kappa, params.first_N - params.N)
    d = constants.M / constants.mu * saved / conjugate_gradient_factor(kappa, 0)
    h0_squared = transient(constants, params.beta, a, c, e, d)
    return (4.0 * constants.gap / params.beta + 4.0 * h0_squared) / eps
