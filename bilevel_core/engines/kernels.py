"""Compiled implementations of `bilevel_core.arrays` and of the calls that dispatch on a class.

Importing this module teaches Numba the array operations, the counters, and how to find a family's
functions from the class of its data and a solver's step from the class of its parameters.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from bilevel_core import arrays, oracle
from bilevel_core.engines.lending import vector, written

STEPS: dict[type, Callable[..., Any]] = {}
"""Solver steps by the class of their parameters."""

SUMS = frozenset({"reassoc", "contract"})
"""What the compiler may do to a sum: order its terms to fit the processor's vectors."""

OVERLOADED: set[Callable[..., Any]] = set()
"""Functions that have an implementation here."""


def solver_step(oracle: Any, params: Any, state: Any) -> Any:
    """The step of the solver whose parameters these are."""
    return STEPS[type(params)](oracle, params, state)


def implement(
    function: Callable[..., Any], strict: bool = True, fastmath: frozenset[str] = frozenset()
) -> Callable[..., Any]:
    """Decorate a function of Numba types that returns the compiled form of `function`."""
    OVERLOADED.add(function)
    options: Any = {"forceinline": True, "error_model": "numpy", "fastmath": set(fastmath)}
    return overload(function, jit_options=options, strict=strict)


@implement(arrays.dot, fastmath=SUMS)
def _dot(a, b):
    def dot(a, b):
        total = 0.0
        for i in range(a.shape[0]):
            total += a[i] * b[i]
        return total

    return dot


@implement(arrays.copy)
def _copy(a):
    return lambda a: written(a, vector(a, a.shape[0]))


@implement(arrays.vector_like)
def _vector_like(a, n):
    return lambda a, n: vector(a, n)


@implement(arrays.stack_like)
def _stack_like(a, n):
    return lambda a, n: vector(a, n * a.shape[0]).reshape(n, a.shape[0])


@implement(arrays.assign)
def _assign(target, values):
    if isinstance(values, types.Array):

        def assign(target, values):
            for i in range(target.shape[0]):
                target[i] = values[i]

    else:

        def assign(target, values):
            for i in range(target.shape[0]):
                target[i] = values

    return assign


@implement(arrays.add_scaled)
def _add_scaled(target, scale, a):
    def add_scaled(target, scale, a):
        for i in range(target.shape[0]):
            target[i] += scale * a[i]

    return add_scaled


@implement(arrays.scale_and_add)
def _scale_and_add(target, scale, a):
    def scale_and_add(target, scale, a):
        for i in range(target.shape[0]):
            target[i] = scale * target[i] + a[i]

    return scale_and_add


@implement(arrays.conjugate_update, fastmath=SUMS)
def _conjugate_update(v, residual, step, direction, product):
    def conjugate_update(v, residual, step, direction, product):
        total = 0.0
        for i in range(v.shape[0]):
            v[i] += step * direction[i]
            residual[i] -= step * product[i]
            total += residual[i] * residual[i]
        return total

    return conjugate_update


# Plain loops, not BLAS: they run at the memory's speed, and a call that can raise an exception
# keeps Numba from removing the reference counting around it, which costs more than a small product.
@implement(arrays.multiply, fastmath=SUMS)
def _multiply(matrix, vector, out):
    def multiply(matrix, vector, out):
        for i in range(matrix.shape[0]):
            total = 0.0
            for j in range(matrix.shape[1]):
                total += matrix[i, j] * vector[j]
            out[i] = total

    return multiply


@implement(arrays.subtract_product, fastmath=SUMS)
def _subtract_product(target, matrix, vector):
    def subtract_product(target, matrix, vector):
        for i in range(matrix.shape[0]):
            total = 0.0
            for j in range(matrix.shape[1]):
                total += matrix[i, j] * vector[j]
            target[i] -= total

    return subtract_product


@implement(arrays.where)
def _where(condition, a, b):
    if isinstance(condition, types.Array):
        return lambda condition, a, b: np.where(condition, a, b)
    return lambda condition, a, b: a if condition else b


@implement(arrays.any_true)
def _any_true(condition):
    return lambda condition: condition


def _elementwise(function: Callable[..., Any], compiled: Callable[..., Any]) -> None:
    implement(function)(lambda a: compiled)


_elementwise(arrays.sqrt, lambda a: np.sqrt(a))
_elementwise(arrays.exp, lambda a: np.exp(a))
_elementwise(arrays.log, lambda a: np.log(a))
_elementwise(arrays.sin, lambda a: np.sin(a))
_elementwise(arrays.arctan, lambda a: np.arctan(a))
_elementwise(arrays.tanh, lambda a: np.tanh(a))
_elementwise(
    arrays.log_cosh, lambda a: np.abs(a) + np.log1p(np.exp(-2.0 * np.abs(a))) - math.log(2.0)
)


@implement(arrays.maximum)
def _maximum(a, b):
    return lambda a, b: np.maximum(a, b)


@implement(arrays.minimum)
def _minimum(a, b):
    return lambda a, b: np.minimum(a, b)


@implement(oracle.count)
def _count(oracle, slot, samples):
    def count(oracle, slot, samples):
        oracle.ledger[0, slot] += 1
        oracle.ledger[1, slot] += samples

    return count


@implement(oracle.restrict)
def _restrict(oracle, condition):
    # One instance: its loops stop when the condition fails, so whatever still runs is charged.
    return lambda oracle, condition: oracle


def _by_family(call: Callable[..., Any], part: str) -> None:
    @implement(call, strict=False)
    def _find(data, *arguments):
        family = oracle.FAMILIES.get(getattr(data, "instance_class", type(None)))
        return None if family is None else _forward(getattr(family, part))


def _forward(target: Callable[..., Any]) -> Callable[..., Any]:
    # A call in between, so that whether the family's function is inlined is its own affair.
    return lambda first, *others: target(first, *others)


for _part, _call in oracle.FAMILY_CALLS.items():
    _by_family(_call, _part)


@implement(solver_step, strict=False)
def _solver_step(oracle, params, state):
    step = STEPS.get(getattr(params, "instance_class", type(None)))
    return None if step is None else _forward(step)
