"""Compiled implementations of `bilevel_core.batches`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba.extending import register_jitable

from bilevel_core import batches
from bilevel_core.engines.array_kernels import SUMS
from bilevel_core.engines.matrix_kernels import implement_out_of_line, sparse_row


@register_jitable(error_model="numpy", fastmath=set(SUMS))
def multiply_chosen_rows(matrix: Any, rows: Any, vector: Any, out: Any) -> None:
    """Write these rows of matrix @ vector into out: (n, q), (m,), (q,), (m,)."""
    blocks = rows.shape[0] // 4
    for block in range(blocks):
        i = 4 * block
        row0, row1 = matrix[int(rows[i])], matrix[int(rows[i + 1])]
        row2, row3 = matrix[int(rows[i + 2])], matrix[int(rows[i + 3])]
        total0, total1, total2, total3 = 0.0, 0.0, 0.0, 0.0
        for j in range(vector.shape[0]):
            total0 += row0[j] * vector[j]
            total1 += row1[j] * vector[j]
            total2 += row2[j] * vector[j]
            total3 += row3[j] * vector[j]
        out[i], out[i + 1], out[i + 2], out[i + 3] = total0, total1, total2, total3
    for i in range(4 * blocks, rows.shape[0]):
        row = matrix[int(rows[i])]
        total = 0.0
        for j in range(vector.shape[0]):
            total += row[j] * vector[j]
        out[i] = total


@register_jitable(error_model="numpy", fastmath=set(SUMS))
def add_chosen_rows(out: Any, matrix: Any, rows: Any, weights: Any) -> None:
    """Add these rows of the matrix, times their weights, to out: (q,), (n, q), (m,), (m,)."""
    blocks = rows.shape[0] // 4
    for block in range(blocks):
        i = 4 * block
        row0, row1 = matrix[int(rows[i])], matrix[int(rows[i + 1])]
        row2, row3 = matrix[int(rows[i + 2])], matrix[int(rows[i + 3])]
        w0, w1, w2, w3 = weights[i], weights[i + 1], weights[i + 2], weights[i + 3]
        for j in range(out.shape[0]):
            out[j] += w0 * row0[j] + w1 * row1[j] + w2 * row2[j] + w3 * row3[j]
    for i in range(4 * blocks, rows.shape[0]):
        row, weight = matrix[int(rows[i])], weights[i]
        for j in range(out.shape[0]):
            out[j] += weight * row[j]


@implement_out_of_line(batches.draw_pool)
def _draw_pool(stream, n, S, like):
    shuffled = hasattr(stream, "instance_class")
    draw = batches.all_with_shares if shuffled else batches.draw_batch
    return lambda stream, n, S, like: draw(stream, n, S, like)


@implement_out_of_line(batches.draw_rows)
def _draw_rows(stream, n, S, out):
    draw = batches.replaced_rows
    return lambda stream, n, S, out: draw(stream, n, S, out)


@implement_out_of_line(batches.gather)
def _gather(values, rows, out):
    def gather(values, rows, out):
        for i in range(rows.shape[0]):
            out[i] = values[int(rows[i])]

    return gather


@implement_out_of_line(batches.gather_labels)
def _gather_labels(labels, rows):
    def gather_labels(labels, rows):
        chosen = np.empty(rows.shape[0], np.int64)
        for i in range(rows.shape[0]):
            chosen[i] = labels[int(rows[i])]
        return chosen

    return gather_labels


@implement_out_of_line(batches.gather_rows)
def _gather_rows(X, rows, room):
    def gather_rows(X, rows, room):
        for i in range(rows.shape[0]):
            source, target = X[int(rows[i])], room[i]
            for j in range(X.shape[1]):
                target[j] = source[j]
        return room[: rows.shape[0]]

    return gather_rows


@implement_out_of_line(batches.scatter_add)
def _scatter_add(out, rows, values):
    def scatter_add(out, rows, values):
        for i in range(rows.shape[0]):
            out[int(rows[i])] += values[i]

    return scatter_add


@implement_out_of_line(batches.multiply_sparse_rows)
def _multiply_sparse_rows(matrix, rows, vectors, classes, out):
    def multiply_sparse_rows(matrix, rows, vectors, classes, out):
        for i in range(rows.shape[0]):
            sparse_row(matrix, int(rows[i]), vectors, classes, 0.0, out, out, i * classes)

    return multiply_sparse_rows


@implement_out_of_line(batches.add_sparse_rows)
def _add_sparse_rows(matrix, rows, changes, classes, out):
    def add_sparse_rows(matrix, rows, changes, classes, out):
        for i in range(rows.shape[0]):
            row = int(rows[i])
            change = changes[i * classes : (i + 1) * classes]
            for e in range(matrix.starts[row], matrix.starts[row + 1]):
                value, o = matrix.values[e], matrix.columns[e] * classes
                target = out[o : o + classes]
                for k in range(classes):
                    target[k] += value * change[k]

    return add_sparse_rows


@implement_out_of_line(batches.multiply_rows)
def _multiply_rows(matrix, rows, vector, out):
    return lambda matrix, rows, vector, out: multiply_chosen_rows(matrix, rows, vector, out)


@implement_out_of_line(batches.add_rows)
def _add_rows(out, matrix, rows, weights):
    return lambda out, matrix, rows, weights: add_chosen_rows(out, matrix, rows, weights)
