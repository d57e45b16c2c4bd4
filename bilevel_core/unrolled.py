"""What the two unrolled solvers share: their parameters, and the length of the inner loop."""

from __future__ import annotations

import math
from typing import NamedTuple

from bilevel_core.arrays import Array
from bilevel_core.constants import Constants


class UnrolledParams(NamedTuple):
    """Step sizes and the number of inner steps."""

    alpha: float  # inner step size, in (0, 1/L]
    beta: float  # outer step size, in (0, 1/L_Phi]
    D: int  # inner gradient steps


class State(NamedTuple):
    """Iterates; y is where the next inner loop starts."""

    x: Array
    y: Array


def init(x0: Array, y0: Array) -> State:
    """Start at x0 (p,) or (p, B) and y0 (q,) or (q, B)."""
    return State(x0, y0)


def unrolled_params(constants: Constants, eps: float) -> UnrolledParams:
    """alpha = 1/L, beta = 1/(4 L_Phi), and the D that Theorem 2's error bound asks for.

    With q = 1 - alpha mu and ||y_k^0 - y*(x_k)|| <= Delta, the error of the unrolled
    hypergradient is at most L (1 + kappa) q^D Delta + M alpha D q^{D-1} (tau + rho kappa) Delta
    + M kappa q^D; D is the least that brings each term below sqrt(eps/2)/3.
    """
    L, kappa, M = constants.L, constants.kappa, constants.M
    alpha, beta = 1.0 / L, 1.0 / (4.0 * constants.L_Phi)
    q = 1.0 - alpha * constants.mu
    if q <= 0.0:
        return UnrolledParams(alpha, beta, 1)
    # A step moves y* by at most kappa beta M (1 + kappa) <= M/(4 L); the warm start adds no more.
    Delta = constants.distance + M / L
    target = math.sqrt(eps / 2.0) / 3.0
    curvature = M * alpha * (constants.tau + constants.rho * kappa) * Delta
    D = 1
    while (
        max(
            L * (1.0 + kappa) * q**D * Delta,
            curvature * D * q ** (D - 1),
            M * kappa * q**D,
        )
        > target
    ):
        D += 1
    return UnrolledParams(alpha, beta, D)
