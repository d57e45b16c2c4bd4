"""Compiled implementations of `bilevel_core.arrays`, for one instance (n,) or a batch (n, B).

Each operation is one statement for an element, written with the names of its arguments; the loops
around it follow from their types.  Plain loops, not BLAS: they run at the memory's speed, and a
call that can raise an exception keeps Numba from removing the reference counting around it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from inspect import signature
from textwrap import indent
from typing import Any

import numpy as np
from numba import types
from numba.core.errors import TypingError
from numba.extending import overload

from bilevel_core import arrays, linear
from bilevel_core.engines.arena import fresh
from bilevel_core.engines.lending import written

SUMS = frozenset({"reassoc", "contract"})
"""What the compiler may do to a sum: order its terms to fit the processor's vectors."""

STEPS_OF_LADDER = 3
"""Up to this length a loop is written out: vectors of 3 would otherwise be stored number by number
and read as one, which the processor has to wait for."""

OVERLOADED: set[Callable[..., Any]] = set()
"""Functions that have an implementation here, or in a module that uses `implement`."""


def implement(
    function: Callable[..., Any], strict: bool = True, fastmath: frozenset[str] = frozenset()
) -> Callable[..., Any]:
    """Decorate a function of Numba types that returns the compiled form of `function`."""
    OVERLOADED.add(function)
    options: Any = {"forceinline": True, "error_model": "numpy", "fastmath": set(fastmath)}
    return overload(function, jit_options=options, strict=strict)


def _dimensions(kind: types.Type) -> int:
    return kind.ndim if isinstance(kind, types.Array) else 0


def _element(statement: str, kinds: dict[str, types.Type], batch: bool, i: str) -> str:
    """The statement for coordinate i (and instance `lane`) of its arguments."""
    forms = {1: "[lane]", 2: f"[{i}, lane]"} if batch else {1: f"[{i}]"}
    for name, kind in kinds.items():
        statement = re.sub(rf"\b{name}\b", name + forms.get(_dimensions(kind), ""), statement)
    return statement


def _loops(kinds: dict[str, types.Type], statement: str, total: bool) -> str:
    """The body of a function that runs the statement for every element of its arguments."""
    leading = max(kinds, key=lambda name: _dimensions(kinds[name]))
    batch = _dimensions(kinds[leading]) == 2
    before, after = "", ""
    if total:
        before, after = "total = 0.0\n", "return total\n"
        if batch:
            before = (
                f"total = fresh({leading}, ({leading}.shape[1],))\n"
                "for lane in range(total.shape[0]):\n    total[lane] = 0.0\n"
            )
            kinds = kinds | {"total": types.Array(types.float64, 1, "C")}
    each = _element(statement, kinds, batch, "i")
    if batch:
        each = f"for lane in range({leading}.shape[1]):\n{indent(each, '    ')}"
    loop = f"for i in range({leading}.shape[0]):\n{indent(each, '    ')}\n"
    if not batch:
        loop = _ladder(f"{leading}.shape[0]", lambda i: _element(statement, kinds, batch, i), loop)
    return before + loop + after


def _ladder(size: str, each: Callable[[str], str], loop: str) -> str:
    """The first coordinates written out where there are no more, else the loop."""
    rungs = "".join(
        f"if {size} > {i}:\n{indent(each(str(i)), '    ')}\n" for i in range(STEPS_OF_LADDER)
    )
    return f"if {size} <= {STEPS_OF_LADDER}:\n{indent(rungs, '    ')}else:\n{indent(loop, '    ')}"


def compose(arguments: list[str], body: str, **used: Callable[..., Any]) -> Callable[..., Any]:
    """A function with these arguments and this body, which calls the functions used."""
    scope: dict[str, Any] = {"fresh": fresh, **used}
    exec(f"def compiled({', '.join(arguments)}):\n{indent(body, '    ')}", scope)
    return scope["compiled"]


def implement_by_body(
    function: Callable[..., Any],
    body: Callable[[dict[str, types.Type]], str],
    fastmath: frozenset[str] = frozenset(),
    **used: Callable[..., Any],
) -> None:
    """Teach Numba `function` by source made from the types of its arguments, by name."""
    names = list(signature(function).parameters)

    def typed(kinds: tuple[types.Type, ...]) -> Callable[..., Any]:
        return compose(names, body(dict(zip(names, kinds, strict=True))), **used)

    scope = {"typed": typed}
    listed = ", ".join(names)
    exec(f"def implementation({listed}):\n    return typed(({listed},))", scope)
    implement(function, fastmath=fastmath)(scope["implementation"])


def _elementwise(function: Callable[..., Any], statement: str) -> None:
    implement_by_body(function, lambda kinds: _loops(kinds, statement, total=False))


def _sum(function: Callable[..., Any], statement: str) -> None:
    implement_by_body(function, lambda kinds: _loops(kinds, statement, total=True), SUMS)


_elementwise(arrays.assign, "target = values")
_elementwise(arrays.add_scaled, "target += scale * a")
_elementwise(arrays.scale, "target *= factor")
_elementwise(arrays.scale_and_add, "target = scale * target + a")
_sum(arrays.dot, "total += a * b")
_sum(
    arrays.conjugate_update,
    "v += step * direction\nresidual -= step * product\ntotal += residual * residual",
)


@implement(arrays.copy)
def _copy(a):
    return lambda a: written(a, fresh(a, a.shape))


@implement(arrays.vector_like)
def _vector_like(a, n):
    if a.ndim == 2:
        return lambda a, n: fresh(a, (n, a.shape[1]))
    return lambda a, n: fresh(a, (n,))


@implement(arrays.stack_like)
def _stack_like(a, n):
    if a.ndim == 2:
        return lambda a, n: fresh(a, (n, a.shape[0], a.shape[1]))
    return lambda a, n: fresh(a, (n, a.shape[0]))


@implement(arrays.where)
def _where(condition, a, b):
    if not isinstance(condition, types.Array):
        return lambda condition, a, b: a if condition else b
    values = {
        name: f"{name}[i]" if isinstance(kind, types.Array) else name
        for name, kind in (("a", a), ("b", b))
    }
    body = (
        "chosen = fresh(condition, condition.shape)\n"
        "for i in range(condition.shape[0]):\n"
        f"    chosen[i] = {values['a']} if condition[i] else {values['b']}\n"
        "return chosen\n"
    )
    return compose(["condition", "a", "b"], body)


@implement(linear.ratio, strict=False)
def _ratio(numerator, denominator):
    if not isinstance(denominator, types.Array):
        return linear.ratio
    body = (
        "quotient = fresh(denominator, denominator.shape)\n"
        "for i in range(denominator.shape[0]):\n"
        "    positive = denominator[i] > 0.0\n"
        "    quotient[i] = numerator[i] / denominator[i] if positive else 0.0\n"
        "return quotient\n"
    )
    return compose(["numerator", "denominator"], body)


@implement(arrays.any_true)
def _any_true(condition):
    if isinstance(condition, types.Array):
        raise TypingError("a loop that depends on the data runs one instance at a time")
    return lambda condition: condition


def _as_in_numpy(function: Callable[..., Any], numpy_function: Any) -> None:
    """Teach Numba a function of one argument by NumPy's."""
    implement(function)(lambda a: lambda a: numpy_function(a))


for _function in (arrays.sqrt, arrays.exp, arrays.log, arrays.sin, arrays.arctan, arrays.tanh):
    _as_in_numpy(_function, getattr(np, _function.__name__))


@implement(arrays.log_cosh)
def _log_cosh(a):
    return lambda a: np.abs(a) + np.log1p(np.exp(-2.0 * np.abs(a))) - math.log(2.0)


@implement(arrays.maximum)
def _maximum(a, b):
    return lambda a, b: np.maximum(a, b)


@implement(arrays.minimum)
def _minimum(a, b):
    return lambda a, b: np.minimum(a, b)
