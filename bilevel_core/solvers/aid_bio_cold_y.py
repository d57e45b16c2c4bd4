"""AID-BiO without the warm start of y: every inner loop starts at y0.  An ablation.

Ji, Yang and Liang (ICML 2021), Algorithm 1 with y_k^0 = y0; parameters are those of AID-BiO, whose
D a warm start makes enough.  x: (p,) or (p, B); y, v: (q,) or (q, B).
"""

from __future__ import annotations

from typing import NamedTuple

from bilevel_core.arrays import Array
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost
from bilevel_core.inner import descend, gradient_steps, implicit_gradient, linear_target
from bilevel_core.linear import conjugate_gradient
from bilevel_core.oracle import Oracle
from bilevel_core.solvers import aid_bio, register_solver

GUARANTEE = "an ablation: AID-BiO's bound does not hold for it"


class Params(NamedTuple):
    """Step sizes and numbers of steps."""

    alpha: float  # inner step size, in (0, 2/(L + mu)]
    beta: float  # outer step size, in (0, 1/L_Phi]
    D: int  # inner gradient steps
    N: int  # conjugate gradient steps
    first_N: int  # the same, at the first outer step


class State(NamedTuple):
    """Iterates, the inner start that never changes, and the number of outer steps done."""

    x: Array
    y0: Array
    v: Array
    k: int


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, B) and y0 (q,) or (q, B), with v = 0."""
    return State(x0, y0, 0.0 * y0, 0)


@register_solver("aid_bio_cold_y")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    N = params.first_N if state.k == 0 else params.N
    y = gradient_steps(oracle, x, state.y0, params.alpha, params.D)
    v = conjugate_gradient(oracle, x, y, linear_target(oracle, x, y), state.v, N)
    gradient = implicit_gradient(oracle, x, y, v)
    return State(descend(x, params.beta, gradient), state.y0, v, state.k + 1)


def cost_per_step(params: Params, k: int) -> Cost:
    """2 gradients of f, D of g, 1 Jacobian product, N + 1 Hessian products."""
    N = params.first_N if k == 0 else params.N
    return Cost(grad_x_f=1, grad_y_f=1, grad_y_g=params.D, jvp=1, hvp=N + 1)


def theory(constants: Constants, eps: float) -> Params:
    """The parameters of AID-BiO."""
    own = aid_bio.theory(constants, eps)
    return Params(own.alpha, own.beta, own.D, own.N, own.first_N)
