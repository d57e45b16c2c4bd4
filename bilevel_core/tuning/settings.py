"""What a search for parameters minimises, how far it may go, and on which instances.

In a sweep's file these are the flat keys of the table `tuning`:

    cost = "calls"            # or "samples", or "seconds", which no two machines agree on
    gc_f = 1.0                # weights of the four columns; gc_g, jv and hv likewise
    candidates = 32           # parameters drawn at random, beside those of the theorem
    keep = 0.34               # share of them that each rung of the halving keeps
    refinements = 32          # trials around the best one afterwards, for each parameter
    budget = 1e7              # most that one run on a tuning instance may cost
    seed = 0                  # of the random draws
    instances = 3             # tuned on the instances with seeds 1000, 1001, ...
    held_out = 5              # checked on the instances with seeds 2000, 2001, ...
    tolerance = 2.0           # how much dearer a held-out instance may be
    searches = 5              # made at most, each after a winner that failed the check
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from typing import Any

from bilevel_core import checking
from bilevel_core.errors import InputError, unknown_name
from bilevel_core.record import COLUMNS, LEDGERS

COSTS = (*LEDGERS, "seconds")
TUNING_SEEDS, HELD_OUT_SEEDS = 1000, 2000
"""First seeds of the instances tuned on and checked on; a sweep's own seeds start at 0."""
INTEGERS = {
    "candidates": (0, 100_000),
    "refinements": (0, 100_000),
    "seed": (0, 2**63 - 1),
    "instances": (1, HELD_OUT_SEEDS - TUNING_SEEDS),
    "held_out": (1, 1000),
    "searches": (1, 1000),
}
"""Ranges of the whole numbers."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """Validated settings of a search; see the module for their meaning.

    budget None: what max_outer outer steps of the dearest candidate cost; 10 where cost is seconds.

    Raises:
        InputError: a value is not allowed.
    """

    cost: str = "calls"
    gc_f: float = 1.0
    gc_g: float = 1.0
    jv: float = 1.0
    hv: float = 1.0
    candidates: int = 32
    keep: float = 0.34
    refinements: int = 32
    budget: float | None = None
    seed: int = 0
    instances: int = 3
    held_out: int = 5
    tolerance: float = 2.0
    searches: int = 5

    def __post_init__(self) -> None:
        object.__setattr__(self, "cost", checking.choice("tuning.cost", self.cost, COSTS))
        for name in COLUMNS:
            self._set_number(name, "a finite number >= 0", 0.0, math.inf)
        if not any(self.weights.values()):
            raise InputError(f"tuning: one of {', '.join(COLUMNS)} has to be > 0, got 0 for all")
        self._set_number("keep", "a number from 0.05 to 0.9", 0.05, 0.9)
        self._set_number("tolerance", "a finite number >= 1", 1.0, math.inf)
        if self.budget is not None:
            self._set_number("budget", "a finite number > 0", math.ulp(0.0), math.inf)
        for name, (least, most) in INTEGERS.items():
            self._set_integer(name, least, most)

    def _set_number(self, name: str, allowed: str, least: float, most: float) -> None:
        found = checking.number(
            f"tuning.{name}", getattr(self, name), allowed, lambda v: least <= v <= most
        )
        object.__setattr__(self, name, found)

    def _set_integer(self, name: str, least: int, most: int) -> None:
        found = checking.integer(f"tuning.{name}", getattr(self, name), least, most)
        object.__setattr__(self, name, found)

    @property
    def weights(self) -> dict[str, float]:
        """The weight of each column."""
        return {name: float(getattr(self, name)) for name in COLUMNS}

    @property
    def tuning_seeds(self) -> tuple[int, ...]:
        """Seeds of the instances that parameters are chosen on."""
        return tuple(range(TUNING_SEEDS, TUNING_SEEDS + self.instances))

    @property
    def held_out_seeds(self) -> tuple[int, ...]:
        """Seeds of the instances that a choice is checked on."""
        return tuple(range(HELD_OUT_SEEDS, HELD_OUT_SEEDS + self.held_out))

    def to_dict(self) -> dict[str, Any]:
        """JSON-ready and complete."""
        return dataclasses.asdict(self)


def settings_from(given: Mapping[str, Any], is_random: bool) -> Settings:
    """Settings from the keys of a table; `cost` is samples where nothing is said and draws are.

    Raises:
        InputError: a key is unknown, or a value is not allowed.
    """
    allowed = [field.name for field in dataclasses.fields(Settings)]
    given = checking.mapping("tuning", given)
    is_random = checking.truth("is_random", is_random)
    for name in given:
        if name not in allowed:
            raise unknown_name("tuning key", name, allowed)
    return Settings(**{"cost": "samples" if is_random else "calls", **given})
