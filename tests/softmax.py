"""Small instances of both softmax families, the same functions in torch, and points."""

import functools

import numpy as np
import torch

import bilevel_core as bl
from bilevel_core.engines import batch_kernels  # noqa: F401
from bilevel_core.problem import ClosedForms, Problem
from problems import softmax_dense, softmax_sparse

CONSTANTS = bl.Constants(L=4.0, mu=0.5, M=2.0)
SAMPLES = 261  # two blocks and a rest that is no multiple of four


def dense(classes=7, biased=True):
    return softmax_dense.synthetic_dense(SAMPLES, 140, 13, classes, biased=biased, seed=1)


def sparse(classes=13):
    return softmax_sparse.synthetic_sparse(40, 90, 500, classes, seed=1)


FAMILIES = {
    "dense, 7 classes, biases": functools.partial(dense, 7, True),
    "dense, 3 classes": functools.partial(dense, 3, False),
    "sparse, 13 classes": functools.partial(sparse, 13),
    "sparse, 3 classes": functools.partial(sparse, 3),
}


def dims(data):
    """(dim_x, dim_y)."""
    if isinstance(data, softmax_sparse.SoftmaxSparseData):
        return data.weights.point.size, data.probabilities.point.size
    return data.X.shape[0], data.probabilities.point.size


def points(data, *batch, seed=0, number=3):
    """x, y and further vectors like y."""
    random = np.random.default_rng(seed)
    p, q = dims(data)
    return [random.standard_normal((n, *batch)) for n in (p, *[q] * number)]


def full(matrix, columns):
    """The matrix with its zeros."""
    whole = np.zeros((matrix.starts.size - 1, columns))
    for i in range(len(whole)):
        part = slice(matrix.starts[i], matrix.starts[i + 1])
        whole[i, matrix.columns[part]] += matrix.values[part]
    return whole


def in_torch(data):
    """f(x, y) and g(x, y), written again."""
    cross_entropy = functools.partial(torch.nn.functional.cross_entropy, reduction="none")
    if isinstance(data, softmax_sparse.SoftmaxSparseData):
        d, c = data.weights.point.size, data.classes
        sides = [
            (torch.as_tensor(full(side.by_rows, d)), torch.as_tensor(side.labels))
            for side in (data.train, data.held)
        ]

        def mean_loss(side, y):
            return cross_entropy(side[0] @ y.reshape(d, c), side[1]).mean()

        def g(x, y):
            penalty = 0.5 * (torch.exp(x)[:, None] * y.reshape(d, c) ** 2).mean()
            return mean_loss(sides[0], y) + penalty

        return lambda x, y: mean_loss(sides[1], y), g

    (n, d), c = data.X.shape, data.classes

    def losses(X, labels, y):
        scores = torch.as_tensor(X) @ y[: c * d].reshape(c, d).T
        biases = y[c * d :] if len(y) > c * d else 0.0
        return cross_entropy(scores + biases, torch.as_tensor(labels))

    def weighted(x, y):
        loss = (torch.sigmoid(x) * losses(data.X, data.labels, y)).sum() / n
        return loss + data.regularisation * (y * y).sum()

    return lambda x, y: losses(data.held_X, data.held_labels, y).mean(), weighted


def problem(data):
    """An instance that nobody evaluates, at a start that is no symmetric point."""

    def nothing(data, x, out):
        out[:] = 0.0

    x0, y0 = points(data, number=1)
    forms = ClosedForms(nothing, lambda data, x: 0.0, nothing)
    return Problem(
        name="softmax",
        data=data,
        constants=CONSTANTS,
        x0=x0,
        y0=0.1 * y0,
        kappa=CONSTANTS.kappa,
        closed_forms=forms,
    )
