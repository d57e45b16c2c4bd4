"""What an engine hands back after a number of outer steps."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import numpy as np


class Chunk(NamedTuple):
    """n consecutive outer steps of B instances."""

    squared: np.ndarray  # (n, B): ||grad Phi(x)||^2 at the iterate before each step
    ledgers: np.ndarray  # (n + 1, B, 2, slots): the ledger before the first step and after each
    moved: np.ndarray  # (B,): whether x changed at all


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

    def advance(self, n: int) -> Chunk:
        """Run up to n outer steps, fewer only where every instance has left the finite numbers."""
        ...
