"""Performance profiles and runtime distributions, from costs alone.

Performance profile (Dolan and More, Mathematical Programming 91, 2002): the share of targets that a
solver reaches at no more than tau times the cost of the best solver on that target.  Runtime
distribution (as in COCO, Hansen et al., 2021): the share of targets that it reaches within a
budget.  A target that was not reached costs infinity, so that neither curve need end at 1.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Steps(NamedTuple):
    """An increasing step function: `share[i]` from `at[i]` on, 0 before the first.

    at: (n,) strictly ascending, finite; share: (n,) in (0, 1].
    """

    at: Floats
    share: Floats

    @property
    def last(self) -> float:
        """The share that is reached in the end."""
        return float(self.share[-1]) if len(self.share) else 0.0

    def within(self, value: float) -> float:
        """The share at `value`."""
        place = int(np.searchsorted(self.at, value, side="right"))
        return float(self.share[place - 1]) if place else 0.0

    def quantile(self, share: float) -> float:
        """The smallest argument at which `share` is reached; infinity where it is not."""
        place = int(np.searchsorted(self.share, share - 1e-12))
        return float(self.at[place]) if place < len(self.at) else float("inf")


def ratios(costs: Floats) -> Floats:
    """Cost over that of the best solver on each target, (T, S), from costs of the same shape.

    costs: >= 0, infinity for a miss.  A miss stays infinity, also where every solver missed.  Where
    the best cost is 0, solvers at 0 have ratio 1 and all others infinity: the limit of adding the
    same small cost to each.
    """
    best = costs.min(axis=1, keepdims=True, initial=np.inf)
    reached = np.isfinite(costs)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where(costs == best, 1.0, costs / best)
    return np.where(reached, found, np.inf)


def shares(values: Floats) -> Steps:
    """The share of `values`, (T,), that is at most the argument; infinities are never reached."""
    reached = np.sort(values[np.isfinite(values)])
    at, first = np.unique(reached, return_index=True)
    counts = np.append(first[1:], len(reached))
    return Steps(at, counts / max(len(values), 1))


def thinned(steps: Steps, most: int) -> Steps:
    """The same curve in about `most` steps, nowhere higher and nowhere lower by over 1 / most."""
    if len(steps.at) <= most:
        return steps
    _, first = np.unique(np.floor(steps.share * most), return_index=True)
    kept = np.union1d(first, [len(steps.at) - 1])
    return Steps(steps.at[kept], steps.share[kept])


def is_free(costs: Floats) -> NDArray[np.bool_]:
    """Which solvers, (S,), reached something and paid nothing for it, from costs (T, S).

    A solver that never calls an oracle is no rival in it: every ratio to it would be infinite.
    """
    reached = np.isfinite(costs)
    return np.asarray(reached.any(axis=0) & ~(reached & (costs > 0)).any(axis=0))
