"""Random numbers drawn where the batch is: all instances at once, and no copy from the host.

One torch Generator for each kind of oracle call and one for the solver's choices serves the whole
batch.  Its seed is made from the kind and from the noise seeds and instances of the whole batch:
the same batch draws the same numbers, whatever the chunks, but others than from NumPy's streams,
and others in other company.  Counts therefore differ from the CPU's by the draw, not in law.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from bilevel_core.problem import Problem
from bilevel_core.sampled import open_streams
from bilevel_core.streams import Shuffled, open_generators


class Draws(NamedTuple):
    """Numbers and samples with replacement, from one generator for all instances."""

    generator: torch.Generator

    def serving(self, active: torch.Tensor) -> Draws:
        """Itself: draws that nobody uses leave the law of the others alone."""
        return self

    def normals(self, like: torch.Tensor) -> torch.Tensor:
        """Standard normal numbers like (n, B) or (B,)."""
        return torch.randn(
            like.shape, dtype=like.dtype, device=like.device, generator=self.generator
        )

    def whole(self, n: int, like: torch.Tensor) -> torch.Tensor:
        """Whole numbers drawn uniformly from 0..n-1, as floats like (B,)."""
        return (n * _uniform(like, self.generator)).floor()

    def shares(self, S: int, like: torch.Tensor) -> torch.Tensor:
        """Shares of S draws with replacement, like (n, B): counts are multinomial."""
        n = like.shape[0]
        if n > S:
            # Adding one and the same number has one result, whatever the order on a device.
            drawn = torch.randint(
                n, (S, *like.shape[1:]), device=like.device, generator=self.generator
            )
            return _with_samples(torch.zeros_like(like), drawn, S)
        counts = torch.empty_like(like)
        left = torch.full_like(like[0], S)
        for i in range(n - 1):
            chance = torch.full_like(left, 1.0 / (n - i))
            counts[i] = torch.binomial(left, chance, generator=self.generator)
            left = left - counts[i]
        counts[n - 1] = left
        return counts / S


class Pools(NamedTuple):
    """A pool of n samples for each instance, drawn without replacement in shuffled epochs."""

    generator: torch.Generator
    order: torch.Tensor  # int64, (n, B)
    position: torch.Tensor  # int64, (B,): how many of `order` this epoch has used
    active: torch.Tensor | None  # (B,) of bool; None for all

    def serving(self, active: torch.Tensor) -> Pools:
        """The same pools, of which those in active (B,) are drawn from."""
        return self._replace(active=active)

    def shares(self, S: int, like: torch.Tensor) -> torch.Tensor:
        """Shares of S draws, like (n, B): S // n whole passes, the rest from the running epoch."""
        n = self.order.shape[0]
        out = torch.full_like(like, float(S // n) / S)
        rest = S % n
        if rest == 0:
            return out
        # Fewer than n are drawn, so that they come from this epoch and at most one more.
        fresh = _uniform(like, self.generator).argsort(0)
        index = self.position + torch.arange(rest, device=like.device)[:, None]
        of_this = self.order.gather(0, index.clamp(max=n - 1))
        of_next = fresh.gather(0, (index - n).clamp(min=0))
        self._move(rest, fresh)
        return _with_samples(out, torch.where(index < n, of_this, of_next), S)

    def _move(self, drawn: int, fresh: torch.Tensor) -> None:
        n = self.order.shape[0]
        position = self.position + drawn
        over = position > n
        position = position - n * over
        if self.active is not None:
            over = over & self.active
            position = torch.where(self.active, position, self.position)
        self.order.copy_(torch.where(over, fresh, self.order))
        self.position.copy_(position)


def _uniform(like: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(like.shape, dtype=like.dtype, device=like.device, generator=generator)


def _with_samples(shares: torch.Tensor, drawn: torch.Tensor, S: int) -> torch.Tensor:
    """Add the share of one sample of S, 1/S, for each index in drawn (m, B) to shares (n, B)."""
    return shares.scatter_add_(0, drawn, torch.full_like(drawn, 1.0 / S, dtype=shares.dtype))


def open_on_device(
    problems: Sequence[Problem], noise_seeds: Sequence[int], device: torch.device
) -> tuple[Any, ...]:
    """The streams of a batch on its device, kind by kind: `Draws`, or `Pools` of shuffled epochs.

    noise_seeds: one a problem.
    """
    pairs = [(seed, problem.seed) for seed, problem in zip(noise_seeds, problems, strict=True)]
    whole_batch = int.from_bytes(hashlib.sha256(repr(pairs).encode()).digest())
    # What a family draws from, and from how many samples, is what its streams on the host say.
    kinds = open_streams(problems[0].data, open_generators(*pairs[0]))
    return tuple(
        _on_device(stream, _generator([whole_batch, kind], device), len(problems))
        for kind, stream in enumerate(kinds)
    )


def _generator(entropy: list[int], device: torch.device) -> torch.Generator:
    seed = int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0])
    generator = torch.Generator(device)
    generator.manual_seed(seed)
    return generator


def _on_device(stream: Any, generator: torch.Generator, batch: int) -> Draws | Pools:
    if not isinstance(stream, Shuffled):
        return Draws(generator)
    n = len(stream.order)
    order = torch.arange(n, device=generator.device)[:, None].repeat(1, batch)
    position = torch.full((batch,), n, dtype=torch.int64, device=generator.device)
    return Pools(generator, order, position, None)
