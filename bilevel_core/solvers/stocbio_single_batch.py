"""stocBiO with a single batch of Hessians, used for all products of the series.  An ablation.

Ji, Yang and Liang (ICML 2021), Algorithms 2 and 3 with B_1 = ... = B_Q: the factors of a product
are no longer independent, so that the series is biased.  The batch is the mean of stocBiO's own,
which makes Q products cost as many samples.  x: (p,) or (p, B); y, v: (q,) or (q, B).
"""

from __future__ import annotations

import math
from typing import NamedTuple

from bilevel_core.constants import Constants
from bilevel_core.cost import Cost
from bilevel_core.estimators import (
    held_neumann_series,
    outer_gradients,
    stochastic_gradient_steps,
    subtract_jacobian_product,
    total_of_batches,
)
from bilevel_core.inner import descend
from bilevel_core.oracle import Oracle
from bilevel_core.solvers import register_solver, stocbio
from bilevel_core.solvers.stocbio import State, init

__all__ = [
    "GUARANTEE", "Params", "State", "cost_per_step", "init", "samples_per_step", "step", "theory",
]  # fmt: skip

GUARANTEE = "an ablation: stocBiO's bound does not hold for it"


class Params(NamedTuple):
    """Step sizes, numbers of steps, and batches."""

    alpha: float  # inner step size, in (0, 2/(L + mu)]
    beta: float  # outer step size, in (0, 1/L_Phi]
    eta: float  # step size of the series, in (0, 1/L]
    D: int  # inner gradient steps
    Q: int  # products of the series
    S: int  # batch of an inner step
    S_h: int  # the batch of Hessians
    D_f: int  # batch of f
    D_g: int  # batch of the Jacobian
    first_D: int  # inner gradient steps at the first outer step


@register_solver("stocbio_single_batch")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    D = params.first_D if state.k == 0 else params.D
    y = stochastic_gradient_steps(oracle, x, state.y, params.alpha, D, params.S)
    gradient, target = outer_gradients(oracle, x, y, params.D_f)
    v = held_neumann_series(oracle, x, y, target, params.eta, params.Q, params.S_h)
    subtract_jacobian_product(oracle, gradient, x, y, v, params.D_g)
    return State(descend(x, params.beta, gradient), y, state.k + 1)


def cost_per_step(params: Params, k: int) -> Cost:
    """2 gradients of f, D of g, 1 Jacobian product, Q Hessian products, each of a batch."""
    D = params.first_D if k == 0 else params.D
    return Cost(grad_x_f=1, grad_y_f=1, grad_y_g=D, jvp=1, hvp=params.Q)


def samples_per_step(params: Params, k: int) -> Cost:
    """2 D_f, D S, D_g, and Q times the batch of Hessians."""
    D = params.first_D if k == 0 else params.D
    return Cost(
        grad_x_f=params.D_f,
        grad_y_f=params.D_f,
        grad_y_g=D * params.S,
        jvp=params.D_g,
        hvp=params.Q * params.S_h,
    )


def theory(constants: Constants, eps: float) -> Params:
    """The parameters of stocBiO, with the mean of its batches of Hessians."""
    own = stocbio.theory(constants, eps)
    mean = math.ceil(total_of_batches(own.Q, own.B, own.shrink) / own.Q)
    return Params(
        own.alpha, own.beta, own.eta, own.D, own.Q, own.S, mean, own.D_f, own.D_g, own.first_D
    )
