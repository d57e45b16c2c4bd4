"""A problem's functions evaluated at points, uncounted, and their differences."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bilevel_core import oracle as calls
from bilevel_core.problem import Problem

STEP = 1e-6
"""Step of the central differences, relative to 1 + |coordinate|."""

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


def vector(problem: Problem, part: str, *vectors: np.ndarray) -> np.ndarray:
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


def value(problem: Problem, part: str, *vectors: np.ndarray) -> float:
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


def matrices(problem: Problem, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The Hessian (q, q) and the Jacobian (p, q) of g at a point, column by column."""
    columns = np.eye(problem.dim_y)
    H = np.stack([vector(problem, "hvp", x, y, e) for e in columns], axis=1)
    J = np.stack([vector(problem, "jvp", x, y, e) for e in columns], axis=1)
    return H, J
