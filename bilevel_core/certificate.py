"""How many inner and linear steps warm-started implicit differentiation needs, certified.

With a = (1 - alpha mu)^D, c = 2 sqrt(kappa) ((sqrt kappa - 1)/(sqrt kappa + 1))^N,
C_v = kappa + rho M/mu^2, L_v = C_v (1 + kappa) and A = L_y + L c C_v, the errors e = ||y_k^0 -
y*|| and d = ||v_k^0 - v*|| of the warm starts obey

    hypergradient error <= A a e + L c d,
    (e, d)_{k+1} <= T (e, d)_k + beta ||grad Phi_k|| (kappa, L_v),
    T = [[a + kappa beta A a, kappa beta L c], [(1 + c) C_v a + L_v beta A a, c + L_v beta L c]].

If T has spectral radius below 1 and the gain (A a, L c)(I - T)^{-1} beta (kappa, L_v)^T is at most
1/2, then (1/K) sum ||grad Phi||^2 <= [4 (Phi(x0) - inf Phi)/beta + 4 H0^2]/K for any beta <=
1/L_Phi, where H0^2 sums the squared errors that the first warm start leaves behind.  It is a
self-contained form of Theorem 1 of Ji, Yang and Liang (ICML 2021), whose constants it replaces.
"""

from __future__ import annotations

import functools
import math

import numpy as np

from bilevel_core.constants import Constants
from bilevel_core.errors import InputError

MOST_GAIN = 0.5
"""What the theorem allows for the whole gain."""

LINEAR_SHARE = 0.05
"""What the linear solver alone may use of it: N is the smallest that fits, D fills the rest."""


def conjugate_gradient_factor(kappa: float, N: int) -> float:
    """2 sqrt(kappa) ((sqrt kappa - 1)/(sqrt kappa + 1))^N: error of N steps, in norm."""
    root = math.sqrt(kappa)
    return 2.0 * root * ((root - 1.0) / (root + 1.0)) ** N


def recursion(
    constants: Constants, beta: float, a: float, c: float
) -> tuple[tuple[tuple[float, float], tuple[float, float]], tuple[float, float]]:
    """The matrix T (2, 2), by rows, and the row (A a, L c) of the error recursion."""
    kappa, L, mu = constants.kappa, constants.L, constants.mu
    C_v = kappa + constants.rho * constants.M / mu**2
    L_v = C_v * (1.0 + kappa)
    A = constants.L_y + L * c * C_v
    of_e, of_d = A * a, L * c
    T = (
        (a + beta * kappa * of_e, beta * kappa * of_d),
        ((1.0 + c) * C_v * a + beta * L_v * of_e, c + beta * L_v * of_d),
    )
    return T, (of_e, of_d)


def gain(constants: Constants, beta: float, a: float, c: float) -> float:
    """Gain from ||grad Phi|| to the hypergradient error; infinite where T does not contract."""
    kappa = constants.kappa
    ((ee, ed), (de, dd)), (of_e, of_d) = recursion(constants, beta, a, c)
    determinant = (1.0 - ee) * (1.0 - dd) - ed * de
    # T >= 0 has a spectral radius below 1 just where the leading minors of I - T are positive.
    if ee >= 1.0 or determinant <= 0.0:
        return math.inf
    C_v = kappa + constants.rho * constants.M / constants.mu**2
    into_e, into_d = beta * kappa, beta * C_v * (1.0 + kappa)
    e = ((1.0 - dd) * into_e + ed * into_d) / determinant
    d = (de * into_e + (1.0 - ee) * into_d) / determinant
    return of_e * e + of_d * d


def transient(constants: Constants, beta: float, a: float, c: float, e: float, d: float) -> float:
    """H0^2: the squared errors, summed over k, that first errors e (y) and d (v) leave behind."""
    T, row = map(np.array, recursion(constants, beta, a, c))
    # sum_k (T')^k row' row T^k solves the discrete Lyapunov equation P = row' row + T' P T.
    P = np.linalg.solve(np.eye(4) - np.kron(T.T, T.T), np.outer(row, row).ravel()).reshape(2, 2)
    errors = np.array([e, d])
    return float(errors @ P @ errors)


def _smallest(holds: object, most: int) -> int | None:
    assert callable(holds)
    if not holds(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


@functools.lru_cache(maxsize=1024)
def certified_steps(constants: Constants, alpha: float, beta: float) -> tuple[int, int]:
    """The numbers (D, N) of inner and conjugate gradient steps that the certificate asks for.

    Raises:
        InputError: beta is above 1/L_Phi, for which there is no certificate.
    """
    if not 0.0 < beta <= 1.0 / constants.L_Phi:
        raise InputError(
            f"beta: expected 0 < beta <= 1/L_Phi = {1 / constants.L_Phi:.4g}, got {beta!r}"
        )
    kappa = constants.kappa
    contraction = 1.0 - alpha * constants.mu
    most = int(100 * kappa * (10 + math.log(1 + constants.L_y / constants.L))) + 100

    def linear_fits(N: int) -> bool:
        return gain(constants, beta, 0.0, conjugate_gradient_factor(kappa, N)) <= LINEAR_SHARE

    N = _smallest(linear_fits, most)
    if N is None:
        raise InputError(f"beta: no number of linear steps below {most} is certified for {beta!r}")
    c = conjugate_gradient_factor(kappa, N)
    D = _smallest(lambda D: gain(constants, beta, contraction**D, c) <= MOST_GAIN, most)
    if D is None:
        raise InputError(f"beta: no number of inner steps below {most} is certified for {beta!r}")
    return D, N


def first_steps(constants: Constants, alpha: float, D: int, N: int) -> tuple[int, int]:
    """(D_0, N_0) for the first outer step, of order kappa log kappa and sqrt(kappa) log kappa.

    H0^2 holds kappa^4 times the first squared error; these bring it to order 1.
    """
    kappa = constants.kappa
    target = 1.0 / (1.0 + kappa) ** 2
    contraction = 1.0 - alpha * constants.mu
    first_D = math.ceil(math.log(target) / math.log(contraction)) if contraction > 0 else 1
    root = math.sqrt(kappa)
    rate = (root - 1.0) / (root + 1.0)
    first_N = math.ceil(math.log(target / (2.0 * root)) / math.log(rate)) if rate > 0 else 1
    return max(D, first_D), max(N, first_N)
