"""Per-feature regularisation of multinomial logistic regression on real data.

    g(x, y) = CE(train; y) + (1/2) sum_j r_j(x) ||y_j||^2,   f(x, y) = CE(validation; y)
    r_j(x) = low (high/low)^{sigmoid(x_j)},   low = mu,   high = mu + (L - mu)/2

y holds one row of p weights a class, (classes * p,).  Features are standardised and then scaled by
one number, so that the cross entropies have curvature at most (L - mu)/2 (the softmax Hessian is
at most half the identity) and the inner Hessian lies in [mu, L] everywhere: mu and L are
certified, not fitted. The other constants hold on the tube ||y_j|| <= 2 G_j/r_j(x), G_j = sqrt 2
mean|X_ij|, which holds y*(x) with a factor of 2 to spare.  Neither y* nor Phi has a closed form.

A seed draws the split into training and validation samples, and jitters the start.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import numpy as np

from bilevel_core.arrays import Array, assign, exp, log, maximum, multiply, stack_like, vector_like
from bilevel_core.constants import Constants
from bilevel_core.errors import InputError
from bilevel_core.oracle import FAMILIES, Family
from bilevel_core.problem import Problem
from problems import register
from problems.checks import choice, generator, integer, number

DATASETS = ("breast_cancer", "digits")
TUBE = 2.0


class LogisticData(NamedTuple):
    """Training and validation samples, and the range of the regularisation."""

    X: np.ndarray  # (n, p)
    transposed_X: np.ndarray  # (p, n)
    labels: np.ndarray  # (classes * n,), one-hot, class by class
    held_X: np.ndarray
    held_transposed_X: np.ndarray
    held_labels: np.ndarray
    low: float
    log_range: float  # log(high/low)
    classes: int


def regularisation(data: LogisticData, x: Array) -> Array:
    """r(x), (p,) or (p, B)."""
    return data.low * exp(data.log_range / (1.0 + exp(-x)))


def regularisation_slope(data: LogisticData, x: Array) -> Array:
    """dr_j/dx_j."""
    share = 1.0 / (1.0 + exp(-x))
    return data.log_range * share * (1.0 - share) * data.low * exp(data.log_range * share)


def _scores(X: Array, y: Array, classes: int) -> Array:
    """X y_c for each class: (classes, n) or (classes, n, B)."""
    n, p = X.shape[0], X.shape[1]
    scores = stack_like(vector_like(y, n), classes)
    for c in range(classes):
        multiply(X, y[c * p : (c + 1) * p], scores[c])
    return scores


def _probabilities(X: Array, y: Array, classes: int) -> Array:
    scores = _scores(X, y, classes)
    top = 1.0 * scores[0]
    for c in range(1, classes):
        top = maximum(top, scores[c])
    total = 0.0 * top
    for c in range(classes):
        assign(scores[c], exp(scores[c] - top))
        total = total + scores[c]
    for c in range(classes):
        assign(scores[c], scores[c] / total)
    return scores


def _cross_entropy(X: Array, labels: Array, y: Array, classes: int) -> Array:
    n = X.shape[0]
    scores = _scores(X, y, classes)
    top = 1.0 * scores[0]
    for c in range(1, classes):
        top = maximum(top, scores[c])
    total = 0.0 * top
    chosen = 0.0 * top
    for c in range(classes):
        total = total + exp(scores[c] - top)
        chosen = chosen + labels[c * n : (c + 1) * n] * scores[c]
    return (log(total) + top - chosen).sum(0) / n


def _cross_entropy_gradient(
    X: Array, transposed_X: Array, labels: Array, y: Array, classes: int, out: Array
) -> None:
    n, p = X.shape[0], X.shape[1]
    probabilities = _probabilities(X, y, classes)
    for c in range(classes):
        excess = (probabilities[c] - labels[c * n : (c + 1) * n]) / n
        multiply(transposed_X, excess, out[c * p : (c + 1) * p])


def grad_x_f(data: LogisticData, x: Array, y: Array, out: Array) -> None:
    """0."""
    assign(out, 0.0 * x)


def grad_y_f(data: LogisticData, x: Array, y: Array, out: Array) -> None:
    """Gradient of the validation cross entropy."""
    _cross_entropy_gradient(
        data.held_X, data.held_transposed_X, data.held_labels, y, data.classes, out
    )


def grad_x_g(data: LogisticData, x: Array, y: Array, out: Array) -> None:
    """r'_j(x) ||y_j||^2/2."""
    p = x.shape[0]
    total = 0.0 * x
    for c in range(data.classes):
        total = total + y[c * p : (c + 1) * p] ** 2
    assign(out, 0.5 * regularisation_slope(data, x) * total)


def grad_y_g(data: LogisticData, x: Array, y: Array, out: Array) -> None:
    """Gradient of the training cross entropy, plus r_j(x) y_j."""
    p = x.shape[0]
    _cross_entropy_gradient(data.X, data.transposed_X, data.labels, y, data.classes, out)
    r = regularisation(data, x)
    for c in range(data.classes):
        out[c * p : (c + 1) * p] += r * y[c * p : (c + 1) * p]


def jvp(data: LogisticData, x: Array, y: Array, v: Array, out: Array) -> None:
    """r'_j(x) <y_j, v_j>."""
    p = x.shape[0]
    total = 0.0 * x
    for c in range(data.classes):
        total = total + y[c * p : (c + 1) * p] * v[c * p : (c + 1) * p]
    assign(out, regularisation_slope(data, x) * total)


def hvp(data: LogisticData, x: Array, y: Array, v: Array, out: Array) -> None:
    """X'[(diag(p) - pp') X v]/n, plus r_j(x) v_j."""
    p, n = x.shape[0], data.X.shape[0]
    probabilities = _probabilities(data.X, y, data.classes)
    scores = _scores(data.X, v, data.classes)
    mean = 0.0 * scores[0]
    for c in range(data.classes):
        mean = mean + probabilities[c] * scores[c]
    r = regularisation(data, x)
    for c in range(data.classes):
        change = probabilities[c] * (scores[c] - mean) / n
        multiply(data.transposed_X, change, out[c * p : (c + 1) * p])
        out[c * p : (c + 1) * p] += r * v[c * p : (c + 1) * p]


def f(data: LogisticData, x: Array, y: Array) -> Array:
    """Validation cross entropy."""
    return _cross_entropy(data.held_X, data.held_labels, y, data.classes)


def g(data: LogisticData, x: Array, y: Array) -> Array:
    """Training cross entropy, plus (1/2) sum_j r_j(x) ||y_j||^2."""
    p = x.shape[0]
    r = regularisation(data, x)
    value = _cross_entropy(data.X, data.labels, y, data.classes)
    for c in range(data.classes):
        value = value + 0.5 * (r * y[c * p : (c + 1) * p] ** 2).sum(0)
    return value


FAMILIES[LogisticData] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)


@functools.cache
def load(dataset: str) -> tuple[np.ndarray, np.ndarray]:
    """Samples (n, p) and integer labels (n,) of a dataset that scikit-learn ships.

    Raises:
        InputError: scikit-learn is not installed.
    """
    try:
        import sklearn.datasets
    except ImportError as error:
        raise InputError(
            "problem 'logistic' reads its data from scikit-learn: pip install 'bilevel-bench[data]'"
        ) from error
    loader = {"breast_cancer": "load_breast_cancer", "digits": "load_digits"}[dataset]
    X, labels = getattr(sklearn.datasets, loader)(return_X_y=True)
    return np.asarray(X, dtype=float), np.asarray(labels)


def _one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    return (labels[None, :] == np.arange(classes)[:, None]).astype(float).ravel()


def _reach(X: np.ndarray) -> float:
    """The largest 2 G_j: r_j ||y_j|| on the tube."""
    return TUBE * math.sqrt(2.0) * float(np.abs(X).mean(axis=0).max())


def _largest_eigenvalue(X: np.ndarray) -> float:
    return float(np.linalg.norm(X, 2) ** 2 / len(X))


@register("logistic")
def make(
    kappa: float,
    seed: int = 0,
    *,
    dataset: str = "breast_cancer",
    features: int = 5,
    samples: int = 50,
    L: float = 1.0,
) -> Problem:
    """Per-feature regularisation of logistic regression on real data, with certified mu and L.

    dataset: breast_cancer or digits; features: the first so many that vary; samples: for training,
    and as many for validation.

    Raises:
        InputError: an option is out of range, or scikit-learn is not installed.
    """
    choice("dataset", dataset, DATASETS)
    features, samples, L = (
        integer("features", features, 1),
        integer("samples", samples, 2),
        number("L", L),
    )
    X, labels = load(dataset)
    X = X[:, X.std(axis=0) > 0]
    if features > X.shape[1]:
        raise InputError(f"features: expected 1 to {X.shape[1]} for {dataset}, got {features!r}")
    if 2 * samples > len(X):
        raise InputError(f"samples: expected 2 to {len(X) // 2} for {dataset}, got {samples!r}")
    X = X[:, :features]
    X = (X - X.mean(axis=0)) / X.std(axis=0)
    classes = int(labels.max()) + 1
    random = generator("logistic", seed)
    order = random.permutation(len(X))
    train, held = order[:samples], order[samples : 2 * samples]
    mu = L / kappa
    # Both cross entropies have a Hessian of at most lambda_max(X'X/n)/2.
    largest = max(_largest_eigenvalue(X[train]), _largest_eigenvalue(X[held]))
    high = mu + 0.5 * (L - mu)
    span = math.log(high / mu)
    scale = math.sqrt((L - mu) / largest)
    # At a large kappa it is the Jacobian that asks for smaller features: ||J|| <= span/4 reach.
    scale = min(scale, 4.0 * L / (span * _reach(X[train]))) if span > 0.0 else scale
    parts = [np.ascontiguousarray(scale * X[rows]) for rows in (train, held)]
    data = LogisticData(
        parts[0],
        np.ascontiguousarray(parts[0].T),
        _one_hot(labels[train], classes),
        parts[1],
        np.ascontiguousarray(parts[1].T),
        _one_hot(labels[held], classes),
        mu,
        span,
        classes,
    )
    x0 = random.uniform(-0.5, 0.5, features) if seed else np.zeros(features)
    y0 = np.zeros(classes * features)
    problem = Problem(
        name="logistic",
        data=data,
        constants=_constants(parts[0], parts[1], L, mu, high),
        x0=x0,
        y0=y0,
        kappa=kappa,
        seed=seed,
        options={"dataset": dataset, "features": features, "samples": samples, "L": L},
    )
    return _with_start(problem)


def _constants(X: np.ndarray, held_X: np.ndarray, L: float, mu: float, high: float) -> Constants:
    span = math.log(high / mu)
    reach = _reach(X)
    norms = np.linalg.norm(X, axis=1)
    # D^3 of log-sum-exp along (u, u, v) is at most the range of v, sqrt 2 ||v||, times the
    # variance of u.
    rho_data = math.sqrt(0.5) * float(norms.max()) * _largest_eigenvalue(X)
    slope = span / 4.0 * high
    bend = (span * math.sqrt(3.0) / 18.0 + span**2 / 16.0) * reach
    return Constants(
        L=L,
        mu=mu,
        M=math.sqrt(2.0) * float(np.linalg.norm(held_X, axis=1).mean()),
        rho=math.hypot(rho_data, slope),
        tau=math.hypot(bend, slope),
    )


def _with_start(problem: Problem) -> Problem:
    import dataclasses

    y = problem.y_star(problem.x0)
    # Phi >= 0, so Phi(x0) bounds the gap.
    gap = float(f(problem.data, problem.x0, y))
    constants = dataclasses.replace(
        problem.constants, gap=gap, distance=float(np.linalg.norm(y - problem.y0))
    )
    return dataclasses.replace(problem, constants=constants)
