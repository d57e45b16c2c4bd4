"""Tuned parameters: a budgeted, seeded search for the cheapest, checked on held-out instances.

`tune` makes the search of one eps and gives a `Tuning`; `tuning_key` names it by everything that
decides it, so that the runs of a sweep that differ in their instance alone share it.
"""

from bilevel_core.tuning.procedure import tune, tuning_key
from bilevel_core.tuning.result import Tuning
from bilevel_core.tuning.settings import Settings, settings_from

__all__ = ["Settings", "Tuning", "settings_from", "tune", "tuning_key"]
