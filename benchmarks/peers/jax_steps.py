"""The same outer steps in JAX: jit, lax.scan; from closed forms, or from f and g by autodiff."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.numpy_steps import Functions
from benchmarks.peers.settings import INNER, LINEAR

jax.config.update("jax_enable_x64", True)


def differentiated(f: Callable[[Any, Any], Any], g: Callable[[Any, Any], Any]) -> Functions:
    """The four functions by jax.grad; Hessian products forward over reverse."""
    grad_y_g = jax.grad(g, argnums=1)

    def hvp(x: Any, y: Any, v: Any) -> Any:
        return jax.jvp(lambda point: grad_y_g(x, point), (y,), (v,))[1]

    def jvp(x: Any, y: Any, v: Any) -> Any:
        return jax.grad(lambda point: jnp.vdot(grad_y_g(point, y), v))(x)

    return Functions(jax.grad(f, argnums=1), grad_y_g, jvp, hvp)


def _inner(of: Functions, x: Any, y: Any, alpha: float) -> tuple[Any, Any]:
    return jax.lax.scan(lambda y, _: (y - alpha * of.grad_y_g(x, y), y), y, None, length=INNER)


def aid_step(of: Functions, x: Any, y: Any, alpha: float, beta: float) -> Any:
    """INNER gradient steps, LINEAR conjugate gradient steps from 0, and the new x."""
    y = jax.lax.fori_loop(0, INNER, lambda _, y: y - alpha * of.grad_y_g(x, y), y)
    # Not a constant, since it stands for the last step's v; XLA folds a product with one, to NaN.
    v = 0.0 * y
    residual = of.grad_y_f(x, y) - of.hvp(x, y, v)

    def linear_step(carry: Any, _: None) -> tuple[Any, None]:
        v, residual, direction, squared = carry
        product = of.hvp(x, y, direction)
        step = squared / jnp.vdot(direction, product)
        residual = residual - step * product
        after = jnp.vdot(residual, residual)
        direction_after = residual + (after / squared) * direction
        return (v + step * direction, residual, direction_after, after), None

    start = (v, residual, residual, jnp.vdot(residual, residual))
    (v, *_), _ = jax.lax.scan(linear_step, start, None, length=LINEAR)
    return x + beta * of.jvp(x, y, v)


def itd_step(of: Functions, x: Any, y: Any, alpha: float, beta: float) -> Any:
    """INNER gradient steps, the backward pass through them, and the new x."""
    y, path = _inner(of, x, y, alpha)

    def back(carry: Any, point: Any) -> tuple[Any, None]:
        gradient, adjoint = carry
        gradient = gradient - alpha * of.jvp(x, point, adjoint)
        return (gradient, adjoint - alpha * of.hvp(x, point, adjoint)), None

    start = (jnp.zeros_like(x), of.grad_y_f(x, y))
    (gradient, _), _ = jax.lax.scan(back, start, path, reverse=True)
    return x - beta * gradient


def itd_step_by_autodiff(
    f: Callable[[Any, Any], Any],
    g: Callable[[Any, Any], Any],
    x: Any,
    y: Any,
    alpha: float,
    beta: float,
) -> Any:
    """The same by jax.grad through the inner loop."""
    of = differentiated(f, g)
    return x - beta * jax.grad(lambda x: f(x, _inner(of, x, y, alpha)[0]))(x)


def timed(step: Callable[..., Any], arrays: Any, x: np.ndarray, y: np.ndarray) -> Callable[[], Any]:
    """A call of jit(step)(arrays, x, y) that waits for its result.

    The arrays are arguments: constants of a compiled function would be folded, or copied.
    """
    compiled = jax.jit(step)
    given = jax.tree.map(jnp.asarray, (arrays, x, y))

    def call() -> np.ndarray:
        return np.asarray(jax.block_until_ready(compiled(*given)))

    return call
