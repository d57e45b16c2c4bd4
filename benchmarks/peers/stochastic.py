"""stocBiO on a finite sum of 1024 samples, d = 100, batches of 64: factored and dense samples.

Every variant is given the batches that this package draws, so that all compute the same iterates;
this package alone pays for drawing them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

import problems
from benchmarks.peers.case import Case
from bilevel_core.engines.compiled import CompiledSession
from bilevel_core.oracle import GRAD_Y_F, GRAD_Y_G, HVP, JVP
from bilevel_core.sampled import open_streams
from bilevel_core.solvers import get, stocbio
from bilevel_core.streams import open_generators

jax.config.update("jax_enable_x64", True)

SAMPLES, DIM, BATCH = 1024, 100, 64
INNER, PRODUCTS = 10, 8
STEPS = 50
ALPHA, BETA, ETA = 1.0, 1e-3, 0.9
DENSE_OVER_FACTORED = 100.0
"""How many times faster factored samples are to be than dense ones, of which JAX needs matrices in
9 of the 20 oracle calls of a step."""


class Batches(NamedTuple):
    """Indices of the samples of every batch: (steps, calls, BATCH)."""

    inner: Any
    outer: Any
    products: Any
    jacobian: Any


class Model(NamedTuple):
    """The finite sum, as in `problems.finite_sum`."""

    H: Any
    J: Any
    t: Any
    weight: float
    signs: Any
    c: Any
    u: Any
    w: Any
    d: Any
    e: Any
    slope: float
    bend: float
    sigma: float


def cases() -> Iterator[Case]:
    """One size, against factored and against dense samples."""
    problem = problems.make(
        "quadratic", kappa=10.0, dim=DIM, noise="finite_sum", sigma=0.2, pool=SAMPLES
    )
    data, base = problem.data, problem.data.wrapped
    model = Model(
        base.H, base.J, base.t, base.weight, np.repeat([1.0, -1.0], SAMPLES // 2),
        data.pool.c, data.pool.u, data.pool.w, data.pool.d, data.pool.e,
        data.slope, data.bend, data.sigma,
    )  # fmt: skip
    batches = drawn_batches()
    ours = _ours(problem)
    peers = {"factored": (factored_rows, np.nan), "dense": (dense_rows, 1 / DENSE_OVER_FACTORED)}
    for samples, (rows, target) in peers.items():
        yield Case(
            title=f"stocBiO, d = {DIM}, {SAMPLES} samples; {samples} in JAX",
            unit="outer step",
            units=STEPS,
            ours={"compiled": ours},
            peers={f"JAX, {samples}": _jax(rows, model, batches)},
            floors={},
            target=target,
            floor_target=np.nan,
        )


def drawn_batches() -> Batches:
    """The batches that a run with noise seed 0 on instance 0 draws: one stream a kind of oracle."""
    streams = open_generators(0, 0)

    def draw(kind: int, calls: int) -> np.ndarray:
        shares = streams[kind].random((STEPS, calls, BATCH))
        return np.asarray((SAMPLES * shares).astype(np.int64))

    return Batches(draw(GRAD_Y_G, INNER), draw(GRAD_Y_F, 1), draw(HVP, PRODUCTS), draw(JVP, 1))


def _ours(problem: Any) -> Callable[[], np.ndarray]:
    params = stocbio.Params(
        alpha=ALPHA, beta=BETA, eta=ETA, D=INNER, Q=PRODUCTS, S=BATCH, B=BATCH // PRODUCTS,
        D_f=BATCH, D_g=BATCH, first_D=INNER, shrink=1.0,
    )  # fmt: skip

    session = CompiledSession(problem, get("stocbio"), params, 0)

    def compiled() -> np.ndarray:
        streams = open_streams(problem.data, open_generators(0, problem.seed))
        session._oracle = session._oracle._replace(streams=streams)
        session._state = get("stocbio").init(problem.x0.copy(), problem.y0.copy())
        session._run(STEPS)
        return session.iterate()[:, 0]

    return compiled


class Rows(NamedTuple):
    """How a batch of samples acts: along u, back along u and along w."""

    u_times: Callable[[Any, Any], Any]  # (indices, vector) -> (BATCH, DIM) or what `back` takes
    bent: Callable[[Any, Any, Any], Any]  # (indices, weights, vector) -> sum weights_i u_i u_i' v
    crossed: Callable[[Any, Any, Any], Any]  # the same with w_i u_i'


def factored_rows(model: Model) -> Rows:
    """Samples as pairs of vectors."""

    def bent(i: Any, weights: Any, v: Any) -> Any:
        rows = model.u[i]
        return (weights * (rows @ v)) @ rows

    def crossed(i: Any, weights: Any, v: Any) -> Any:
        return (weights * (model.u[i] @ v)) @ model.w[i]

    return Rows(lambda i, v: model.u[i] @ v, bent, crossed)


def dense_rows(model: Model) -> Rows:
    """Samples as matrices: two arrays of n x d x d numbers."""
    hessians = model.u[:, :, None] * model.u[:, None, :]
    jacobians = model.w[:, :, None] * model.u[:, None, :]

    def bent(i: Any, weights: Any, v: Any) -> Any:
        return jnp.einsum("s,sij,j->i", weights, hessians[i], v)

    def crossed(i: Any, weights: Any, v: Any) -> Any:
        return jnp.einsum("s,sij,j->i", weights, jacobians[i], v)

    return Rows(lambda i, v: model.u[i] @ v, bent, crossed)


def _jax(
    rows_of: Callable[[Model], Rows], model: Model, batches: Batches
) -> Callable[[], np.ndarray]:
    given = jax.tree.map(jnp.asarray, model)
    # What stands for the samples is made once, and passed: a constant would be copied.
    rows = rows_of(given)
    indices = jax.tree.map(jnp.asarray, batches)

    def bends(i: Any, x: Any, y: Any) -> Any:
        return jnp.tanh(rows.u_times(i, y) + given.w[i] @ x)

    def step(state: Any, batch: Batches) -> tuple[Any, None]:
        x, y = state
        coupling = x @ given.J

        def inner(y: Any, i: Any) -> tuple[Any, None]:
            signs = given.signs[i] / BATCH
            gradient = given.H @ y - coupling + given.slope * (signs @ given.c[i])
            gradient += given.bend * ((signs * bends(i, x, y)) @ given.u[i])
            return y - ALPHA * gradient, None

        y, _ = jax.lax.scan(inner, y, batch.inner)
        signs = given.signs[batch.outer[0]] / BATCH
        gradient = given.sigma * (signs @ given.e[batch.outer[0]])
        target = given.weight * (y - given.t) + given.sigma * (signs @ given.d[batch.outer[0]])

        def series(carry: Any, i: Any) -> tuple[Any, None]:
            total, term = carry
            weights = given.bend * given.signs[i] / BATCH * (1.0 - bends(i, x, y) ** 2)
            term = term - ETA * (given.H @ term + rows.bent(i, weights, term))
            return (total + term, term), None

        (total, _), _ = jax.lax.scan(series, (target, target), batch.products)
        v, i = ETA * total, batch.jacobian[0]
        weights = given.bend * given.signs[i] / BATCH * (1.0 - bends(i, x, y) ** 2)
        gradient -= -(given.J @ v) + rows.crossed(i, weights, v)
        return (x - BETA * gradient, y), None

    @jax.jit
    def run(indices: Batches) -> Any:
        start = (jnp.zeros(DIM), jnp.zeros(DIM))
        return jax.lax.scan(step, start, indices)[0][0]

    def call() -> np.ndarray:
        return np.asarray(jax.block_until_ready(run(indices)))

    return call
