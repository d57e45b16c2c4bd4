"""AID-BiO without the warm start of v: every linear system is solved from 0.  An ablation.

Ji, Yang and Liang (ICML 2021), Algorithm 1 with v_k^0 = 0; parameters are those of AID-BiO, whose N
a warm start makes enough.  x: (p,) or (p, B); y, v: (q,) or (q, B).
"""

from __future__ import annotations

from typing import NamedTuple

from bilevel_core.arrays import Array
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost
from bilevel_core.inner import descend, gradient_steps, implicit_gradient, linear_target
from bilevel_core.linear import conjugate_gradient_from_zero
from bilevel_core.oracle import Oracle
from bilevel_core.solvers import aid_bio, register_solver

GUARANTEE = "an ablation: AID-BiO's bound does not hold for it"


class Params(NamedTuple):
    """Step sizes and numbers of steps."""

    alpha: float  # inner step size, in (0, 2/(L + mu)]
    beta: float  # outer step size, in (0, 1/L_Phi]
    D: int  # inner gradient steps
    N: int  # conjugate gradient steps
    first_D: int  # inner gradient steps at the first outer step


class State(NamedTuple):
    """Iterates and the number of outer steps done."""

    x: Array
    y: Array
    k: int


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, B) and y0 (q,) or (q, B)."""
    return State(x0, y0, 0)


@register_solver("aid_bio_cold_v")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    D = params.first_D if state.k == 0 else params.D
    y = gradient_steps(oracle, x, state.y, params.alpha, D)
    v = conjugate_gradient_from_zero(oracle, x, y, linear_target(oracle, x, y), params.N)
    gradient = implicit_gradient(oracle, x, y, v)
    return State(descend(x, params.beta, gradient), y, state.k + 1)


def cost_per_step(params: Params, k: int) -> Cost:
    """2 gradients of f, D of g, 1 Jacobian product, N Hessian products."""
    D = params.first_D if k == 0 else params.D
    return Cost(grad_x_f=1, grad_y_f=1, grad_y_g=D, jvp=1, hvp=params.N)


def theory(constants: Constants, eps: float) -> Params:
    """The parameters of AID-BiO."""
    own = aid_bio.theory(constants, eps)
    return Params(own.alpha, own.beta, own.D, own.N, own.first_D)
