"""Counted oracles of a random batch: the mean of S samples, drawn in one go.

A family with noise has a table of `Sampled` functions, found by the class of its data; each draws
the mean of a batch directly (a Gaussian with covariance / S, multinomial shares of a pool), so that
a batch of 10^9 costs one draw.  The ledger counts one call and S samples.  A family without noise
answers with its exact functions.  x: (p,) or (p, B); y, v: (q,) or (q, B); S >= 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from bilevel_core.arrays import Array, assign, vector_like
from bilevel_core.dispatch import DispatchTable
from bilevel_core.oracle import (
    FAMILIES,
    GRAD_X_F,
    GRAD_X_G,
    GRAD_Y_F,
    GRAD_Y_G,
    HVP,
    JVP,
    Oracle,
    count,
    family_grad_x_f,
    family_grad_x_g,
    family_grad_y_f,
    family_grad_y_g,
    family_hvp,
    family_jvp,
)
from bilevel_core.streams import stream_of


class Sampled(NamedTuple):
    """Array functions of one family with noise; `stream` is that of the oracle's kind."""

    gradients_f: Callable[..., None]  # (data, stream, x, y, S, out_x, out_y), both of one batch
    grad_x_g: Callable[..., None]  # (data, stream, x, y, S, out)
    grad_y_g: Callable[..., None]  # (data, stream, x, y, S, out)
    jvp: Callable[..., None]  # (data, stream, x, y, v, S, out)
    hvp: Callable[..., None]  # (data, stream, x, y, v, S, out)
    hold_hessian: Callable[..., Any]  # (data, stream, y, S) -> one batch, an array
    held_hvp: Callable[..., None]  # (data, held, x, y, v, out)
    open_stream: Callable[..., Any]  # (data, slot, generator) -> a stream of `streams`


SAMPLED: DispatchTable[type, Sampled] = DispatchTable()


def exact_gradients_f(
    data: Any, stream: Any, x: Array, y: Array, S: int, out_x: Array, out_y: Array
) -> None:
    """Both gradients of f, without noise."""
    family_grad_x_f(data, x, y, out_x)
    family_grad_y_f(data, x, y, out_y)


def exact_grad_x_g(data: Any, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """Gradient of g in x, without noise."""
    family_grad_x_g(data, x, y, out)


def exact_grad_y_g(data: Any, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """Gradient of g in y, without noise."""
    family_grad_y_g(data, x, y, out)


def exact_jvp(data: Any, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_x grad_y g) v, without noise."""
    family_jvp(data, x, y, v, out)


def exact_hvp(data: Any, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """(grad_yy g) v, without noise."""
    family_hvp(data, x, y, v, out)


def nothing_held(data: Any, stream: Any, y: Array, S: int) -> Array:
    """A batch without noise."""
    held = vector_like(y, 1)
    assign(held, 0.0)
    return held


def exact_held_hvp(data: Any, held: Array, x: Array, y: Array, v: Array, out: Array) -> None:
    """(grad_yy g) v, without noise."""
    family_hvp(data, x, y, v, out)


def generator_itself(data: Any, slot: int, generator: np.random.Generator) -> Any:
    """A stream that is the generator."""
    return generator


EXACT = Sampled(
    exact_gradients_f,
    exact_grad_x_g,
    exact_grad_y_g,
    exact_jvp,
    exact_hvp,
    nothing_held,
    exact_held_hvp,
    generator_itself,
)
"""What a family without noise answers."""


def sampled_gradients_f(
    data: Any, stream: Any, x: Array, y: Array, S: int, out_x: Array, out_y: Array
) -> None:
    """The family's own batch gradients of f, uncounted."""
    SAMPLED.get(type(data), EXACT).gradients_f(data, stream, x, y, S, out_x, out_y)


def sampled_grad_x_g(data: Any, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """The family's own batch gradient of g in x, uncounted."""
    SAMPLED.get(type(data), EXACT).grad_x_g(data, stream, x, y, S, out)


def sampled_grad_y_g(data: Any, stream: Any, x: Array, y: Array, S: int, out: Array) -> None:
    """The family's own batch gradient of g in y, uncounted."""
    SAMPLED.get(type(data), EXACT).grad_y_g(data, stream, x, y, S, out)


def sampled_jvp(data: Any, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """The family's own batch product (grad_x grad_y g) v, uncounted."""
    SAMPLED.get(type(data), EXACT).jvp(data, stream, x, y, v, S, out)


def sampled_hvp(data: Any, stream: Any, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """The family's own batch product (grad_yy g) v, uncounted."""
    SAMPLED.get(type(data), EXACT).hvp(data, stream, x, y, v, S, out)


def sampled_hold_hessian(data: Any, stream: Any, y: Array, S: int) -> Array:
    """The family's own batch of Hessians, to be used more than once."""
    return SAMPLED.get(type(data), EXACT).hold_hessian(data, stream, y, S)


def sampled_held_hvp(data: Any, held: Array, x: Array, y: Array, v: Array, out: Array) -> None:
    """The family's own product with a held batch, uncounted."""
    SAMPLED.get(type(data), EXACT).held_hvp(data, held, x, y, v, out)


SAMPLED_CALLS: dict[str, Callable[..., Any]] = {
    "gradients_f": sampled_gradients_f,
    "grad_x_g": sampled_grad_x_g,
    "grad_y_g": sampled_grad_y_g,
    "jvp": sampled_jvp,
    "hvp": sampled_hvp,
    "hold_hessian": sampled_hold_hessian,
    "held_hvp": sampled_held_hvp,
}


def batch_gradients_f_into(
    oracle: Oracle, x: Array, y: Array, S: int, out_x: Array, out_y: Array
) -> None:
    """Counted gradients of f in x and y over one batch of S, written into out_x and out_y."""
    count(oracle, GRAD_X_F, S)
    count(oracle, GRAD_Y_F, S)
    sampled_gradients_f(oracle.data, stream_of(oracle, GRAD_Y_F), x, y, S, out_x, out_y)


def batch_grad_x_g_into(oracle: Oracle, x: Array, y: Array, S: int, out: Array) -> None:
    """Counted gradient of g in x over a batch of S, written into out (like x)."""
    count(oracle, GRAD_X_G, S)
    sampled_grad_x_g(oracle.data, stream_of(oracle, GRAD_X_G), x, y, S, out)


def batch_grad_y_g_into(oracle: Oracle, x: Array, y: Array, S: int, out: Array) -> None:
    """Counted gradient of g in y over a batch of S, written into out (like y)."""
    count(oracle, GRAD_Y_G, S)
    sampled_grad_y_g(oracle.data, stream_of(oracle, GRAD_Y_G), x, y, S, out)


def batch_jvp_into(oracle: Oracle, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """Counted product (grad_x grad_y g) v over a batch of S, written into out (like x)."""
    count(oracle, JVP, S)
    sampled_jvp(oracle.data, stream_of(oracle, JVP), x, y, v, S, out)


def batch_hvp_into(oracle: Oracle, x: Array, y: Array, v: Array, S: int, out: Array) -> None:
    """Counted product (grad_yy g) v over a batch of S, written into out (like y)."""
    count(oracle, HVP, S)
    sampled_hvp(oracle.data, stream_of(oracle, HVP), x, y, v, S, out)


def hold_hessian(oracle: Oracle, y: Array, S: int) -> Array:
    """One batch of S Hessians for several products; drawing it costs nothing by itself."""
    return sampled_hold_hessian(oracle.data, stream_of(oracle, HVP), y, S)


def held_hvp_into(
    oracle: Oracle, held: Array, S: int, x: Array, y: Array, v: Array, out: Array
) -> None:
    """Counted product (grad_yy g) v with a held batch of S, written into out (like y)."""
    count(oracle, HVP, S)
    sampled_held_hvp(oracle.data, held, x, y, v, out)


def open_streams(data: Any, generators: tuple[np.random.Generator, ...]) -> tuple[Any, ...]:
    """The streams of a run on this data, from one generator a slot and one for choices."""
    family = SAMPLED.get(type(data), EXACT)
    *slots, choices = generators
    return (*(family.open_stream(data, i, one) for i, one in enumerate(slots)), choices)


def sampled_functions(data: Any) -> list[Callable[..., Any]]:
    """The functions of batches of the data's family, and of those that it wraps."""
    wrapped = [value for value in data if type(value) in FAMILIES]
    inner = (part for value in wrapped for part in sampled_functions(value))
    return [*SAMPLED.get(type(data), EXACT), *inner]
