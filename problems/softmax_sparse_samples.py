"""Sparse softmax regression as the finite sum that it is; batches are drawn with replacement.

    G_i(x, y) = CE(sample i; y) + (1/2) mean_{jc} exp(x_j) y_jc^2,  F_i = CE(validation sample i; y)

A batch of S costs its samples' non-zeros, and the regularisation, which every sample has whole.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from bilevel_core.arrays import Array, assign, vector_like
from bilevel_core.batches import (
    add_sparse_rows,
    draw_batch,
    gather_labels,
    multiply_sparse_rows,
)
from bilevel_core.matrices import bends, excesses, scale_each, softmax
from bilevel_core.oracle import FAMILIES, family_grad_x_g, family_jvp
from bilevel_core.sampled import SAMPLED, Sampled, generator_itself
from problems.softmax_sparse import Samples, SoftmaxSparseData, weights
from problems.wrapped import WRAPPED


class SoftmaxSparseReplacedData(NamedTuple):
    """Samples drawn with replacement."""

    wrapped: SoftmaxSparseData


Data = SoftmaxSparseReplacedData


def _add_gradient(samples: Samples, batch: Array, y: Array, classes: int, out: Array) -> None:
    """Add the gradient of the batch's mean cross entropy to out."""
    m = batch.shape[0] // 2
    changes = vector_like(y, m * classes)
    multiply_sparse_rows(samples.by_rows, batch[:m], y, classes, changes)
    softmax(changes, classes)
    excesses(changes, gather_labels(samples.labels, batch[:m]), batch[m:], classes, changes)
    add_sparse_rows(samples.by_rows, batch[:m], changes, classes, out)


def gradients_f(
    data: Data, stream: Any, x: Array, y: Array, S: int, out_x: Array, out_y: Array
) -> None:
    """Grad F over a batch of S validation samples; 0 in x."""
    held = data.wrapped.held
    assign(out_x, 0.0)
    assign(out_y, 0.0)
    batch = draw_batch(stream, held.shares.shape[0], S, y)
    _add_gradient(held, batch, y, data.wrapped.classes, out_y)


def grad_x_g(data: Data, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_x G: the regularisation alone, the same for every sample."""
    family_grad_x_g(data.wrapped, x, y, out)


def grad_y_g(data: Data, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_y G over a batch of S training samples."""
    train = data.wrapped
    scale_each(weights(train, x), y, train.classes, out)
    _add_gradient(train.train, training_batch(data, stream, y, S), y, train.classes, out)


def jvp(data: Data, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_x grad_y G) v: the regularisation alone."""
    family_jvp(data.wrapped, x, y, v, out)


def training_batch(data: Data, stream: Any, y: Array, S: int) -> Array:
    """A batch of S training samples."""
    return draw_batch(stream, data.wrapped.train.shares.shape[0], S, y)


def hvp(data: Data, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_yy G) v over a batch of S training samples."""
    held_hvp(data, training_batch(data, stream, y, S), x, y, v, out)


def held_hvp(data: Data, held: Array, x: Array, y: Array, v: Array, out: Array) -> None:
    """(grad_yy G) v over a batch that was drawn before."""
    by_rows, classes = data.wrapped.train.by_rows, data.wrapped.classes
    m = held.shape[0] // 2
    probabilities, scores = vector_like(y, m * classes), vector_like(y, m * classes)
    multiply_sparse_rows(by_rows, held[:m], y, classes, probabilities)
    softmax(probabilities, classes)
    multiply_sparse_rows(by_rows, held[:m], v, classes, scores)
    bends(probabilities, held[m:], scores, classes, scores)
    scale_each(weights(data.wrapped, x), v, classes, out)
    add_sparse_rows(by_rows, held[:m], scores, classes, out)


FAMILIES[SoftmaxSparseReplacedData] = WRAPPED
SAMPLED[SoftmaxSparseReplacedData] = Sampled(
    gradients_f, grad_x_g, grad_y_g, jvp, hvp, training_batch, held_hvp, generator_itself
)
