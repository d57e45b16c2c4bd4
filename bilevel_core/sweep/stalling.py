"""Runs whose x never moves, which are given up after a thousand outer steps whatever their eps.

A solver that asks for no derivative of g in x moves x along grad_x f alone; where f depends on x
through y*(x) only, that is 0.
"""

from __future__ import annotations

import numpy as np

from bilevel_core.cost import Cost, CostRange
from bilevel_core.declarations import cost_of_step
from bilevel_core.oracle import FAMILIES, family_grad_x_f
from bilevel_core.problem import Problem
from bilevel_core.solvers import Solver


def is_direct(problem: Problem) -> bool:
    """Whether f depends on x itself; looked at in two places, True where it cannot be."""
    if type(problem.data) not in FAMILIES or "compiled" not in problem.engines:
        return True
    gradient = np.empty_like(problem.x0)
    for shift in (0.0, 1.0):
        family_grad_x_f(problem.data, problem.x0 + shift, problem.y0 + shift, gradient)
        if gradient.any():
            return True
    return False


def moves_by_f_alone(solver: Solver, params: object) -> bool:
    """Whether no step with these parameters (NamedTuple) asks for a derivative of g in x."""
    declared = cost_of_step(solver, params, 1)
    most: Cost = declared.most if isinstance(declared, CostRange) else declared
    return most.jvp == most.grad_x_g == 0
