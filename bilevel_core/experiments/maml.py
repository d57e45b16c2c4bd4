"""MAML: all parameters are adapted to each task, from a start that is learned.

Finn, Abbeel and Levine (ICML 2017), with second derivatives.  x is a backbone and a head; g and f
are the support and query losses where each task has a copy y_t of all parameters
(`problems.fewshot_adapted`).  For k = 0, 1, ...:

    y^0 = (x_k, ..., x_k), one a task;  y^{t+1} = y^t - alpha grad_y g(y^t),  t = 0..D-1
    x_{k+1} = x_k - beta sum_t [ prod_j (I - alpha grad_yy g(y^j)) grad_y f(y^D) ]_t

A gradient and a Hessian product of g cost a pass through every copy of the backbone.  x: (p,) or
(p, 1).
"""

from __future__ import annotations

from typing import NamedTuple

from bilevel_core.arrays import Array, add_scaled, assign, stack_like, vector_like
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost
from bilevel_core.experiments.learned_start import (
    Start,
    no_theory,
    reading,
    repeated,
    summed,
    tasks_of,
)
from bilevel_core.inner import descend
from bilevel_core.oracle import Oracle, grad_y_f, grad_y_g_into, hvp_into
from problems.fewshot_adapted import all_adapted

GUARANTEE = "none: it solves no inner problem, but starts well"


class Params(NamedTuple):
    """Step sizes and the number of inner steps."""

    alpha: float  # inner step size
    beta: float  # outer step size
    D: int  # inner gradient steps


class State(Start):
    """The iterate, and how it adapts; a class of its own, by which evaluation knows it."""

    __slots__ = ()


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, 1); there is no inner variable between two steps."""
    return State(x0, 0.0, 0)


def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x, tasks = state.x, tasks_of(oracle.data)
    oracle = reading(oracle, all_adapted)
    y = repeated(x, tasks)
    path, product = stack_like(y, params.D), vector_like(y, y.shape[0])
    for t in range(params.D):
        assign(path[t], y)
        grad_y_g_into(oracle, x, y, product)
        add_scaled(y, -params.alpha, product)
    adjoint = grad_y_f(oracle, x, y)
    for t in range(params.D - 1, -1, -1):
        hvp_into(oracle, x, path[t], adjoint, product)
        add_scaled(adjoint, -params.alpha, product)
    gradient = summed(adjoint, tasks)
    return State(descend(x, params.beta, gradient), params.alpha, params.D)


def cost_per_step(params: Params, k: int) -> Cost:
    """1 gradient of f, and D gradients of g and Hessian products."""
    return Cost(grad_y_f=1, grad_y_g=params.D, hvp=params.D)


def theory(constants: Constants, eps: float) -> Params:
    """Parameters are given by hand.

    Raises:
        InputError: always.
    """
    raise no_theory("maml")
