"""A chain: information crosses one coordinate per Hessian-vector product.

    g(x, y) = y'Ty/2 - L x y_m,  f(x, y) = M log cosh(y_1 - target)

T is tridiagonal with spectrum exactly in [mu, L]; x pulls at one end and f reads the other, so that
fewer than m - 1 conjugate gradient steps see nothing at all: with m = ceil(4 sqrt(kappa)) links,
N = Theta(sqrt kappa) is a property of the instance.  y*(x) = x L T^{-1} e_m; theta = L
(T^{-1})_{1m} is small, and grad Phi = M theta tanh(theta x - target) with it.  rho = tau = 0.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from bilevel_core.arrays import Array, add_scaled, assign, dot, log_cosh, tanh, vector_like
from bilevel_core.constants import Constants
from bilevel_core.errors import InputError
from bilevel_core.oracle import FAMILIES, Family
from bilevel_core.problem import ClosedForms, Problem
from problems import register
from problems.checks import generator, integer, jitter, number


class ChainData(NamedTuple):
    """T = diagonal I + link tridiag(-1, 0, -1); `response` is L T^{-1} e_m."""

    L: float
    M: float
    diagonal: float
    link: float
    target: float
    theta: float
    response: np.ndarray  # (m,)


def multiply_chain(data: ChainData, v: Array, out: Array) -> None:
    """T v."""
    m = v.shape[0]
    assign(out, 0.0)
    add_scaled(out, data.diagonal, v)
    add_scaled(out[1:], -data.link, v[: m - 1])
    add_scaled(out[: m - 1], -data.link, v[1:])


def grad_x_f(data: ChainData, x: Array, y: Array, out: Array) -> None:
    """0."""
    assign(out, 0.0 * x)


def grad_y_f(data: ChainData, x: Array, y: Array, out: Array) -> None:
    """M tanh(y_1 - target) e_1."""
    assign(out, 0.0)
    out[0] = data.M * tanh(y[0] - data.target)


def grad_x_g(data: ChainData, x: Array, y: Array, out: Array) -> None:
    """-L y_m."""
    out[0] = -data.L * y[y.shape[0] - 1]


def grad_y_g(data: ChainData, x: Array, y: Array, out: Array) -> None:
    """T y - L x e_m."""
    multiply_chain(data, y, out)
    out[y.shape[0] - 1] -= data.L * x[0]


def jvp(data: ChainData, x: Array, y: Array, v: Array, out: Array) -> None:
    """-L v_m."""
    out[0] = -data.L * v[v.shape[0] - 1]


def hvp(data: ChainData, x: Array, y: Array, v: Array, out: Array) -> None:
    """T v."""
    multiply_chain(data, v, out)


def f(data: ChainData, x: Array, y: Array) -> Array:
    """M log cosh(y_1 - target)."""
    return data.M * log_cosh(y[0] - data.target)


def g(data: ChainData, x: Array, y: Array) -> Array:
    """y'Ty/2 - L x y_m."""
    product = vector_like(y, y.shape[0])
    multiply_chain(data, y, product)
    return 0.5 * dot(y, product) - data.L * x[0] * y[y.shape[0] - 1]


def y_star(data: ChainData, x: Array, out: Array) -> None:
    """x L T^{-1} e_m."""
    assign(out, data.response * x[0])


def phi(data: ChainData, x: Array) -> Array:
    """M log cosh(theta x - target)."""
    return data.M * log_cosh(data.theta * x[0] - data.target)


def grad_phi(data: ChainData, x: Array, out: Array) -> None:
    """M theta tanh(theta x - target)."""
    out[0] = data.M * data.theta * tanh(data.theta * x[0] - data.target)


FAMILIES[ChainData] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)


@register("chain")
def make(
    kappa: float, seed: int = 0, *, length: int = 0, L: float = 1.0, M: float = 1.0
) -> Problem:
    """Tridiagonal inner problem that makes sqrt(kappa) conjugate gradient steps necessary.

    length: number of links, at least 2; 0 stands for ceil(4 sqrt(kappa)).  M <= L.  Seeds other
    than 0 jitter the target.

    Raises:
        InputError: an option is out of range.
    """
    length = integer("length", length, 0) or math.ceil(4.0 * math.sqrt(kappa))
    integer("length", length, 2)
    L, M = number("L", L), number("M", M)
    if M > L:
        raise InputError(f"M: expected 0 < M <= L = {L!r} (f has curvature up to M), got {M!r}")
    random = generator("chain", seed)
    target = jitter(random, seed, 0.8, 1.0, 1.25)
    mu = L / kappa
    # tridiag(-1, 2, -1) has its spectrum in [s, 4 - s]; an affine map carries it onto [mu, L].
    s = 2.0 - 2.0 * math.cos(math.pi / (length + 1))
    link = (L - mu) / (4.0 - 2.0 * s)
    diagonal = mu - link * s + 2.0 * link
    T = diagonal * np.eye(length) - link * (np.eye(length, k=1) + np.eye(length, k=-1))
    response = np.linalg.solve(T, L * np.eye(length)[:, -1])
    theta = float(response[0])
    data = ChainData(L, M, diagonal, link, target, theta, response)
    forms = ClosedForms(y_star, phi, grad_phi)
    x0 = np.zeros(1)
    return Problem(
        name="chain",
        data=data,
        constants=Constants(L=L, mu=mu, M=M, gap=float(forms.phi(data, x0)), distance=0.0),
        x0=x0,
        y0=np.zeros(length),
        kappa=kappa,
        seed=seed,
        options={"length": length, "L": L, "M": M},
        exact_smoothness=M * theta**2,
        closed_forms=forms,
    )
