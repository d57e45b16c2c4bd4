"""Conformance of a family's function: the instance that was asked for, and the same each time."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

import problems
from bilevel_core.check.of_constants import SLACK
from bilevel_core.check.points import value, vector
from bilevel_core.problem import Problem

GRADIENTS = ("grad_x_f", "grad_y_f", "grad_x_g", "grad_y_g")
PRODUCTS = ("jvp", "hvp")


def numbers_of(problem: Problem) -> list[bytes]:
    """An instance's constants and starts, and its functions at three points, to the last bit.

    Its data may hold rooms for work, whose contents nobody has set.
    """
    constants = list(problem.constants.to_dict().values())
    found = [problem.x0, problem.y0, np.array(constants)]
    for x, y, v in _places(problem):
        found += [np.array(value(problem, part, x, y)) for part in ("f", "g")]
        found += [vector(problem, part, x, y) for part in GRADIENTS]
        found += [vector(problem, part, x, y, v) for part in PRODUCTS]
    return [numbers.tobytes() for numbers in found]


def _places(problem: Problem) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Near the start, without y*, which an arbitrary problem may make dear."""
    for spread in (0.0, 0.1, 1.0):
        random = np.random.default_rng(0)
        x = problem.x0 + spread * random.normal(size=problem.dim_x)
        y = problem.y0 + spread * random.normal(size=problem.dim_y)
        yield x, y, random.normal(size=problem.dim_y)


def made_as_asked(problem: Problem, kappa: float, seed: int) -> str:
    """Whether kappa and seed are those that were asked for."""
    if problem.kappa != kappa:
        return f"kappa is {problem.kappa!r}, asked for {kappa!r}"
    own = problem.constants.kappa
    if abs(own - kappa) > SLACK * kappa:
        return f"constants.L / constants.mu = {own:.6g}, asked for kappa {kappa:g}"
    return "" if problem.seed == seed else f"seed is {problem.seed!r}, asked for {seed!r}"


def repeats(name: str, problem: Problem) -> str:
    """Whether an instance that is made again is the same to the last bit."""
    again = problems.make(name, kappa=problem.kappa, seed=problem.seed)
    if numbers_of(again) == numbers_of(problem):
        return ""
    return f"made twice with seed {problem.seed}, its numbers differ: draw from the seed alone"


def seeds_differ(one: Problem, other: Problem) -> str:
    """Whether another seed gives another instance."""
    if numbers_of(one) != numbers_of(other):
        return ""
    return f"seeds {one.seed} and {other.seed} give the same instance: the seed is ignored"
