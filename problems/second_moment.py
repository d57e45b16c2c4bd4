"""A certified upper bound on the largest eigenvalue of X'X/n, for features that are not negative.

A matrix A >= 0 and any v > 0 have  largest eigenvalue(A) <= max_j (A v)_j / v_j  (Collatz 1942;
Horn and Johnson, Matrix Analysis, 8.1).  Power iteration makes v the eigenvector, where the bound
is sharp; sums of numbers that are not negative are exact to n rounding errors, which the margin
covers.  The Hessian of a softmax cross entropy is at most half of that eigenvalue.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from bilevel_core.errors import InputError

SHARP = 1e-7
"""Relative distance of the bound from the eigenvalue at which to stop."""
MOST = 2_000
"""Power iterations; the bound holds after any number of them."""
MARGIN = 1e-10
SMALLEST = 1e-150
"""Keeps v positive where a feature never occurs."""


def largest_eigenvalue(X: Any, constant: float = 0.0) -> float:
    """An upper bound, sharp to `SHARP`, on the largest eigenvalue of the second moment of X.

    X: (n, d), an array or a SciPy matrix, all entries >= 0.  constant: a feature, >= 0, that every
    sample has beside those of X; 1 for biases.

    Raises:
        InputError: an entry is negative.
    """
    if X.shape[0] == 0 or X.min() < 0.0:
        raise InputError("X: expected one sample at least and no negative feature")
    n, d = X.shape
    v = np.full(d + 1, 1.0)
    bound = np.inf
    for _ in range(MOST):
        scores = X @ v[:d] + constant * v[d]
        product = np.append(X.T @ scores, constant * scores.sum()) / n
        bound = min(bound, float((product / v).max()))
        # Rayleigh's quotient is a lower bound.
        if bound <= (1.0 + SHARP) * float(scores @ scores) / (n * float(v @ v)):
            break
        v = np.maximum(product / np.linalg.norm(product), SMALLEST)
    return bound * (1.0 + MARGIN)
