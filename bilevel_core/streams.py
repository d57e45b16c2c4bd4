"""Random numbers of a run: one stream for each kind of oracle call, and one for a solver's choices.

A stream is a NumPy Generator (one instance), a `Shuffled` pool, or draws for a whole batch: with
`Columns`, one of these for each instance, the same seeds give the same numbers on both engines,
whatever the chunks and the number of workers.  On a device a batch draws from
`bilevel_core.engines.device_streams` instead, whose numbers have the same law, but are others.
Inside compiled code the functions here are replaced by the implementations in
`bilevel_core.engines.random_kernels`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, Protocol

import numpy as np

from bilevel_core.arrays import Array
from bilevel_core.oracle import SLOTS, Oracle

CHOICES = len(SLOTS)
"""The stream of a solver's own random choices, after one for each slot."""


class Shuffled(NamedTuple):
    """A pool of n samples drawn without replacement, shuffled anew after each epoch."""

    generator: np.random.Generator
    order: np.ndarray  # int64, (n,)
    position: np.ndarray  # int64, (1,): how many of `order` this epoch has used


def new_shuffled(generator: np.random.Generator, n: int) -> Shuffled:
    """A pool of n samples whose first epoch is about to be shuffled."""
    return Shuffled(generator, np.arange(n), np.array([n]))


def is_shuffled(stream: Any) -> bool:
    """Whether a stream, of one instance or of a batch, draws from shuffled epochs."""
    if isinstance(stream, Columns):
        return isinstance(stream.streams[0], Shuffled)
    return hasattr(stream, "order")


class Batched(Protocol):
    """Draws for all instances of a batch at once, each independent of the others."""

    def serving(self, active: Array) -> Batched:
        """The same for the instances in active (B,); what others get is not to be used."""
        ...

    def normals(self, like: Array) -> Array:
        """Standard normal numbers like (n, B) or (B,)."""
        ...

    def whole(self, n: int, like: Array) -> Array:
        """Whole numbers drawn uniformly from 0..n-1, as floats like (B,)."""
        ...

    def shares(self, S: int, like: Array) -> Array:
        """The shares of `draw_shares`, like (n, B)."""
        ...


class Columns(NamedTuple):
    """One stream for each instance of a batch; those outside `active` draw nothing and get 0."""

    streams: tuple[Any, ...]
    active: np.ndarray | None  # (B,) of bool; None for all

    def serving(self, active: Array) -> Columns:
        """The same streams, of which those in active (B,) draw."""
        return self._replace(active=np.asarray(active.cpu()))

    def normals(self, like: Array) -> Array:
        """Standard normal numbers like (n, B) or (B,)."""
        return self._drawn(lambda one: one.standard_normal(like.shape[:-1]), like)

    def whole(self, n: int, like: Array) -> Array:
        """Whole numbers drawn uniformly from 0..n-1, as floats like (B,)."""
        return self._drawn(lambda one: _whole(one, n), like)

    def shares(self, S: int, like: Array) -> Array:
        """The shares of `draw_shares`, like (n, B)."""
        return self._drawn(lambda one: _shares(one, S, like.shape[0]), like)

    def _drawn(self, draw: Callable[[Any], Any], like: Array) -> Array:
        values = np.zeros(tuple(like.shape))
        for b, stream in enumerate(self.streams):
            if self.active is None or self.active[b]:
                values[..., b] = draw(stream)
        return like.new_tensor(values)


def open_generators(noise_seed: int, seed: int) -> tuple[np.random.Generator, ...]:
    """Independent generators for the slots and for choices, of one repetition on one instance."""
    return tuple(
        np.random.Generator(np.random.PCG64([noise_seed, seed, kind]))
        for kind in range(CHOICES + 1)
    )


def in_columns(streams: Sequence[tuple[Any, ...]]) -> tuple[Columns, ...]:
    """The streams of B instances, kind by kind."""
    return tuple(Columns(tuple(kind), None) for kind in zip(*streams, strict=True))


def stream_of(oracle: Oracle, kind: int) -> Any:
    """The stream of a slot or of `CHOICES`; only instances that the oracle serves will draw.

    One instance has no columns: whatever still runs draws.
    """
    found = oracle.streams[kind]
    # One instance's own flag is a number; a batch has one for each.
    if oracle.active is None or np.ndim(oracle.active) == 0:
        return found
    return found.serving(oracle.active)


def add_normal(stream: Any, scale: Array, out: Array) -> None:
    """Add scale times independent standard normal numbers to out (n,) or (n, B), in place."""
    if out.ndim == 1:
        out += scale * stream.standard_normal(out.shape[0])
    else:
        out += scale * stream.normals(out)


def normal(stream: Any, like: Array) -> Array:
    """One standard normal number, or (B,) in the library of `like`."""
    if like.ndim == 1:
        return stream.standard_normal()
    return stream.normals(like[0])


def below(stream: Any, n: int, like: Array) -> Array:
    """A whole number drawn uniformly from 0..n-1, as a float, or (B,) in the library of `like`."""
    if like.ndim == 1:
        return _whole(stream, n)
    return stream.whole(n, like[0])


def _whole(generator: np.random.Generator, n: int) -> float:
    return float(int(n * generator.random()))


def draw_shares(stream: Any, S: int, out: Array) -> None:
    """Write into out (n,) or (n, B) the share of each of n samples in a batch of S, summing to 1.

    With replacement from a Generator: multinomial counts, one binomial number a sample where S is
    at least n.  Without from a `Shuffled` pool: whole epochs at once, the rest sample by sample.
    """
    if isinstance(stream, np.random.Generator | Shuffled):
        fill_shares(stream, S, out)
    else:
        out[:] = stream.shares(S, out)


def _shares(stream: Any, S: int, n: int) -> np.ndarray:
    out = np.empty(n)
    fill_shares(stream, S, out)
    return out


def fill_shares(stream: Any, S: int, out: np.ndarray) -> None:
    """`draw_shares` of one instance."""
    if isinstance(stream, Shuffled):
        shuffled_shares(stream, S, out)
    else:
        replaced_shares(stream, S, out)


def replaced_shares(generator: np.random.Generator, S: int, out: np.ndarray) -> None:
    """Shares of S draws with replacement: counts are multinomial."""
    n = out.shape[0]
    out[:] = 0.0
    if n > S:
        for _ in range(S):
            out[int(n * generator.random())] += 1.0 / S
        return
    left = S
    for i in range(n - 1):
        count = generator.binomial(left, 1.0 / (n - i))
        out[i] = count / S
        left -= count
    out[n - 1] = left / S


def shuffled_shares(pool: Shuffled, S: int, out: np.ndarray) -> None:
    """Shares without replacement: S // n whole passes, the rest from the running epoch."""
    n = out.shape[0]
    out[:] = float(S // n) / S
    for _ in range(S % n):
        if pool.position[0] == n:
            # Fisher and Yates, with the generator's uniform numbers, alike on both engines.
            for i in range(n - 1, 0, -1):
                j = int((i + 1) * pool.generator.random())
                pool.order[i], pool.order[j] = pool.order[j], pool.order[i]
            pool.position[0] = 0
        out[pool.order[pool.position[0]]] += 1.0 / S
        pool.position[0] += 1
