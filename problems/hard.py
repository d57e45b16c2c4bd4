"""Slow-sharp instances: the exponents of kappa and of 1/eps are both chosen.

x = (x1, x2).  A slow coordinate, c* = x1, sets the exponent of 1/eps through a tail q: 1 for the
average criterion, (2 + q)/(2 (1 + q)) for the first hit.  A sharp coordinate, a* and b*, sets the
exponent of kappa through L_Phi = Theta(kappa^s), s = 1, 2 or 3 (`curvature`), at a stationary
point.

    slow:   g has (L/2) c^2 - L x1 c,  f has M1 width phi(c/width)
    s = 1:  g has (mu/2) a^2 - L x2 a,  f has L x2 a
    s = 2:  g has (mu/2) a^2 - L x2 a,  f has (L/2) a^2
    s = 3:  g has S(a) + S(b) + (L/sqrt 2) x2 (b - a),  f has -(M2/sqrt 2)(a + b)

S is the ramp of `problems.ramp_function`.  y is (a, c) for s = 1, 2 and (a, b, c) for s = 3.
M1^2 + M2^2 = M^2.  For s = 1, 2 the bound M holds where |a| and |x2| kappa stay within M2/L
(M2/(sqrt 2 L) for s = 1), which gradient descent from the start never leaves.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bilevel_core.arrays import Array
from bilevel_core.constants import Constants
from bilevel_core.errors import InputError
from bilevel_core.oracle import FAMILIES, Family
from bilevel_core.problem import ClosedForms, Problem
from problems import ramp_function, register
from problems.checks import choice, generator, jitter, number
from problems.slow import PROFILES, largest_curvature, slow, slow_slope, slow_value


class SharpData(NamedTuple):
    """Numbers of an instance with curvature 3."""

    L: float
    coupling: float  # L/sqrt 2, so that x2, which pulls at a and at b, has a Jacobian of norm L
    mu: float
    w: float  # half of the ramp's rise in curvature
    rho: float
    slow_M: float
    sharp_M: float  # M2/sqrt 2, the slope of f in a and in b
    width: float
    a: float
    b: float
    power: float
    tail: float


class BilinearData(NamedTuple):
    """Numbers of an instance with curvature 1 (linear = 1) or 2 (square = 1)."""

    L: float
    mu: float
    linear: float
    square: float
    slow_M: float
    width: float
    a: float
    b: float
    power: float
    tail: float


def _slow_slope(data: SharpData | BilinearData, c: Array) -> Array:
    return data.slow_M * slow_slope(data.a, data.b, data.power, c / data.width)


def _slow_value(data: SharpData | BilinearData, c: Array) -> Array:
    value = slow_value(data.a, data.tail, c / data.width)
    return data.slow_M * data.width * value


def grad_x_f(data: SharpData, x: Array, y: Array, out: Array) -> None:
    """0."""
    out[0] = 0.0 * x[0]
    out[1] = 0.0 * x[1]


def grad_y_f(data: SharpData, x: Array, y: Array, out: Array) -> None:
    """(-M2/sqrt 2, -M2/sqrt 2, M1 phi'(c/width))."""
    out[0] = 0.0 * y[0] - data.sharp_M
    out[1] = 0.0 * y[1] - data.sharp_M
    out[2] = _slow_slope(data, y[2])


def grad_x_g(data: SharpData, x: Array, y: Array, out: Array) -> None:
    """(-L c, (L/sqrt 2)(b - a))."""
    out[0] = -data.L * y[2]
    out[1] = data.coupling * (y[1] - y[0])


def grad_y_g(data: SharpData, x: Array, y: Array, out: Array) -> None:
    """(S'(a) - L x2/sqrt 2, S'(b) + L x2/sqrt 2, L (c - x1))."""
    out[0] = ramp_function.slope(y[0], data.mu, data.w, data.rho) - data.coupling * x[1]
    out[1] = ramp_function.slope(y[1], data.mu, data.w, data.rho) + data.coupling * x[1]
    out[2] = data.L * (y[2] - x[0])


def jvp(data: SharpData, x: Array, y: Array, v: Array, out: Array) -> None:
    """(-L v3, (L/sqrt 2)(v2 - v1))."""
    out[0] = -data.L * v[2]
    out[1] = data.coupling * (v[1] - v[0])


def hvp(data: SharpData, x: Array, y: Array, v: Array, out: Array) -> None:
    """(S''(a) v1, S''(b) v2, L v3)."""
    out[0] = ramp_function.curvature(y[0], data.mu, data.w, data.rho) * v[0]
    out[1] = ramp_function.curvature(y[1], data.mu, data.w, data.rho) * v[1]
    out[2] = data.L * v[2]


def f(data: SharpData, x: Array, y: Array) -> Array:
    """-(M2/sqrt 2)(a + b) + M1 width phi(c/width)."""
    return _slow_value(data, y[2]) - data.sharp_M * (y[0] + y[1])


def g(data: SharpData, x: Array, y: Array) -> Array:
    """S(a) + S(b) + (L/sqrt 2) x2 (b - a) + (L/2) c^2 - L x1 c."""
    ramps = ramp_function.value(y[0], data.mu, data.w, data.rho)
    ramps = ramps + ramp_function.value(y[1], data.mu, data.w, data.rho)
    return ramps + data.coupling * x[1] * (y[1] - y[0]) + data.L * (0.5 * y[2] - x[0]) * y[2]


def y_star(data: SharpData, x: Array, out: Array) -> None:
    """(psi(L x2/sqrt 2), psi(-L x2/sqrt 2), x1)."""
    out[0] = ramp_function.inverse(data.coupling * x[1], data.mu, data.w, data.rho)
    out[1] = ramp_function.inverse(-data.coupling * x[1], data.mu, data.w, data.rho)
    out[2] = x[0]


def phi(data: SharpData, x: Array) -> Array:
    """The slow part, and -(M2/sqrt 2)(psi(L x2/sqrt 2) + psi(-L x2/sqrt 2))."""
    up = ramp_function.inverse(data.coupling * x[1], data.mu, data.w, data.rho)
    down = ramp_function.inverse(-data.coupling * x[1], data.mu, data.w, data.rho)
    return _slow_value(data, x[0]) - data.sharp_M * (up + down)


def grad_phi(data: SharpData, x: Array, out: Array) -> None:
    """(M1 phi'(x1/width), -(M2 L/2) (psi'(L x2/sqrt 2) - psi'(-L x2/sqrt 2)))."""
    out[0] = _slow_slope(data, x[0])
    up = ramp_function.inverse_slope(data.coupling * x[1], data.mu, data.w, data.rho)
    down = ramp_function.inverse_slope(-data.coupling * x[1], data.mu, data.w, data.rho)
    out[1] = -data.sharp_M * data.coupling * (up - down)


FAMILIES[SharpData] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)


def bilinear_grad_x_f(data: BilinearData, x: Array, y: Array, out: Array) -> None:
    """(0, L a) for s = 1, 0 for s = 2."""
    out[0] = 0.0 * x[0]
    out[1] = data.linear * data.L * y[0]


def bilinear_grad_y_f(data: BilinearData, x: Array, y: Array, out: Array) -> None:
    """(L x2 or L a, M1 phi'(c/width))."""
    out[0] = data.L * (data.linear * x[1] + data.square * y[0])
    out[1] = _slow_slope(data, y[1])


def bilinear_grad_x_g(data: BilinearData, x: Array, y: Array, out: Array) -> None:
    """(-L c, -L a)."""
    out[0] = -data.L * y[1]
    out[1] = -data.L * y[0]


def bilinear_grad_y_g(data: BilinearData, x: Array, y: Array, out: Array) -> None:
    """(mu a - L x2, L (c - x1))."""
    out[0] = data.mu * y[0] - data.L * x[1]
    out[1] = data.L * (y[1] - x[0])


def bilinear_jvp(data: BilinearData, x: Array, y: Array, v: Array, out: Array) -> None:
    """(-L v2, -L v1)."""
    out[0] = -data.L * v[1]
    out[1] = -data.L * v[0]


def bilinear_hvp(data: BilinearData, x: Array, y: Array, v: Array, out: Array) -> None:
    """(mu v1, L v2)."""
    out[0] = data.mu * v[0]
    out[1] = data.L * v[1]


def bilinear_f(data: BilinearData, x: Array, y: Array) -> Array:
    """L x2 a or (L/2) a^2, and M1 width phi(c/width)."""
    sharp = data.linear * x[1] * y[0] + 0.5 * data.square * y[0] * y[0]
    return data.L * sharp + _slow_value(data, y[1])


def bilinear_g(data: BilinearData, x: Array, y: Array) -> Array:
    """(mu/2) a^2 - L x2 a + (L/2) c^2 - L x1 c."""
    slow_part = 0.5 * y[1] * y[1] - x[0] * y[1]
    return 0.5 * data.mu * y[0] * y[0] - data.L * x[1] * y[0] + data.L * slow_part


def bilinear_y_star(data: BilinearData, x: Array, out: Array) -> None:
    """(L x2/mu, x1)."""
    out[0] = data.L * x[1] / data.mu
    out[1] = x[0]


def bilinear_phi(data: BilinearData, x: Array) -> Array:
    """L^2 x2^2/mu for s = 1, L^3 x2^2/(2 mu^2) for s = 2, and the slow part."""
    a = data.L * x[1] / data.mu
    sharp = data.linear * x[1] * a + 0.5 * data.square * a * a
    return data.L * sharp + _slow_value(data, x[0])


def bilinear_grad_phi(data: BilinearData, x: Array, out: Array) -> None:
    """(M1 phi'(x1/width), Phi'' x2)."""
    out[0] = _slow_slope(data, x[0])
    kappa = data.L / data.mu
    out[1] = data.L * kappa * (2.0 * data.linear + data.square * kappa) * x[1]


FAMILIES[BilinearData] = Family(
    bilinear_grad_x_f,
    bilinear_grad_y_f,
    bilinear_grad_x_g,
    bilinear_grad_y_g,
    bilinear_jvp,
    bilinear_hvp,
    bilinear_f,
    bilinear_g,
)


def sharp_smoothness(coupling: float, mu: float, w: float, rho: float, sharp_M: float) -> float:
    """max over x2 of Phi'' = sharp_M C^2 (rho/w^3) [h(1 + X) + h(1 - X)], X = rho C x2/w^2.

    h(z) = (z^2 + m^2 - 1)^{-3/2}; the maximum lies a little off X = 0.
    """
    from scipy.optimize import minimize_scalar

    shift = ((mu + w) / w) ** 2 - 1.0

    def negative(X: float) -> float:
        return -sum((z * z + shift) ** -1.5 for z in (1.0 + X, 1.0 - X))

    best = minimize_scalar(negative, bounds=(0.0, 2.0), method="bounded", options={"xatol": 1e-10})
    return float(sharp_M * coupling**2 * rho / w**3 * max(-best.fun, -negative(0.0)))


@register("hard")
def make(
    kappa: float,
    seed: int = 0,
    *,
    curvature: int = 3,
    tail: float = 4.0,
    profile: str = "even",
    rho: float = 1.0,
    L: float = 1.0,
    M: float = 1.0,
) -> Problem:
    """Slow-sharp: chosen exponents of kappa (`curvature` 1, 2, 3) and of 1/eps (`tail` > 0).

    profile: "even" or "one_sided", the form of the slow tail.  rho: Lipschitz constant of the inner
    Hessian, for curvature 3.  Seeds other than 0 jitter the start and the split of M.

    Raises:
        InputError: an option is out of range.
    """
    choice("curvature", curvature, (1, 2, 3))
    choice("profile", profile, PROFILES)
    tail, rho, L, M = (
        number(name, value) for name, value in (("tail", tail), ("rho", rho), ("L", L), ("M", M))
    )
    random = generator("hard", seed)
    slow_M = M * jitter(random, seed, 0.66, 0.7, 0.74)
    sharp_M = math.sqrt(M**2 - slow_M**2)
    # The least width that keeps the curvature of f within L.
    width = slow_M * largest_curvature(profile, tail) / L
    shape = slow(profile, tail)
    x1 = width * (jitter(random, seed, 0.01, 0.0, 0.1))
    share = jitter(random, seed, 0.05, 0.1, 0.2) * (
        1.0 if random.random() < 0.5 or seed == 0 else -1.0
    )
    mu = L / kappa
    if curvature == 3 and not (mu / rho) ** 3 > 0.0:
        raise InputError(f"kappa: {kappa!r} is too large for float64 with rho={rho!r}")
    slow_smoothness = slow_M * largest_curvature(profile, tail) / width
    options = {"curvature": curvature, "tail": tail, "profile": profile, "rho": rho, "L": L, "M": M}
    if curvature == 3:
        w = min(mu, 0.5 * (L - mu))
        coupling = L / math.sqrt(2.0)
        x0 = np.array([x1, share * w**2 / (rho * coupling)])
        sharp = SharpData(L, coupling, mu, w, rho, slow_M, sharp_M / math.sqrt(2.0), width, *shape)
        smoothness = sharp_smoothness(coupling, mu, w, rho, sharp.sharp_M)
        return _problem(sharp, ClosedForms(y_star, phi, grad_phi), x0, 3, L, mu, M, rho,
                        max(smoothness, slow_smoothness), kappa, seed, options)  # fmt: skip
    reach = sharp_M / L / (math.sqrt(2.0) if curvature == 1 else 1.0)
    x0 = np.array([x1, share * reach * mu / L])
    bilinear = BilinearData(
        L, mu, float(curvature == 1), float(curvature == 2), slow_M, width, *shape
    )
    sharp_curvature = L * kappa * (2.0 if curvature == 1 else kappa)
    forms = ClosedForms(bilinear_y_star, bilinear_phi, bilinear_grad_phi)
    return _problem(bilinear, forms, x0, 2, L, mu, M, 0.0,
                    max(sharp_curvature, slow_smoothness), kappa, seed, options)  # fmt: skip


def _problem(
    data: SharpData | BilinearData,
    forms: ClosedForms,
    x0: np.ndarray,
    dim_y: int,
    L: float,
    mu: float,
    M: float,
    rho: float,
    smoothness: float,
    kappa: float,
    seed: int,
    options: dict[str, object],
) -> Problem:
    if not math.isfinite(smoothness):
        raise InputError(f"kappa: {kappa!r} is too large for float64")
    start = np.empty(dim_y)
    forms.y_star(data, x0, start)
    gap = float(
        forms.phi(data, x0)
    )  # inf Phi = 0: the slow part falls to 0, the sharp part is >= 0
    distance = float(np.linalg.norm(start))
    return Problem(
        name="hard",
        data=data,
        constants=Constants(L=L, mu=mu, M=M, rho=rho, gap=gap, distance=distance),
        x0=x0,
        y0=np.zeros(dim_y),
        kappa=kappa,
        seed=seed,
        options=options,
        exact_smoothness=smoothness,
        closed_forms=forms,
    )
