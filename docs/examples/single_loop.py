"""Single loop: one inner and one linear gradient step for each outer step."""

from typing import Any, NamedTuple

import bilevel_core as bl
from bilevel_core.oracle import grad_x_f, grad_y_f, grad_y_g, hvp, jvp


class Params(NamedTuple):
    alpha: float  # step of y and v
    beta: float  # step of x


class State(NamedTuple):
    x: Any
    y: Any
    v: Any


def init(x0, y0):
    return State(x0, y0, 0.0 * y0)


@bl.register_solver("single_loop")
def step(oracle, params, state):
    x, y, v = state
    y = y - params.alpha * grad_y_g(oracle, x, y)
    v = v - params.alpha * (hvp(oracle, x, y, v) - grad_y_f(oracle, x, y))
    hypergradient = grad_x_f(oracle, x, y) - jvp(oracle, x, y, v)
    return State(x - params.beta * hypergradient, y, v)


def cost_per_step(params, k):
    return bl.Cost(grad_x_f=1, grad_y_f=1, grad_y_g=1, jvp=1, hvp=1)


def theory(constants, eps):
    return Params(1.0 / constants.L, 1.0 / (8.0 * constants.kappa * constants.L_Phi))
