"""Few-shot learning where a copy of all parameters is adapted to each task, as MAML does.

y: (T, p), for each of T tasks the parameters of the backbone and of the head behind them;

    g(x, y) = sum_t [ mean over the task's support images of CE(y_t; image) ]
    f(x, y) = mean over tasks and their query images of CE(y_t; image)

(Finn, Abbeel and Levine 2017).  Neither reads x, which is where the inner steps start, so that
grad_x f, grad_x g and the Jacobian product are 0.  g is not convex.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch

from bilevel_core.arrays import Array
from bilevel_core.oracle import FAMILIES, Family
from problems import fewshot_backbone, fewshot_head
from problems.fewshot_backbone import Shape
from problems.fewshot_data import FewShotData, one_instance


class AdaptedData(NamedTuple):
    """A meta-batch; images as in `FewShotData`."""

    support: Any  # (T, C shots, channels, height, width)
    query: Any  # (T, C queries, channels, height, width)
    shape: Shape
    ways: int


def all_adapted(data: FewShotData) -> AdaptedData:
    """The same meta-batch, where all parameters are adapted."""
    return AdaptedData(data.support, data.query, data.shape, data.ways)


def scores(shape: Shape, ways: int, parameters: Any, images: Any) -> Any:
    """Logits (T, n, C) of images (T, n, c, h, w) under one vector of parameters a task, (T, p)."""
    split = fewshot_backbone.dimension(shape)
    by_task = []
    for own, own_images in zip(parameters, images, strict=True):
        Z = fewshot_head.with_constant(fewshot_backbone.embed(shape, own, own_images), 1)
        by_task.append(fewshot_head.logits(Z, own[split:].view(1, ways, -1)))
    return torch.cat(by_task)


def _support_loss(data: AdaptedData, y: Any) -> Any:
    images = torch.as_tensor(data.support)
    entropies = _entropies(data, images, y)
    return entropies.sum() / images.shape[1]


def _query_loss(data: AdaptedData, y: Any) -> Any:
    return _entropies(data, torch.as_tensor(data.query), y).mean()


def _entropies(data: AdaptedData, images: Any, y: Any) -> Any:
    parameters = one_instance(y).view(images.shape[0], -1)
    return fewshot_head.cross_entropies(scores(data.shape, data.ways, parameters, images))


def nothing(data: AdaptedData, x: Array, y: Array, out: Array) -> None:
    """0: neither f nor g reads x."""
    out.zero_()


def grad_y_f(data: AdaptedData, x: Array, y: Array, out: Array) -> None:
    """Gradient of the query loss in all parameters."""
    with torch.enable_grad():
        leaf = y.detach().requires_grad_()
        out.copy_(torch.autograd.grad(_query_loss(data, leaf), leaf)[0])


def grad_y_g(data: AdaptedData, x: Array, y: Array, out: Array) -> None:
    """Gradient of the support loss in all parameters."""
    with torch.enable_grad():
        leaf = y.detach().requires_grad_()
        out.copy_(torch.autograd.grad(_support_loss(data, leaf), leaf)[0])


def jvp(data: AdaptedData, x: Array, y: Array, v: Array, out: Array) -> None:
    """0: g does not read x."""
    out.zero_()


def hvp(data: AdaptedData, x: Array, y: Array, v: Array, out: Array) -> None:
    """Gradient of <grad_y g, v>, by a second backward pass."""
    with torch.enable_grad():
        leaf = y.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(_support_loss(data, leaf), leaf, create_graph=True)
        out.copy_(torch.autograd.grad(gradient, leaf, v)[0])


@torch.no_grad()
def f(data: AdaptedData, x: Array, y: Array) -> Array:
    """Mean query loss."""
    return _query_loss(data, y).reshape(y.shape[1:])


@torch.no_grad()
def g(data: AdaptedData, x: Array, y: Array) -> Array:
    """Sum over tasks of mean support loss."""
    return _support_loss(data, y).reshape(y.shape[1:])


FAMILIES[AdaptedData] = Family(nothing, grad_y_f, nothing, grad_y_g, jvp, hvp, f, g)
