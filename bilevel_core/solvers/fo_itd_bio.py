"""FO-ITD-BiO: the first-order shortcut of ITD-BiO, which drops every second derivative.

The variant in the experiments of Ji, Yang and Liang (ICML 2021).  For k = 0, 1, ...:

    y_k  = D gradient steps of size alpha on g(x_k, .) from y_{k-1}
    x_{k+1} = x_k - beta grad_x f(x_k, y_k)

Where f does not depend on x directly it never moves.  x: (p,) or (p, B); y: (q,) or (q, B).
"""

from __future__ import annotations

from bilevel_core.constants import Constants
from bilevel_core.cost import Cost
from bilevel_core.inner import descend, gradient_steps
from bilevel_core.oracle import Oracle, grad_x_f
from bilevel_core.solvers import register_solver
from bilevel_core.unrolled import State, UnrolledParams, init, unrolled_params

__all__ = ["GUARANTEE", "Params", "State", "cost_per_step", "init", "step", "theory"]

GUARANTEE = "none: the hypergradient is biased by everything that reaches f through y*(x)"


class Params(UnrolledParams):
    """Step sizes and the number of inner steps; a class of its own, by which the step is found."""

    __slots__ = ()


@register_solver("fo_itd_bio")
def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    y = gradient_steps(oracle, state.x, state.y, params.alpha, params.D)
    return State(descend(state.x, params.beta, grad_x_f(oracle, state.x, y)), y)


def cost_per_step(params: Params, k: int) -> Cost:
    """1 gradient of f and D of g."""
    return Cost(grad_x_f=1, grad_y_g=params.D)


def theory(constants: Constants, eps: float) -> Params:
    """The parameters of ITD-BiO."""
    return Params(*unrolled_params(constants, eps))
