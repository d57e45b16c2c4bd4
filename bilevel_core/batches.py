"""Batches as the rows that were drawn, so that S samples of n cost what S samples cost.

A batch of S is a vector of 2 m numbers, m = min(S, n): m rows and then their shares, which sum to
1.  An instance of a torch batch draws its own: (2 m, B).  Inside compiled code the functions here
are replaced by the implementations in `bilevel_core.engines.batch_kernels`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from bilevel_core.arrays import Array, vector_like
from bilevel_core.matrices import Sparse, parts_of
from bilevel_core.streams import draw_shares, is_shuffled, replaced_shares


def draw_batch(stream: Any, n: int, S: int, like: Array) -> Array:
    """A batch of S of n samples, drawn with replacement: (2 m,) or (2 m, B)."""
    out = vector_like(like, 2 * min(S, n))
    draw_rows(stream, n, S, out)
    return out


def draw_rows(stream: Any, n: int, S: int, out: Array) -> None:
    """Write a batch of S of n samples into out (2 m,) or (2 m, B).

    From n draws on it is all rows with multinomial counts, so that 10^9 draws cost one pass.
    """
    if out.ndim == 1:
        replaced_rows(stream, n, S, out)
    elif n > S:
        for i in range(S):
            out[i] = stream.whole(n, out[0])
        out[S:] = 1.0 / S
    else:
        number_rows(out, n)
        out[n:] = stream.shares(S, out[n:])


def replaced_rows(generator: np.random.Generator, n: int, S: int, out: np.ndarray) -> None:
    """`draw_rows` of one instance, with the numbers that `draw_shares` uses."""
    if n > S:
        for i in range(S):
            out[i] = float(int(n * generator.random()))
            out[S + i] = 1.0 / S
        return
    for i in range(n):
        out[i] = float(i)
    replaced_shares(generator, S, out[n:])


def draw_pool(stream: Any, n: int, S: int, like: Array) -> Array:
    """A batch of S of a pool of n, with replacement or from shuffled epochs: (2 m,) or (2 m, B)."""
    return (all_with_shares if is_shuffled(stream) else draw_batch)(stream, n, S, like)


def all_with_shares(stream: Any, n: int, S: int, like: Array) -> Array:
    """All n samples of a pool with their shares in a batch of S: (2 n,) or (2 n, B)."""
    out = vector_like(like, 2 * n)
    number_rows(out, n)
    draw_shares(stream, S, out[n:])
    return out


def number_rows(out: Array, n: int) -> None:
    """Write 0..n-1 into the first n of out (>= n,) or (>= n, B)."""
    for i in range(n):
        out[i] = float(i)


def multiply_rows(matrix: Array, rows: Array, vector: Array, out: Array) -> None:
    """Write these rows of matrix @ vector into out.

    matrix (n, q) or (n, q, B), rows and out (m,) or (m, B), vector (q,) or (q, B).
    """
    out[:] = (_rows_of(matrix, rows) * vector).sum(1)


def add_rows(out: Array, matrix: Array, rows: Array, weights: Array) -> None:
    """Add these rows of the matrix, times their weights (m,) or (m, B), to out (q,) or (q, B)."""
    out += (_rows_of(matrix, rows) * weights[:, None]).sum(0)


def _rows_of(matrix: Array, rows: Array) -> Array:
    """(m, q) or (m, q, B)."""
    if isinstance(rows, np.ndarray):
        chosen = matrix[rows.astype(np.int64)]
        return chosen if rows.ndim == 1 else np.moveaxis(chosen, 1, -1)
    if matrix.ndim == 2:
        return matrix[rows.long()].movedim(1, -1)
    return matrix.gather(0, rows.long()[:, None].expand(-1, matrix.shape[1], -1))


def gather(values: Array, rows: Array, out: Array) -> None:
    """Write the numbers of `values`, (n,) or (n, B), at these rows into out, like the rows."""
    if isinstance(rows, np.ndarray):
        out[:] = values[rows.astype(np.int64)]
    else:
        out[:] = values.gather(0, rows.long())


def gather_labels(labels: Array, rows: Array) -> Array:
    """The labels, (n,) or (n, 1), at these rows: like the rows, whole numbers."""
    if isinstance(rows, np.ndarray):
        return labels[rows.astype(np.int64)]
    return labels.reshape(-1)[rows.long()]


def gather_rows(X: Array, rows: Array, room: Array) -> Array:
    """The rows (m, d), or (m, d, B), of X (n, d); compiled code writes them into room (>= m, d)."""
    if isinstance(rows, np.ndarray):
        return X[rows.astype(np.int64)]
    chosen = X[rows.long()]
    return chosen if rows.ndim == 1 else chosen.movedim(1, -1)


def scatter_add(out: Array, rows: Array, values: Array) -> None:
    """Add values to out at these rows, which may come more than once; shapes as in `gather`."""
    if isinstance(rows, np.ndarray):
        np.add.at(out, rows.astype(np.int64), values)
    else:
        out.scatter_add_(0, rows.long(), values)


def multiply_sparse_rows(
    matrix: Sparse, rows: Array, vectors: Array, classes: int, out: Array
) -> None:
    """Write these rows of matrix @ vectors into out, c numbers each; rows: (m,) or (m, B)."""
    for column in _instances(rows):
        own = vectors[column].reshape(-1, classes)
        for i, values, columns in _non_zeros(matrix, rows[column]):
            product = (values[:, None] * own[columns]).sum(0)
            out[column][i * classes : (i + 1) * classes] = product


def add_sparse_rows(matrix: Sparse, rows: Array, changes: Array, classes: int, out: Array) -> None:
    """Add the transposed product, c numbers a column, to out: row by row of those drawn."""
    for column in _instances(rows):
        own = out[column].reshape(-1, classes)
        for i, values, columns in _non_zeros(matrix, rows[column]):
            change = changes[column][i * classes : (i + 1) * classes]
            # A row has each column once at most.
            own[columns] += values[:, None] * change


def _instances(rows: Array) -> list[tuple[Any, ...]]:
    """What selects each instance of a batch; an index gives views."""
    return [(...,)] if rows.ndim == 1 else [(..., b) for b in range(rows.shape[1])]


def _non_zeros(matrix: Sparse, rows: Array) -> Iterator[tuple[int, Array, Array]]:
    """(i, values, columns) of each row drawn."""
    values, columns, starts = parts_of(matrix)
    for i, row in enumerate(rows.tolist()):
        part = slice(int(starts[int(row)]), int(starts[int(row) + 1]))
        yield i, values[part], columns[part]
