"""Array operations shared by both engines, for one instance or many, batch last.

A vector has shape (n,) for one instance and (n, B) for B of them; a number is a float or has shape
(B,).  Each function here takes NumPy arrays and torch tensors; inside compiled code it is replaced
by the implementation in `bilevel_core.engines.kernels`.  Everything else in a solver or a problem
family is written with these, `+ - * / **`, indexing and slices.
"""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

Array = Any
"""A NumPy array, a torch tensor, or a number."""


def _library(*values: Array) -> ModuleType:
    torch = sys.modules.get("torch")
    if torch is not None and any(isinstance(value, torch.Tensor) for value in values):
        return torch
    return np


def dot(a: Array, b: Array) -> Array:
    """Inner product of a and b over axis 0: a float, or (B,)."""
    return (a * b).sum(0)


def copy(a: Array) -> Array:
    """A new array with the values of a."""
    return a.clone() if hasattr(a, "clone") else a.copy()


def vector_like(a: Array, n: int) -> Array:
    """An uninitialised vector of n coordinates, (n,) or (n, B), in the library and batch of a."""
    shape = (n, *a.shape[1:])
    return a.new_empty(shape) if hasattr(a, "new_empty") else np.empty(shape)


def stack_like(a: Array, n: int) -> Array:
    """Room for n vectors of the shape of a: (n, *a.shape), uninitialised."""
    shape = (n, *a.shape)
    return a.new_empty(shape) if hasattr(a, "new_empty") else np.empty(shape)


def assign(target: Array, values: Array) -> None:
    """Write values into target, in place."""
    target[:] = values


def add_scaled(target: Array, scale: Array, a: Array) -> None:
    """Add scale * a to target, in place; scale is a number or (B,)."""
    target += scale * a


def scale(target: Array, factor: Array) -> None:
    """Multiply target by a number or (B,), in place."""
    target *= factor


def scale_and_add(target: Array, scale: Array, a: Array) -> None:
    """Replace target by scale * target + a, in place; scale is a number or (B,)."""
    target *= scale
    target += a


def conjugate_update(
    v: Array, residual: Array, step: Array, direction: Array, product: Array
) -> Array:
    """Add step * direction to v, take step * product from residual; the residual's squared norm."""
    v += step * direction
    residual -= step * product
    return (residual * residual).sum(0)


def multiply(matrix: Array, vector: Array, out: Array) -> None:
    """Write matrix @ vector into out.

    matrix is (m, n), shared by a batch, or (m, n, B); vector (n,) or (n, B); out (m,) or (m, B).
    """
    if matrix.ndim == 3:
        out[:] = (matrix * vector).sum(1)
    else:
        out[:] = matrix @ vector


def subtract_product(out: Array, matrix: Array, vector: Array) -> None:
    """Take matrix @ vector from out, in place; shapes as in `multiply`."""
    if matrix.ndim == 3:
        out -= (matrix * vector).sum(1)
    else:
        out -= matrix @ vector


def multiply_symmetric(matrix: Array, vector: Array, out: Array) -> None:
    """Write matrix @ vector into out, for a matrix equal to its transpose; shapes as in `multiply`.

    Compiled code reads what is above the diagonal only.
    """
    multiply(matrix, vector, out)


class Memory(NamedTuple):
    """The last product that was needed and what it was of; starts as zeros."""

    vector: Array  # (n,)
    product: Array  # (m,)


def new_memory(m: int, n: int) -> Memory:
    """A memory for products of an (m, n) matrix."""
    return Memory(np.zeros(n), np.zeros(m))


def subtract_remembered_product(
    target: Array, memory: Memory, matrix: Array, vector: Array
) -> None:
    """Take matrix @ vector from target, in place; shapes as in `multiply`.

    Compiled code of one instance keeps the product in `memory` until the vector is another one: an
    inner loop asks for the same product at each of its steps.
    """
    subtract_product(target, matrix, vector)


def where(condition: Array, a: Array, b: Array) -> Array:
    """The value of a where condition holds, else of b."""
    library = _library(condition, a, b)
    if library is np:
        return np.where(condition, a, b)
    tensor = next(value for value in (a, b, condition) if isinstance(value, library.Tensor))
    dtype = next((v.dtype for v in (a, b) if isinstance(v, library.Tensor)), library.float64)
    # Numbers are filled in on the device: a copy of one would make the host wait.
    a, b = (
        value.to(dtype)
        if isinstance(value, library.Tensor)
        else library.full((), value, dtype=dtype, device=tensor.device)
        for value in (a, b)
    )
    return library.where(condition, a, b)


def any_true(condition: Array) -> bool:
    """Whether the condition holds for at least one instance."""
    return bool(condition.any()) if hasattr(condition, "any") else bool(condition)


def sqrt(a: Array) -> Array:
    """Square root, elementwise."""
    return _library(a).sqrt(a)


def exp(a: Array) -> Array:
    """Exponential, elementwise."""
    return _library(a).exp(a)


def log(a: Array) -> Array:
    """Natural logarithm, elementwise."""
    return _library(a).log(a)


def sin(a: Array) -> Array:
    """Sine, elementwise."""
    return _library(a).sin(a)


def arctan(a: Array) -> Array:
    """Inverse tangent, elementwise."""
    return _library(a).arctan(a)


def tanh(a: Array) -> Array:
    """Hyperbolic tangent, elementwise."""
    return _library(a).tanh(a)


def log_cosh(a: Array) -> Array:
    """log(cosh(a)) without overflow, elementwise."""
    library = _library(a)
    size = library.abs(a)
    return size + library.log1p(library.exp(-2.0 * size)) - np.log(2.0)


def maximum(a: Array, b: Array) -> Array:
    """The larger of a and b, elementwise."""
    return where(a > b, a, b)


def minimum(a: Array, b: Array) -> Array:
    """The smaller of a and b, elementwise."""
    return where(a < b, a, b)
