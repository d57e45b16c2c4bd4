"""Problems given only as two torch functions: oracles by automatic differentiation.

Both functions take x (p,) and y (q,) and return a scalar; a batch is mapped over the last axis.
The graph of the gradients at a point is kept and serves every product there.  Costs are counted in
the same units as those of hand-written oracles.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bilevel_core import checking
from bilevel_core.arrays import Array
from bilevel_core.constants import Constants
from bilevel_core.errors import InputError, blaming, shown
from bilevel_core.oracle import FAMILIES, Family
from bilevel_core.problem import Problem
from bilevel_core.stated_spectrum import check_spectrum

Function = Callable[[Any, Any], Any]

LARGEST_DIMENSION = 10**9
"""Far beyond any memory for the products of a run."""


class Graph:
    """The latest point and the graph of grad g there.

    A point is known by its tensors and their version counters, so that a vector changed in place is
    a new point.
    """

    def __init__(self) -> None:
        """Start without a point."""
        self._key: tuple[Any, ...] = ()
        self._value: tuple[Any, ...] = ()

    def at(self, g: Function, x: Any, y: Any) -> tuple[Any, Any, Any, Any]:
        """(x, y, grad_x g, grad_y g) as nodes of a graph at x and y."""
        import torch

        key = (x, x._version, y, y._version)
        if (
            not self._key
            or any(a is not b for a, b in zip(key[::2], self._key[::2], strict=True))
            or (key[1::2] != self._key[1::2])
        ):
            with torch.enable_grad():
                point = (x.detach().requires_grad_(), y.detach().clone().requires_grad_())
                gradients = torch.autograd.grad(
                    _total(g, *point), point, create_graph=True, materialize_grads=True
                )
            self._key, self._value = key, (*point, *gradients)
        return self._value


class AutogradData(NamedTuple):
    """The two functions, and the graph at the latest point."""

    outer: Function
    inner: Function
    graph: Graph


def _total(function: Function, x: Any, y: Any) -> Any:
    """Sum over the batch; its gradients are those of each instance."""
    return _values(function, x, y).sum()


def _values(function: Function, x: Any, y: Any) -> Any:
    import torch

    if x.ndim == 1:
        return function(x, y)
    return torch.func.vmap(function, in_dims=-1)(x, y)


def _gradient(function: Function, x: Any, y: Any, index: int) -> Any:
    import torch

    with torch.enable_grad():
        point = (x.detach().requires_grad_(), y.detach().requires_grad_())
        value = _total(function, *point)
        if not value.requires_grad:
            return torch.zeros_like(point[index])
        return torch.autograd.grad(value, point[index], materialize_grads=True)[0]


def _product(data: AutogradData, x: Any, y: Any, v: Any, index: int) -> Any:
    import torch

    *point, _, grad_y = data.graph.at(data.inner, x, y)
    if not grad_y.requires_grad:
        return torch.zeros_like(point[index])
    return torch.autograd.grad(grad_y, point[index], v, retain_graph=True, materialize_grads=True)[
        0
    ]


def grad_x_f(data: AutogradData, x: Array, y: Array, out: Array) -> None:
    """Gradient of the outer function in x."""
    out.copy_(_gradient(data.outer, x, y, 0))


def grad_y_f(data: AutogradData, x: Array, y: Array, out: Array) -> None:
    """Gradient of the outer function in y."""
    out.copy_(_gradient(data.outer, x, y, 1))


def grad_x_g(data: AutogradData, x: Array, y: Array, out: Array) -> None:
    """Gradient of the inner function in x."""
    out.copy_(_gradient(data.inner, x, y, 0))


def grad_y_g(data: AutogradData, x: Array, y: Array, out: Array) -> None:
    """Gradient of the inner function in y."""
    out.copy_(_gradient(data.inner, x, y, 1))


def jvp(data: AutogradData, x: Array, y: Array, v: Array, out: Array) -> None:
    """Gradient in x of grad_y g . v, by a second backward pass over the kept graph."""
    out.copy_(_product(data, x, y, v, 0))


def hvp(data: AutogradData, x: Array, y: Array, v: Array, out: Array) -> None:
    """Gradient in y of grad_y g . v, by a second backward pass over the kept graph."""
    out.copy_(_product(data, x, y, v, 1))


def f(data: AutogradData, x: Array, y: Array) -> Array:
    """The outer function."""
    return _values(data.outer, x, y)


def g(data: AutogradData, x: Array, y: Array) -> Array:
    """The inner function."""
    return _values(data.inner, x, y)


FAMILIES[AutogradData] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)


def problem_from_functions(
    f: Function,
    g: Function,
    dim_x: int,
    dim_y: int,
    constants: Constants,
    x0: np.ndarray | None = None,
    y0: np.ndarray | None = None,
    name: str = "custom",
) -> Problem:
    """A problem from two torch functions of x (dim_x,) and y (dim_y,), in float64, to a scalar.

    It runs on the torch engine; y* and grad Phi are computed numerically.
    Starts are 0 unless given.  A batch maps the functions over its instances, so they may not
    branch on values.

    Raises:
        InputError: a dimension is below 1, a start has another shape, or a function does not
        return a
            scalar float64 tensor; the Hessian of g in y leaves [mu, L] at or near the start.
    """
    import torch

    dim_x = checking.integer("dim_x", dim_x, 1, LARGEST_DIMENSION)
    dim_y = checking.integer("dim_y", dim_y, 1, LARGEST_DIMENSION)
    if not checking.is_a(constants, Constants):
        raise InputError(f"constants: expected bl.Constants, got {shown(constants)}")
    name = checking.label("name", name)
    starts = []
    for key, start, dim in (("x0", x0, dim_x), ("y0", y0, dim_y)):
        vector = np.zeros(dim) if start is None else checking.real_array(key, start).copy()
        if vector.shape != (dim,):
            raise InputError(f"{key}: expected shape ({dim},), got {vector.shape}")
        starts.append(vector)
    for key, function in (("f", f), ("g", g)):
        checking.function(key, function)
        with blaming(key):
            value = function(*(torch.as_tensor(start) for start in starts))
        if not isinstance(value, torch.Tensor) or value.ndim or value.dtype != torch.float64:
            raise InputError(
                f"{key}: expected a function to a scalar float64 tensor, got {shown(value)}"
            )
    problem = Problem(
        name=name,
        data=AutogradData(f, g, Graph()),
        constants=constants,
        x0=starts[0],
        y0=starts[1],
        kappa=constants.kappa,
        engines=("torch",),
    )
    check_spectrum(problem)
    return problem
