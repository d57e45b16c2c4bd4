"""A finite sum around any family: n samples in factored form whose mean is the family itself.

    G_i(x, y) = g(x, y) + s_i [slope <c_i, y> + bend log cosh(u_i'y + w_i'x)]
    F_i(x, y) = f(x, y) + s_i sigma <(e_i, d_i), (x, y)>

c_i, u_i, w_i and (e_i, d_i) are unit vectors; samples i and i + n/2 share them with opposite signs
s_i, so that the mean is exactly f and g and every closed form stays.  The log cosh adds +-bend
sech^2 u u' to the Hessian and as much to the Jacobian: no sample is an n x q x q array.  L, mu, M,
rho and tau hold for every sample: the family is made with condition number L/(mu + bend), so that
each sample keeps mu = L/kappa for the kappa asked for.  slope + bend = sigma bounds the deviation
of every sample's grad_y G.  Batches are drawn with replacement, or from shuffled epochs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.arrays import Array, multiply, subtract_product, tanh, vector_like
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
from bilevel_core.streams import Shuffled, draw_shares, new_shuffled
from problems.checks import generator
from problems.wrapped import WRAPPED, wrapped_forms

SAMPLES = 32
"""Samples of a synthetic pool; even."""
BEND_SHARE = 0.25
"""The most that a sample bends the Hessian, as a share of mu."""
STEEPEST = 4.0 / (3.0 * math.sqrt(3.0))
"""The maximum of the third derivative of log cosh."""


class Pool(NamedTuple):
    """Directions of the samples, one a row, their transposes, and signs."""

    signs: np.ndarray  # (n,), +-1
    c: np.ndarray  # (q, n)
    u: np.ndarray  # (n, q)
    transposed_u: np.ndarray  # (q, n)
    w: np.ndarray  # (n, p)
    transposed_w: np.ndarray  # (p, n)
    d: np.ndarray  # (q, n)
    e: np.ndarray  # (p, n)


class ReplacedData(NamedTuple):
    """Samples drawn with replacement."""

    wrapped: Any
    pool: Pool
    slope: float
    bend: float
    sigma: float


class ShuffledData(NamedTuple):
    """Samples drawn in shuffled epochs."""

    wrapped: Any
    pool: Pool
    slope: float
    bend: float
    sigma: float


Data = Any


def signed_shares(data: Data, stream: Any, y: Array, S: int) -> Array:
    """s_i times the share of sample i in a batch of S: (n,) or (n, B)."""
    shares = vector_like(y, data.pool.u.shape[0])
    draw_shares(stream, S, shares)
    return data.pool.signs * shares


def _scores(data: Data, x: Array, y: Array) -> Array:
    """u_i'y + w_i'x."""
    scores = vector_like(y, data.pool.u.shape[0])
    multiply(data.pool.u, y, scores)
    subtract_product(scores, data.pool.w, -x)
    return scores


def _bent_product(data: Data, weights: Array, x: Array, y: Array, v: Array) -> Array:
    """bend weight_i sech^2(u_i'y + w_i'x) u_i'v."""
    t = tanh(_scores(data, x, y))
    product = vector_like(v, data.pool.u.shape[0])
    multiply(data.pool.u, v, product)
    return data.bend * weights * (1.0 - t * t) * product


def gradients_f(
    data: Data, stream: Any, x: Array, y: Array, S: int, out_x: Array, out_y: Array
) -> None:
    """grad F over a batch of S."""
    family_grad_x_f(data.wrapped, x, y, out_x)
    family_grad_y_f(data.wrapped, x, y, out_y)
    weights = data.sigma * signed_shares(data, stream, y, S)
    subtract_product(out_x, data.pool.e, -weights)
    subtract_product(out_y, data.pool.d, -weights)


def grad_x_g(data: Data, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_x G over a batch of S."""
    family_grad_x_g(data.wrapped, x, y, out)
    bent = data.bend * signed_shares(data, stream, y, S) * tanh(_scores(data, x, y))
    subtract_product(out, data.pool.transposed_w, -bent)


def grad_y_g(data: Data, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_y G over a batch of S."""
    family_grad_y_g(data.wrapped, x, y, out)
    weights = signed_shares(data, stream, y, S)
    subtract_product(out, data.pool.c, -data.slope * weights)
    bent = data.bend * weights * tanh(_scores(data, x, y))
    subtract_product(out, data.pool.transposed_u, -bent)


def jvp(data: Data, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_x grad_y G) v over a batch of S."""
    family_jvp(data.wrapped, x, y, v, out)
    bent = _bent_product(data, signed_shares(data, stream, y, S), x, y, v)
    subtract_product(out, data.pool.transposed_w, -bent)


def hvp(data: Data, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_yy G) v over a batch of S."""
    held_hvp(data, signed_shares(data, stream, y, S), x, y, v, out)


def held_hvp(data: Data, held: Array, x: Array, y: Array, v: Array, out: Array) -> None:
    """(grad_yy G) v over a batch with these signed shares."""
    family_hvp(data.wrapped, x, y, v, out)
    subtract_product(out, data.pool.transposed_u, -_bent_product(data, held, x, y, v))


def shuffled_stream(data: ShuffledData, slot: int, generator: np.random.Generator) -> Shuffled:
    """A stream whose first epoch is about to be shuffled."""
    return new_shuffled(generator, data.pool.u.shape[0])


FAMILIES[ReplacedData] = WRAPPED
FAMILIES[ShuffledData] = WRAPPED
_CALLS = (gradients_f, grad_x_g, grad_y_g, jvp, hvp, signed_shares, held_hvp)
SAMPLED[ReplacedData] = Sampled(*_CALLS, generator_itself)
SAMPLED[ShuffledData] = Sampled(*_CALLS, shuffled_stream)


def _directions(random: np.random.Generator, n: int, dim: int) -> np.ndarray:
    rows = random.standard_normal((n // 2, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.concatenate([rows, rows])


def new_pool(random: np.random.Generator, p: int, q: int) -> Pool:
    """A pool of `SAMPLES` samples in pairs of opposite signs."""
    n = SAMPLES
    c, u = _directions(random, n, q), _directions(random, n, q)
    w, both = _directions(random, n, p), _directions(random, n, p + q)
    columns = [np.ascontiguousarray(part.T) for part in (c, u, w, both)]
    signs = np.repeat([1.0, -1.0], n // 2)
    e, d = (np.ascontiguousarray(part) for part in (columns[3][:p], columns[3][p:]))
    return Pool(signs, columns[0], u, columns[1], w, columns[2], d, e)


def make_finite_sum(
    make_base: Callable[[float], Problem], kappa: float, seed: int, sigma: float, sampling: str
) -> Problem:
    """A family, made by condition number, as a finite sum whose samples all have kappa.

    sampling: "replacement" or "shuffled".
    """
    L = make_base(kappa).constants.L
    share = min(BEND_SHARE, 0.25 * (kappa - 1.0))
    bend = min(share * L / (kappa - share), 0.5 * sigma)
    # (L + bend)/(mu - bend) = kappa, mu the smallest curvature of the mean.
    base = make_base(L / (bend + (L + bend) / kappa))
    pool = new_pool(generator("finite_sum", seed), base.dim_x, base.dim_y)
    kind = {"replacement": ReplacedData, "shuffled": ShuffledData}[sampling]
    given = base.constants
    third = math.sqrt(2.0) * STEEPEST * bend
    constants = dataclasses.replace(
        given,
        L=L + bend,
        mu=given.mu - bend,
        M=given.M + sigma,
        rho=given.rho + third,
        tau=given.tau + third,
        sigma=sigma,
    )
    return dataclasses.replace(
        base,
        data=kind(base.data, pool, sigma - bend, bend, sigma),
        constants=constants,
        kappa=kappa,
        closed_forms=wrapped_forms(base.closed_forms),
        noise="finite_sum",
    )
