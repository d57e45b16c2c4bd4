"""Logistic regression as the finite sum that it is: each sample's loss with the regularisation.

    G_i(x, y) = CE(sample i; y) + (1/2) sum_j r_j(x) ||y_j||^2,   F_i = CE(validation sample i; y)

Every sample is mu-strongly convex through its regularisation.  L holds for every sample: it bounds
||x_i||^2/2 for the longest one, so that the mean is made with a smaller condition number than the
one asked for.  A batch is drawn with replacement, or from shuffled epochs.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.arrays import Array, multiply, vector_like
from bilevel_core.oracle import FAMILIES, family_grad_x_f, family_grad_x_g, family_jvp
from bilevel_core.problem import Problem
from bilevel_core.sampled import SAMPLED, Sampled, generator_itself
from bilevel_core.streams import Shuffled, draw_shares, new_shuffled
from problems import logistic
from problems.wrapped import WRAPPED


class LogisticReplacedData(NamedTuple):
    """Samples drawn with replacement."""

    wrapped: logistic.LogisticData


class LogisticShuffledData(NamedTuple):
    """Samples drawn in shuffled epochs."""

    wrapped: logistic.LogisticData


Data = Any


def _weighted_gradient(
    X: Array,
    transposed_X: Array,
    labels: Array,
    shares: Array,
    y: Array,
    classes: int,
    out: Array,
) -> None:
    """Gradient of the mean cross entropy of samples with these shares."""
    n, p = X.shape[0], X.shape[1]
    probabilities = logistic._probabilities(X, y, classes)
    for c in range(classes):
        excess = shares * (probabilities[c] - labels[c * n : (c + 1) * n])
        multiply(transposed_X, excess, out[c * p : (c + 1) * p])


def _regularise(data: logistic.LogisticData, x: Array, v: Array, out: Array) -> None:
    """Add r_j(x) v_j."""
    p = x.shape[0]
    r = logistic.regularisation(data, x)
    for c in range(data.classes):
        out[c * p : (c + 1) * p] += r * v[c * p : (c + 1) * p]


def shares_of_training(data: Data, stream: Any, y: Array, S: int) -> Array:
    """Shares of the training samples in a batch of S: (n,) or (n, B)."""
    shares = vector_like(y, data.wrapped.X.shape[0])
    draw_shares(stream, S, shares)
    return shares


def gradients_f(
    data: Data, stream: Any, x: Array, y: Array, S: int, out_x: Array, out_y: Array
) -> None:
    """grad F over a batch of S validation samples."""
    family_grad_x_f(data.wrapped, x, y, out_x)
    held = data.wrapped
    shares = vector_like(y, held.held_X.shape[0])
    draw_shares(stream, S, shares)
    _weighted_gradient(
        held.held_X, held.held_transposed_X, held.held_labels, shares, y, held.classes, out_y
    )


def grad_x_g(data: Data, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_x G: the regularisation alone, the same for every sample."""
    family_grad_x_g(data.wrapped, x, y, out)


def grad_y_g(data: Data, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """grad_y G over a batch of S training samples."""
    train = data.wrapped
    shares = shares_of_training(data, stream, y, S)
    _weighted_gradient(train.X, train.transposed_X, train.labels, shares, y, train.classes, out)
    _regularise(train, x, y, out)


def jvp(data: Data, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_x grad_y G) v: the regularisation alone."""
    family_jvp(data.wrapped, x, y, v, out)


def hvp(data: Data, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_yy G) v over a batch of S training samples."""
    held_hvp(data, shares_of_training(data, stream, y, S), x, y, v, out)


def held_hvp(data: Data, held: Array, x: Array, y: Array, v: Array, out: Array) -> None:
    """(grad_yy G) v over training samples with these shares."""
    train = data.wrapped
    p = x.shape[0]
    probabilities = logistic._probabilities(train.X, y, train.classes)
    scores = logistic._scores(train.X, v, train.classes)
    mean = 0.0 * scores[0]
    for c in range(train.classes):
        mean = mean + probabilities[c] * scores[c]
    for c in range(train.classes):
        change = held * probabilities[c] * (scores[c] - mean)
        multiply(train.transposed_X, change, out[c * p : (c + 1) * p])
    _regularise(train, x, v, out)


def shuffled_stream(
    data: LogisticShuffledData, slot: int, generator: np.random.Generator
) -> Shuffled:
    """A stream whose first epoch is about to be shuffled; training and validation agree in size."""
    return new_shuffled(generator, data.wrapped.X.shape[0])


FAMILIES[LogisticReplacedData] = WRAPPED
FAMILIES[LogisticShuffledData] = WRAPPED
_CALLS = (gradients_f, grad_x_g, grad_y_g, jvp, hvp, shares_of_training, held_hvp)
SAMPLED[LogisticReplacedData] = Sampled(*_CALLS, generator_itself)
SAMPLED[LogisticShuffledData] = Sampled(*_CALLS, shuffled_stream)


def make_logistic_samples(
    make_base: Callable[[float], Problem], kappa: float, sampling: str
) -> Problem:
    """The family as a finite sum whose samples all have condition number kappa.

    sampling: "replacement" or "shuffled".
    """
    stretch = _longest(make_base(kappa).data)
    base = make_base(1.0 + 2.0 * (kappa - 1.0) / (1.0 + stretch))
    data = base.data
    kind = {"replacement": LogisticReplacedData, "shuffled": LogisticShuffledData}[sampling]
    norms = np.linalg.norm(data.X, axis=1)
    given = base.constants
    # A sample's Hessian turns by sqrt(1/2) ||x_i||^3, where the mean's has ||x_i|| lambda_max.
    rho = math.hypot(math.sqrt(0.5) * float(norms.max()) ** 3, given.rho)
    constants = dataclasses.replace(
        given,
        L=kappa * given.mu,
        M=math.sqrt(2.0) * float(np.linalg.norm(data.held_X, axis=1).max()),
        rho=rho,
        sigma=math.sqrt(2.0 * float(np.mean(norms**2))),
    )
    return dataclasses.replace(
        base, data=kind(data), constants=constants, kappa=kappa, noise="finite_sum"
    )


def _longest(data: logistic.LogisticData) -> float:
    """max ||x_i||^2 over the largest eigenvalue of the mean of x_i x_i', whatever the scale."""
    largest = max(float(np.linalg.norm(X, 2) ** 2 / len(X)) for X in (data.X, data.held_X))
    return max(float((X * X).sum(axis=1).max()) for X in (data.X, data.held_X)) / largest
