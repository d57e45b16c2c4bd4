"""Quadratic inner problems: g = y'Hy/2 - x'Jy, with the spectrum of H exactly in [mu, L].

H = Q diag(h) Q' with a random rotation Q and both ends of [mu, L] attained; J = L P Q' with another
rotation P, so that ||J|| = L; p = q = dim.  y*(x) = H^{-1} J' x.  rho = tau = 0 and so
L_Phi = L (1 + kappa)^2: this family cannot confirm the general kappa^3.

    outer "quadratic":  f = (L/2) ||y - t||^2, M = L ||t|| on the ball around t that holds the start
    outer "log_cosh":   f = (M/sqrt q) sum log cosh(y_i - t_i), ||grad f|| <= M everywhere

The start is x = 0, y = 0 and t has length 1, in equal shares along the eigenvectors (seed 0), so
that Phi(x0) - inf Phi does not depend on kappa.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.arrays import (
    Array,
    Memory,
    assign,
    dot,
    log_cosh,
    multiply,
    multiply_symmetric,
    new_memory,
    scale,
    scale_and_add,
    subtract_remembered_product,
    tanh,
    vector_like,
)
from bilevel_core.constants import Constants
from bilevel_core.jacobian_sums import ONE_JACOBIAN, SUMS
from bilevel_core.oracle import FAMILIES, Family
from bilevel_core.problem import ClosedForms, Problem
from problems import register
from problems.checks import choice, generator, integer, number

SPECTRA = ("log", "uniform", "chebyshev", "clusters")
OUTERS = ("quadratic", "log_cosh")


class QuadraticData(NamedTuple):
    """f = (weight/2) ||y - t||^2."""

    H: np.ndarray  # (q, q)
    J: np.ndarray  # (p, q); grad_x grad_y g = -J
    transposed_J: np.ndarray  # (q, p)
    solution: np.ndarray  # H^{-1} J', (q, p)
    pulled_back: np.ndarray  # its transpose, (p, q)
    t: np.ndarray  # (q,)
    coupling: Memory  # of J' x
    weight: float


class LogCoshData(NamedTuple):
    """f = weight sum log cosh(y_i - t_i)."""

    H: np.ndarray
    J: np.ndarray
    transposed_J: np.ndarray
    solution: np.ndarray
    pulled_back: np.ndarray
    t: np.ndarray
    coupling: Memory
    weight: float


Data = Any


def grad_x_f(data: Data, x: Array, y: Array, out: Array) -> None:
    """0."""
    assign(out, 0.0)


def grad_y_f(data: QuadraticData, x: Array, y: Array, out: Array) -> None:
    """weight (y - t)."""
    assign(out, data.t)
    scale_and_add(out, -1.0, y)
    scale(out, data.weight)


def grad_x_g(data: Data, x: Array, y: Array, out: Array) -> None:
    """-J y."""
    multiply(data.J, y, out)
    scale(out, -1.0)


def grad_y_g(data: Data, x: Array, y: Array, out: Array) -> None:
    """H y - J' x."""
    multiply_symmetric(data.H, y, out)
    subtract_remembered_product(out, data.coupling, data.transposed_J, x)


def jvp(data: Data, x: Array, y: Array, v: Array, out: Array) -> None:
    """-J v."""
    multiply(data.J, v, out)
    scale(out, -1.0)


def hvp(data: Data, x: Array, y: Array, v: Array, out: Array) -> None:
    """H v."""
    multiply_symmetric(data.H, v, out)


def f(data: QuadraticData, x: Array, y: Array) -> Array:
    """(weight/2) ||y - t||^2."""
    difference = y - data.t
    return 0.5 * data.weight * dot(difference, difference)


def g(data: Data, x: Array, y: Array) -> Array:
    """y'Hy/2 - x'Jy."""
    product = vector_like(y, y.shape[0])
    multiply(data.H, y, product)
    coupling = vector_like(x, x.shape[0])
    multiply(data.J, y, coupling)
    return 0.5 * dot(y, product) - dot(x, coupling)


def y_star(data: Data, x: Array, out: Array) -> None:
    """H^{-1} J' x."""
    multiply(data.solution, x, out)


def phi(data: QuadraticData, x: Array) -> Array:
    """f(y*(x))."""
    y = vector_like(x, data.t.shape[0])
    y_star(data, x, y)
    return f(data, x, y)


def grad_phi(data: QuadraticData, x: Array, out: Array) -> None:
    """J H^{-1} grad f(y*(x))."""
    y = vector_like(x, data.t.shape[0])
    y_star(data, x, y)
    multiply(data.pulled_back, data.weight * (y - data.t), out)


def log_cosh_grad_y_f(data: LogCoshData, x: Array, y: Array, out: Array) -> None:
    """weight tanh(y - t)."""
    assign(out, data.weight * tanh(y - data.t))


def log_cosh_f(data: LogCoshData, x: Array, y: Array) -> Array:
    """weight sum log cosh(y_i - t_i)."""
    return data.weight * log_cosh(y - data.t).sum(0)


def log_cosh_phi(data: LogCoshData, x: Array) -> Array:
    """f(y*(x))."""
    y = vector_like(x, data.t.shape[0])
    y_star(data, x, y)
    return log_cosh_f(data, x, y)


def log_cosh_grad_phi(data: LogCoshData, x: Array, out: Array) -> None:
    """J H^{-1} grad f(y*(x))."""
    y = vector_like(x, data.t.shape[0])
    y_star(data, x, y)
    multiply(data.pulled_back, data.weight * tanh(y - data.t), out)


FAMILIES[QuadraticData] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)
FAMILIES[LogCoshData] = Family(
    grad_x_f, log_cosh_grad_y_f, grad_x_g, grad_y_g, jvp, hvp, log_cosh_f, g
)
SUMS[QuadraticData] = SUMS[LogCoshData] = ONE_JACOBIAN


def eigenvalues(spectrum: str, mu: float, L: float, dim: int) -> np.ndarray:
    """dim eigenvalues in [mu, L], increasing, both ends attained."""
    shares: dict[str, Callable[[np.ndarray], np.ndarray]] = {
        "uniform": lambda s: mu + (L - mu) * s,
        "log": lambda s: mu * (L / mu) ** s,
        "chebyshev": lambda s: mu + (L - mu) * 0.5 * (1.0 - np.cos(math.pi * s)),
        "clusters": lambda s: np.where(s < 0.5, mu * (1.0 + 0.2 * s), L * (0.9 + 0.1 * s)),
    }
    values = shares[spectrum](np.linspace(0.0, 1.0, dim))
    values[0], values[-1] = mu, L
    return np.sort(values)


def rotation(random: np.random.Generator, dim: int) -> np.ndarray:
    """A uniformly random orthogonal matrix."""
    factor, triangle = np.linalg.qr(random.standard_normal((dim, dim)))
    return factor * np.sign(np.diag(triangle))


@register("quadratic")
def make(
    kappa: float,
    seed: int = 0,
    *,
    dim: int = 8,
    spectrum: str = "log",
    outer: str = "quadratic",
    L: float = 1.0,
    M: float = 1.0,
) -> Problem:
    """Quadratic inner problem with a random rotation: exponents of kappa 2, 3, 2, 2.5.

    dim >= 2 unknowns on both levels; spectrum: log, uniform, chebyshev or clusters; outer:
    quadratic or log_cosh.  Seeds other than 0 jitter the shares of t along the eigenvectors.

    Raises:
        InputError: an option is out of range.
    """
    dim = integer("dim", dim, 2)
    choice("spectrum", spectrum, SPECTRA)
    choice("outer", outer, OUTERS)
    L, M = number("L", L), number("M", M)
    random = generator("quadratic", seed)
    mu = L / kappa
    Q, P = rotation(random, dim), rotation(random, dim)
    shares = np.exp(random.uniform(-0.3, 0.3, dim)) if seed else np.ones(dim)
    shares *= np.where(random.random(dim) < 0.5, -1.0, 1.0)
    t = Q @ (shares / np.linalg.norm(shares))
    h = eigenvalues(spectrum, mu, L, dim)
    H = (Q * h) @ Q.T
    H = 0.5 * (H + H.T)
    J = L * P @ Q.T
    solution = (Q / h) @ Q.T @ J.T
    parts = (
        H,
        J,
        np.ascontiguousarray(J.T),
        solution,
        np.ascontiguousarray(solution.T),
        t,
        new_memory(dim, dim),
    )
    if outer == "quadratic":
        data: Data = QuadraticData(*parts, L)
        forms = ClosedForms(y_star, phi, grad_phi)
        M, smoothness = L, L * kappa**2
    else:
        data = LogCoshData(*parts, M / math.sqrt(dim))
        forms = ClosedForms(y_star, log_cosh_phi, log_cosh_grad_phi)
        smoothness = data.weight * kappa**2
        L_f = data.weight
        if L_f > L:
            number("M", M, 0.0, L * math.sqrt(dim))
    x0 = np.zeros(dim)
    return Problem(
        name="quadratic",
        data=data,
        constants=Constants(L=L, mu=mu, M=M, gap=float(forms.phi(data, x0)), distance=0.0),
        x0=x0,
        y0=np.zeros(dim),
        kappa=kappa,
        seed=seed,
        options={"dim": dim, "spectrum": spectrum, "outer": outer, "L": L}
        | ({"M": M} if outer == "log_cosh" else {}),
        exact_smoothness=smoothness,
        closed_forms=forms,
    )
