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

from bilevel_core.arrays import Array, add_scaled, tanh, vector_like, where
from bilevel_core.batches import add_rows, draw_pool, multiply_rows
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
from bilevel_core.streams import Shuffled, new_shuffled
from problems.checks import generator
from problems.wrapped import WRAPPED, wrapped_forms

SAMPLES = 32
"""Samples of a synthetic pool, unless another even number is asked for."""
BEND_SHARE = 0.25
"""The most that a sample bends the Hessian, as a share of mu."""
STEEPEST = 4.0 / (3.0 * math.sqrt(3.0))
"""The maximum of the third derivative of log cosh."""


class Pool(NamedTuple):
    """Directions of the samples, one a row; the second half has those of the first."""

    c: np.ndarray  # (n, q)
    u: np.ndarray  # (n, q)
    w: np.ndarray  # (n, p)
    d: np.ndarray  # (n, q)
    e: np.ndarray  # (n, p)


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


def draw_members(data: Data, stream: Any, y: Array, S: int) -> Array:
    """The samples of a batch of S and their shares: (2 m,) or (2 m, B), as in `batches`."""
    return draw_pool(stream, data.pool.u.shape[0], S, y)


def _weights(data: Data, members: Array) -> Array:
    """s_i times the share of each member: (m,) or (m, B)."""
    m = members.shape[0] // 2
    # The second half of the samples has the signs of the first, turned round.
    return where(members[:m] < 0.5 * data.pool.u.shape[0], members[m:], -members[m:])


def _times(matrix: Array, members: Array, vector: Array) -> Array:
    """The members' rows of the matrix, times the vector: (m,) or (m, B)."""
    m = members.shape[0] // 2
    out = vector_like(members, m)
    multiply_rows(matrix, members[:m], vector, out)
    return out


def _add(out: Array, matrix: Array, members: Array, weights: Array) -> None:
    """Add the members' rows of the matrix, times their weights, to out."""
    add_rows(out, matrix, members[: members.shape[0] // 2], weights)


def _bends(data: Data, members: Array, x: Array, y: Array) -> Array:
    """tanh(u_i'y + w_i'x) of the members."""
    scores = _times(data.pool.u, members, y)
    add_scaled(scores, 1.0, _times(data.pool.w, members, x))
    return tanh(scores)


def _bent_product(data: Data, members: Array, x: Array, y: Array, v: Array) -> Array:
    """bend weight_i sech^2(u_i'y + w_i'x) u_i'v of the members."""
    t = _bends(data, members, x, y)
    product = _times(data.pool.u, members, v)
    return data.bend * _weights(data, members) * (1.0 - t * t) * product


def gradients_f(
    data: Data, stream: Any, x: Array, y: Array, S: int, out_x: Array, out_y: Array
) -> None:
    """grad F over a batch of S."""
    family_grad_x_f(data.wrapped, x, y, out_x)
    family_grad_y_f(data.wrapped, x, y, out_y)
    members = draw_members(data, stream, y, S)
    weights = data.sigma * _weights(data, members)
    _add(out_x, data.pool.e, members, weights)
    _add(out_y, data.pool.d, members, weights)


def grad_x_g(data: Data, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_x G over a batch of S."""
    family_grad_x_g(data.wrapped, x, y, out)
    members = draw_members(data, stream, y, S)
    weights = data.bend * _weights(data, members) * _bends(data, members, x, y)
    _add(out, data.pool.w, members, weights)


def grad_y_g(data: Data, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_y G over a batch of S."""
    family_grad_y_g(data.wrapped, x, y, out)
    members = draw_members(data, stream, y, S)
    weights = _weights(data, members)
    _add(out, data.pool.c, members, data.slope * weights)
    _add(out, data.pool.u, members, data.bend * weights * _bends(data, members, x, y))


def jvp(data: Data, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_x grad_y G) v over a batch of S."""
    family_jvp(data.wrapped, x, y, v, out)
    members = draw_members(data, stream, y, S)
    _add(out, data.pool.w, members, _bent_product(data, members, x, y, v))


def hvp(data: Data, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_yy G) v over a batch of S."""
    held_hvp(data, draw_members(data, stream, y, S), x, y, v, out)


def held_hvp(data: Data, held: Array, x: Array, y: Array, v: Array, out: Array) -> None:
    """(grad_yy G) v over a batch with these members."""
    family_hvp(data.wrapped, x, y, v, out)
    _add(out, data.pool.u, held, _bent_product(data, held, x, y, v))


def shuffled_stream(data: ShuffledData, slot: int, generator: np.random.Generator) -> Shuffled:
    """A stream whose first epoch is about to be shuffled."""
    return new_shuffled(generator, data.pool.u.shape[0])


FAMILIES[ReplacedData] = WRAPPED
FAMILIES[ShuffledData] = WRAPPED
_CALLS = (gradients_f, grad_x_g, grad_y_g, jvp, hvp, draw_members, held_hvp)
SAMPLED[ReplacedData] = Sampled(*_CALLS, generator_itself)
SAMPLED[ShuffledData] = Sampled(*_CALLS, shuffled_stream)


def _directions(random: np.random.Generator, n: int, dim: int) -> np.ndarray:
    rows = random.standard_normal((n // 2, dim))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return np.concatenate([rows, rows])


def new_pool(random: np.random.Generator, n: int, p: int, q: int) -> Pool:
    """A pool of n samples in pairs of opposite signs."""
    c, u = _directions(random, n, q), _directions(random, n, q)
    w, both = _directions(random, n, p), _directions(random, n, p + q)
    e, d = (np.ascontiguousarray(part) for part in (both[:, :p], both[:, p:]))
    return Pool(c, u, w, d, e)


def make_finite_sum(
    make_base: Callable[[float], Problem],
    kappa: float,
    seed: int,
    sigma: float,
    sampling: str,
    samples: int = SAMPLES,
) -> Problem:
    """A family, made by condition number, as a finite sum whose samples all have kappa.

    sampling: "replacement" or "shuffled"; samples: an even number.
    """
    L = make_base(kappa).constants.L
    share = min(BEND_SHARE, 0.25 * (kappa - 1.0))
    bend = min(share * L / (kappa - share), 0.5 * sigma)
    # (L + bend)/(mu - bend) = kappa, mu the smallest curvature of the mean.
    base = make_base(L / (bend + (L + bend) / kappa))
    pool = new_pool(generator("finite_sum", seed), samples, base.dim_x, base.dim_y)
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
