"""The ends of the inner Hessian's spectrum at a point, by Lanczos' method over counted products.

The Ritz values lie within the spectrum, so that kappa is never overstated but by rounding; an
eigenvalue lies within the norm of the residual, H v - value v with ||v|| = 1, of each (Parlett, The
Symmetric Eigenvalue Problem, 4.5).  Both ends come from one Krylov space, restarted implicitly by
ARPACK.  Up to `SMALL` unknowns the matrix itself is asked for, a product a column.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy.sparse.linalg import ArpackError, LinearOperator, eigsh

from bilevel_core.errors import InputError, plain_reason
from bilevel_core.oracle import CALLS, HVP, hvp
from bilevel_core.problem import Problem
from bilevel_core.reference import own_array, private_oracle

SMALL = 40
"""Unknowns up to which every column is a product: Lanczos' method would need as many."""
NUMBERS = 5 * 10**7
"""Of the basis vectors together: 0.4 GB; a basis has 20 to 100 vectors."""


class Spectrum(NamedTuple):
    """Both ends of the spectrum, the residual of each, and the products that they took."""

    smallest: float
    largest: float
    smallest_error: float
    largest_error: float
    products: int

    @property
    def kappa(self) -> float:
        """largest/smallest; infinite where g is not convex."""
        return self.largest / self.smallest if self.smallest > 0.0 else math.inf


def spectrum(
    problem: Problem,
    x: np.ndarray,
    y: np.ndarray,
    tolerance: float = 1e-2,
    most: int = 20_000,
    seed: int = 0,
) -> Spectrum:
    """Smallest and largest eigenvalue of grad_yy g(x, y): x (dim_x,), y (dim_y,).

    tolerance: of each residual, relative to its own eigenvalue, > 0.  most: Hessian-vector products
    to spend, >= 1.  seed: of the first vector.

    Raises:
        InputError: an argument is out of range, a product is not finite, or `most` products do not
            reach the tolerance.
    """
    if not tolerance > 0.0 or most < 1:
        raise InputError(f"expected tolerance > 0 and most >= 1, got {tolerance!r} and {most!r}")
    oracle = private_oracle(problem)
    q = problem.dim_y
    own_x, own_y = own_array(problem, x), own_array(problem, y)

    def product(v: np.ndarray) -> np.ndarray:
        if oracle.ledger[CALLS, HVP] >= most:
            raise InputError(
                f"most: {most} products do not bring both ends of the spectrum to tolerance "
                f"{tolerance:g}; expected more products or a larger tolerance"
            )
        # A copy: what comes may be a view of ARPACK's memory.
        made = np.asarray(hvp(oracle, own_x, own_y, own_array(problem, np.array(v).ravel())))
        if not np.isfinite(made).all():
            raise InputError("the Hessian's spectrum was not found: a product is not finite")
        return made

    if q <= SMALL:
        H = np.stack([product(column) for column in np.eye(q)], axis=1)
        values, vectors = np.linalg.eigh(0.5 * (H + H.T))
        values, vectors = values[[0, -1]], vectors[:, [0, -1]]
        residuals = H @ vectors - vectors * values
    else:
        values, vectors = _lanczos(product, q, tolerance, most, seed)
        residuals = np.stack([product(v) for v in vectors.T], axis=1) - vectors * values
    errors = np.linalg.norm(residuals, axis=0)
    return Spectrum(
        float(values[0]),
        float(values[1]),
        float(errors[0]),
        float(errors[1]),
        int(oracle.ledger[CALLS, HVP]),
    )


def _lanczos(
    product: Callable[[np.ndarray], np.ndarray], q: int, tolerance: float, most: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Both extreme Ritz values, rising, and their vectors, (q, 2)."""
    basis = min(q, 100, max(20, NUMBERS // q))
    try:
        values, vectors = eigsh(
            LinearOperator((q, q), matvec=product, dtype=float),
            k=2,
            which="BE",
            ncv=basis,
            tol=tolerance,
            maxiter=most,
            v0=np.random.default_rng(seed).standard_normal(q),
        )
    except ArpackError as error:
        raise InputError(f"the Hessian's spectrum was not found: {plain_reason(error)}") from None
    order = np.argsort(values)
    return values[order], vectors[:, order]
