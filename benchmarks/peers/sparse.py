"""Softmax regression at the size of 20 Newsgroups, 5657 x 130107 x 20, on synthetic samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from benchmarks.peers import numpy_steps, ours
from benchmarks.peers.case import Case
from benchmarks.peers.hypercleaning import numpy_softmax
from benchmarks.peers.numpy_steps import Functions
from benchmarks.peers.settings import INNER, LINEAR
from bilevel_core.matrices import Sparse
from problems.softmax_sparse import Samples, SoftmaxSparseData, synthetic_sparse

ALPHA, BETA = 100.0, 100.0


class Side(NamedTuple):
    """Samples as products with their matrix and with its transpose, and one-hot labels (n, c)."""

    times: Callable[[Any], Any]  # (d, c) -> (n, c)
    transposed: Callable[[Any], Any]  # (n, c) -> (d, c)
    labels: Any


def cases() -> Iterator[Case]:
    """AID-CG and ITD."""
    data = synthetic_sparse()
    n, d, c = len(data.train.labels), data.weights.values.size, data.classes
    problem = ours.unevaluated("newsgroups", data, d, c * d)
    title = f"sparse softmax {n} x {d} x {c}, {data.train.by_rows.values.size} non-zeros"
    floors = {
        "aid": ("SciPy SpMM", spmm_floor(data, INNER + LINEAR + 1)),
        "itd": ("SciPy SpMM", spmm_floor(data, 2 * INNER)),
    }
    named = partial(peers, data)
    yield from ours.both_hypergradients(title, problem, ALPHA, BETA, named, floors)


def _scipy(matrix: Sparse, columns: int) -> Any:
    shape = (matrix.starts.size - 1, columns)
    return csr_array((matrix.values, matrix.columns, matrix.starts), shape=shape)


def scipy_side(samples: Samples, d: int, classes: int) -> Side:
    """Samples by SciPy, the transpose prepared once."""
    by_rows = _scipy(samples.by_rows, d)
    by_columns = _scipy(samples.by_columns, len(samples.labels))
    return Side(lambda W: by_rows @ W, lambda R: by_columns @ R, np.eye(classes)[samples.labels])


def spmm_floor(data: SoftmaxSparseData, products: int) -> Callable[[], None]:
    """Two SpMMs a product, X W and X'R, and those of validation."""
    d, c = data.weights.values.size, data.classes
    random = np.random.default_rng(0)
    W, R = random.standard_normal((d, c)), random.standard_normal((len(data.train.labels), c))
    train, held = (scipy_side(samples, d, c) for samples in (data.train, data.held))

    def call() -> None:
        for _ in range(products):
            train.times(W)
            train.transposed(R)
        held.times(W)
        held.transposed(R)

    return call


def closed_forms(library: Any, softmax: Callable[[Any], Any], train: Side, held: Side) -> Functions:
    """Closed forms in NumPy or jax.numpy; y is (d, c), flattened."""
    (n, c), m = train.labels.shape, held.labels.shape[0]

    def penalty(x: Any, y: Any) -> Any:
        return (library.exp(x) / (x.size * c))[:, None] * y.reshape(-1, c)

    def grad_y_f(x: Any, y: Any) -> Any:
        excess = softmax(held.times(y.reshape(-1, c))) - held.labels
        return held.transposed(excess / m).ravel()

    def grad_y_g(x: Any, y: Any) -> Any:
        excess = softmax(train.times(y.reshape(-1, c))) - train.labels
        return (train.transposed(excess / n) + penalty(x, y)).ravel()

    def jvp(x: Any, y: Any, v: Any) -> Any:
        return (penalty(x, y) * v.reshape(-1, c)).sum(1)

    def hvp(x: Any, y: Any, v: Any) -> Any:
        p, s = softmax(train.times(y.reshape(-1, c))), train.times(v.reshape(-1, c))
        change = p * (s - (p * s).sum(1)[:, None]) / n
        return (train.transposed(change) + penalty(x, v)).ravel()

    return Functions(grad_y_f, grad_y_g, jvp, hvp)


class Triplets(NamedTuple):
    """Non-zeros by rows and by columns, and one-hot labels: arrays for JAX."""

    values: Any
    rows: Any
    columns: Any
    values_by_column: Any
    rows_by_column: Any
    columns_by_column: Any
    labels: Any


def triplets(samples: Samples, classes: int) -> Triplets:
    """The samples' arrays."""
    parts: list[np.ndarray] = []
    for matrix in (samples.by_rows, samples.by_columns):
        ordered = np.repeat(
            np.arange(matrix.starts.size - 1, dtype=np.int32), np.diff(matrix.starts)
        )
        parts += [matrix.values, ordered, matrix.columns]
    values, rows, columns, others, by_column, rows_of = parts
    return Triplets(
        values, rows, columns, others, rows_of, by_column, np.eye(classes)[samples.labels]
    )


def segment_side(given: Triplets, d: int) -> Side:
    """Products by gathering rows and summing segments, in order of rows and of columns."""
    import jax

    n = given.labels.shape[0]

    def times(W: Any) -> Any:
        return jax.ops.segment_sum(
            given.values[:, None] * W[given.columns], given.rows, n, indices_are_sorted=True
        )

    def transposed(R: Any) -> Any:
        return jax.ops.segment_sum(
            given.values_by_column[:, None] * R[given.rows_by_column],
            given.columns_by_column,
            d,
            indices_are_sorted=True,
        )

    return Side(times, transposed, given.labels)


def bcoo_side(given: Triplets, d: int) -> Side:
    """Products by JAX's own sparse matrices."""
    import jax.numpy as jnp
    from jax.experimental.sparse import BCOO

    n = given.labels.shape[0]
    sides = []
    for values, rows, columns, shape in (
        (given.values, given.rows, given.columns, (n, d)),
        (given.values_by_column, given.columns_by_column, given.rows_by_column, (d, n)),
    ):
        indices = jnp.stack([rows, columns], axis=1)
        sides.append(BCOO((values, indices), shape=shape, indices_sorted=True, unique_indices=True))
    return Side(lambda W: sides[0] @ W, lambda R: sides[1] @ R, given.labels)


def objectives(train: Side, held: Side) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """f and g in jax.numpy; only `times` is used."""
    import jax
    import jax.numpy as jnp

    c = train.labels.shape[1]

    def loss(side: Side, y: Any) -> Any:
        scores = side.times(y.reshape(-1, c))
        return -(jax.nn.log_softmax(scores) * side.labels).sum(1).mean()

    def f(x: Any, y: Any) -> Any:
        return loss(held, y)

    def g(x: Any, y: Any) -> Any:
        squares = y.reshape(-1, c) ** 2
        return loss(train, y) + 0.5 * (jnp.exp(x)[:, None] * squares).mean()

    return f, g


def peers(data: SoftmaxSparseData, method: str) -> dict[str, Callable[[], np.ndarray]]:
    """The step by SciPy, and by JAX from closed forms and by autodiff; method: aid or itd."""
    import jax
    import jax.numpy as jnp

    from benchmarks.peers import jax_steps

    d, c = data.weights.values.size, data.classes
    x, y = np.zeros(d), np.zeros(c * d)
    arrays = tuple(triplets(samples, c) for samples in (data.train, data.held))
    by_scipy = tuple(scipy_side(samples, d, c) for samples in (data.train, data.held))
    plain = getattr(numpy_steps, f"{method}_step")
    by_jax = getattr(jax_steps, f"{method}_step")

    def closed(side: Callable[[Triplets, int], Side]) -> Callable[[], np.ndarray]:
        def step(arrays: Any, x: Any, y: Any) -> Any:
            of = closed_forms(jnp, jax.nn.softmax, *(side(part, d) for part in arrays))
            return by_jax(of, x, y, ALPHA, BETA)

        return jax_steps.timed(step, arrays, x, y)

    def autodiff(arrays: Any, x: Any, y: Any) -> Any:
        f, g = objectives(*(bcoo_side(part, d) for part in arrays))
        if method == "itd":
            return jax_steps.itd_step_by_autodiff(f, g, x, y, ALPHA, BETA)
        return by_jax(jax_steps.differentiated(f, g), x, y, ALPHA, BETA)

    return {
        "SciPy": lambda: plain(closed_forms(np, numpy_softmax, *by_scipy), x, y, ALPHA, BETA),
        "JAX, closed form, segments": closed(segment_side),
        "JAX, closed form, BCOO": closed(bcoo_side),
        "JAX, autodiff, BCOO": jax_steps.timed(autodiff, arrays, x, y),
    }
