"""Hyper-cleaning as the finite sum that it is; batches are drawn with replacement.

    G_i(x, y) = sigmoid(x_i) CE_i(y) + r ||y||^2,   F_i(x, y) = CE(validation sample i; y)

A batch of S gathers its rows, at most n: its cost is that of S samples.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from bilevel_core.arrays import Array, assign, exp, vector_like
from bilevel_core.batches import draw_batch, gather, gather_labels, gather_rows, scatter_add
from bilevel_core.matrices import (
    add_product_of_rows,
    bends,
    cross_entropies,
    dot_each,
    excesses,
    scores_of_rows,
    softmax,
)
from bilevel_core.oracle import FAMILIES
from bilevel_core.sampled import SAMPLED, Sampled, generator_itself
from problems.softmax_dense import BLOCK, SoftmaxDenseData
from problems.wrapped import WRAPPED


class SoftmaxDenseReplacedData(NamedTuple):
    """Samples drawn with replacement."""

    wrapped: SoftmaxDenseData
    gathered: np.ndarray  # (BLOCK, d), room for rows


def replaced(data: SoftmaxDenseData) -> SoftmaxDenseReplacedData:
    """The same problem with batches."""
    return SoftmaxDenseReplacedData(data, np.empty((BLOCK, data.X.shape[1])))


Data = SoftmaxDenseReplacedData


def _sigmoids(x: Array, rows: Array) -> Array:
    """sigmoid(x_i) of these rows."""
    chosen = vector_like(x, rows.shape[0])
    gather(x, rows, chosen)
    return 1.0 / (1.0 + exp(-chosen))


def _add_gradient(
    data: Data, X: Array, labels: Array, rows: Array, weights: Array, y: Array, out: Array
) -> None:
    """Add sum_i weights_i grad CE_i over these rows to out."""
    m, classes = rows.shape[0], data.wrapped.classes
    room = vector_like(y, min(BLOCK, m) * classes)
    for first in range(0, m, BLOCK):
        last = min(first + BLOCK, m)
        block = gather_rows(X, rows[first:last], data.gathered)
        changes = room[: (last - first) * classes]
        scores_of_rows(block, y, classes, changes)
        softmax(changes, classes)
        chosen = gather_labels(labels, rows[first:last])
        excesses(changes, chosen, weights[first:last], classes, changes)
        add_product_of_rows(block, changes, classes, out)


def gradients_f(
    data: Data, stream: Any, x: Array, y: Array, S: int, out_x: Array, out_y: Array
) -> None:
    """Grad F over a batch of S validation samples; 0 in x."""
    held = data.wrapped
    batch = draw_batch(stream, held.held_X.shape[0], S, y)
    m = batch.shape[0] // 2
    assign(out_x, 0.0)
    assign(out_y, 0.0)
    _add_gradient(data, held.held_X, held.held_labels, batch[:m], batch[m:], y, out_y)


def grad_x_g(data: Data, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_x G over a batch of S training samples: 0 but for those drawn."""
    train, classes = data.wrapped, data.wrapped.classes
    batch = draw_batch(stream, train.X.shape[0], S, y)
    m = batch.shape[0] // 2
    rows, slopes = batch[:m], _sigmoids(x, batch[:m])
    slopes = batch[m:] * slopes * (1.0 - slopes)
    assign(out, 0.0)
    room, losses = vector_like(y, min(BLOCK, m) * classes), vector_like(y, min(BLOCK, m))
    for first in range(0, m, BLOCK):
        last = min(first + BLOCK, m)
        scores, own = room[: (last - first) * classes], losses[: last - first]
        block = gather_rows(train.X, rows[first:last], data.gathered)
        scores_of_rows(block, y, classes, scores)
        cross_entropies(scores, gather_labels(train.labels, rows[first:last]), classes, own)
        scatter_add(out, rows[first:last], slopes[first:last] * own)


def grad_y_g(data: Data, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_y G over a batch of S training samples."""
    train = data.wrapped
    batch = draw_batch(stream, train.X.shape[0], S, y)
    m = batch.shape[0] // 2
    assign(out, 2.0 * train.regularisation * y)
    weights = batch[m:] * _sigmoids(x, batch[:m])
    _add_gradient(data, train.X, train.labels, batch[:m], weights, y, out)


def jvp(data: Data, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_x grad_y G) v over a batch of S training samples: 0 but for those drawn."""
    train, classes = data.wrapped, data.wrapped.classes
    batch = draw_batch(stream, train.X.shape[0], S, y)
    m = batch.shape[0] // 2
    rows, slopes = batch[:m], _sigmoids(x, batch[:m])
    slopes = batch[m:] * slopes * (1.0 - slopes)
    assign(out, 0.0)
    size = min(BLOCK, m)
    room, other = vector_like(y, size * classes), vector_like(y, size * classes)
    inner = vector_like(y, size)
    for first in range(0, m, BLOCK):
        last = min(first + BLOCK, m)
        block = gather_rows(train.X, rows[first:last], data.gathered)
        labels = gather_labels(train.labels, rows[first:last])
        changes, scores = room[: (last - first) * classes], other[: (last - first) * classes]
        scores_of_rows(block, y, classes, changes)
        softmax(changes, classes)
        excesses(changes, labels, slopes[first:last], classes, changes)
        scores_of_rows(block, v, classes, scores)
        dot_each(changes, scores, classes, inner[: last - first])
        scatter_add(out, rows[first:last], inner[: last - first])


def training_batch(data: Data, stream: Any, y: Array, S: int) -> Array:
    """A batch of S training samples."""
    return draw_batch(stream, data.wrapped.X.shape[0], S, y)


def hvp(data: Data, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_yy G) v over a batch of S training samples."""
    held_hvp(data, training_batch(data, stream, y, S), x, y, v, out)


def held_hvp(data: Data, held: Array, x: Array, y: Array, v: Array, out: Array) -> None:
    """(grad_yy G) v over a batch that was drawn before."""
    train, classes = data.wrapped, data.wrapped.classes
    m = held.shape[0] // 2
    rows = held[:m]
    weights = held[m:] * _sigmoids(x, rows)
    size = min(BLOCK, m)
    room, other = vector_like(y, size * classes), vector_like(y, size * classes)
    assign(out, 2.0 * train.regularisation * v)
    for first in range(0, m, BLOCK):
        last = min(first + BLOCK, m)
        block = gather_rows(train.X, rows[first:last], data.gathered)
        p, scores = room[: (last - first) * classes], other[: (last - first) * classes]
        scores_of_rows(block, y, classes, p)
        softmax(p, classes)
        scores_of_rows(block, v, classes, scores)
        bends(p, weights[first:last], scores, classes, scores)
        add_product_of_rows(block, scores, classes, out)


FAMILIES[SoftmaxDenseReplacedData] = WRAPPED
SAMPLED[SoftmaxDenseReplacedData] = Sampled(
    gradients_f, grad_x_g, grad_y_g, jvp, hvp, training_batch, held_hvp, generator_itself
)
