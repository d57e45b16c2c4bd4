"""A ridge-regularised softmax head for each task: value, gradient, products and cotangents.

Z: (T, n, F) the features of n images of each of T tasks, the last of them constant; Y: (T, C, F)
one head a task.  The images of a task lie class by class, n/C of each: image i is of class
i // (n/C).  With P = softmax(Z Y') over classes, E the one-hot labels and a weight w an image,

    loss(Z, Y)          = sum_t [ w sum_i -log P_i,label(i) + ridge ||Y_t||^2 ]
    grad_Y              = w (P - E)' Z + 2 ridge Y
    (grad_YY) V         = w dP' Z + 2 ridge V,  dP = P * (S - sum_c P S),  S = Z V'
    grad_Z              = w (P - E) Y
    grad_Z <grad_Y, V>  = w [ (P - E) V + dP Y ]

The last one: <grad_Y, V> = w sum_i (p_i - e_i)' V z_i + ..., where p_i depends on z_i through Y z_i
with the derivative diag(p_i) - p_i p_i', which is symmetric.  Everything is a product of matrices a
task: (T, n, F) with (T, C, F), and no array is larger than Z.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor


def with_constant(features: Tensor, tasks: int) -> Tensor:
    """Z (T, n, F + 1) from the features (T n, F) of all tasks' images: a 1 comes last."""
    Z = features.new_ones((features.shape[0], features.shape[1] + 1))
    Z[:, :-1] = features
    return Z.unflatten(0, (tasks, -1))


def logits(Z: Tensor, Y: Tensor) -> Tensor:
    """Z Y' a task: (T, n, C)."""
    return Z @ Y.mT


def cross_entropies(scores: Tensor) -> Tensor:
    """-log softmax at the label, (T, n), from logits (T, n, C); images lie class by class."""
    return -_at_labels(scores.log_softmax(-1)).flatten(1)


def correct(scores: Tensor) -> Tensor:
    """Whether the largest of the logits (T, n, C) is that of the label: (T, n) of bool."""
    return (_at_labels(scores) == scores.amax(-1).unflatten(1, (scores.shape[2], -1))).flatten(1)


def loss(Z: Tensor, Y: Tensor, weight: float, ridge: float) -> Tensor:
    """The loss, a scalar."""
    return weight * cross_entropies(logits(Z, Y)).sum() + ridge * (Y * Y).sum()


def gradient(Z: Tensor, Y: Tensor, weight: float, ridge: float) -> Tensor:
    """grad_Y, (T, C, F)."""
    return (_residuals(Z, Y).mT @ Z).mul_(weight).add_(Y, alpha=2.0 * ridge)


def hessian_product(Z: Tensor, Y: Tensor, V: Tensor, weight: float, ridge: float) -> Tensor:
    """(grad_YY) V, (T, C, F)."""
    changes = _changes(logits(Z, Y).softmax(-1), logits(Z, V))
    return (changes.mT @ Z).mul_(weight).add_(V, alpha=2.0 * ridge)


def cotangent(Z: Tensor, Y: Tensor, weight: float) -> Tensor:
    """grad_Z, (T, n, F)."""
    return weight * (_residuals(Z, Y) @ Y)


def product_cotangent(Z: Tensor, Y: Tensor, V: Tensor, weight: float) -> Tensor:
    """grad_Z of <grad_Y, V>, (T, n, F)."""
    P = logits(Z, Y).softmax(-1)
    changes = _changes(P, logits(Z, V))
    return (_take_labels(P) @ V).add_(changes @ Y).mul_(weight)


def _at_labels(scores: Tensor) -> Tensor:
    """The entries of (T, n, C) at the labels, as (T, C, n/C)."""
    by_class = scores.unflatten(1, (scores.shape[2], -1))  # (T, C, n/C, C)
    return by_class.diagonal(dim1=1, dim2=3).mT


def _take_labels(P: Tensor) -> Tensor:
    """P - E, written over P."""
    _at_labels(P).sub_(1.0)
    return P


def _residuals(Z: Tensor, Y: Tensor) -> Tensor:
    return _take_labels(logits(Z, Y).softmax(-1))


def _changes(P: Tensor, S: Tensor) -> Tensor:
    """dP = P * (S - sum_c P S)."""
    return P * (S - (P * S).sum(-1, keepdim=True))
