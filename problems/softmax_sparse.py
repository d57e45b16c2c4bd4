"""Softmax regression on sparse features, a regularisation weight for each feature.

    g(x, y) = mean training CE(y) + (1/2) mean_{jc} exp(x_j) y_jc^2,   f(x, y) = validation CE(y)

y holds the weights of each feature, (d * classes,): a sample gathers whole rows of it.  Samples
lie by rows and, prepared once, by columns, so that both products run over memory in order.
Probabilities at the latest y, and weights at the latest x, are kept for the next product there.
Ji, Yang and Liang (ICML 2021), section 5; Grazzi et al. (ICML 2020).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from bilevel_core.arrays import Array, assign, exp, vector_like
from bilevel_core.matrices import (
    Sparse,
    bends,
    cross_entropies,
    dot_each,
    excesses,
    multiply_sparse,
    multiply_sparse_and_add,
    softmax,
)
from bilevel_core.oracle import FAMILIES, Family
from problems.softmax_kept import Kept, begin, finish, is_kept, nothing_kept


class Samples(NamedTuple):
    """Sparse samples with labels; `scores` is room that every call writes over."""

    by_rows: Sparse  # (n, d)
    by_columns: Sparse  # (d, n)
    labels: np.ndarray  # int64, (n,)
    shares: np.ndarray  # (n,), 1/n
    scores: np.ndarray  # (n classes,)


class SoftmaxSparseData(NamedTuple):
    """Training and validation samples."""

    train: Samples
    held: Samples
    probabilities: Kept  # of the training samples, (n classes,), at the latest y
    weights: Kept  # (d,), at the latest x
    classes: int


def _room(samples: Samples, y: Array) -> Array:
    """Room for the scores of the samples, (n classes,) or (n classes, B)."""
    if samples.scores.shape[1:] == y.shape[1:]:
        return samples.scores
    return vector_like(y, samples.scores.shape[0])


def weights(data: SoftmaxSparseData, x: Array) -> Array:
    """exp(x_j)/(d classes), like x."""
    if is_kept(data.weights, x):
        return data.weights.values
    found = begin(data.weights, x)
    assign(found, (1.0 / (x.shape[0] * data.classes)) * exp(x))
    finish(data.weights, x)
    return found


def _probabilities(data: SoftmaxSparseData, y: Array) -> Array:
    """Probabilities of the training samples at y."""
    if is_kept(data.probabilities, y):
        return data.probabilities.values
    found = begin(data.probabilities, y)
    multiply_sparse(data.train.by_rows, y, data.classes, found)
    softmax(found, data.classes)
    finish(data.probabilities, y)
    return found


def _excesses(samples: Samples, y: Array, classes: int) -> Array:
    """Gradient of the mean cross entropy in the scores."""
    scores = _room(samples, y)
    multiply_sparse(samples.by_rows, y, classes, scores)
    softmax(scores, classes)
    excesses(scores, samples.labels, samples.shares, classes, scores)
    return scores


def _cross_entropy(samples: Samples, y: Array, classes: int) -> Array:
    scores = _room(samples, y)
    losses = vector_like(y, samples.labels.shape[0])
    multiply_sparse(samples.by_rows, y, classes, scores)
    cross_entropies(scores, samples.labels, classes, losses)
    return losses.sum(0) / samples.labels.shape[0]


def grad_x_f(data: SoftmaxSparseData, x: Array, y: Array, out: Array) -> None:
    """0."""
    assign(out, 0.0)


def grad_y_f(data: SoftmaxSparseData, x: Array, y: Array, out: Array) -> None:
    """Gradient of the mean validation cross entropy."""
    changes = _excesses(data.held, y, data.classes)
    multiply_sparse(data.held.by_columns, changes, data.classes, out)


def grad_x_g(data: SoftmaxSparseData, x: Array, y: Array, out: Array) -> None:
    """weights_j ||y_j||^2/2."""
    jvp(data, x, y, y, out)
    out *= 0.5


def grad_y_g(data: SoftmaxSparseData, x: Array, y: Array, out: Array) -> None:
    """Gradient of the mean training cross entropy, plus weights_j y_j."""
    changes = _excesses(data.train, y, data.classes)
    multiply_sparse_and_add(data.train.by_columns, changes, weights(data, x), y, data.classes, out)


def jvp(data: SoftmaxSparseData, x: Array, y: Array, v: Array, out: Array) -> None:
    """weights_j <y_j, v_j>."""
    dot_each(y, v, data.classes, out)
    out *= weights(data, x)


def hvp(data: SoftmaxSparseData, x: Array, y: Array, v: Array, out: Array) -> None:
    """X' [diag(p_i) - p_i p_i'] X v/n, plus weights_j v_j."""
    train, classes = data.train, data.classes
    scores = _room(train, y)
    multiply_sparse(train.by_rows, v, classes, scores)
    bends(_probabilities(data, y), train.shares, scores, classes, scores)
    multiply_sparse_and_add(train.by_columns, scores, weights(data, x), v, classes, out)


def f(data: SoftmaxSparseData, x: Array, y: Array) -> Array:
    """Mean validation cross entropy."""
    return _cross_entropy(data.held, y, data.classes)


def g(data: SoftmaxSparseData, x: Array, y: Array) -> Array:
    """Mean training cross entropy plus (1/2) sum_j weights_j ||y_j||^2."""
    penalties = vector_like(x, x.shape[0])
    grad_x_g(data, x, y, penalties)
    return _cross_entropy(data.train, y, data.classes) + penalties.sum(0)


FAMILIES[SoftmaxSparseData] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)


def by_rows(matrix: Any) -> Sparse:
    """A SciPy matrix by rows, columns in order within each row."""
    ordered = csr_array(matrix, dtype=float)
    ordered.sum_duplicates()
    return Sparse(ordered.data, ordered.indices.astype(np.int32), ordered.indptr.astype(np.int64))


def new_samples(X: Any, labels: np.ndarray, classes: int) -> Samples:
    """Samples of a SciPy matrix X (n, d) with labels (n,) in 0..classes-1."""
    n = X.shape[0]
    return Samples(
        by_rows(X),
        by_rows(X.T),
        np.asarray(labels, dtype=np.int64),
        np.full(n, 1.0 / n),
        np.empty(n * classes),
    )


def sparse_data(
    X: Any, labels: np.ndarray, held_X: Any, held_labels: np.ndarray, classes: int
) -> SoftmaxSparseData:
    """Data of training samples X (n, d), a SciPy matrix, and of validation samples."""
    n, d = X.shape
    return SoftmaxSparseData(
        new_samples(X, labels, classes),
        new_samples(held_X, held_labels, classes),
        nothing_kept(d * classes, n * classes),
        nothing_kept(d, d),
        classes,
    )


def synthetic_sparse(
    samples: int = 5_657,
    features: int = 130_107,
    non_zeros: int = 753_000,
    classes: int = 20,
    seed: int = 0,
) -> SoftmaxSparseData:
    """Synthetic samples of the shape of 20 Newsgroups, as many for validation; no real data.

    Features are drawn by Zipf's law, counted and normalised; a sample has about `non_zeros` /
    `samples` of them, half from an order of the features that is its class's own.
    """
    random = np.random.default_rng(seed)
    orders = [random.permutation(features) for _ in range(classes + 1)]
    sets = []
    for _ in range(2):
        labels = random.integers(classes, size=samples)
        sets += [_documents(random, orders, labels, features, non_zeros), labels]
    return sparse_data(sets[0], sets[1], sets[2], sets[3], classes)


def _documents(
    random: np.random.Generator,
    orders: list[np.ndarray],
    labels: np.ndarray,
    features: int,
    non_zeros: int,
) -> Any:
    """Counts of words, each row of length 1: (n, features) with `non_zeros` numbers at most."""
    samples = len(labels)
    # Words that repeat are one number: more are drawn than asked for, and the rest left out.
    drawn = 2 * non_zeros // samples + 1
    ranks = np.exp(random.uniform(0.0, np.log(features), (samples, drawn))).astype(np.int64)
    ranks = (ranks + random.integers(20, size=ranks.shape)) % features
    columns = np.where(
        random.random(ranks.shape) < 0.5,
        orders[-1][ranks],
        np.stack(orders[:-1])[labels[:, None], ranks],
    )
    rows = np.repeat(np.arange(samples), drawn)
    counts = csr_array((np.ones(rows.size), (rows, columns.ravel())), shape=(samples, features))
    counts.sum_duplicates()
    surplus = counts.nnz - non_zeros
    if surplus > 0:
        counts.data[random.choice(counts.nnz, surplus, replace=False)] = 0.0
        counts.eliminate_zeros()
    lengths = np.sqrt(counts.multiply(counts).sum(axis=1))
    counts.data /= np.repeat(np.maximum(lengths, 1.0), np.diff(counts.indptr))
    return counts
