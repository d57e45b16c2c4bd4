"""What the oracles of few-shot learning read: the images of a meta-batch, and features kept at x.

A meta-batch is T tasks; each task has C classes ("ways") with the same number of support images
("shots") and of query images a class, class by class.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from bilevel_core.errors import InputError
from problems import fewshot_backbone, fewshot_head
from problems.fewshot_backbone import Shape

if TYPE_CHECKING:
    import torch


class Kept:
    """The latest x and the graphs of the features there: those of support and of query images.

    A point is known by its tensor, the version counter of that, and the images, so that a vector
    changed in place, or another meta-batch, is a new point.  Only the product with the transposed
    derivative of the features goes through the graph.
    """

    def __init__(self) -> None:
        """Start without a point."""
        self._known: dict[str, tuple[Any, int, Any, Any, Any]] = {}

    def __eq__(self, other: object) -> bool:
        """What is kept changes no value: any two are equal."""
        return isinstance(other, Kept)

    __hash__ = None  # type: ignore[assignment]

    def at(self, role: str, shape: Shape, x: Any, images: Any) -> tuple[Any, Any]:
        """(leaf x (p,), features (n, F) as a node of its graph) of images (T, n/T, c, h, w)."""
        import torch

        known = self._known.get(role)
        if known is None or known[0] is not x or known[1] != x._version or known[2] is not images:
            with torch.enable_grad():
                leaf = one_instance(x).detach().requires_grad_()
                flat = torch.as_tensor(images).flatten(0, 1)
                known = (x, x._version, images, leaf, fewshot_backbone.embed(shape, leaf, flat))
            self._known[role] = known
        return known[3], known[4]


class FewShotData(NamedTuple):
    """A meta-batch.  Images are float64 in [0, 1], as NumPy arrays or torch tensors."""

    support: Any  # (T, C shots, channels, height, width)
    query: Any  # (T, C queries, channels, height, width)
    shape: Shape
    ways: int
    ridge: float
    kept: Kept

    @property
    def tasks(self) -> int:
        """Number of tasks."""
        return self.support.shape[0]


def one_instance(vector: Any) -> Any:
    """A vector (n,) or (n, 1) as (n,).

    Raises:
        InputError: it holds several instances.
    """
    if vector.ndim == 2 and vector.shape[1] != 1:
        raise InputError(
            f"fewshot: expected one instance at a time, got a batch of {vector.shape[1]}"
        )
    return vector.reshape(-1)


def heads(data: FewShotData, y: Any) -> torch.Tensor:
    """y (q,) or (q, 1) as one head a task, (T, C, F + 1)."""
    return one_instance(y).view(data.tasks, data.ways, -1)


def support_features(data: FewShotData, x: Any) -> torch.Tensor:
    """Z of the support images, (T, n, F + 1), without its graph."""
    return _features(data, "support", data.support, x)


def query_features(data: FewShotData, x: Any) -> torch.Tensor:
    """Z of the query images, (T, m, F + 1), without its graph."""
    return _features(data, "query", data.query, x)


def _features(data: FewShotData, role: str, images: Any, x: Any) -> torch.Tensor:
    _, features = data.kept.at(role, data.shape, x, images)
    return fewshot_head.with_constant(features.detach(), data.tasks)


def pull_support(data: FewShotData, x: Any, cotangent: torch.Tensor, out: Any) -> None:
    """Write the derivative of the support features, transposed, times a cotangent like Z."""
    _pull(data, "support", data.support, x, cotangent, out)


def pull_query(data: FewShotData, x: Any, cotangent: torch.Tensor, out: Any) -> None:
    """The same for the query features."""
    _pull(data, "query", data.query, x, cotangent, out)


def _pull(
    data: FewShotData, role: str, images: Any, x: Any, cotangent: torch.Tensor, out: Any
) -> None:
    import torch

    leaf, features = data.kept.at(role, data.shape, x, images)
    # The constant feature comes last and depends on nothing.
    (gradient,) = torch.autograd.grad(
        features, leaf, cotangent[..., :-1].flatten(0, 1), retain_graph=True
    )
    one_instance(out).copy_(gradient)


def images_of(chosen: np.ndarray) -> np.ndarray:
    """Images in [0, 1] as (T, n, channels, height, width) from uint8 (T, C, k, h, w, channels)."""
    flat = chosen.reshape(chosen.shape[0], -1, *chosen.shape[3:])
    return np.ascontiguousarray(np.moveaxis(flat, -1, 2)) / 255.0
