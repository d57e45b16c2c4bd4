"""Families that add noise to another: their exact functions are those of the data they wrap."""

from __future__ import annotations

import functools
from typing import Any

from bilevel_core.arrays import Array
from bilevel_core.oracle import (
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
from bilevel_core.problem import ClosedForms


def _grad_x_f(data: Any, x: Array, y: Array, out: Array) -> None:
    family_grad_x_f(data.wrapped, x, y, out)


def _grad_y_f(data: Any, x: Array, y: Array, out: Array) -> None:
    family_grad_y_f(data.wrapped, x, y, out)


def _grad_x_g(data: Any, x: Array, y: Array, out: Array) -> None:
    family_grad_x_g(data.wrapped, x, y, out)


def _grad_y_g(data: Any, x: Array, y: Array, out: Array) -> None:
    family_grad_y_g(data.wrapped, x, y, out)


def _jvp(data: Any, x: Array, y: Array, v: Array, out: Array) -> None:
    family_jvp(data.wrapped, x, y, v, out)


def _hvp(data: Any, x: Array, y: Array, v: Array, out: Array) -> None:
    family_hvp(data.wrapped, x, y, v, out)


def _f(data: Any, x: Array, y: Array) -> Array:
    return family_f(data.wrapped, x, y)


def _g(data: Any, x: Array, y: Array) -> Array:
    return family_g(data.wrapped, x, y)


WRAPPED = Family(_grad_x_f, _grad_y_f, _grad_x_g, _grad_y_g, _jvp, _hvp, _f, _g)


@functools.cache
def wrapped_forms(forms: ClosedForms | None) -> ClosedForms | None:
    """The closed forms of wrapped data, for the data around it."""
    if forms is None:
        return None

    def y_star(data: Any, x: Array, out: Array) -> None:
        forms.y_star(data.wrapped, x, out)

    def phi(data: Any, x: Array) -> Array:
        return forms.phi(data.wrapped, x)

    def grad_phi(data: Any, x: Array, out: Array) -> None:
        forms.grad_phi(data.wrapped, x, out)

    return ClosedForms(y_star, phi, grad_phi)
