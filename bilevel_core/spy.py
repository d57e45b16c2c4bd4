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


class SpyData(NamedTuple):
    """The wrapped data, and calls seen, in the order of the ledger's slots."""

    wrapped: Any
    seen: np.ndarray  # int64, (slots,)


def _grad_x_f(data: SpyData, x: Array, y: Array, out: Array) -> None:
    data.seen[0] += 1
    family_grad_x_f(data.wrapped, x, y, out)


def _grad_y_f(data: SpyData, x: Array, y: Array, out: Array) -> None:
    data.seen[1] += 1
    family_grad_y_f(data.wrapped, x, y, out)


def _grad_x_g(data: SpyData, x: Array, y: Array, out: Array) -> None:
    data.seen[2] += 1
    family_grad_x_g(data.wrapped, x, y, out)


def _grad_y_g(data: SpyData, x: Array, y: Array, out: Array) -> None:
    data.seen[3] += 1
    family_grad_y_g(data.wrapped, x, y, out)


def _jvp(data: SpyData, x: Array, y: Array, v: Array, out: Array) -> None:
    data.seen[4] += 1
    family_jvp(data.wrapped, x, y, v, out)


def _hvp(data: SpyData, x: Array, y: Array, v: Array, out: Array) -> None:
    data.seen[5] += 1
    family_hvp(data.wrapped, x, y, v, out)


def _f(data: SpyData, x: Array, y: Array) -> Array:
    data.seen[6] += 1
    return family_f(data.wrapped, x, y)


def _g(data: SpyData, x: Array, y: Array) -> Array:
    data.seen[7] += 1
    return family_g(data.wrapped, x, y)


FAMILIES[SpyData] = Family(_grad_x_f, _grad_y_f, _grad_x_g, _grad_y_g, _jvp, _hvp, _f, _g)


def _no_y_star(data: SpyData, x: Array, out: Array) -> None:
    assign(out, 0.0)


def _no_phi(data: SpyData, x: Array) -> float:
    return 0.0


def _no_grad_phi(data: SpyData, x: Array, out: Array) -> None:
    assign(out, 1.0)


def spy_on(problem: Problem) -> Problem:
    """The problem with a counter of its own, `data.seen`, and nothing to evaluate."""
    seen = np.zeros(len(SLOTS), np.int64)
    return dataclasses.replace(
        problem,
        data=SpyData(problem.data, seen),
        closed_forms=ClosedForms(_no_y_star, _no_phi, _no_grad_phi),
    )
