"""Independent ramps: kappa^3 attained by a curvature that climbs from mu to L with slope rho.

    g(x, y) = sum_i [h(y_i) - L x_i y_i],  h''(t) = mu for t <= 0, mu + rho t up to L, L beyond
    f(x, y) = sum_i m_i log cosh(y_i - 1),  sum_i m_i^2 = M^2

y_i* = (h')^{-1}(L x_i); Phi'' holds m L^2 [sech^2(y - 1)/h''^2 - tanh(y - 1) h'''/h''^3], of order
rho L^2 M/mu^3 just above y = 0.  Starts at x = 0, y = 0.
"""

from __future__ import annotations

import itertools
import math
from typing import NamedTuple

import numpy as np

from bilevel_core.arrays import Array, assign, log_cosh, maximum, minimum, sqrt, tanh, vector_like
from bilevel_core.constants import Constants
from bilevel_core.errors import InputError
from bilevel_core.oracle import FAMILIES, Family
from bilevel_core.problem import ClosedForms, Problem
from problems import register
from problems.checks import generator, integer, number


class RampData(NamedTuple):
    """Numbers of an instance; `end` is where the ramp reaches L."""

    L: float
    mu: float
    rho: float
    end: float
    weights: np.ndarray  # m, (q,)


def slope(data: RampData, t: Array) -> Array:
    """h'(t), for one coordinate."""
    rise = minimum(maximum(t, 0.0), data.end)
    beyond = maximum(t - data.end, 0.0)
    return data.mu * (t - beyond) + 0.5 * data.rho * rise * rise + data.L * beyond


def curvature(data: RampData, t: Array) -> Array:
    """h''(t), for one coordinate."""
    return data.mu + data.rho * minimum(maximum(t, 0.0), data.end)


def inverse(data: RampData, s: Array) -> Array:
    """The t with h'(t) = s, for one coordinate."""
    top = data.mu * data.end + 0.5 * data.rho * data.end * data.end
    rise = maximum(minimum(s, top), 0.0)
    # The root of mu t + rho t^2/2 = rise in the form that does not cancel.
    on_ramp = 2.0 * rise / (data.mu + sqrt(data.mu * data.mu + 2.0 * data.rho * rise))
    return minimum(s, 0.0) / data.mu + on_ramp + maximum(s - top, 0.0) / data.L


def grad_x_f(data: RampData, x: Array, y: Array, out: Array) -> None:
    """0."""
    assign(out, 0.0)


def grad_y_f(data: RampData, x: Array, y: Array, out: Array) -> None:
    """m tanh(y - 1)."""
    for i in range(y.shape[0]):
        out[i] = data.weights[i] * tanh(y[i] - 1.0)


def grad_x_g(data: RampData, x: Array, y: Array, out: Array) -> None:
    """-L y."""
    for i in range(y.shape[0]):
        out[i] = -data.L * y[i]


def grad_y_g(data: RampData, x: Array, y: Array, out: Array) -> None:
    """h'(y) - L x."""
    for i in range(y.shape[0]):
        out[i] = slope(data, y[i]) - data.L * x[i]


def jvp(data: RampData, x: Array, y: Array, v: Array, out: Array) -> None:
    """-L v."""
    for i in range(v.shape[0]):
        out[i] = -data.L * v[i]


def hvp(data: RampData, x: Array, y: Array, v: Array, out: Array) -> None:
    """h''(y) v."""
    for i in range(v.shape[0]):
        out[i] = curvature(data, y[i]) * v[i]


def f(data: RampData, x: Array, y: Array) -> Array:
    """sum m log cosh(y - 1)."""
    return (data.weights * log_cosh(y - 1.0)).sum(0)


def g(data: RampData, x: Array, y: Array) -> Array:
    """sum h(y) - L x y."""
    total = 0.0 * y[0]
    top = data.mu * data.end + 0.5 * data.rho * data.end * data.end
    for i in range(y.shape[0]):
        rise = minimum(maximum(y[i], 0.0), data.end)
        beyond = maximum(y[i] - data.end, 0.0)
        inside = y[i] - beyond
        ramp = 0.5 * data.mu * inside * inside + data.rho * rise * rise * rise / 6.0
        total = total + ramp + top * beyond + 0.5 * data.L * beyond * beyond
        total = total - data.L * x[i] * y[i]
    return total


def y_star(data: RampData, x: Array, out: Array) -> None:
    """(h')^{-1}(L x)."""
    for i in range(x.shape[0]):
        out[i] = inverse(data, data.L * x[i])


def phi(data: RampData, x: Array) -> Array:
    """f(y*(x))."""
    y = vector_like(x, x.shape[0])
    y_star(data, x, y)
    return f(data, x, y)


def grad_phi(data: RampData, x: Array, out: Array) -> None:
    """L m tanh(y* - 1)/h''(y*)."""
    for i in range(x.shape[0]):
        y = inverse(data, data.L * x[i])
        out[i] = data.L * data.weights[i] * tanh(y - 1.0) / curvature(data, y)


FAMILIES[RampData] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)


def smoothness(L: float, mu: float, rho: float, end: float) -> float:
    """max over y of |Phi''| for one ramp with m = 1, to 1e-9 relative."""
    from scipy.optimize import minimize_scalar

    def second(y: float) -> float:
        inside = min(max(y, 0.0), end)
        h2 = mu + rho * inside
        h3 = rho if 0.0 < y < end else 0.0
        t = math.tanh(y - 1.0)
        return abs(L**2 * ((1.0 - t * t) / h2**2 - t * h3 / h2**3))

    # Smooth between the kinks: the maximum is at a kink's edge or inside one of these intervals.
    edges = [-2.0, 0.0, *(end * np.geomspace(1e-6, 1.0, 25)), end + 3.0]
    best = max(second(y) for e in edges for y in (e, np.nextafter(e, math.inf)))
    for low, high in itertools.pairwise(edges):
        found = minimize_scalar(
            lambda y: -second(y), bounds=(low, high), method="bounded", options={"xatol": 1e-12}
        )
        best = max(best, -float(found.fun))
    return best


@register("ramp")
def make(
    kappa: float,
    seed: int = 0,
    *,
    dim: int = 1,
    rho: float = 1.0,
    L: float = 1.0,
    M: float = 1.0,
) -> Problem:
    """Independent scalar ramps whose L_Phi is of the order of the bound, kappa^3.

    dim >= 1 ramps; rho > 0, the slope of the inner curvature; M <= L.  Seeds other than 0 jitter
    the start and the shares of M.

    Raises:
        InputError: an option is out of range.
    """
    dim = integer("dim", dim, 1)
    rho, L = number("rho", rho), number("L", L)
    M = number("M", M)
    if M > L:
        raise InputError(f"M: expected 0 < M <= L = {L!r} (f has curvature up to M), got {M!r}")
    random = generator("ramp", seed)
    mu = L / kappa
    end = (L - mu) / rho
    shares = np.exp(random.uniform(-0.3, 0.3, dim)) if seed else np.ones(dim)
    weights = M * shares / np.linalg.norm(shares)
    start = random.uniform(-0.2, 0.2, dim) if seed else np.zeros(dim)
    data = RampData(L, mu, rho, end, weights)
    x0 = slope(data, start) / L
    forms = ClosedForms(y_star, phi, grad_phi)
    return Problem(
        name="ramp",
        data=data,
        constants=Constants(
            L=L,
            mu=mu,
            M=M,
            rho=rho,
            gap=float(forms.phi(data, x0)),
            distance=float(np.linalg.norm(start)),
        ),
        x0=x0,
        y0=np.zeros(dim),
        kappa=kappa,
        seed=seed,
        options={"dim": dim, "rho": rho, "L": L, "M": M},
        exact_smoothness=float(weights.max()) * smoothness(L, mu, rho, end),
        closed_forms=forms,
    )
