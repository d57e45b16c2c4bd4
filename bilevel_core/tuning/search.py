"""Successive halving towards the cheapest candidate, then a local search around it.

Nothing here knows of solvers: a candidate is any hashable value, and `evaluate(candidate, budget)`
tries it, spending at most about `budget` on an instance.  What counts is its dearest instance: a
mean would let luck on one make up for another, and would know only after the last that a candidate
is too dear.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Hashable, Sequence
from typing import NamedTuple

FEWEST = 3
"""Candidates that a rung keeps at least."""
FIRST_FACTOR, LAST_FACTOR_OF_PAIRS, LAST_FACTOR = 2.0, 1.4, 1.05
"""By how much parameters are changed at first, and at last, before the local search ends."""


class Trial(NamedTuple):
    """What trying a candidate showed.

    costs: one for each instance where all reached the goal, else empty.  projected: where they did
    not, the cost at which it looks like being reached, infinite where it does not look like it.
    hopeless: no larger budget can help.
    """

    costs: tuple[float, ...]
    projected: float
    hopeless: bool = False
    reason: str = ""

    @property
    def cost(self) -> float:
        """That of the dearest instance, infinite where the goal was not reached on all."""
        return max(self.costs, default=math.inf)


class Scored(NamedTuple):
    """A candidate and its last trial."""

    candidate: Hashable
    trial: Trial


Evaluate = Callable[[Hashable, float], Trial]
Change = Callable[[Hashable, tuple[float, ...]], Hashable]


def order(scored: Scored) -> tuple[int, float]:
    """For sorting, best first: finished by cost, then the rest by projection, hopeless last."""
    trial = scored.trial
    if trial.costs:
        return 0, trial.cost
    return (2, 0.0) if trial.hopeless else (1, trial.projected)


def halve(
    candidates: Sequence[Hashable], evaluate: Evaluate, first: float, last: float, keep: float
) -> list[Scored]:
    """Race candidates under growing budgets until one finishes; all of them, best first.

    Each rung multiplies the budget, from `first` to `last`, by 1/keep.  What the goal will cost is
    not known beforehand, so that all but the hopeless stay until the leader looks like finishing
    two rungs later; from then on each rung keeps the share `keep`.  Once one has finished, nobody
    may spend more than the best of those did.
    """
    latest: dict[Hashable, Scored] = {}
    alive, budget = list(dict.fromkeys(candidates)), min(first, last)
    while True:
        for candidate in alive:
            lowest = min((s.trial.cost for s in latest.values()), default=math.inf)
            latest[candidate] = Scored(candidate, evaluate(candidate, min(budget, lowest)))
        scored = sorted(latest.values(), key=order)
        alive = _survivors(scored, len(alive), budget, keep)
        if not alive or scored[0].trial.costs or budget >= last:
            return scored
        budget = min(budget / keep, last)


def _survivors(scored: list[Scored], tried: int, budget: float, keep: float) -> list[Hashable]:
    """Who goes on, of all so far: one that was left behind comes back if the leaders get stuck."""
    hopeful = [s for s in scored if not s.trial.hopeless]
    is_near = bool(hopeful) and hopeful[0].trial.projected <= budget / keep**2
    share = max(FEWEST, math.ceil(keep * tried)) if is_near else len(hopeful)
    return [s.candidate for s in hopeful[:share]]


def refine(
    start: Scored, evaluate: Evaluate, change: Change, axes: int, trials: int
) -> list[Scored]:
    """A pattern search from a finished candidate by at most `trials` trials; all tried, best first.

    One parameter is multiplied or divided by a factor, again and again while that makes it cheaper;
    where no single one does, so are pairs, as long as the factor is large: a longer outer step may
    need more inner ones.  Then the factor's logarithm falls by sqrt(2).  `change(candidate,
    factors)` gives the neighbour, with a factor for each axis.
    """
    best, seen, factor = start, {start.candidate: start}, FIRST_FACTOR
    while factor > LAST_FACTOR and len(seen) <= trials:
        before = best
        for moved in (1, 2) if factor > LAST_FACTOR_OF_PAIRS else (1,):
            if best is not before:
                break
            for direction in _directions(axes, moved):
                factors = tuple(factor**sign for sign in direction)
                best = _follow(best, factors, evaluate, change, seen, trials)
        if best is before:
            factor **= math.sqrt(0.5)
    return sorted(seen.values(), key=order)


def _directions(axes: int, moved: int) -> list[tuple[int, ...]]:
    """Vectors of -1, 0 and 1 that move so many axes."""
    return [
        tuple(dict(zip(chosen, signs, strict=True)).get(axis, 0) for axis in range(axes))
        for chosen in itertools.combinations(range(axes), moved)
        for signs in itertools.product((1, -1), repeat=moved)
    ]


def _follow(
    best: Scored,
    factors: tuple[float, ...],
    evaluate: Evaluate,
    change: Change,
    seen: dict[Hashable, Scored],
    trials: int,
) -> Scored:
    """Where a move leads that is repeated as long as it helps; adds what it tries to `seen`."""
    while len(seen) <= trials:
        candidate = change(best.candidate, factors)
        if candidate in seen:
            break
        seen[candidate] = Scored(candidate, evaluate(candidate, best.trial.cost))
        if seen[candidate].trial.cost >= best.trial.cost:
            break
        best = seen[candidate]
    return best
