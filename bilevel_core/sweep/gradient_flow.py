"""How long gradient flow on Phi itself takes to each eps: what outer steps of small size follow.

Along dx/dt = -grad Phi(x) the integral of ||grad Phi||^2 is the decrease of Phi, so that its
average over [0, T] is at most (Phi(x0) - inf Phi)/T. Outer steps of size beta follow the flow: they
reach eps after K = T(eps)/beta of them.  T = gap/eps is a bound; where the certified gap is far
above what Phi has to lose, which is so on real data, following the flow itself says much more.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bilevel_core.errors import InputError
from bilevel_core.problem import Problem

EVALUATIONS, NUMERICAL = 100, 40
"""Evaluations of grad Phi, of closed forms and of numerical ones, after which the bound is taken: a
stiff Phi admits small steps only, and it is on such families that the gap is exact."""
LEAST, MOST = 0.5, 1.1
"""What a step may multiply ||grad Phi||^2 by; otherwise it is halved and tried again."""
STEADY = (0.8, 1.02)
"""Factors after which the next step is twice as long."""


def times(problem: Problem, eps: Sequence[float], criterion: str) -> dict[float, float]:
    """T(eps) for each eps: when the average ("average") or the value ("first") is at most eps.

    At most gap/eps, which also stands where explicit steps did not get there, and where the family
    has neither closed forms nor a compiled form: following it would take long.
    """
    most = _evaluations(problem)
    # A flow that overflows is one that cannot be followed.
    with np.errstate(all="ignore"):
        reached = _followed(problem, sorted(eps, reverse=True), criterion, most) if most else {}
    gap = problem.constants.gap
    return {level: min(reached.get(level, np.inf), gap / level) for level in eps}


def _evaluations(problem: Problem) -> int:
    if problem.closed_forms is not None:
        return EVALUATIONS
    return NUMERICAL if "compiled" in problem.engines else 0


def _followed(
    problem: Problem, eps: Sequence[float], criterion: str, evaluations: int
) -> dict[float, float]:
    """T of those eps (decreasing) that explicit steps of adapted length reach."""
    x = problem.x0
    gradient = _grad_phi(problem, x)
    squared = float(gradient @ gradient)
    reached = {level: 0.0 for level in eps if squared <= level}
    time, total, length = 0.0, 0.0, 1.0 / problem.constants.L_Phi
    for _ in range(evaluations):
        if len(reached) == len(eps):
            break
        trial = x - length * gradient
        trial_gradient = _grad_phi(problem, trial)
        trial_squared = float(trial_gradient @ trial_gradient)
        if not LEAST * squared <= trial_squared <= MOST * squared:
            length *= 0.5
            continue
        time += length
        total += 0.5 * length * (squared + trial_squared)
        measure = total / time if criterion == "average" else trial_squared
        reached |= {level: time for level in eps if level >= measure and level not in reached}
        if STEADY[0] * squared < trial_squared < STEADY[1] * squared:
            length *= 2.0
        x, gradient, squared = trial, trial_gradient, trial_squared
    return reached


def _grad_phi(problem: Problem, x: np.ndarray) -> np.ndarray:
    """NaN where y*(x) is not found: a step there is not taken."""
    try:
        return problem.grad_phi(x)
    except InputError:
        return np.full_like(x, np.nan)
