"""What a run may spend, in one of three currencies, and when it is looked at.

Samples are *per-sample oracle calls*: an exact call of a finite sum costs as many as the sum has
terms, a batch of S costs S, so that full-batch and stochastic methods share an axis.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from bilevel_core.errors import InputError, unknown_name
from bilevel_core.oracle import CALLS, SAMPLES, SLOTS

KINDS = ("samples", "calls", "seconds")
NEVER = int(np.iinfo(np.int64).max)
"""An amount, or a number of outer steps, that no run reaches."""


class Budget(NamedTuple):
    """A run ends with the first outer step that reaches `amount`, or with step `max_outer`.

    The latter is for methods whose steps are so small that the budget would buy millions of them;
    a run that it ends is censored.
    """

    kind: str  # one of KINDS
    amount: float
    max_outer: int | None = None

    def share(self, part: float) -> Budget:
        """That part of the budget, both limits alike."""
        outer = None if self.max_outer is None else max(1, round(part * self.max_outer))
        amount = part * self.amount
        whole = amount if self.kind == "seconds" else float(max(1, round(amount)))
        return Budget(self.kind, whole, outer)


def check(budget: Budget) -> None:
    """Check a budget.

    Raises:
        InputError: no such kind, or a limit that is not positive.
    """
    if budget.kind not in KINDS:
        raise unknown_name("budget", budget.kind, KINDS)
    if not 0 < budget.amount < math.inf:
        raise InputError(f"amount: expected a finite number > 0, got {budget.amount!r}")
    if budget.max_outer is not None and budget.max_outer < 1:
        raise InputError(f"max_outer: expected an integer >= 1, got {budget.max_outer!r}")


def sizes(samples_of: Mapping[str, int]) -> np.ndarray:
    """Samples that one exact call costs, int64 (slots,).

    Raises:
        InputError: no such slot.
    """
    for name in samples_of:
        if name not in SLOTS:
            raise unknown_name("slot of the ledger", name, SLOTS)
    return np.array([samples_of.get(name, 1) for name in SLOTS], np.int64)


def samples(ledger: np.ndarray, size: np.ndarray, is_random: bool) -> np.ndarray:
    """Per-sample oracle calls by slot, int64 (slots,).

    A solver that draws batches is charged what it drew; the calls of any other are exact.
    """
    return ledger[SAMPLES].copy() if is_random else ledger[CALLS] * size


def prices(kind: str, size: np.ndarray, is_random: bool) -> np.ndarray:
    """Prices (2, slots) at which a ledger is worth what it has spent of a budget of this kind."""
    found = np.zeros((2, len(SLOTS)), np.int64)
    if kind == "calls":
        found[CALLS] = 1
    elif kind == "samples" and is_random:
        found[SAMPLES] = 1
    elif kind == "samples":
        found[CALLS] = size
    return found


class Target(NamedTuple):
    """Where a run is looked at: after the first outer step that reaches one of the two."""

    amount: float  # of the budget
    outer: int  # outer steps


def targets(budget: Budget, points: int) -> list[Target]:
    """Where a run is looked at after its start: `points` times, evenly, and last at its end."""
    shares = [*(i / points for i in range(1, points)), 1.0]
    last = budget.max_outer
    return [
        Target(budget.amount * share, NEVER if last is None else math.ceil(last * share))
        for share in shares
    ]
