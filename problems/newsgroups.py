"""Per-feature regularisation of softmax regression on 20 Newsgroups.

    g(x, y) = mean training CE(y) + (1/2) sum_j w_j(x) ||y_j||^2,   f(x, y) = validation CE(y)
    w_j(x) = exp(x_j)/(d classes)

y: 20 weights of each of d = 130,107 words, (d * 20,), no biases.  The seed draws two halves of the
training posts, of equal size and shares of classes; one trains, one validates, and the test posts
are kept for evaluation.  Ji, Yang and Liang (ICML 2021), section 5; Grazzi et al. (ICML 2020);
oracles in `softmax_sparse`, batches in `softmax_sparse_samples`.

mu is the least weight, and no bound holds for all x.  The constants hold on the box |x_j - x0_j| <=
b around the start, where all x0_j are equal and w = m: b = log(2)/2, and less below kappa = 4,
log(kappa)/4, which leaves room for the data. They hold on the tube ||w_j(x) y_j|| <= 2 G_j, G_j =
sqrt 2 mean|X_ij|, too, which contains y*(x) with a factor of 2 to spare (grad_y g = 0 there, so
that ||w_j y_j|| <= G_j), and which no line between two points of the box at y* leaves.  With lambda
the largest eigenvalue of X'X/n (an upper bound: `second_moment`), the softmax Hessian in [0, I/2]:

    m/e^b <= grad_yy g <= lambda/2 + m e^b,   grad_yy f <= lambda_held/2,   ||J|| <= 2 max G_j
    ||grad_y f|| <= sqrt 2 min(mean||x_i||, sqrt lambda_held)
    rho: sqrt(1/2) max||x_i|| lambda in y, m e^b in x;   tau: m e^b in y, 2 max G_j in x

L is the largest of the three blocks; in the protocol, m = 1/(d classes) = 4e-7, it is the
Jacobian's, 0.94, where the inner Hessian's is 0.18.  gap and distance are upper bounds that ask for
no solution.
"""

from __future__ import annotations

import dataclasses
import math
from typing import Any, NamedTuple

import numpy as np
from scipy.sparse import csr_array

from bilevel_core.constants import Constants
from bilevel_core.problem import Problem
from problems import register
from problems.checks import generator, small_start
from problems.datasets import newsgroups
from problems.second_moment import largest_eigenvalue
from problems.softmax_sparse import Samples, SoftmaxSparseData, f, g, sparse_data
from problems.softmax_sparse_samples import SoftmaxSparseReplacedData

TUBE = 2.0
WIDEST = 0.5 * math.log(2.0)
"""b, where kappa leaves room for it: a line between two points of the box keeps w within 2."""


class Posts(NamedTuple):
    """What one instance is made of; SciPy's csr matrices, labels int64."""

    train: Any
    train_labels: np.ndarray
    held: Any
    held_labels: np.ndarray
    test: Any
    test_labels: np.ndarray
    classes: int
    checksum: str  # of all the data


class Bounds(NamedTuple):
    """What does not depend on the regularisation."""

    curvature: float  # L without the regularisation
    reach: float  # 2 max G_j
    bend: float  # the part of rho in y
    M: float
    sigma: float


def halves(labels: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of two halves with equal shares of each class, to one sample; drawn from the seed."""
    order = generator("newsgroups halves", seed).permutation(len(labels))
    by_class = order[np.argsort(labels[order], kind="stable")]
    return np.sort(by_class[::2]), np.sort(by_class[1::2])


def read(seed: int = 0) -> Posts:
    """The posts of an instance.

    Raises:
        InputError: the data is not there, or scikit-learn is not installed.
    """
    documents = newsgroups.load()
    train, held = halves(documents.train_labels, seed)
    return Posts(
        documents.train[train],
        documents.train_labels[train],
        documents.train[held],
        documents.train_labels[held],
        documents.test,
        documents.test_labels,
        documents.classes,
        documents.checksum,
    )


@register("newsgroups")
def make(kappa: float | None = None, seed: int = 0) -> Problem:
    """A regularisation weight for each word of 20 Newsgroups, in softmax regression.

    kappa: None for x0 = 0, the protocol's, weights of 1/(d classes); a number sets all of x0 so
    that L/mu around the start is kappa.

    Raises:
        InputError: the data is not there, or scikit-learn is not installed.
    """
    posts = read(seed)
    data = sparse_data(
        posts.train, posts.train_labels, posts.held, posts.held_labels, posts.classes
    )
    d = posts.train.shape[1]
    y0 = small_start("newsgroups", seed, d * posts.classes)
    bounds = _bounds_of_mean(data)
    x0 = _start(data, bounds, kappa)
    constants = _constants(data, x0, y0, bounds, kappa)
    return Problem(
        name="newsgroups",
        data=data,
        constants=constants,
        x0=x0,
        y0=y0,
        kappa=constants.kappa if kappa is None else kappa,
        seed=seed,
        content=posts.checksum,
    )


def make_samples(base: Problem, kappa: float | None) -> Problem:
    """An instance as the finite sum that it is, batches drawn with replacement.

    The constants hold for every sample, whose regularisation is the whole one; under a kappa, x0 is
    set anew, so that L/mu of every sample is at most kappa.
    """
    bounds = _bounds_of_samples(base.data)
    x0 = _start(base.data, bounds, kappa)
    constants = _constants(base.data, x0, base.y0, bounds, kappa)
    return dataclasses.replace(
        base,
        data=SoftmaxSparseReplacedData(base.data),
        constants=constants,
        x0=x0,
        kappa=constants.kappa if kappa is None else kappa,
        noise="finite_sum",
    )


def half_width(kappa: float | None) -> float:
    """b, half the width of the box that the constants hold on."""
    return WIDEST if kappa is None else min(WIDEST, 0.25 * math.log(kappa))


def _start(data: SoftmaxSparseData, bounds: Bounds, kappa: float | None) -> np.ndarray:
    """x0 with (curvature + m e^b)/(m e^-b) = kappa."""
    d = data.weights.point.size
    if kappa is None:
        return np.zeros(d)
    b = half_width(kappa)
    m = bounds.curvature / (kappa * math.exp(-b) - math.exp(b))
    return np.full(d, math.log(m * d * data.classes))


def _constants(
    data: SoftmaxSparseData, x0: np.ndarray, y0: np.ndarray, bounds: Bounds, kappa: float | None
) -> Constants:
    m = math.exp(x0[0]) / (x0.size * data.classes)
    widening = math.exp(half_width(kappa))
    # g >= 0 is m-strongly convex at x0, and Phi >= 0.
    distance = math.sqrt(2.0 * float(g(data, x0, y0)) / m)
    return Constants(
        L=bounds.curvature + m * widening,
        mu=m / widening,
        M=bounds.M,
        rho=math.hypot(bounds.bend, m * widening),
        tau=math.hypot(bounds.reach, m * widening),
        sigma=bounds.sigma,
        gap=float(f(data, x0, y0)) + bounds.M * distance,
        distance=distance,
    )


def _matrix(samples: Samples) -> csr_array:
    """The samples as SciPy's, (n, d)."""
    values, columns, starts = samples.by_rows
    return csr_array((values, columns, starts), shape=(len(samples.labels), _words(samples)))


def _words(samples: Samples) -> int:
    return samples.by_columns.starts.size - 1


def _lengths(X: csr_array) -> np.ndarray:
    """||x_i||, (n,)."""
    return np.sqrt(X.multiply(X).sum(axis=1))


def _reach(X: csr_array) -> float:
    """2 max G_j."""
    return TUBE * math.sqrt(2.0) * float(X.sum(axis=0).max()) / X.shape[0]


def _bounds_of_mean(data: SoftmaxSparseData) -> Bounds:
    X, held_X = _matrix(data.train), _matrix(data.held)
    largest, held, reach = largest_eigenvalue(X), largest_eigenvalue(held_X), _reach(X)
    return Bounds(
        curvature=max(0.5 * largest, 0.5 * held, reach),
        reach=reach,
        bend=math.sqrt(0.5) * float(_lengths(X).max()) * largest,
        M=math.sqrt(2.0) * min(float(_lengths(held_X).mean()), math.sqrt(held)),
        sigma=0.0,
    )


def _bounds_of_samples(data: SoftmaxSparseData) -> Bounds:
    X, reach = _matrix(data.train), _reach(_matrix(data.train))
    lengths, held = _lengths(X), float(_lengths(_matrix(data.held)).max())
    longest = float(lengths.max())
    return Bounds(
        curvature=max(0.5 * max(longest, held) ** 2, reach),
        reach=reach,
        bend=math.sqrt(0.5) * longest**3,
        M=math.sqrt(2.0) * held,
        sigma=math.sqrt(2.0 * float(np.mean(lengths**2))),
    )
