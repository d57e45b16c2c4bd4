"""Hyper-cleaning of images whose labels are in part wrong: a weight for each training sample.

    g(x, y) = (1/n) sum_i sigmoid(x_i) CE_i(y) + r ||y||^2,   f(x, y) = mean validation CE(y)

y: weights of ten classes and a bias each, (10 * 785,).  The first images train; a share of their
labels is shifted by 1..9, once, drawn from the seed. The next ones, clean, validate; the official
test images are kept for evaluation.  Pixels are divided by 255.  Ji, Yang and Liang (ICML 2021),
section 5; oracles in `softmax_dense`, batches in `softmax_dense_samples`.  A seed draws the label
noise and y0; x0 = 0 whatever the seed, since the order of x is what is asked for.

Constants hold everywhere.  With z_i = (image, 1), lambda the largest eigenvalue of mean z_i z_i'
(an upper bound: `second_moment`), and since the softmax Hessian lies in [0, I/2] and sigmoid < 1:

    2 r <= grad_yy g <= lambda/2 + 2 r,   grad_yy f <= lambda_held/2,   ||J|| <= sqrt(lambda/8n)
    ||grad_y f|| <= sqrt 2 min(mean ||z_i||, sqrt lambda_held)
    rho: sqrt(1/2) max||z_i|| lambda in y, min(lambda, sqrt(mean||z_i||^4 / n))/8 in x
    tau: max||z_i|| sqrt(lambda/n)/8 in y, sqrt 3/18 sqrt(2 lambda/n) in x

(D^3 of log-sum-exp along (u, u, v) is at most the range of v, sqrt 2 ||v||, times the variance of
u; |sigmoid'| <= 1/4, |sigmoid''| <= sqrt 3/18.)  mu = 2 r is sharp; L is what a weight of 1 for all
samples and even odds would give.  gap and distance are upper bounds that ask for no solution.
"""

from __future__ import annotations

import dataclasses
import math
from typing import NamedTuple

import numpy as np

from bilevel_core.constants import Constants
from bilevel_core.errors import InputError
from bilevel_core.problem import Problem
from problems import register
from problems.checks import choice, generator, integer, number, small_start
from problems.datasets import mnist
from problems.second_moment import largest_eigenvalue
from problems.softmax_dense import SoftmaxDenseData, dense_data, f, g
from problems.softmax_dense_samples import replaced

REGULARISATION = 0.001
"""r of the protocol."""


class Corruption(NamedTuple):
    """Labels of which some are wrong, and which; both (n,)."""

    labels: np.ndarray  # int64
    mask: np.ndarray  # bool, True where the label is wrong


class Cleaning(NamedTuple):
    """What one instance is made of; images are rows of bytes."""

    images: np.ndarray  # uint8, (samples, pixels)
    truth: np.ndarray  # int64, (samples,), the labels before the corruption
    corruption: Corruption
    held_images: np.ndarray
    held_labels: np.ndarray
    test_images: np.ndarray
    test_labels: np.ndarray
    checksum: str  # of the files' content


class Bounds(NamedTuple):
    """What does not depend on the regularisation."""

    curvature: float  # L without the regularisation
    M: float
    rho: float
    tau: float
    sigma: float


def corrupt(labels: np.ndarray, share: float, classes: int, seed: int) -> Corruption:
    """Shift a share of the labels, to the nearest sample, by 1..classes-1; a new array."""
    random = generator("label noise", seed)
    wrong = random.permutation(len(labels))[: round(share * len(labels))]
    shifted = np.array(labels, dtype=np.int64)
    shifted[wrong] = (shifted[wrong] + random.integers(1, classes, len(wrong))) % classes
    mask = np.zeros(len(labels), dtype=bool)
    mask[wrong] = True
    return Corruption(shifted, mask)


def pixels(images: np.ndarray) -> np.ndarray:
    """Images of bytes as numbers in [0, 1]."""
    return images / 255.0


def read(
    dataset: str = "mnist",
    samples: int = 20_000,
    held: int = 5_000,
    corrupted: float = 0.4,
    seed: int = 0,
) -> Cleaning:
    """The images and labels of an instance, and which labels are wrong.

    Options as in `make`.

    Raises:
        InputError: an option is out of range, or the data is not there.
    """
    samples, held = integer("samples", samples, 1), integer("held", held, 1)
    corrupted = number("corrupted", corrupted, 0.0, 1.0)
    digits = mnist.load(name=choice("dataset", dataset, mnist.DATASETS))
    available = len(digits.train_images)
    if samples + held > available:
        raise InputError(
            f"samples: expected samples + held <= {available} for {dataset}, got {samples} + {held}"
        )
    truth = digits.train_labels[:samples]
    rest = slice(samples, samples + held)
    return Cleaning(
        digits.train_images[:samples],
        truth,
        corrupt(truth, corrupted, mnist.CLASSES, seed),
        digits.train_images[rest],
        digits.train_labels[rest],
        digits.test_images,
        digits.test_labels,
        digits.checksum,
    )


@register("hypercleaning")
def make(
    kappa: float | None = None,
    seed: int = 0,
    *,
    dataset: str = "mnist",
    samples: int = 20_000,
    held: int = 5_000,
    corrupted: float = 0.4,
) -> Problem:
    """Weights for training images whose labels are in part wrong, on MNIST or Fashion-MNIST.

    kappa: None for r = 0.001, the protocol's; a number sets r so that the certified L/mu is kappa.
    dataset: mnist or fashion_mnist; samples: for training, the first; held: for validation, the
    next; corrupted: share of training labels that are wrong, in (0, 1); the protocol has 0.1, 0.4.

    Raises:
        InputError: an option is out of range, or the data is not there.
    """
    cleaning = read(dataset, samples, held, corrupted, seed)
    data = dense_data(
        pixels(cleaning.images),
        cleaning.corruption.labels,
        pixels(cleaning.held_images),
        cleaning.held_labels.copy(),  # what was read is read-only, and torch minds
        mnist.CLASSES,
        biased=True,
    )
    bounds = _bounds_of_mean(data)
    regularisation = _regularisation(bounds, kappa)
    data = data._replace(regularisation=regularisation)
    x0 = np.zeros(len(cleaning.images))
    y0 = small_start("hypercleaning", seed, data.probabilities.point.size)
    constants = _constants(data, x0, y0, bounds)
    return Problem(
        name="hypercleaning",
        data=data,
        constants=constants,
        x0=x0,
        y0=y0,
        kappa=constants.kappa if kappa is None else kappa,
        seed=seed,
        options={"dataset": dataset, "samples": samples, "held": held, "corrupted": corrupted},
        content=cleaning.checksum,
    )


def make_samples(base: Problem, kappa: float | None) -> Problem:
    """An instance as the finite sum that it is, batches drawn with replacement.

    The constants hold for every sample, G_i = sigmoid(x_i) CE_i + r ||y||^2 and F_i; under a kappa,
    r is set anew, so that L/mu of every sample is at most kappa.
    """
    bounds = _bounds_of_samples(base.data)
    data = base.data._replace(regularisation=_regularisation(bounds, kappa))
    constants = _constants(data, base.x0, base.y0, bounds)
    return dataclasses.replace(
        base,
        data=replaced(data),
        constants=constants,
        kappa=constants.kappa if kappa is None else kappa,
        noise="finite_sum",
    )


def _regularisation(bounds: Bounds, kappa: float | None) -> float:
    """r with (curvature + 2 r)/(2 r) = kappa."""
    return REGULARISATION if kappa is None else bounds.curvature / (2.0 * (kappa - 1.0))


def _constants(data: SoftmaxDenseData, x0: np.ndarray, y0: np.ndarray, bounds: Bounds) -> Constants:
    mu = 2.0 * data.regularisation
    # g >= 0 is mu-strongly convex, and Phi >= 0.
    distance = math.sqrt(2.0 * float(g(data, x0, y0)) / mu)
    return Constants(
        L=bounds.curvature + mu,
        mu=mu,
        M=bounds.M,
        rho=bounds.rho,
        tau=bounds.tau,
        sigma=bounds.sigma,
        gap=float(f(data, x0, y0)) + bounds.M * distance,
        distance=distance,
    )


def _lengths(X: np.ndarray) -> np.ndarray:
    """||z_i||, (n,)."""
    return np.sqrt(np.einsum("ij,ij->i", X, X) + 1.0)


def _bounds_of_mean(data: SoftmaxDenseData) -> Bounds:
    n = len(data.X)
    largest, held = largest_eigenvalue(data.X, 1.0), largest_eigenvalue(data.held_X, 1.0)
    lengths = _lengths(data.X)
    longest = float(lengths.max())
    in_x = min(largest, math.sqrt(float(np.mean(lengths**4)) / n)) / 8.0
    slope = math.sqrt(largest / n)
    held_mean = float(_lengths(data.held_X).mean())
    return Bounds(
        curvature=max(0.5 * largest, 0.5 * held, slope / math.sqrt(8.0)),
        M=math.sqrt(2.0) * min(held_mean, math.sqrt(held)),
        rho=math.hypot(math.sqrt(0.5) * longest * largest, in_x),
        tau=slope * math.hypot(longest / 8.0, math.sqrt(6.0) / 18.0),
        sigma=0.0,
    )


def _bounds_of_samples(data: SoftmaxDenseData) -> Bounds:
    lengths, held = _lengths(data.X), float(_lengths(data.held_X).max())
    longest = float(lengths.max())
    return Bounds(
        # ||z|| >= 1, so that half its square exceeds the Jacobian's sqrt 2 ||z||/4.
        curvature=0.5 * max(longest, held) ** 2,
        M=math.sqrt(2.0) * held,
        rho=longest**2 * math.hypot(math.sqrt(0.5) * longest, 0.125),
        tau=longest * math.hypot(longest / 8.0, math.sqrt(6.0) / 18.0),
        sigma=math.sqrt(2.0 * float(np.mean(lengths**2))),
    )
