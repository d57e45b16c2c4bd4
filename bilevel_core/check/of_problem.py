"""Conformance of a problem family: oracles, constants and closed forms agree with each other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

import problems
from bilevel_core import oracle as calls
from bilevel_core.check.finding import Finding, find
from bilevel_core.check.of_solver import engines_agree
from bilevel_core.jacobian_sums import EACH, family_add_jvp, family_settle_jvps, sums_of
from bilevel_core.policies import params_for
from bilevel_core.problem import Problem
from bilevel_core.solvers import get

KAPPAS = (4.0, 16.0)
STEP = 1e-6
"""Step of the central differences, relative to 1 + |coordinate|."""
CLOSE = 2e-5
"""Allowed error of a central difference, relative to the size of what it approximates."""
SLACK = 1e-9


Point = tuple[np.ndarray, np.ndarray, np.ndarray]


def sample_points(problem: Problem, count: int, seed: int = 0) -> list[Point]:
    """Points (x, y, v) around the start and around (x, y*(x))."""
    random = np.random.default_rng(seed)
    points: list[Point] = []
    for i in range(count):
        x = problem.x0 + random.normal(size=problem.dim_x) * (0.1 if i % 2 else 1.0)
        center = problem.y_star(x)
        y = center + 0.1 * random.normal(size=problem.dim_y) * (1.0 + np.abs(center))
        points.append((x, y, random.normal(size=problem.dim_y)))
    return points


def _vector(problem: Problem, part: str, *vectors: np.ndarray) -> np.ndarray:
    """One gradient or product of the family at (x, y) or (x, y, v), uncounted."""
    dim = problem.dim_x if part in ("grad_x_f", "grad_x_g", "jvp") else problem.dim_y
    call = calls.FAMILY_CALLS[part]
    if problem.engines == ("torch",):
        import torch

        result = torch.empty(dim, dtype=torch.float64)
        call(problem.data, *map(torch.as_tensor, vectors), result)
        return result.numpy()
    out = np.empty(dim)
    call(problem.data, *vectors, out)
    return out


def _value(problem: Problem, part: str, *vectors: np.ndarray) -> float:
    """f or g at (x, y), uncounted."""
    call = calls.FAMILY_CALLS[part]
    if problem.engines == ("torch",):
        import torch

        return float(call(problem.data, *map(torch.as_tensor, vectors)))
    return float(call(problem.data, *vectors))


def difference(function: Callable[[np.ndarray], float], point: np.ndarray) -> np.ndarray:
    """Central differences of a scalar function."""
    out = np.empty_like(point)
    for i in range(len(point)):
        h = STEP * (1.0 + abs(point[i]))
        up, down = point.copy(), point.copy()
        up[i] += h
        down[i] -= h
        out[i] = (function(up) - function(down)) / (up[i] - down[i])
    return out


def _close(what: str, got: np.ndarray, wanted: np.ndarray) -> str:
    size = max(float(np.max(np.abs(wanted))), 1e-3)
    error = float(np.max(np.abs(got - wanted))) / size
    return "" if error <= CLOSE else f"{what} is off by {error:.1e} relative"


def _swap(
    value: Callable[..., float], problem: Problem, part: str, y: np.ndarray, x: np.ndarray
) -> float:
    return value(problem, part, x, y)


def _slope_along(problem: Problem, v: np.ndarray, x: np.ndarray, y: np.ndarray) -> float:
    return float(_vector(problem, "grad_y_g", x, y) @ v)


def gradients(problem: Problem) -> str:
    """Whether the four gradients are those of f and g, by central differences."""
    for x, y, _ in sample_points(problem, 3):
        for part in ("f", "g"):
            wanted_x = difference(partial(_swap, _value, problem, part, y), x)
            wanted_y = difference(partial(_value, problem, part, x), y)
            for axis, wanted in (("x", wanted_x), ("y", wanted_y)):
                name = f"grad_{axis}_{part}"
                wrong = _close(name, _vector(problem, name, x, y), wanted)
                if wrong:
                    return wrong
    return ""


def products(problem: Problem) -> str:
    """Whether jvp and hvp are derivatives of grad_y g, and the Hessian is symmetric."""
    for x, y, v in sample_points(problem, 3):
        along_x = difference(partial(_slope_along, problem, v, y=y), x)
        along_y = difference(partial(_slope_along, problem, v, x), y)
        wrong = _close("jvp", _vector(problem, "jvp", x, y, v), along_x)
        wrong = wrong or _close("hvp", _vector(problem, "hvp", x, y, v), along_y)
        w = np.roll(v, 1) + 0.5
        left = float(w @ _vector(problem, "hvp", x, y, v))
        right = float(v @ _vector(problem, "hvp", x, y, w))
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
    wanted = sum(_vector(problem, "jvp", x, y, v) for _, y, v in points)
    product, total = np.empty(problem.dim_x), np.zeros(problem.dim_x)
    pending = np.zeros(problem.dim_y)
    for _, y, v in points:
        family_add_jvp(problem.data, x, y, v, 1.0, product, pending, total)
    family_settle_jvps(problem.data, x, points[0][1], 1.0, product, pending, total)
    return _close("a sum of jvp along a path of y", total, np.asarray(wanted))


def matrices(problem: Problem, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Hessian (q, q) and the Jacobian (p, q) of g at a point, column by column."""
    columns = np.eye(problem.dim_y)
    H = np.stack([_vector(problem, "hvp", x, y, e) for e in columns], axis=1)
    J = np.stack([_vector(problem, "jvp", x, y, e) for e in columns], axis=1)
    return H, J


def bounds(problem: Problem) -> str:
    """Whether mu and L bound what they should at sampled points (x, y*(x))."""
    c = problem.constants
    for x, _, _ in sample_points(problem, 4):
        y = problem.y_star(problem.x0 + 0.1 * (x - problem.x0))
        H, J = matrices(problem, problem.x0 + 0.1 * (x - problem.x0), y)
        spectrum = np.linalg.eigvalsh(H)
        if spectrum[0] < c.mu * (1 - SLACK) - 1e-12 or spectrum[-1] > c.L * (1 + SLACK):
            return (
                f"the inner Hessian has spectrum [{spectrum[0]:.6g}, {spectrum[-1]:.6g}], "
                f"outside [mu, L] = [{c.mu:.6g}, {c.L:.6g}]"
            )
        if np.linalg.norm(J, 2) > c.L * (1 + SLACK):
            return f"the Jacobian has norm {np.linalg.norm(J, 2):.6g}, above L = {c.L:.6g}"
    return ""


def stationary(problem: Problem) -> str:
    """Whether y* solves the inner problem."""
    for x, _, _ in sample_points(problem, 4):
        residual = np.linalg.norm(_vector(problem, "grad_y_g", x, problem.y_star(x)))
        if residual > 1e-8 * problem.constants.L * (1.0 + np.linalg.norm(x)):
            return f"||grad_y g(x, y*(x))|| = {residual:.1e}"
    return ""


def outer_gradient(problem: Problem) -> str:
    """Whether grad_phi is the gradient of phi, and the implicit-function formula gives the same."""
    for x, _, _ in sample_points(problem, 3):
        gradient = problem.grad_phi(x)
        wrong = _close("grad_phi", gradient, difference(lambda a: float(problem.phi(a)), x))
        y = problem.y_star(x)
        H, J = matrices(problem, x, y)
        v = np.linalg.solve(H, _vector(problem, "grad_y_f", x, y))
        implicit = _vector(problem, "grad_x_f", x, y) - J @ v
        scale = np.max(np.abs(gradient)) + 1e-9
        if not wrong and np.max(np.abs(implicit - gradient)) > 1e-6 * scale:
            wrong = "grad_phi differs from grad_x f - J H^{-1} grad_y f"
        if wrong:
            return wrong
    return ""


def runs(problem: Problem) -> str:
    """Whether AID-BiO runs on it alike on every engine."""
    solver = get("aid_bio")
    return engines_agree(problem, solver, params_for(solver, problem, "theory", {}, 1e-2))


TESTS = {
    "the gradients are those of f and g": gradients,
    "jvp and hvp are derivatives of grad_y g": products,
    "mu and L bound the inner Hessian and the Jacobian": bounds,
    "y* is stationary": stationary,
    "grad_phi is the gradient of phi": outer_gradient,
    "AID-BiO runs alike on every engine": runs,
}


def problem_findings(name: str) -> Iterator[Finding]:
    yield from check_problem(name)


def check_problem(name: str) -> list[Finding]:
    """Run every conformance test on a family; never raises for what the family does wrong."""
    findings: list[Finding] = []
    for kappa in KAPPAS:
        made: list[Problem] = []
        findings.append(
            find(f"kappa {kappa:g}: instances can be made", partial(_make, name, kappa, made))
        )
        for problem in made:
            findings += [
                find(f"kappa {kappa:g}, seed {problem.seed}: {text}", partial(test, problem))
                for text, test in TESTS.items()
            ]
    return findings


def _make(name: str, kappa: float, made: list[Problem]) -> str:
    made += [problems.make(name, kappa=kappa, seed=seed) for seed in (0, 1)]
    return "" if made[0].kappa == kappa else f"kappa is {made[0].kappa!r}, asked for {kappa!r}"
