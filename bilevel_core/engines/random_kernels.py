"""Compiled implementations of `bilevel_core.streams` and of the batch oracles' dispatch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import types

from bilevel_core import sampled, streams
from bilevel_core.engines.kernels import implement

GENERATOR = types.NumPyRandomGeneratorType


@implement(streams.stream_of)
def _stream_of(oracle, kind):
    # One instance: whatever still runs draws.
    return lambda oracle, kind: oracle.streams[kind]


@implement(streams.add_normal)
def _add_normal(stream, scale, out):
    def add_normal(stream, scale, out):
        for i in range(out.shape[0]):
            out[i] += scale * stream.standard_normal()

    return add_normal


@implement(streams.normal)
def _normal(stream, like):
    return lambda stream, like: stream.standard_normal()


@implement(streams.below)
def _below(stream, n, like):
    return lambda stream, n, like: float(int(n * stream.random()))


@implement(streams.draw_shares)
def _draw_shares(stream, S, out):
    draw = streams.replaced_shares if isinstance(stream, GENERATOR) else streams.shuffled_shares
    return lambda stream, S, out: draw(stream, S, out)


def _by_family(call: Callable[..., Any], part: str) -> None:
    @implement(call, strict=False)
    def _find(data, *arguments):
        found = getattr(data, "instance_class", type(None))
        target = getattr(sampled.SAMPLED.get(found, sampled.EXACT), part)
        return lambda first, *others: target(first, *others)


for _part, _call in sampled.SAMPLED_CALLS.items():
    _by_family(_call, _part)
