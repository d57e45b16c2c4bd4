"""What an engine hands back after a number of outer steps."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

import numpy as np

LONGEST = 1000
"""Steps after which a batch is looked at even if more were asked for: a NaN goes on no longer."""
LARGEST = 2**28
"""Bytes that the iterates, norms and ledgers of a chunk may take, unless a single step is more."""


class Chunk(NamedTuple):
    """n consecutive outer steps of B instances."""

    squared: np.ndarray  # (n, B): ||grad Phi(x)||^2 at the iterate before each step
    ledgers: np.ndarray  # (n + 1, B, 2, slots): the ledger before the first step and after each
    moved: np.ndarray  # (B,): whether x changed at all
    unknown: Mapping[int, str] = MappingProxyType({})  # why the first NaN of an instance is there


def in_time(
    n: int,
    is_late: Callable[[], bool],
    spent: float,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator[int]:
    """0 .. n - 1, what to evaluate next, cut short where that is late.

    The first is always there, and so are those that take no longer than `spent`, the seconds of the
    steps before: those must not have been for nothing.
    """
    started = clock()
    for i in range(n):
        if i and is_late() and clock() - started > spent:
            return
        yield i


def never() -> bool:
    """A run without a limit of time is never late."""
    return False


def steps_in_chunk(p: int, batch: int, counts: int) -> int:
    """Most outer steps of a chunk with x (p, batch) and so many counts kept for each instance."""
    bytes_of_step = 8 * batch * (p + 1 + counts)
    return max(1, min(LONGEST, LARGEST // bytes_of_step))


def shared_by_all(ledger: np.ndarray, batch: int) -> np.ndarray:
    """The ledger (n + 1, 2, slots) of all instances as (n + 1, batch, 2, slots), not copied."""
    n, *counts = ledger.shape
    return np.broadcast_to(ledger[:, None], (n, batch, *counts))


def is_shared(ledgers: np.ndarray) -> bool:
    """Whether ledgers (n + 1, B, 2, slots) hold one ledger for all B."""
    return ledgers.shape[1] == 1 or ledgers.strides[1] == 0


class Session(Protocol):
    """A run in progress, on either engine."""

    batch: int

    @property
    def seconds(self) -> float:
        """Seconds spent in outer steps, without evaluation and compilation."""
        ...

    def iterate(self) -> np.ndarray:
        """The current x, (p, B)."""
        ...

    def advance(self, n: int, is_late: Callable[[], bool] = never) -> Chunk:
        """Run up to n outer steps, at least one.

        Fewer where every instance has left the finite numbers, where more would not fit into a
        chunk, or where `is_late`, asked between steps and evaluations, becomes true; what is then
        left out is lost, so that nobody may go on.
        """
        ...
