"""Products with tall matrices, and softmax over their rows: the work of classification problems.

Scores of b samples in c classes lie sample by sample in one vector, (b c,) or (b c, B), so that
room for them is `vector_like`.  Dense samples take weights class by class, (c d,), and then, where
there are c numbers more, one bias a class; sparse samples take them feature by feature, (d c,).
Each function takes NumPy arrays and torch tensors; inside compiled code it is replaced by the
implementation in `bilevel_core.engines.matrix_kernels`.
"""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np

from bilevel_core.arrays import Array, exp, log


class Sparse(NamedTuple):
    """A matrix by rows (CSR): row i has `values` at `columns` from starts[i] to starts[i + 1]."""

    values: np.ndarray  # float64, (non-zeros,)
    columns: np.ndarray  # int32, (non-zeros,)
    starts: np.ndarray  # int64, (rows + 1,)


def same(a: Array, b: Array) -> bool:
    """Whether a and b have the same shape and the same numbers, none of them NaN.

    Tensors on a device never do: the host would have to wait for the answer.
    """
    on_host = getattr(a, "is_cpu", True)
    return on_host and a.shape == b.shape and bool((a == b).all())


def scores_of_rows(rows: Array, weights: Array, classes: int, out: Array) -> None:
    """Scores of dense samples: write rows @ weights' plus biases into out (b c,) or (b c, B).

    rows: (b, d), or (b, d, B) where each instance has its own.
    """
    b, d = rows.shape[:2]
    batch = weights.shape[1:]
    each = weights[: classes * d].reshape(classes, d, *batch)
    scores = out.reshape(b, classes, *batch)
    if rows.ndim == 3:
        scores[:] = (rows[:, None] * each[None]).sum(2)
    else:
        scores[:] = _tensordot(rows, each, 1, 1)
    if weights.shape[0] > classes * d:
        scores += weights[classes * d :][None]


def add_product_of_rows(rows: Array, changes: Array, classes: int, out: Array) -> None:
    """Add the transposed product, changes' @ rows and their sums for biases, to out like weights.

    rows: (b, d), or (b, d, B) where each instance has its own; changes: (b c,) or (b c, B).
    """
    b, d = rows.shape[:2]
    batch = changes.shape[1:]
    each = changes.reshape(b, classes, *batch)
    if rows.ndim == 3:
        product = (each[:, :, None] * rows[:, None]).sum(0)
    else:
        product = _tensordot(each, rows, 0, 0)  # (c, B, d)
        product = product.swapaxes(1, 2) if batch else product
    out[: classes * d] += product.reshape(-1, *batch)
    if out.shape[0] > classes * d:
        out[classes * d :] += each.sum(0)


def multiply_sparse(matrix: Sparse, vectors: Array, classes: int, out: Array) -> None:
    """Write matrix @ vectors into out: c numbers a column, and c numbers a row."""
    batch = vectors.shape[1:]
    out[:] = _sparse_product(matrix, vectors.reshape(vectors.shape[0] // classes, -1)).reshape(
        -1, *batch
    )


def multiply_sparse_and_add(
    matrix: Sparse, vectors: Array, scales: Array, added: Array, classes: int, out: Array
) -> None:
    """Write matrix @ vectors + diag(scales) added into out.

    scales: one number a row; added: like out, c numbers a row.
    """
    multiply_sparse(matrix, vectors, classes, out)
    batch = out.shape[1:]
    blocks = (scales.shape[0], classes, *batch)
    out += (scales[:, None] * added.reshape(blocks)).reshape(-1, *batch)


def softmax(scores: Array, classes: int) -> None:
    """Replace the scores of each sample by their softmax, in place."""
    each = _by_sample(scores, classes)
    each[:] = exp(each - _top(each)[:, None])
    each /= each.sum(1)[:, None]


def cross_entropies(scores: Array, labels: Array, classes: int, out: Array) -> None:
    """Write the cross entropy of each sample, of scores and its label, into out (b,)."""
    each = _by_sample(scores, classes)
    top = _top(each)
    chosen = (_one_hot(labels, classes, each) * each).sum(1)
    out[:] = log(exp(each - top[:, None]).sum(1)) + top - chosen


def excesses(probabilities: Array, labels: Array, shares: Array, classes: int, out: Array) -> None:
    """Gradients of cross entropies in their scores, times a share for each sample, into out (b c,).

    share_i (p_i - e_{label_i}); shares: (b,), (b, 1) or (b, B).
    """
    each = _by_sample(probabilities, classes)
    _by_sample(out, classes)[:] = shares[:, None] * (each - _one_hot(labels, classes, each))


def bends(probabilities: Array, shares: Array, scores: Array, classes: int, out: Array) -> None:
    """Hessians of cross entropies times the scores, times a share for each sample, into out (b c,).

    share_i (diag(p_i) - p_i p_i') scores_i; shares: (b,), (b, 1) or (b, B); out may be the scores.
    """
    p, s = _by_sample(probabilities, classes), _by_sample(scores, classes)
    _by_sample(out, classes)[:] = shares[:, None] * p * (s - (p * s).sum(1)[:, None])


def scale_each(scales: Array, a: Array, classes: int, out: Array) -> None:
    """Write c numbers of a times their scale into out, feature by feature; scales: (d,)."""
    _by_sample(out, classes)[:] = scales[:, None] * _by_sample(a, classes)


def dot_each(a: Array, b: Array, classes: int, out: Array) -> None:
    """Write the inner product of c numbers of a with those of b into out, sample by sample."""
    out[:] = (_by_sample(a, classes) * _by_sample(b, classes)).sum(1)


def _by_sample(vector: Array, classes: int) -> Array:
    """(b, c) or (b, c, B), the same memory."""
    return vector.reshape(-1, classes, *vector.shape[1:])


def _top(each: Array) -> Array:
    return each.max(1) if isinstance(each, np.ndarray) else each.amax(1)


def _one_hot(labels: Array, classes: int, like: Array) -> Array:
    """(b, c), (b, c, 1) or (b, c, B), in the library of `like`; labels: (b,), (b, 1) or (b, B)."""
    each = labels[:, None] if labels.ndim == like.ndim - 1 else labels.reshape(-1, 1)
    numbers: Array = np.arange(classes)
    if not isinstance(like, np.ndarray):
        import torch

        numbers = torch.arange(classes, device=like.device)
    return 1.0 * (each == (numbers[:, None] if each.ndim == 3 else numbers))


def _tensordot(a: Array, b: Array, axis_a: int, axis_b: int) -> Array:
    if isinstance(b, np.ndarray):
        return np.tensordot(a, b, ([axis_a], [axis_b]))
    import torch

    return torch.tensordot(a, b, ([axis_a], [axis_b]))


def _sparse_product(matrix: Sparse, vectors: Array) -> Array:
    values, columns, starts = parts_of(matrix)
    shape = (starts.shape[0] - 1, vectors.shape[0])
    if isinstance(vectors, np.ndarray):
        from scipy.sparse import csr_array

        return csr_array((values, columns, starts), shape=shape) @ vectors
    import torch

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Sparse CSR tensor support")
        # Both kinds of index have one type.
        tensor = torch.sparse_csr_tensor(
            starts, columns.to(starts.dtype), values, shape, check_invariants=False
        )
    return tensor @ vectors


def parts_of(matrix: Sparse) -> tuple[Array, Array, Array]:
    """Values, columns and starts as vectors, where a batch holds them as columns (n, 1)."""
    return matrix.values.reshape(-1), matrix.columns.reshape(-1), matrix.starts.reshape(-1)
