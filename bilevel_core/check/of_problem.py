"""Conformance of a problem family: oracles, constants and closed forms agree with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

import problems
from bilevel_core import oracle as calls
from bilevel_core.check import of_constants
from bilevel_core.check.finding import Finding, find
from bilevel_core.check.of_factory import made_as_asked, repeats, seeds_differ
from bilevel_core.check.of_solver import engines_agree
from bilevel_core.check.points import difference, matrices, sample_points, value, vector
from bilevel_core.errors import InputError
from bilevel_core.jacobian_sums import EACH, family_add_jvp, family_settle_jvps, sums_of
from bilevel_core.policies import params_for
from bilevel_core.problem import Problem
from bilevel_core.solvers import get

KAPPAS = (4.0, 16.0)
SEEDS = (0, 1)
IN_X = ("grad_x_f", "grad_x_g", "jvp")
VECTORS = (*IN_X, "grad_y_f", "grad_y_g", "hvp")
CLOSE = 2e-5
"""Allowed error of a central difference, relative to the size of what it approximates."""


def _close(what: str, got: np.ndarray, wanted: np.ndarray) -> str:
    size = max(float(np.max(np.abs(wanted))), 1e-3)
    error = float(np.max(np.abs(got - wanted))) / size
    return "" if error <= CLOSE else f"{what} is off by {error:.1e} relative"


def _swap(
    function: Callable[..., float], problem: Problem, part: str, y: np.ndarray, x: np.ndarray
) -> float:
    return function(problem, part, x, y)


def _slope_along(problem: Problem, v: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    return float(vector(problem, "grad_y_g", x, y) @ v)


def gradients(problem: Problem) -> str:
    """Whether the four gradients are those of f and g, by central differences."""
    for x, y, _ in sample_points(problem, 3):
        for part in ("f", "g"):
            wanted_x = difference(partial(_swap, value, problem, part, y), x)
            wanted_y = difference(partial(value, problem, part, x), y)
            for axis, wanted in (("x", wanted_x), ("y", wanted_y)):
                name = f"grad_{axis}_{part}"
                wrong = _close(name, vector(problem, name, x, y), wanted)
                if wrong:
                    return wrong
    return ""


def products(problem: Problem) -> str:
    """Whether jvp and hvp are derivatives of grad_y g, and the Hessian is symmetric."""
    for x, y, v in sample_points(problem, 3):
        along_x = difference(partial(_slope_along, problem, v, y=y), x)
        along_y = difference(partial(_slope_along, problem, v, x), y)
        wrong = _close("jvp", vector(problem, "jvp", x, y, v), along_x)
        wrong = wrong or _close("hvp", vector(problem, "hvp", x, y, v), along_y)
        w = np.roll(v, 1) + 0.5
        left = float(w @ vector(problem, "hvp", x, y, v))
        right = float(v @ vector(problem, "hvp", x, y, w))
        if not wrong and abs(left - right) > 1e-9 * (abs(left) + abs(right) + 1.0):
            wrong = f"the Hessian is not symmetric: {left!r} against {right!r}"
        if wrong:
            return wrong
    return sums(problem)


def sums(problem: Problem) -> str:
    """Whether a family that multiplies sums of vectors by its Jacobian once has only one."""
    if sums_of(type(problem.data)) is EACH:
        return ""
    points = sample_points(problem, 3)
    x = points[0][0]
    wanted = sum(vector(problem, "jvp", x, y, v) for _, y, v in points)
    product, total = np.empty(problem.dim_x), np.zeros(problem.dim_x)
    pending = np.zeros(problem.dim_y)
    for _, y, v in points:
        family_add_jvp(problem.data, x, y, v, 1.0, product, pending, total)
    family_settle_jvps(problem.data, x, points[0][1], 1.0, product, pending, total)
    return _close("a sum of jvp along a path of y", total, np.asarray(wanted))


def stationary(problem: Problem) -> str:
    """Whether y* solves the inner problem."""
    for x, _, _ in sample_points(problem, 4):
        residual = np.linalg.norm(vector(problem, "grad_y_g", x, problem.y_star(x)))
        if residual > 1e-8 * problem.constants.L * (1.0 + np.linalg.norm(x)):
            return f"||grad_y g(x, y*(x))|| = {residual:.1e}"
    return ""


def outer_gradient(problem: Problem) -> str:
    """Whether phi is f(x, y*(x)), and grad_phi its gradient and that of the implicit formula."""
    for x, _, _ in sample_points(problem, 3):
        gradient = problem.grad_phi(x)
        wrong = _close("grad_phi", gradient, difference(lambda a: float(problem.phi(a)), x))
        y = problem.y_star(x)
        H, J = matrices(problem, x, y)
        v = np.linalg.solve(H, vector(problem, "grad_y_f", x, y))
        implicit = vector(problem, "grad_x_f", x, y) - J @ v
        scale = np.max(np.abs(gradient)) + 1e-9
        if not wrong and np.max(np.abs(implicit - gradient)) > 1e-6 * scale:
            wrong = "grad_phi differs from grad_x f - J H^{-1} grad_y f"
        outer, inner = float(problem.phi(x)), value(problem, "f", x, y)
        if not wrong and abs(outer - inner) > 1e-9 * (1.0 + abs(inner)):
            wrong = f"phi is {outer:.6g} where f(x, y*(x)) is {inner:.6g}"
        if wrong:
            return wrong
    return ""


def runs(problem: Problem) -> str:
    """Whether AID-BiO runs on it alike on every engine."""
    solver = get("aid_bio")
    return engines_agree(problem, solver, params_for(solver, problem, "theory", {}, 1e-2))


def columns(problem: Problem) -> str:
    """Whether the family treats columns of a batch one by one, and so do its closed forms."""
    import torch

    from bilevel_core.engines.torch import stack_data

    points = sample_points(problem, 3)
    data = stack_data([problem.data] * len(points), torch.device("cpu"))
    batch = [torch.as_tensor(np.stack(parts, axis=-1)) for parts in zip(*points, strict=True)]
    for part in (*VECTORS, "f", "g"):
        given = batch if part in ("jvp", "hvp") else batch[:2]
        if part in ("f", "g"):
            together = torch.as_tensor(calls.FAMILY_CALLS[part](data, *given))[None]
            alone = [np.atleast_1d(value(problem, part, *point[:2])) for point in points]
        else:
            together = torch.empty_like(batch[0 if part in IN_X else 1])
            calls.FAMILY_CALLS[part](data, *given, together)
            alone = [vector(problem, part, *point[: len(given)]) for point in points]
        wrong = _apart(part, together.detach().numpy(), alone)
        if wrong:
            return wrong
    if problem.closed_forms is None:
        return ""
    for form in (problem.y_star, problem.phi, problem.grad_phi):
        own = [np.atleast_1d(form(x)) for x, _, _ in points]
        wrong = _apart(form.__name__, np.atleast_2d(form(batch[0].numpy())), own)
        if wrong:
            return wrong
    return ""


def _apart(what: str, together: np.ndarray, alone: list[np.ndarray]) -> str:
    wanted = np.stack(alone, axis=-1)
    size = max(float(np.max(np.abs(wanted))), 1.0)
    same = together.shape == wanted.shape and bool(np.all(np.abs(together - wanted) <= 1e-9 * size))
    return "" if same else f"{what} of a batch (n, B) differs from its columns one by one"


TESTS = {
    "the gradients are those of f and g": gradients,
    "jvp and hvp are derivatives of grad_y g": products,
    "columns of a batch are points": columns,
    "kappa is L/mu": of_constants.condition,
    "mu and L bound the inner Hessian and the Jacobian": of_constants.bounds,
    "mu and L are nearly attained": of_constants.attained,
    "M bounds the gradient of f": of_constants.slope_of_f,
    "rho and tau bound the change of Hessian and Jacobian": of_constants.bending,
    "y* is stationary": stationary,
    "grad_phi is the gradient of phi": outer_gradient,
    "gap and distance are those of the start": of_constants.distances,
    "L_Phi bounds the change of grad_phi": of_constants.smoothness,
    "AID-BiO runs alike on every engine": runs,
}


def _findings_on(instances: Iterable[Problem]) -> Iterator[Finding]:
    """Every test on each of the instances; those that compile come last."""
    made = list(instances)
    for last in (False, True):
        for problem in made:
            for text, test in TESTS.items():
                if (test is runs) is last:
                    where = f"kappa {problem.kappa:g}, seed {problem.seed}"
                    yield find(f"{where}: {text}", partial(test, problem))


def problem_findings(name: str) -> Iterator[Finding]:
    """Every conformance test on a family as it is made; never raises for what the family does."""
    every: list[Problem] = []
    for kappa in KAPPAS:
        made: list[Problem] = []
        yield find(f"kappa {kappa:g}: instances can be made", partial(_make, name, kappa, made))
        for seed, problem in zip(SEEDS, made, strict=False):
            where = f"kappa {kappa:g}, seed {seed}"
            yield find(
                f"{where}: kappa and seed are those asked for",
                partial(made_as_asked, problem, kappa, seed),
            )
            yield find(f"{where}: made twice it is the same", partial(repeats, name, problem))
        if made:
            yield find(f"kappa {kappa:g}: seeds differ", partial(seeds_differ, *made))
        every += made
    yield from _findings_on(every)


def check_problem(problem: Any) -> list[Finding]:
    """Run every conformance test on a family, by name, or on one instance, a Problem.

    Raises:
        InputError: no such family, or neither; never for what the family does wrong.
    """
    if isinstance(problem, Problem):
        return list(_findings_on([problem]))
    if not isinstance(problem, str):
        raise InputError(f"problem: expected a name or a Problem, got {problem!r}")
    problems.parameters(problem)
    return list(problem_findings(problem))


def _make(name: str, kappa: float, made: list[Problem]) -> str:
    made += [problems.make(name, kappa=kappa, seed=seed) for seed in SEEDS]
    return ""
