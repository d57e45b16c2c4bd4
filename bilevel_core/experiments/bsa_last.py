"""BSA, whose state also keeps the y that its latest step came to, for evaluation.

Ghadimi and Wang (2018), as in `bilevel_core.solvers.bsa`: every inner loop starts at y0 again, so
that the state has no y of its own to evaluate.  The oracle calls and the iterates are the same.
x: (p,) or (p, B); y: (q,) or (q, B).
"""

from __future__ import annotations

from typing import NamedTuple

from bilevel_core.arrays import Array
from bilevel_core.constants import Constants
from bilevel_core.estimators import (
    outer_gradients,
    randomised_neumann_product,
    subtract_jacobian_product,
)
from bilevel_core.inner import descend
from bilevel_core.oracle import Oracle
from bilevel_core.solvers import bsa
from bilevel_core.solvers.bsa import cost_per_step, inner_steps, samples_per_step, shrinking_steps

__all__ = ["Params", "State", "cost_per_step", "init", "samples_per_step", "step", "theory"]


class Params(bsa.Params):
    """As those of BSA; a class of its own, by which the step is found."""

    __slots__ = ()


class State(NamedTuple):
    """Iterate, the latest y, the inner start, and the number of outer steps done."""

    x: Array
    y: Array
    y0: Array
    k: int


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, B) and y0 (q,) or (q, B)."""
    return State(x0, 1.0 * y0, y0, 0)


def step(oracle: Oracle, params: Params, state: State) -> State:
    """One outer step."""
    x = state.x
    D = inner_steps(state.k)
    y = shrinking_steps(oracle, x, state.y0, params.alpha, params.offset, D)
    gradient, target = outer_gradients(oracle, x, y, 1)
    v = randomised_neumann_product(oracle, x, y, target, params.eta, params.b)
    subtract_jacobian_product(oracle, gradient, x, y, v, 1)
    return State(descend(x, params.beta, gradient), y, state.y0, state.k + 1)


def theory(constants: Constants, eps: float) -> Params:
    """As of BSA."""
    return Params(*bsa.theory(constants, eps))
