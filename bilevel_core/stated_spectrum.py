"""Whether the inner Hessian of a problem has the spectrum that its constants state.

Lanczos' method from a random vector: its Ritz values lie within the spectrum, so that one outside
[mu, L] proves the constants wrong; up to `STEPS` unknowns they are the ends themselves.
"""

from __future__ import annotations

import numpy as np

from bilevel_core.errors import InputError
from bilevel_core.oracle import hvp
from bilevel_core.problem import Problem
from bilevel_core.reference import own_array, private_oracle

STEPS = 40
SPREADS = (0.0, 0.1, 0.3)
"""Of the three points around the start."""
TOLERANCE = 1e-6
"""Allowed of L, outside [mu, L]."""


def check_spectrum(problem: Problem) -> None:
    """Compare grad_yy g at the start and at two points around it with the stated [mu, L].

    Raises:
        InputError: it has an eigenvalue outside.
    """
    c = problem.constants
    random = np.random.default_rng(0)
    for spread in SPREADS:
        x = problem.x0 + spread * random.normal(size=problem.dim_x)
        y = problem.y0 + spread * random.normal(size=problem.dim_y)
        low, high = ritz_ends(problem, x, y, random.normal(size=problem.dim_y))
        if not (c.mu - TOLERANCE * c.L <= low and high <= c.L * (1.0 + TOLERANCE)):
            where = "at the start" if spread == 0.0 else "near the start"
            raise InputError(
                f"constants: the Hessian of g in y has eigenvalues from {low:.6g} to {high:.6g} "
                f"{where}, outside [mu, L] = [{c.mu:.6g}, {c.L:.6g}]"
            )


def ritz_ends(
    problem: Problem, x: np.ndarray, y: np.ndarray, start: np.ndarray
) -> tuple[float, float]:
    """The smallest and largest Ritz value of grad_yy g(x, y), NaN where a product is not finite."""
    oracle = private_oracle(problem)
    own_x, own_y = own_array(problem, x), own_array(problem, y)
    basis, products = [start / np.linalg.norm(start)], []
    for _ in range(min(STEPS, problem.dim_y)):
        product = np.asarray(hvp(oracle, own_x, own_y, own_array(problem, basis[-1])))
        if not np.isfinite(product).all():
            return np.nan, np.nan
        products.append(product)
        rest = product
        for _ in range(2):  # once more, against rounding
            rest = rest - np.transpose(basis) @ (np.array(basis) @ rest)
        size = np.linalg.norm(rest)
        if size <= 1e-12 * np.linalg.norm(product) or len(products) == problem.dim_y:
            break
        basis.append(rest / size)
    inner = np.array(basis[: len(products)]) @ np.transpose(products)
    values = np.linalg.eigvalsh(0.5 * (inner + inner.T))
    return float(values[0]), float(values[-1])
