"""Hyper-cleaning at the size of MNIST, 20000 x 784 x 10, on synthetic samples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

import numpy as np

from benchmarks.peers import numpy_steps, ours
from benchmarks.peers.case import Case
from benchmarks.peers.numpy_steps import Functions
from benchmarks.peers.settings import INNER, LINEAR
from problems.softmax_dense import SoftmaxDenseData, synthetic_dense

ALPHA, BETA = 0.02, 1.0
REGULARISATION = 0.001


class Arrays(NamedTuple):
    """What every variant reads; labels are one-hot, (n, c)."""

    X: Any
    labels: Any
    held_X: Any
    held_labels: Any


def cases() -> Iterator[Case]:
    """AID-CG and ITD."""
    data = synthetic_dense()
    n, d, c = *data.X.shape, data.classes
    problem = ours.unevaluated("hypercleaning", data, n, c * d)
    arrays = Arrays(data.X, np.eye(c)[data.labels], data.held_X, np.eye(c)[data.held_labels])
    title = f"hyper-cleaning {n} x {d} x {c}"
    floors = {
        "aid": ("GEMM", gemm_floor(data, INNER + LINEAR + 1, 1)),
        "itd": ("GEMM", gemm_floor(data, 2 * INNER, INNER)),
    }
    named = partial(peers, arrays)
    yield from ours.both_hypergradients(title, problem, ALPHA, BETA, named, floors)


def gemm_floor(data: SoftmaxDenseData, products: int, halves: int) -> Callable[[], None]:
    """Two GEMMs a product, X W' and R'X, one for the Jacobian's, and those of validation."""
    n, d, c = *data.X.shape, data.classes
    random = np.random.default_rng(0)
    W, R = random.standard_normal((c, d)), random.standard_normal((n, c))

    def call() -> None:
        for _ in range(products):
            data.X @ W.T
            R.T @ data.X
        for _ in range(halves):
            data.X @ W.T
        data.held_X @ W.T
        R[: len(data.held_X)].T @ data.held_X

    return call


def closed_forms(library: Any, softmax: Callable[[Any], Any], arrays: Arrays) -> Functions:
    """Closed forms in NumPy or jax.numpy; y is (c, d), flattened."""
    X, labels, held_X, held_labels = arrays
    n, c, d = X.shape[0], labels.shape[1], X.shape[1]

    def grad_y_f(x: Any, y: Any) -> Any:
        excess = softmax(held_X @ y.reshape(c, d).T) - held_labels
        return (excess.T @ held_X).ravel() / held_X.shape[0]

    def grad_y_g(x: Any, y: Any) -> Any:
        shares = 1.0 / (n * (1.0 + library.exp(-x)))
        excess = shares[:, None] * (softmax(X @ y.reshape(c, d).T) - labels)
        return (excess.T @ X).ravel() + 2.0 * REGULARISATION * y

    def jvp(x: Any, y: Any, v: Any) -> Any:
        sigmoid = 1.0 / (1.0 + library.exp(-x))
        excess = softmax(X @ y.reshape(c, d).T) - labels
        inner = (excess * (X @ v.reshape(c, d).T)).sum(1)
        return sigmoid * (1.0 - sigmoid) * inner / n

    def hvp(x: Any, y: Any, v: Any) -> Any:
        shares = 1.0 / (n * (1.0 + library.exp(-x)))
        p, s = softmax(X @ y.reshape(c, d).T), X @ v.reshape(c, d).T
        change = shares[:, None] * p * (s - (p * s).sum(1)[:, None])
        return (change.T @ X).ravel() + 2.0 * REGULARISATION * v

    return Functions(grad_y_f, grad_y_g, jvp, hvp)


def numpy_softmax(scores: np.ndarray) -> np.ndarray:
    """Softmax over axis 1."""
    exponentials = np.exp(scores - scores.max(1)[:, None])
    return exponentials / exponentials.sum(1)[:, None]


def objectives(arrays: Arrays) -> tuple[Callable[..., Any], Callable[..., Any]]:
    """f and g in jax.numpy."""
    import jax

    X, labels, held_X, held_labels = arrays
    n, c, d = X.shape[0], labels.shape[1], X.shape[1]

    def losses(samples: Any, hot: Any, y: Any) -> Any:
        return -(jax.nn.log_softmax(samples @ y.reshape(c, d).T) * hot).sum(1)

    def f(x: Any, y: Any) -> Any:
        return losses(held_X, held_labels, y).mean()

    def g(x: Any, y: Any) -> Any:
        weighted = (jax.nn.sigmoid(x) * losses(X, labels, y)).sum() / n
        return weighted + REGULARISATION * (y * y).sum()

    return f, g


def peers(arrays: Arrays, method: str) -> dict[str, Callable[[], np.ndarray]]:
    """The step by NumPy, and by JAX from closed forms and by autodiff; method: aid or itd."""
    import jax
    import jax.numpy as jnp

    from benchmarks.peers import jax_steps

    n, c, d = arrays.X.shape[0], arrays.labels.shape[1], arrays.X.shape[1]
    x, y = np.zeros(n), np.zeros(c * d)
    plain = getattr(numpy_steps, f"{method}_step")
    by_jax = getattr(jax_steps, f"{method}_step")

    def closed(arrays: Arrays, x: Any, y: Any) -> Any:
        return by_jax(closed_forms(jnp, jax.nn.softmax, arrays), x, y, ALPHA, BETA)

    def autodiff(arrays: Arrays, x: Any, y: Any) -> Any:
        f, g = objectives(arrays)
        if method == "itd":
            return jax_steps.itd_step_by_autodiff(f, g, x, y, ALPHA, BETA)
        return by_jax(jax_steps.differentiated(f, g), x, y, ALPHA, BETA)

    return {
        "NumPy": lambda: plain(closed_forms(np, numpy_softmax, arrays), x, y, ALPHA, BETA),
        "JAX, closed form": jax_steps.timed(closed, arrays, x, y),
        "JAX, autodiff": jax_steps.timed(autodiff, arrays, x, y),
    }
