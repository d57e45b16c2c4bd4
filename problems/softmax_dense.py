"""Hyper-cleaning: a weight for each training sample of multinomial logistic regression.

    g(x, y) = (1/n) sum_i sigmoid(x_i) CE_i(y) + r ||y||^2,   f(x, y) = mean validation CE(y)

y holds the weights of each class, (classes * d,), and then, where it is longer, one bias a class.
CE_i is the cross entropy of training sample i, whose label may be corrupted.  A product reads the
samples once, a block at a time.  Probabilities at the latest y are kept for the next product there,
and so are the scores X v of a Jacobian product for the Hessian product with the same v.
Ji, Yang and Liang (ICML 2021), section 5; Franceschi et al. (ICML 2017).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bilevel_core.arrays import Array, assign, dot, exp, vector_like
from bilevel_core.matrices import (
    add_product_of_rows,
    bends,
    cross_entropies,
    dot_each,
    excesses,
    scores_of_rows,
    softmax,
)
from bilevel_core.oracle import FAMILIES, Family
from problems.softmax_kept import Kept, begin, finish, is_kept, nothing_kept

BLOCK = 128
"""Samples of a block: 0.8 MB of 784 features, which stay in a second-level cache."""


class SoftmaxDenseData(NamedTuple):
    """Training and validation samples."""

    X: np.ndarray  # (n, d)
    labels: np.ndarray  # int64, (n,)
    held_X: np.ndarray  # (m, d)
    held_labels: np.ndarray  # int64, (m,)
    held_shares: np.ndarray  # (m,), 1/m
    probabilities: Kept  # of the training samples, (n classes,), at the latest y
    scores: Kept  # X v, (n classes,), of the latest v
    classes: int
    regularisation: float  # r


def shares(data: SoftmaxDenseData, x: Array) -> Array:
    """sigmoid(x_i)/n, like x."""
    return (1.0 / data.X.shape[0]) / (1.0 + exp(-x))


def share_slopes(data: SoftmaxDenseData, x: Array) -> Array:
    """d shares_i/d x_i."""
    share = 1.0 / (1.0 + exp(-x))
    return (1.0 / data.X.shape[0]) * share * (1.0 - share)


def _probabilities(rows: Array, y: Array, classes: int, out: Array) -> None:
    scores_of_rows(rows, y, classes, out)
    softmax(out, classes)


def _add_gradient(
    X: Array, labels: Array, weights: Array, y: Array, classes: int, out: Array
) -> None:
    """Add sum_i weights_i grad CE_i to out."""
    n = X.shape[0]
    room = vector_like(y, min(BLOCK, n) * classes)
    for first in range(0, n, BLOCK):
        last = min(first + BLOCK, n)
        rows, changes = X[first:last], room[: (last - first) * classes]
        _probabilities(rows, y, classes, changes)
        excesses(changes, labels[first:last], weights[first:last], classes, changes)
        add_product_of_rows(rows, changes, classes, out)


def _cross_entropies(X: Array, labels: Array, y: Array, classes: int, out: Array) -> None:
    n = X.shape[0]
    room = vector_like(y, min(BLOCK, n) * classes)
    for first in range(0, n, BLOCK):
        last = min(first + BLOCK, n)
        scores = room[: (last - first) * classes]
        scores_of_rows(X[first:last], y, classes, scores)
        cross_entropies(scores, labels[first:last], classes, out[first:last])


def grad_x_f(data: SoftmaxDenseData, x: Array, y: Array, out: Array) -> None:
    """0."""
    assign(out, 0.0)


def grad_y_f(data: SoftmaxDenseData, x: Array, y: Array, out: Array) -> None:
    """Gradient of the mean validation cross entropy."""
    assign(out, 0.0)
    _add_gradient(data.held_X, data.held_labels, data.held_shares, y, data.classes, out)


def grad_x_g(data: SoftmaxDenseData, x: Array, y: Array, out: Array) -> None:
    """sigmoid'(x_i) CE_i(y)/n."""
    _cross_entropies(data.X, data.labels, y, data.classes, out)
    out *= share_slopes(data, x)


def grad_y_g(data: SoftmaxDenseData, x: Array, y: Array, out: Array) -> None:
    """sum_i sigmoid(x_i) grad CE_i(y)/n + 2 r y."""
    assign(out, 2.0 * data.regularisation * y)
    _add_gradient(data.X, data.labels, shares(data, x), y, data.classes, out)


def jvp(data: SoftmaxDenseData, x: Array, y: Array, v: Array, out: Array) -> None:
    """sigmoid'(x_i) <grad CE_i(y), v>/n."""
    X, classes, slopes = data.X, data.classes, share_slopes(data, x)
    known, multiplied = is_kept(data.probabilities, y), is_kept(data.scores, v)
    probabilities = data.probabilities.values if known else begin(data.probabilities, y)
    scores = data.scores.values if multiplied else begin(data.scores, v)
    n = X.shape[0]
    room = vector_like(y, min(BLOCK, n) * classes)
    for first in range(0, n, BLOCK):
        last = min(first + BLOCK, n)
        rows, p = X[first:last], probabilities[first * classes : last * classes]
        s, changes = scores[first * classes : last * classes], room[: (last - first) * classes]
        if not known:
            _probabilities(rows, y, classes, p)
        if not multiplied:
            scores_of_rows(rows, v, classes, s)
        excesses(p, data.labels[first:last], slopes[first:last], classes, changes)
        dot_each(changes, s, classes, out[first:last])
    if not known:
        finish(data.probabilities, y)
    if not multiplied:
        finish(data.scores, v)


def hvp(data: SoftmaxDenseData, x: Array, y: Array, v: Array, out: Array) -> None:
    """sum_i sigmoid(x_i) X_i [diag(p_i) - p_i p_i'] X_i' v/n + 2 r v."""
    X, classes, weights = data.X, data.classes, shares(data, x)
    known, multiplied = is_kept(data.probabilities, y), is_kept(data.scores, v)
    probabilities = data.probabilities.values if known else begin(data.probabilities, y)
    n = X.shape[0]
    room = vector_like(y, min(BLOCK, n) * classes)
    assign(out, 2.0 * data.regularisation * v)
    for first in range(0, n, BLOCK):
        last = min(first + BLOCK, n)
        rows, p = X[first:last], probabilities[first * classes : last * classes]
        changes = room[: (last - first) * classes]
        if not known:
            _probabilities(rows, y, classes, p)
        if multiplied:
            s = data.scores.values[first * classes : last * classes]
        else:
            s = changes
            scores_of_rows(rows, v, classes, s)
        bends(p, weights[first:last], s, classes, changes)
        add_product_of_rows(rows, changes, classes, out)
    if not known:
        finish(data.probabilities, y)


def f(data: SoftmaxDenseData, x: Array, y: Array) -> Array:
    """Mean validation cross entropy."""
    losses = vector_like(y, data.held_X.shape[0])
    _cross_entropies(data.held_X, data.held_labels, y, data.classes, losses)
    return losses.sum(0) / data.held_X.shape[0]


def g(data: SoftmaxDenseData, x: Array, y: Array) -> Array:
    """Weighted training cross entropy plus r ||y||^2."""
    losses = vector_like(y, data.X.shape[0])
    _cross_entropies(data.X, data.labels, y, data.classes, losses)
    return (shares(data, x) * losses).sum(0) + data.regularisation * dot(y, y)


FAMILIES[SoftmaxDenseData] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)


def dense_data(
    X: np.ndarray,
    labels: np.ndarray,
    held_X: np.ndarray,
    held_labels: np.ndarray,
    classes: int,
    *,
    biased: bool,
    regularisation: float = 0.001,
) -> SoftmaxDenseData:
    """Data of samples X (n, d) with labels (n,) in 0..classes-1, and of validation samples.

    biased: whether y ends with one bias a class.
    """
    unknowns = classes * (X.shape[1] + biased)
    return SoftmaxDenseData(
        aligned(X),
        np.asarray(labels, dtype=np.int64),
        aligned(held_X),
        np.asarray(held_labels, dtype=np.int64),
        np.full(len(held_X), 1.0 / len(held_X)),
        nothing_kept(unknowns, len(X) * classes),
        nothing_kept(unknowns, len(X) * classes),
        classes,
        regularisation,
    )


def aligned(X: np.ndarray) -> np.ndarray:
    """A copy in float64, by rows, that starts where a line of the cache does (64 bytes)."""
    memory = np.empty(X.size * 8 + 64, np.uint8)
    first = -memory.ctypes.data % 64
    copied = memory[first : first + X.size * 8].view(float).reshape(X.shape)
    copied[:] = X
    return copied


def synthetic_dense(
    samples: int = 20_000,
    held: int = 5_000,
    features: int = 784,
    classes: int = 10,
    *,
    biased: bool = False,
    corrupted: float = 0.4,
    seed: int = 0,
) -> SoftmaxDenseData:
    """Synthetic samples of the shape of hyper-cleaning on MNIST; no real data.

    Features are clipped normal numbers around one centre a class, in [0, 1]; `corrupted` is the
    share of training labels that are shifted by 1..classes-1.
    """
    random = np.random.default_rng(seed)
    centres = random.uniform(0.0, 0.6, (classes, features))
    truth = random.integers(classes, size=samples + held)
    X = random.standard_normal((samples + held, features))
    X *= 0.3
    X += centres[truth]
    np.clip(X, 0.0, 1.0, out=X)
    labels = truth[:samples].copy()
    wrong = random.random(samples) < corrupted
    labels[wrong] = (labels[wrong] + random.integers(1, classes, int(wrong.sum()))) % classes
    return dense_data(X[:samples], labels, X[samples:], truth[samples:], classes, biased=biased)
