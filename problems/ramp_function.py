"""A smooth strictly increasing slope S' whose curvature ramps from mu to mu + 2 w with slope rho.

    S'(t)  = (mu + w) t + (w^2/rho) (sqrt(1 + (rho t/w)^2) - 1)
    S''(t) = mu + w + rho t / sqrt(1 + (rho t/w)^2),  in (mu, mu + 2 w),  |S'''| <= rho
    psi = S'^{-1}: psi(s) = (w/rho) [m (1 + X) - sqrt((1 + X)^2 + m^2 - 1)]/(m^2 - 1)

with X = rho s/w^2 and m = (mu + w)/w.  t and s are numbers or arrays.
"""

from __future__ import annotations

from bilevel_core.arrays import Array, log, sqrt, where


def slope(t: Array, mu: float, w: float, rho: float) -> Array:
    """S'(t)."""
    u = rho / w * t
    return (mu + w) * t + w * w / rho * (sqrt(1.0 + u * u) - 1.0)


def curvature(t: Array, mu: float, w: float, rho: float) -> Array:
    """S''(t)."""
    u = rho / w * t
    return mu + w + w * u / sqrt(1.0 + u * u)


def value(t: Array, mu: float, w: float, rho: float) -> Array:
    """S(t) with S(0) = 0."""
    u = rho / w * t
    root = sqrt(1.0 + u * u)
    # arcsinh(u), through |u| so that nothing cancels.
    size = where(u > 0.0, u, -u)
    arcsinh = where(u > 0.0, 1.0, -1.0) * log(size + root)
    return 0.5 * (mu + w) * t * t + w**3 / rho**2 * (0.5 * (u * root + arcsinh) - u)


def inverse(s: Array, mu: float, w: float, rho: float) -> Array:
    """psi(s), the t with S'(t) = s."""
    m = (mu + w) / w
    z = 1.0 + rho / (w * w) * s
    return w / rho * (m * z - sqrt(z * z + m * m - 1.0)) / (m * m - 1.0)


def inverse_slope(s: Array, mu: float, w: float, rho: float) -> Array:
    """psi'(s) = 1/S''(psi(s))."""
    m = (mu + w) / w
    z = 1.0 + rho / (w * w) * s
    return (m - z / sqrt(z * z + m * m - 1.0)) / (w * (m * m - 1.0))
