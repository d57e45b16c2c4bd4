"""Few-shot classification: a shared backbone outside, one ridge-regularised head a task inside.

x are the parameters of a backbone with features z(x; image) and a constant 1 (`fewshot_backbone`),
y one softmax head (C, F + 1) for each of T tasks (`fewshot_head`):

    g(x, y) = sum_t [ mean over the task's support images of CE(y_t z) + ridge ||y_t||^2 ]
    f(x, y) = mean over tasks and their query images of CE(y_t z)

The hyper-representation task of Ji, Yang and Liang (ICML 2021), with a ridge > 0 so that g(x, .) is
strongly convex: mu = 2 ridge, and grad_yy g is block-diagonal over tasks.  The head's part is in
closed form; the backbone's transposed derivative goes through torch's graph, kept at the latest x.

What lies in x behind the backbone's parameters is read by neither f nor g: methods that learn where
the heads start keep that start there (`with_initial_head`).

Features have a length of at most 4, and diag(p) - p p' <= 1/2, so that grad_yy g <= (16 + 1)/2 +
2 ridge = L whatever x and the images are; M and rho, in y, hold everywhere, too.  How g and f
change with x has no bound that is known: ||grad_x grad_y g|| may exceed L, and tau is left out.
What rests on these constants (policies "theory" and "sharp") is a guess here.
"""

from __future__ import annotations

import dataclasses
import math
from typing import TYPE_CHECKING

import numpy as np

from bilevel_core.arrays import Array
from bilevel_core.constants import Constants
from bilevel_core.errors import InputError
from bilevel_core.oracle import FAMILIES, Family
from bilevel_core.problem import Problem
from problems import fewshot_backbone, fewshot_head, register
from problems.checks import choice, generator, integer, number
from problems.datasets.images import NAMES, load
from problems.episodes import Sizes, draw, pick
from problems.fewshot_backbone import Shape
from problems.fewshot_data import (
    FewShotData,
    Kept,
    heads,
    images_of,
    one_instance,
    pull_query,
    pull_support,
    query_features,
    support_features,
)
from problems.replacing import in_place_of

if TYPE_CHECKING:
    import torch

RIDGE = 0.1
"""Where no kappa is asked for: kappa = 43.5."""
SQUARED_REACH = fewshot_backbone.LENGTH**2 + 1.0
"""Bound on the squared length of (z, 1)."""


def grad_x_f(data: FewShotData, x: Array, y: Array, out: Array) -> None:
    """The cotangent w (P - E) Y of the query features, w = 1/(T m), pulled back to x."""
    Z = query_features(data, x)
    pull_query(data, x, fewshot_head.cotangent(Z, heads(data, y), _query_weight(Z)), out)


def grad_y_f(data: FewShotData, x: Array, y: Array, out: Array) -> None:
    """w (P - E)' Z over query images."""
    Z = query_features(data, x)
    gradient = fewshot_head.gradient(Z, heads(data, y), _query_weight(Z), 0.0)
    one_instance(out).copy_(gradient.flatten())


def grad_x_g(data: FewShotData, x: Array, y: Array, out: Array) -> None:
    """The cotangent w (P - E) Y of the support features, w = 1/n, pulled back to x."""
    Z = support_features(data, x)
    pull_support(data, x, fewshot_head.cotangent(Z, heads(data, y), 1.0 / Z.shape[1]), out)


def grad_y_g(data: FewShotData, x: Array, y: Array, out: Array) -> None:
    """w (P - E)' Z + 2 ridge Y over support images."""
    Z = support_features(data, x)
    gradient = fewshot_head.gradient(Z, heads(data, y), 1.0 / Z.shape[1], data.ridge)
    one_instance(out).copy_(gradient.flatten())


def jvp(data: FewShotData, x: Array, y: Array, v: Array, out: Array) -> None:
    """The cotangent w [(P - E) V + dP Y] of the support features, pulled back to x."""
    Z, Y, V = support_features(data, x), heads(data, y), heads(data, v)
    pull_support(data, x, fewshot_head.product_cotangent(Z, Y, V, 1.0 / Z.shape[1]), out)


def hvp(data: FewShotData, x: Array, y: Array, v: Array, out: Array) -> None:
    """w dP' Z + 2 ridge V over support images."""
    Z, Y, V = support_features(data, x), heads(data, y), heads(data, v)
    product = fewshot_head.hessian_product(Z, Y, V, 1.0 / Z.shape[1], data.ridge)
    one_instance(out).copy_(product.flatten())


def f(data: FewShotData, x: Array, y: Array) -> Array:
    """Mean query loss."""
    Z = query_features(data, x)
    return _like(y, fewshot_head.loss(Z, heads(data, y), _query_weight(Z), 0.0))


def g(data: FewShotData, x: Array, y: Array) -> Array:
    """Sum over tasks of mean support loss and ridge."""
    Z = support_features(data, x)
    return _like(y, fewshot_head.loss(Z, heads(data, y), 1.0 / Z.shape[1], data.ridge))


def _query_weight(Z: torch.Tensor) -> float:
    return 1.0 / (Z.shape[0] * Z.shape[1])


def _like(y: Array, value: torch.Tensor) -> torch.Tensor:
    """A number, or (1,) where y is (q, 1)."""
    return value.reshape(y.shape[1:])


FAMILIES[FewShotData] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)


def meta_batch(data: FewShotData, support: np.ndarray, query: np.ndarray) -> FewShotData:
    """The data with other images: uint8 (T, C, shots or queries, height, width, channels).

    They are in the library and on the device of the old ones.
    """
    return data._replace(
        support=in_place_of(data.support, images_of(support)),
        query=in_place_of(data.query, images_of(query)),
    )


def with_initial_head(problem: Problem) -> Problem:
    """The problem whose x ends in an initial head (C, F + 1), all 0, for methods that learn one."""
    head = np.zeros(problem.dim_y // problem.data.tasks)
    return dataclasses.replace(problem, x0=np.concatenate((problem.x0, head)))


@register("fewshot")
def make(
    kappa: float | None = None,
    seed: int = 0,
    dataset: str = "omniglot",
    ways: int = 5,
    shots: int = 1,
    queries: int = 5,
    tasks: int = 4,
    width: int = 32,
    blocks: int = 4,
    ridge: float | None = None,
) -> Problem:
    """Few-shot images: a convolutional backbone, and a ridge-regularised head a task.

    kappa: L/mu, which sets the ridge; None takes `ridge` (0.1 if that is None, too).
    dataset: "omniglot", "omniglot_full", "miniimagenet" or "fc100", from where the data lies.
    ways: classes of a task, >= 2.  shots, queries: support and query images a class.  tasks: of a
    meta-batch.  width: filters of each of `blocks` blocks.  The problem's own meta-batch is that of
    step 0 of the training split; seed draws it and x0.

    Raises:
        InputError: an option is out of range, both kappa and ridge are given, or the data is
            missing.
    """
    choice("dataset", dataset, NAMES)
    sizes = Sizes(
        integer("tasks", tasks, 1),
        integer("ways", ways, 2),
        integer("shots", shots, 1),
        integer("queries", queries, 1),
    )
    filters, blocks = integer("width", width, 1), integer("blocks", blocks, 1)
    if kappa is not None and ridge is not None:
        raise InputError(f"ridge: kappa = {kappa!r} sets it, got {ridge!r}, too")
    if kappa is not None:
        chosen = SQUARED_REACH / (4.0 * (number("kappa", kappa, 1.0) - 1.0))
    else:
        chosen = RIDGE if ridge is None else number("ridge", ridge)
    training = load(dataset, "train")
    images = training.images
    shape = Shape(images.shape[4], images.shape[2], images.shape[3], filters, blocks)
    fewshot_backbone.check_shape(shape)
    support, query = pick(images, draw(seed, 0, images.shape[0], images.shape[1], sizes))
    x0 = fewshot_backbone.start(shape, generator("fewshot", seed))
    y0 = np.zeros(sizes.tasks * sizes.ways * (fewshot_backbone.features(shape) + 1))
    data = FewShotData(images_of(support), images_of(query), shape, sizes.ways, chosen, Kept())
    constants = _constants(chosen, sizes)
    return Problem(
        name="fewshot",
        data=data,
        constants=constants,
        x0=x0,
        y0=y0,
        kappa=constants.kappa if kappa is None else kappa,
        seed=seed,
        options={
            "dataset": dataset,
            "ways": sizes.ways,
            "shots": sizes.shots,
            "queries": sizes.queries,
            "tasks": sizes.tasks,
            "width": filters,
            "blocks": blocks,
            "ridge": ridge,
        },
        engines=("torch",),
        content=training.checksum,
    )


def _constants(ridge: float, sizes: Sizes) -> Constants:
    """Bounds in y; a second difference of softmax is at most 1/sqrt(2) a unit."""
    highest = math.log(sizes.ways)  # f(x, 0), and f >= 0
    return Constants(
        L=SQUARED_REACH / 2.0 + 2.0 * ridge,
        mu=2.0 * ridge,
        M=math.sqrt(2.0 * SQUARED_REACH / sizes.tasks),
        rho=SQUARED_REACH**1.5 / math.sqrt(2.0),
        gap=highest,
        distance=math.sqrt(sizes.tasks * highest / ridge),  # ridge ||y*||^2 <= g(x, 0)
    )
