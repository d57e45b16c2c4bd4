"""ANIL: only the heads are adapted, from an initial head that is learned with the backbone.

Raghu, Raghu, Bengio and Vinyals (ICLR 2020), with the heads' second derivatives.  x is a backbone
and an initial head w; g is the heads' mean support loss, without a ridge.  For k = 0, 1, ...:

    y^0 = (w, ..., w), one a task;  y^{t+1} = y^t - alpha grad_y g(x_k, y^t),  t = 0..D-1
    x_{k+1} = x_k - beta d f(x_k, y^D(x_k)) / d x

The derivative is that of ITD-BiO, and one part more: the adjoint that arrives at y^0, summed over
tasks, is the gradient in w.  x: (p,) or (p, 1).
"""

from __future__ import annotations

from typing import NamedTuple

from bilevel_core.arrays import Array, add_scaled, assign, stack_like
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
from bilevel_core.oracle import Oracle, grad_x_f, grad_y_f, grad_y_g_into, hvp_into, jvp_into
from problems.fewshot_data import FewShotData

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


def without_ridge(data: FewShotData) -> FewShotData:
    """The heads' loss alone."""
    return data._replace(ridge=0.0)


def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x, tasks = state.x, tasks_of(oracle.data)
    oracle = reading(oracle, without_ridge)
    head = oracle.work.product.shape[0] // tasks
    y = repeated(x[-head:], tasks)
    path = stack_like(y, params.D)
    product_y, product_x = oracle.work.product, oracle.work.x
    for t in range(params.D):
        assign(path[t], y)
        grad_y_g_into(oracle, x, y, product_y)
        add_scaled(y, -params.alpha, product_y)
    gradient = grad_x_f(oracle, x, y)
    adjoint = grad_y_f(oracle, x, y)
    for t in range(params.D - 1, -1, -1):
        jvp_into(oracle, x, path[t], adjoint, product_x)
        add_scaled(gradient, -params.alpha, product_x)
        hvp_into(oracle, x, path[t], adjoint, product_y)
        add_scaled(adjoint, -params.alpha, product_y)
    add_scaled(gradient[-head:], 1.0, summed(adjoint, tasks))
    return State(descend(x, params.beta, gradient), params.alpha, params.D)


def cost_per_step(params: Params, k: int) -> Cost:
    """2 gradients of f, and D gradients of g, Jacobian and Hessian products."""
    return Cost(grad_x_f=1, grad_y_f=1, grad_y_g=params.D, jvp=params.D, hvp=params.D)


def theory(constants: Constants, eps: float) -> Params:
    """Parameters are given by hand.

    Raises:
        InputError: always.
    """
    raise no_theory("anil")
