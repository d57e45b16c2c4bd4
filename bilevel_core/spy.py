"""A problem that counts for itself: the second opinion on every ledger.

It wraps another problem's data; its functions add to a counter of their own and call the wrapped
ones.  Nothing here knows of `bilevel_core.oracle.count`.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.arrays import Array, assign
from bilevel_core.oracle import (
    FAMILIES,
    SLOTS,
    Family,
    family_f,
    family_g,
    family_grad_x_f,
    family_grad_x_g,
    family_grad_y_f,
    family_grad_y_g,
    family_hvp,
    family_jvp,
)
from bilevel_core.problem import ClosedForms, Problem
from bilevel_core.sampled import (
    EXACT,
    SAMPLED,
    Sampled,
    sampled_grad_x_g,
    sampled_grad_y_g,
    sampled_gradients_f,
    sampled_held_hvp,
    sampled_hold_hessian,
    sampled_hvp,
    sampled_jvp,
)


class SpyData(NamedTuple):
    """The wrapped data, and the calls and samples seen, in the order of the ledger's slots."""

    wrapped: Any
    seen: np.ndarray  # int64, (2, slots)
    held: np.ndarray  # int64, (1, 1): the size of the batch of Hessians that is held


def _see(data: SpyData, slot: int, samples: int) -> None:
    data.seen[0, slot] += 1
    data.seen[1, slot] += samples


def _grad_x_f(data: SpyData, x: Array, y: Array, out: Array) -> None:
    _see(data, 0, 1)
    family_grad_x_f(data.wrapped, x, y, out)


def _grad_y_f(data: SpyData, x: Array, y: Array, out: Array) -> None:
    _see(data, 1, 1)
    family_grad_y_f(data.wrapped, x, y, out)


def _grad_x_g(data: SpyData, x: Array, y: Array, out: Array) -> None:
    _see(data, 2, 1)
    family_grad_x_g(data.wrapped, x, y, out)


def _grad_y_g(data: SpyData, x: Array, y: Array, out: Array) -> None:
    _see(data, 3, 1)
    family_grad_y_g(data.wrapped, x, y, out)


def _jvp(data: SpyData, x: Array, y: Array, v: Array, out: Array) -> None:
    _see(data, 4, 1)
    family_jvp(data.wrapped, x, y, v, out)


def _hvp(data: SpyData, x: Array, y: Array, v: Array, out: Array) -> None:
    _see(data, 5, 1)
    family_hvp(data.wrapped, x, y, v, out)


def _f(data: SpyData, x: Array, y: Array) -> Array:
    _see(data, 6, 1)
    return family_f(data.wrapped, x, y)


def _g(data: SpyData, x: Array, y: Array) -> Array:
    _see(data, 7, 1)
    return family_g(data.wrapped, x, y)


def _gradients_f(
    data: SpyData, stream: Any, x: Array, y: Array, S: int, out_x: Array, out_y: Array
) -> None:
    _see(data, 0, S)
    _see(data, 1, S)
    sampled_gradients_f(data.wrapped, stream, x, y, S, out_x, out_y)


def _batch_grad_x_g(data: SpyData, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    _see(data, 2, S)
    sampled_grad_x_g(data.wrapped, stream, x, y, S, out)


def _batch_grad_y_g(data: SpyData, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    _see(data, 3, S)
    sampled_grad_y_g(data.wrapped, stream, x, y, S, out)


def _batch_jvp(
    data: SpyData, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array
) -> None:
    _see(data, 4, S)
    sampled_jvp(data.wrapped, stream, x, y, v, S, out)


def _batch_hvp(
    data: SpyData, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array
) -> None:
    _see(data, 5, S)
    sampled_hvp(data.wrapped, stream, x, y, v, S, out)


def _hold_hessian(data: SpyData, stream: Any, y: Array, S: int) -> Array:
    data.held[0, 0] = S
    return sampled_hold_hessian(data.wrapped, stream, y, S)


def _held_hvp(data: SpyData, held: Array, x: Array, y: Array, v: Array, out: Array) -> None:
    _see(data, 5, data.held[0, 0])
    sampled_held_hvp(data.wrapped, held, x, y, v, out)


def _open_stream(data: SpyData, slot: int, generator: np.random.Generator) -> Any:
    return SAMPLED.get(type(data.wrapped), EXACT).open_stream(data.wrapped, slot, generator)


FAMILIES[SpyData] = Family(_grad_x_f, _grad_y_f, _grad_x_g, _grad_y_g, _jvp, _hvp, _f, _g)
SAMPLED[SpyData] = Sampled(
    _gradients_f,
    _batch_grad_x_g,
    _batch_grad_y_g,
    _batch_jvp,
    _batch_hvp,
    _hold_hessian,
    _held_hvp,
    _open_stream,
)


def _no_y_star(data: SpyData, x: Array, out: Array) -> None:
    assign(out, 0.0)


def _no_phi(data: SpyData, x: Array) -> float:
    return 0.0


def _no_grad_phi(data: SpyData, x: Array, out: Array) -> None:
    assign(out, 1.0)


def _spied_forms(forms: ClosedForms | None) -> ClosedForms:
    """The closed forms of the wrapped data, which call no oracle; without them, none to evaluate.

    A numerical y* would go through the spy and be counted.
    """
    if forms is None:
        return ClosedForms(_no_y_star, _no_phi, _no_grad_phi)
    return ClosedForms(
        lambda data, x, out: forms.y_star(data.wrapped, x, out),
        lambda data, x: forms.phi(data.wrapped, x),
        lambda data, x, out: forms.grad_phi(data.wrapped, x, out),
    )


def spy_on(problem: Problem) -> Problem:
    """The problem with a counter of its own, `data.seen`; evaluated only by closed forms."""
    seen = np.zeros((2, len(SLOTS)), np.int64)
    return dataclasses.replace(
        problem,
        data=SpyData(problem.data, seen, np.zeros((1, 1), np.int64)),
        closed_forms=_spied_forms(problem.closed_forms),
    )
