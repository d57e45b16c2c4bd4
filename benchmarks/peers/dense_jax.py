"""Outer steps on a dense quadratic in JAX: closed forms, jit, lax.scan, and vmap over instances."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.peers.settings import ALPHA, BETA, INNER, LINEAR
from bilevel_core.problem import Problem

jax.config.update("jax_enable_x64", True)


class Instance(NamedTuple):
    """What a step needs of an instance."""

    H: Any
    J: Any
    t: Any
    weight: float


def aid_step(of: Instance, state: Any, _: None) -> tuple[Any, None]:
    x, y, v = state
    coupling = x @ of.J
    y = jax.lax.fori_loop(0, INNER, lambda _, y: y - ALPHA * (of.H @ y - coupling), y)
    residual = of.weight * (y - of.t) - of.H @ v

    def linear(_: Any, carry: Any) -> Any:
        v, residual, direction, squared = carry
        product = of.H @ direction
        curvature = direction @ product
        step = jnp.where(curvature > 0, squared / jnp.where(curvature > 0, curvature, 1.0), 0.0)
        v, residual = v + step * direction, residual - step * product
        after = residual @ residual
        ratio = jnp.where(squared > 0, after / jnp.where(squared > 0, squared, 1.0), 0.0)
        return v, residual, residual + ratio * direction, after

    start = (v, residual, residual, residual @ residual)
    v, *_ = jax.lax.fori_loop(0, LINEAR, linear, start)
    return (x - BETA * (of.J @ v), y, v), None


def itd_step(of: Instance, state: Any, _: None) -> tuple[Any, None]:
    x, y, v = state
    coupling = x @ of.J
    y = jax.lax.fori_loop(0, INNER, lambda _, y: y - ALPHA * (of.H @ y - coupling), y)

    def back(_: Any, carry: Any) -> Any:
        total, adjoint = carry
        return total + adjoint, adjoint - ALPHA * (of.H @ adjoint)

    start = (jnp.zeros_like(y), of.weight * (y - of.t))
    total, _ = jax.lax.fori_loop(0, INNER, back, start)
    return (x - BETA * ALPHA * (of.J @ total), y, v), None


def itd_step_by_autodiff(of: Instance, state: Any, _: None) -> tuple[Any, None]:
    x, y, v = state

    def unrolled(x: Any) -> tuple[Any, Any]:
        coupling = x @ of.J
        last, _ = jax.lax.scan(
            lambda y, _: (y - ALPHA * (of.H @ y - coupling), None), y, None, length=INNER
        )
        return 0.5 * of.weight * jnp.vdot(last - of.t, last - of.t), last

    gradient, y = jax.grad(unrolled, has_aux=True)(x)
    return (x - BETA * gradient, y, v), None


JAX_STEPS = {
    "aid_bio": {"JAX": aid_step},
    "itd_bio": {"JAX": itd_step, "JAX, autodiff": itd_step_by_autodiff},
}


def batched(
    step: Callable[..., Any], instances: list[Problem], steps: int, axis: int | None
) -> Callable[[], np.ndarray]:
    """The final x (d, B) of a run of so many steps.

    axis: along which instances are stacked for vmap; None runs the only one.
    """
    datas = [problem.data for problem in instances]
    parts = zip(*((data.H, data.J, data.t, np.float64(data.weight)) for data in datas), strict=True)
    if axis is None:
        of = Instance(*(jnp.asarray(part[0]) for part in parts))
        zeros = jnp.zeros(instances[0].dim_x)
        mapped = step
    else:
        of = Instance(*(jnp.asarray(np.stack(part, axis)) for part in parts))
        shape = (len(instances), instances[0].dim_x)
        zeros = jnp.zeros(shape if axis == 0 else shape[::-1])
        mapped = jax.vmap(step, in_axes=(axis, axis, None), out_axes=(axis, None))

    @jax.jit
    def run(of: Instance, zeros: Any) -> Any:
        start = (zeros, zeros, zeros)
        return jax.lax.scan(functools.partial(mapped, of), start, None, length=steps)[0][0]

    def call() -> np.ndarray:
        x = np.asarray(jax.block_until_ready(run(of, zeros)))
        return x[:, None] if axis is None else x.T if axis == 0 else x

    return call
