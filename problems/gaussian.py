"""Gaussian noise on any family: the mean of a batch of S is one draw with covariance / S.

    grad F = grad f + xi,  E ||xi||^2 = sigma^2, spread evenly over (x, y)
    grad_y G = grad_y g + xi,  E ||xi||^2 = sigma^2; grad_x G likewise
    grad_yy G = H + W,  W symmetric Gaussian,  E ||W v||^2 = sigma_H^2 ||v||^2
    grad_x grad_y G = J + B,  B Gaussian,  E ||B v||^2 = sigma_J^2 ||v||^2
    sigma_H = r sqrt(mu (L - mu)),  sigma_J = r L,  r = min(sigma/M, 1)

It relaxes two assumptions of Ji, Yang and Liang (ICML 2021) to mean squares, since no Gaussian is
bounded: not every sample is mu-strongly convex, but E ||(I - eta grad_yy G) v||^2 <= (1 - eta mu)
||v||^2 for every eta <= 1/L, which is what products of samples need; and E ||grad F||^2 <= M^2 +
sigma^2 takes the place of ||grad F|| <= M.  Every call draws a batch of its own.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

from bilevel_core.arrays import (
    Array,
    add_scaled,
    assign,
    dot,
    multiply,
    sqrt,
    stack_like,
)
from bilevel_core.oracle import (
    FAMILIES,
    family_grad_x_f,
    family_grad_x_g,
    family_grad_y_f,
    family_grad_y_g,
    family_hvp,
    family_jvp,
)
from bilevel_core.problem import Problem
from bilevel_core.sampled import SAMPLED, Sampled, generator_itself
from bilevel_core.streams import add_normal, normal
from problems.wrapped import WRAPPED, wrapped_forms


class GaussianData(NamedTuple):
    """The data without noise, and standard deviations of a sample's coordinates."""

    wrapped: Any
    outer: float  # of grad F
    inner_x: float  # of grad_x G
    inner_y: float  # of grad_y G
    jacobian: float  # of an entry of B
    hessian: float  # of an entry of W off the diagonal


def gradients_f(
    data: GaussianData, stream: Any, x: Array, y: Array, S: int, out_x: Array, out_y: Array
) -> None:
    """grad F over a batch of S."""
    scale = data.outer * S**-0.5
    family_grad_x_f(data.wrapped, x, y, out_x)
    add_normal(stream, scale, out_x)
    family_grad_y_f(data.wrapped, x, y, out_y)
    add_normal(stream, scale, out_y)


def grad_x_g(data: GaussianData, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_x G over a batch of S."""
    family_grad_x_g(data.wrapped, x, y, out)
    add_normal(stream, data.inner_x * S**-0.5, out)


def grad_y_g(data: GaussianData, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_y G over a batch of S."""
    family_grad_y_g(data.wrapped, x, y, out)
    add_normal(stream, data.inner_y * S**-0.5, out)


def jvp(data: GaussianData, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(J + B) v: B v is Gaussian with ||v||^2 times the variance of an entry."""
    family_jvp(data.wrapped, x, y, v, out)
    add_normal(stream, data.jacobian * S**-0.5 * sqrt(dot(v, v)), out)


def hvp(data: GaussianData, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(H + W) v: W v has covariance ||v||^2 I + v v' times the variance of an entry."""
    family_hvp(data.wrapped, x, y, v, out)
    scale = data.hessian * S**-0.5
    add_normal(stream, scale * sqrt(dot(v, v)), out)
    add_scaled(out, scale * normal(stream, v), v)


def hold_hessian(data: GaussianData, stream: Any, y: Array, S: int) -> Array:
    """W itself, (q, q) or (q, q, B)."""
    q = y.shape[0]
    held = stack_like(y, q)
    scale = data.hessian * (2.0 * S) ** -0.5
    for i in range(q):
        assign(held[i], 0.0)
        add_normal(stream, scale, held[i])
    for i in range(q):
        for j in range(i + 1):
            entry = held[i, j] + held[j, i]
            held[i, j] = entry
            held[j, i] = entry
    return held


def held_hvp(data: GaussianData, held: Array, x: Array, y: Array, v: Array, out: Array) -> None:
    """(H + W) v with a held W."""
    family_hvp(data.wrapped, x, y, v, out)
    product = 0.0 * v
    multiply(held, v, product)
    add_scaled(out, 1.0, product)


FAMILIES[GaussianData] = WRAPPED
SAMPLED[GaussianData] = Sampled(
    gradients_f, grad_x_g, grad_y_g, jvp, hvp, hold_hessian, held_hvp, generator_itself
)


def add_gaussian_noise(problem: Problem, sigma: float) -> Problem:
    """The problem with Gaussian noise; its exact functions and closed forms are those without."""
    constants, p, q = problem.constants, problem.dim_x, problem.dim_y
    relative = min(sigma / constants.M, 1.0)
    hessian = relative * math.sqrt(constants.mu * (constants.L - constants.mu))
    data = GaussianData(
        problem.data,
        sigma / math.sqrt(p + q),
        sigma / math.sqrt(p),
        sigma / math.sqrt(q),
        relative * constants.L / math.sqrt(p),
        hessian / math.sqrt(q + 1),
    )
    return dataclasses.replace(
        problem,
        data=data,
        constants=dataclasses.replace(constants, sigma=sigma),
        closed_forms=wrapped_forms(problem.closed_forms),
        noise="gaussian",
    )
