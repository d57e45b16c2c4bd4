"""Conformance of constants: each is held against what is seen at sampled points.

What is seen bounds a constant from one side for certain.  From the other side a constant fails only
where it is far off: further than every registered family is, at the same points.
"""

from __future__ import annotations

import numpy as np

from bilevel_core.check.points import matrices, sample_points, vector
from bilevel_core.problem import Problem

SLACK = 1e-6
"""Allowed rounding of what is seen, relative."""
LOOSE = 100.0
"""M, gap, distance, and L and mu of a family without closed forms, may be this many times off."""
ATTAINED = 1.9
"""L and mu of a family with closed forms may be this many times off the ends that are seen."""
LOOSE_SMOOTHNESS = 10.0
LEVELS = (-1e4, -50.0, -5.0, 5.0, 50.0, 1e4)
"""Of all coordinates of y, where a family that bends attains the ends of its spectrum."""
NEAR = 1e-4
"""Distance of two points whose Hessians are compared."""


def condition(problem: Problem) -> str:
    """Whether the stated kappa is L/mu."""
    stated, own = problem.kappa, problem.constants.kappa
    if abs(stated - own) <= SLACK * own:
        return ""
    return f"kappa = {stated:.6g}, but constants.L / constants.mu = {own:.6g}"


def way_down(problem: Problem) -> list[np.ndarray]:
    """Iterates of gradient descent from x0, which the constants are stated for."""
    step = 1.0 / (problem.exact_smoothness or problem.constants.L_Phi)
    points = [problem.x0]
    for _ in range(8 if problem.closed_forms else 2):
        points.append(points[-1] - step * problem.grad_phi(points[-1]))
    return points


def bounds(problem: Problem) -> str:
    """Whether mu and L bound what they should at sampled points (x, y*(x))."""
    c = problem.constants
    for point, _, _ in sample_points(problem, 4):
        x = problem.x0 + 0.1 * (point - problem.x0)
        H, J = matrices(problem, x, problem.y_star(x))
        spectrum = np.linalg.eigvalsh(H)
        if spectrum[0] < c.mu * (1 - 1e-9) - 1e-12 or spectrum[-1] > c.L * (1 + 1e-9):
            return (
                f"the inner Hessian has spectrum [{spectrum[0]:.6g}, {spectrum[-1]:.6g}], "
                f"outside [mu, L] = [{c.mu:.6g}, {c.L:.6g}]"
            )
        if np.linalg.norm(J, 2) > c.L * (1 + 1e-9):
            return f"the Jacobian has norm {np.linalg.norm(J, 2):.6g}, above L = {c.L:.6g}"
    return ""


def attained(problem: Problem) -> str:
    """Whether mu and L are not far outside the spectrum that is seen."""
    c, x = problem.constants, problem.x0
    points = [problem.y_star(x), *(np.full(problem.dim_y, level) for level in LEVELS)]
    ends = [np.linalg.eigvalsh(matrices(problem, x, y)[0])[[0, -1]] for y in points]
    smallest, largest = min(low for low, _ in ends), max(high for _, high in ends)
    allowed = ATTAINED if problem.closed_forms else LOOSE
    if smallest > allowed * c.mu:
        return f"mu = {c.mu:.6g}, but the smallest eigenvalue seen is {smallest:.6g}"
    if largest * allowed < c.L:
        return f"L = {c.L:.6g}, but the largest eigenvalue seen is {largest:.6g}"
    return ""


def slope_of_f(problem: Problem) -> str:
    """Whether M bounds the gradient of f at the start and along gradient descent."""
    points = [(problem.x0, problem.y0), *((x, problem.y_star(x)) for x in way_down(problem))]
    parts = ("grad_x_f", "grad_y_f")
    seen = max(
        float(np.linalg.norm(np.concatenate([vector(problem, part, x, y) for part in parts])))
        for x, y in points
    )
    return _held("M", problem.constants.M, seen, "||grad f||", LOOSE)


def bending(problem: Problem) -> str:
    """Whether rho and tau bound how Hessian and Jacobian change, and are 0 if that is said."""
    c, random = problem.constants, np.random.default_rng(0)
    seen_rho = seen_tau = 0.0
    for x in way_down(problem)[::2]:
        center = problem.y_star(x)
        for spread in (0.0, 0.1, 1.0):
            y = center + spread * random.normal(size=problem.dim_y)
            moves = (random.normal(size=problem.dim_x), random.normal(size=problem.dim_y))
            size = float(np.linalg.norm(np.concatenate(moves)))
            dx, dy = (NEAR / size * move for move in moves)
            (H, J), (H_near, J_near) = matrices(problem, x, y), matrices(problem, x + dx, y + dy)
            seen_rho = max(seen_rho, float(np.linalg.norm(H_near - H, 2)) / NEAR)
            seen_tau = max(seen_tau, float(np.linalg.norm(J_near - J, 2)) / NEAR)
    rounding = 1e-10 * c.L / NEAR
    for name, stated, seen in (("rho", c.rho, seen_rho), ("tau", c.tau, seen_tau)):
        what = "Hessian" if name == "rho" else "Jacobian"
        if seen > stated * (1 + SLACK) + rounding:
            return f"{name} = {stated:.6g}, but the {what} changes by {seen:.6g} a unit of (x, y)"
    return ""


def distances(problem: Problem) -> str:
    """Whether `distance` is ||y0 - y*(x0)|| and `gap` at least what Phi falls."""
    seen = float(np.linalg.norm(problem.y0 - problem.y_star(problem.x0)))
    wrong = _held("distance", problem.constants.distance, seen, "||y0 - y*(x0)||", LOOSE)
    loose = LOOSE if problem.closed_forms else np.inf
    return wrong or _held("gap", problem.constants.gap, fall(problem), "a fall of Phi", loose)


def fall(problem: Problem) -> float:
    """Phi(x0) - Phi(x) of the lowest x that steepest descent with a search along each ray finds."""
    x, value = problem.x0, float(problem.phi(problem.x0))
    start = value
    shortest = 1.0 / (problem.exact_smoothness or problem.constants.L_Phi)
    # A numerical Phi is dear, and 1/L_Phi of the formula far shorter than need be.
    known = problem.closed_forms is not None
    lengths = shortest * (2.0 ** np.arange(40) if known else 10.0 ** np.arange(6))
    for _ in range(40 if known else 2):
        points = x[:, None] - lengths * problem.grad_phi(x)[:, None]
        with np.errstate(all="ignore"):
            values = np.nan_to_num(np.asarray(problem.phi(points), float), nan=np.inf)
        best = int(np.argmin(values))
        if not values[best] < value:
            break
        x, value = points[:, best], float(values[best])
    return start - value


def smoothness(problem: Problem) -> str:
    """Whether L_Phi, exact or not, bounds ||grad Phi(x) - grad Phi(x')|| / ||x - x'||."""
    seen, exact = _rise(problem), problem.exact_smoothness
    what = "||grad Phi(x) - grad Phi(x')|| / ||x - x'||"
    wrong = ""
    if exact is not None:
        wrong = _held("exact_smoothness", exact, seen, what, LOOSE_SMOOTHNESS)
    return wrong or _held("L_Phi", problem.constants.L_Phi, seen, what, np.inf)


def _rise(problem: Problem) -> float:
    random = np.random.default_rng(0)
    p, known = problem.dim_x, problem.closed_forms is not None
    axes = np.eye(p)[: 16 if known else 1]
    directions = [*axes, *random.normal(size=(2 if known else 1, p)), problem.grad_phi(problem.x0)]
    lengths = np.geomspace(1e-4, 1e4, 50)
    along = np.concatenate([-lengths, [0.0], lengths]) if known else np.zeros(1)
    steps = np.maximum(np.abs(along), 1.0) * (1e-6 if known else 1e-3)
    seen = 0.0
    for direction in directions:
        size = np.linalg.norm(direction)
        if size == 0.0:
            continue
        ray = direction[:, None] / size
        center = problem.x0[:, None] + along * ray
        difference = problem.grad_phi(center + steps * ray) - problem.grad_phi(center - steps * ray)
        seen = max(seen, float(np.max(np.linalg.norm(difference, axis=0) / (2.0 * steps))))
    return seen


def _held(name: str, stated: float, seen: float, what: str, loose: float) -> str:
    """Whether a bound is at least what was seen, and not `loose` times as large."""
    slack = 1e-3 if "grad Phi" in what else SLACK
    if stated < seen * (1 - slack) - 1e-12:
        return f"{name} = {stated:.6g} is too small: {what} of {seen:.6g} was seen"
    if seen > 1e-9 and stated > loose * seen:
        return f"{name} = {stated:.6g} is far too large: {what} was at most {seen:.6g}"
    return ""
