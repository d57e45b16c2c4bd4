"""HOAG: hyperparameter optimisation with approximate gradient, under decreasing tolerances.

Pedregosa (ICML 2016).  For k = 0, 1, ... with tolerance_k = tolerance / (k + 1)^decrease, summable:

    y_k  = gradient steps on g(x_k, .) from y_{k-1} until ||grad_y g|| <= mu tolerance_k
    v_k  = conjugate gradient steps on grad_yy g v = grad_y f from v_{k-1} until the residual is
    below
           mu tolerance_k
    x_{k+1} = x_k - beta [grad_x f(x_k, y_k) - grad_x grad_y g(x_k, y_k) v_k]

A residual of mu tolerance_k puts y_k within tolerance_k of y*.  Tolerances stop at `floor`, below
which float64 has nothing to resolve.  x: (p,) or (p, B); y, v: (q,) or (q, B).
"""

from __future__ import annotations

from typing import NamedTuple

from bilevel_core.arrays import Array
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost, CostRange
from bilevel_core.inner import descend, gradient_steps_until, implicit_gradient, linear_target
from bilevel_core.linear import conjugate_gradient_until
from bilevel_core.oracle import Oracle
from bilevel_core.solvers import register_solver

GUARANTEE = "asymptotic convergence only; no rate is stated"


class Params(NamedTuple):
    """Step sizes, the schedule of tolerances, and limits on the inner loops."""

    alpha: float  # inner step size, in (0, 2/(L + mu)]
    beta: float  # outer step size
    tolerance: float  # on ||y - y*|| at the first outer step
    decrease: float  # power of k by which it falls, above 1
    floor: float  # where it stops falling
    mu: float  # strong convexity of g
    most: int  # inner and linear steps an outer step at most


class State(NamedTuple):
    """Iterates and the number of outer steps done."""

    x: Array
    y: Array
    v: Array
    k: int


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, B) and y0 (q,) or (q, B), with v = 0."""
    return State(x0, y0, 0.0 * y0, 0)


@register_solver("hoag")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    tolerance = max(params.tolerance / (state.k + 1.0) ** params.decrease, params.floor) * params.mu
    y = gradient_steps_until(oracle, x, state.y, params.alpha, tolerance, params.most)
    b = linear_target(oracle, x, y)
    v = conjugate_gradient_until(oracle, x, y, b, state.v, tolerance, params.most)
    gradient = implicit_gradient(oracle, x, y, v)
    return State(descend(x, params.beta, gradient), y, v, state.k + 1)


def cost_per_step(params: Params, k: int) -> CostRange:
    """2 gradients of f, 1 to most + 1 of g, 1 Jacobian product, 1 to most + 1 Hessian products."""
    return CostRange(
        Cost(grad_x_f=1, grad_y_f=1, grad_y_g=1, jvp=1, hvp=1),
        Cost(grad_x_f=1, grad_y_f=1, grad_y_g=params.most + 1, jvp=1, hvp=params.most + 1),
    )


def theory(constants: Constants, eps: float) -> Params:
    """beta = 1/L_Phi and tolerances 0.1/(k + 1)^2, one of the paper's three summable schedules."""
    return Params(
        alpha=2.0 / (constants.L + constants.mu),
        beta=1.0 / constants.L_Phi,
        tolerance=0.1,
        decrease=2.0,
        floor=1e-11,
        mu=constants.mu,
        most=1000 + int(100 * constants.kappa),
    )
