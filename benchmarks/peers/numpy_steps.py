"""Outer steps from a table of closed forms, written plainly in NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from benchmarks.peers.settings import INNER, LINEAR


class Functions(NamedTuple):
    """Closed forms of a problem whose f does not depend on x."""

    grad_y_f: Callable[[Any, Any], Any]  # (x, y)
    grad_y_g: Callable[[Any, Any], Any]  # (x, y)
    jvp: Callable[[Any, Any, Any], Any]  # (x, y, v)
    hvp: Callable[[Any, Any, Any], Any]  # (x, y, v)


def aid_step(of: Functions, x: np.ndarray, y: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """INNER gradient steps, LINEAR conjugate gradient steps from 0, and the new x."""
    for _ in range(INNER):
        y = y - alpha * of.grad_y_g(x, y)
    v = np.zeros_like(y)
    residual = of.grad_y_f(x, y) - of.hvp(x, y, v)
    direction, squared = residual, np.vdot(residual, residual)
    for _ in range(LINEAR):
        product = of.hvp(x, y, direction)
        step = squared / np.vdot(direction, product)
        v = v + step * direction
        residual = residual - step * product
        previous, squared = squared, np.vdot(residual, residual)
        direction = residual + (squared / previous) * direction
    return x + beta * of.jvp(x, y, v)


def itd_step(of: Functions, x: np.ndarray, y: np.ndarray, alpha: float, beta: float) -> np.ndarray:
    """INNER gradient steps, the backward pass through them, and the new x."""
    path = []
    for _ in range(INNER):
        path.append(y)
        y = y - alpha * of.grad_y_g(x, y)
    adjoint, gradient = of.grad_y_f(x, y), 0.0
    for point in reversed(path):
        gradient = gradient - alpha * of.jvp(x, point, adjoint)
        adjoint = adjoint - alpha * of.hvp(x, point, adjoint)
    return x - beta * gradient
