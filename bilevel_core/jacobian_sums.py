"""Sums of Jacobian-vector products, as back-propagation through an inner loop needs them.

Where grad_x grad_y g is one matrix J, whatever x and y, sum_t J v_t = J sum_t v_t: such a family
adds up the vectors and multiplies once.  A solver asks for each product, and is charged for it, all
the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

from bilevel_core.arrays import Array, add_scaled
from bilevel_core.dispatch import DispatchTable
from bilevel_core.fingerprint import functions_behind
from bilevel_core.oracle import JVP, Oracle, count, family_functions, family_jvp


class Sums(NamedTuple):
    """How a family forms out += scale * sum_t (grad_x grad_y g)(x, y_t) v_t.

    add: (data, x, y, v, scale, product, pending, out), one term; settle: without v, what is left
    after the last.  product, out: like x; pending: like y, and 0 at first.
    """

    add: Callable[..., None]
    settle: Callable[..., None]


def multiply_each(
    data: Any,
    x: Array,
    y: Array,
    v: Array,
    scale: float,
    product: Array,
    pending: Array,
    out: Array,
) -> None:
    """Add scale (grad_x grad_y g) v to out."""
    family_jvp(data, x, y, v, product)
    add_scaled(out, scale, product)


def leave(
    data: Any, x: Array, y: Array, scale: float, product: Array, pending: Array, out: Array
) -> None:
    """Nothing is left."""


def keep(
    data: Any,
    x: Array,
    y: Array,
    v: Array,
    scale: float,
    product: Array,
    pending: Array,
    out: Array,
) -> None:
    """Add v to those that are pending."""
    add_scaled(pending, 1.0, v)


def multiply_once(
    data: Any, x: Array, y: Array, scale: float, product: Array, pending: Array, out: Array
) -> None:
    """Add scale (grad_x grad_y g) pending to out."""
    family_jvp(data, x, y, pending, product)
    add_scaled(out, scale, product)


EACH = Sums(multiply_each, leave)
ONE_JACOBIAN = Sums(keep, multiply_once)
SUMS: DispatchTable[type, Sums] = DispatchTable()
"""By class of data, where a family says."""


def sums_of(data: type) -> Sums:
    """How families of this class of data form sums: `EACH` where they do not say."""
    return SUMS.get(data, EACH)


def family_add_jvp(
    data: Any,
    x: Array,
    y: Array,
    v: Array,
    scale: float,
    product: Array,
    pending: Array,
    out: Array,
) -> None:
    """The family's own `Sums.add`, uncounted."""
    sums_of(type(data)).add(data, x, y, v, scale, product, pending, out)


def family_settle_jvps(
    data: Any, x: Array, y: Array, scale: float, product: Array, pending: Array, out: Array
) -> None:
    """The family's own `Sums.settle`, uncounted."""
    sums_of(type(data)).settle(data, x, y, scale, product, pending, out)


def add_jvp(
    oracle: Oracle, x: Array, y: Array, v: Array, scale: float, pending: Array, out: Array
) -> None:
    """Counted product (grad_x grad_y g) v, scale times which is in out after `settle_jvps`."""
    count(oracle, JVP, 1)
    family_add_jvp(oracle.data, x, y, v, scale, oracle.work.x, pending, out)


def settle_jvps(
    oracle: Oracle, x: Array, y: Array, scale: float, pending: Array, out: Array
) -> None:
    """Bring into out what `add_jvp`, with the same x and scale, has left pending."""
    family_settle_jvps(oracle.data, x, y, scale, oracle.work.x, pending, out)


def functions_of(data: Any) -> list[Callable[..., Any]]:
    """All functions of a family, those of its sums included."""
    return [*family_functions(data), *sums_of(type(data))]


def sums_behind(step: Callable[..., Any], data: Any) -> list[Callable[..., Any]]:
    """The functions of a family's sums, if the step of a solver asks for any."""
    return [*sums_of(type(data))] if _asks_for_sums(step) else []


@functools.cache
def _asks_for_sums(step: Callable[..., Any]) -> bool:
    return add_jvp in functions_behind([step])
