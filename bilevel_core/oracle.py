"""The counted oracle: the only way a solver reaches a problem.

A family of problems is a table of plain array functions of its data (a NamedTuple), found by the
class of that data.  Every call below adds one to its slot of the ledger before the family's
function runs: row 0 counts calls, row 1 counts samples (a batch of S costs S).  x: (p,) or (p, B);
y, v: (q,) or (q, B).

Each oracle comes in two forms, `grad_y_g(oracle, x, y)` which returns a new array, and
`grad_y_g_into(oracle, x, y, out)` which writes into one that the caller keeps.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from bilevel_core.arrays import Array, vector_like
from bilevel_core.dispatch import DispatchTable

GRAD_X_F, GRAD_Y_F, GRAD_X_G, GRAD_Y_G, JVP, HVP, VALUE_F, VALUE_G = range(8)
SLOTS = ("grad_x_f", "grad_y_f", "grad_x_g", "grad_y_g", "jvp", "hvp", "value_f", "value_g")
CALLS, SAMPLES = 0, 1


class Family(NamedTuple):
    """Array functions of one family; every gradient and product writes into `out`."""

    grad_x_f: Callable[..., None]  # (data, x, y, out), out like x
    grad_y_f: Callable[..., None]  # (data, x, y, out), out like y
    grad_x_g: Callable[..., None]  # (data, x, y, out), out like x
    grad_y_g: Callable[..., None]  # (data, x, y, out), out like y
    jvp: Callable[..., None]  # (data, x, y, v, out), (grad_x grad_y g) v, out like x
    hvp: Callable[..., None]  # (data, x, y, v, out), (grad_yy g) v, out like y
    f: Callable[..., Any]  # (data, x, y) -> number
    g: Callable[..., Any]  # (data, x, y) -> number


FAMILIES: DispatchTable[type, Family] = DispatchTable()


class Work(NamedTuple):
    """Vectors that the loops of `inner` and `linear` write over, made once a run."""

    x: Any  # like x
    target: Any  # like y, as are the others
    gradient: Any
    residual: Any
    direction: Any
    product: Any


class Oracle(NamedTuple):
    """What a solver is handed: the problem's data, the ledgers, and room for the loops.

    `active` is None, or marks the instances of a batch that a data-dependent loop still serves;
    those calls go to `restricted`, of shape (2, slots, B).  `streams` holds the random numbers of a
    run, one stream a slot and one for the solver's own choices; None where nothing is random.
    """

    data: Any
    ledger: Any  # int64, (2, slots)
    restricted: Any
    active: Any
    work: Any
    streams: Any = None


def make_work(x: Array, y: Array) -> Work:
    """Work vectors like x and y."""
    return Work(vector_like(x, x.shape[0]), *(vector_like(y, y.shape[0]) for _ in range(5)))


def count(oracle: Oracle, slot: int, samples: int) -> None:
    """Add one call, and its samples, to a slot of the ledger."""
    if oracle.active is None:
        oracle.ledger[CALLS, slot] += 1
        oracle.ledger[SAMPLES, slot] += samples
    else:
        oracle.restricted[CALLS, slot] += oracle.active
        oracle.restricted[SAMPLES, slot] += samples * oracle.active


def restrict(oracle: Oracle, condition: Array) -> Oracle:
    """The oracle for those instances that satisfy the condition; the others are not charged."""
    active = condition if oracle.active is None else oracle.active & condition
    return oracle._replace(active=active)


def family_grad_x_f(data: Any, x: Array, y: Array, out: Array) -> None:
    """The family's own grad_x f, uncounted."""
    FAMILIES[type(data)].grad_x_f(data, x, y, out)


def family_grad_y_f(data: Any, x: Array, y: Array, out: Array) -> None:
    """The family's own grad_y f, uncounted."""
    FAMILIES[type(data)].grad_y_f(data, x, y, out)


def family_grad_x_g(data: Any, x: Array, y: Array, out: Array) -> None:
    """The family's own grad_x g, uncounted."""
    FAMILIES[type(data)].grad_x_g(data, x, y, out)


def family_grad_y_g(data: Any, x: Array, y: Array, out: Array) -> None:
    """The family's own grad_y g, uncounted."""
    FAMILIES[type(data)].grad_y_g(data, x, y, out)


def family_jvp(data: Any, x: Array, y: Array, v: Array, out: Array) -> None:
    """The family's own (grad_x grad_y g) v, uncounted."""
    FAMILIES[type(data)].jvp(data, x, y, v, out)


def family_hvp(data: Any, x: Array, y: Array, v: Array, out: Array) -> None:
    """The family's own (grad_yy g) v, uncounted."""
    FAMILIES[type(data)].hvp(data, x, y, v, out)


def family_f(data: Any, x: Array, y: Array) -> Array:
    """The family's own f, uncounted."""
    return FAMILIES[type(data)].f(data, x, y)


def family_g(data: Any, x: Array, y: Array) -> Array:
    """The family's own g, uncounted."""
    return FAMILIES[type(data)].g(data, x, y)


FAMILY_CALLS: dict[str, Callable[..., Any]] = {
    "grad_x_f": family_grad_x_f,
    "grad_y_f": family_grad_y_f,
    "grad_x_g": family_grad_x_g,
    "grad_y_g": family_grad_y_g,
    "jvp": family_jvp,
    "hvp": family_hvp,
    "f": family_f,
    "g": family_g,
}


def family_functions(data: Any) -> list[Callable[..., Any]]:
    """The functions of the data's family, and of those that it wraps."""
    wrapped = [value for value in data if type(value) in FAMILIES]
    return [*FAMILIES[type(data)], *(part for value in wrapped for part in family_functions(value))]


def grad_x_f_into(oracle: Oracle, x: Array, y: Array, out: Array) -> None:
    """Counted gradient of f in x, written into out (like x)."""
    count(oracle, GRAD_X_F, 1)
    family_grad_x_f(oracle.data, x, y, out)


def grad_y_f_into(oracle: Oracle, x: Array, y: Array, out: Array) -> None:
    """Counted gradient of f in y, written into out (like y)."""
    count(oracle, GRAD_Y_F, 1)
    family_grad_y_f(oracle.data, x, y, out)


def grad_x_g_into(oracle: Oracle, x: Array, y: Array, out: Array) -> None:
    """Counted gradient of g in x, written into out (like x)."""
    count(oracle, GRAD_X_G, 1)
    family_grad_x_g(oracle.data, x, y, out)


def grad_y_g_into(oracle: Oracle, x: Array, y: Array, out: Array) -> None:
    """Counted gradient of g in y, written into out (like y)."""
    count(oracle, GRAD_Y_G, 1)
    family_grad_y_g(oracle.data, x, y, out)


def jvp_into(oracle: Oracle, x: Array, y: Array, v: Array, out: Array) -> None:
    """Counted product (grad_x grad_y g) v, written into out (like x)."""
    count(oracle, JVP, 1)
    family_jvp(oracle.data, x, y, v, out)


def hvp_into(oracle: Oracle, x: Array, y: Array, v: Array, out: Array) -> None:
    """Counted product (grad_yy g) v, written into out (like y)."""
    count(oracle, HVP, 1)
    family_hvp(oracle.data, x, y, v, out)


def grad_x_f(oracle: Oracle, x: Array, y: Array) -> Array:
    """Counted gradient of f in x: like x."""
    out = vector_like(x, x.shape[0])
    grad_x_f_into(oracle, x, y, out)
    return out


def grad_y_f(oracle: Oracle, x: Array, y: Array) -> Array:
    """Counted gradient of f in y: like y."""
    out = vector_like(y, y.shape[0])
    grad_y_f_into(oracle, x, y, out)
    return out


def grad_x_g(oracle: Oracle, x: Array, y: Array) -> Array:
    """Counted gradient of g in x: like x."""
    out = vector_like(x, x.shape[0])
    grad_x_g_into(oracle, x, y, out)
    return out


def grad_y_g(oracle: Oracle, x: Array, y: Array) -> Array:
    """Counted gradient of g in y: like y."""
    out = vector_like(y, y.shape[0])
    grad_y_g_into(oracle, x, y, out)
    return out


def jvp(oracle: Oracle, x: Array, y: Array, v: Array) -> Array:
    """Counted product (grad_x grad_y g) v: like x."""
    out = vector_like(x, x.shape[0])
    jvp_into(oracle, x, y, v, out)
    return out


def hvp(oracle: Oracle, x: Array, y: Array, v: Array) -> Array:
    """Counted product (grad_yy g) v: like y."""
    out = vector_like(y, y.shape[0])
    hvp_into(oracle, x, y, v, out)
    return out


def value_f(oracle: Oracle, x: Array, y: Array) -> Array:
    """Counted value of f: a number, or (B,)."""
    count(oracle, VALUE_F, 1)
    return family_f(oracle.data, x, y)


def value_g(oracle: Oracle, x: Array, y: Array) -> Array:
    """Counted value of g: a number, or (B,)."""
    count(oracle, VALUE_G, 1)
    return family_g(oracle.data, x, y)
