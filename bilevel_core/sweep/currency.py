"""Whether stored runs are of today's code, found out without running what the store names.

A store is data, and may come from anybody.  Comparing a run with today's code looks its solver and
its family up and makes its instance: that is done only for names that are registered already, and
for instances that are not large.  The rest is "not compared", unless whoever reads says that the
plug-ins may be loaded.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from bilevel_core.errors import InputError
from bilevel_core.sweep.stock import code_check

if TYPE_CHECKING:
    from bilevel_core.record import RunConfig, RunRecord

USUAL = 16.0
"""An option up to here, or up to its default where that is more, is not large."""
LARGEST_GROWTH = 64.0
"""How many times that all options together may be: dim = 1024, or 64 times the samples."""
LARGEST_KAPPA = 1e6
"""Where nothing else does, kappa sets a family's dimension, as 4 sqrt(kappa) at most."""


class Currency(StrEnum):
    """What a comparison of a record with today's code came to."""

    CURRENT = "current"
    OUTDATED = "outdated"
    NOT_COMPARED = "not compared"


def currency_check(load_plugins: bool = False) -> Callable[[RunRecord], Currency]:
    """A function that compares records with today's code.

    load_plugins: import what records name, and make instances of any size, too.
    """
    is_current = code_check()
    may_look = (lambda config: True) if load_plugins else _harmless()

    def compare(record: RunRecord) -> Currency:
        if not may_look(record.config):
            return Currency.NOT_COMPARED
        try:
            return Currency.CURRENT if is_current(record) else Currency.OUTDATED
        except (InputError, OSError, MemoryError):
            return Currency.OUTDATED

    return compare


def notes(found: Iterable[Currency]) -> list[str]:
    """What is to be said of the runs of a store, each a line; empty where all are current."""
    judged = list(found)
    outdated = judged.count(Currency.OUTDATED)
    left = judged.count(Currency.NOT_COMPARED)
    lines = []
    if outdated:
        lines.append(
            f"{outdated} runs were computed by other code than today's; their sweep redoes them"
        )
    if left:
        lines.append(
            f"{left} runs name plug-ins or large instances and were not compared with today's "
            "code; --load-plugins does"
        )
    return lines


def _harmless() -> Callable[[RunConfig], bool]:
    """A function that says whether a configuration can be looked at safely and soon."""
    import problems
    from bilevel_core import solvers

    families, methods = frozenset(problems.names()), frozenset(solvers.names())

    def is_harmless(config: RunConfig) -> bool:
        if config.problem not in families or config.solver not in methods:
            return False
        defaults = {
            name: each.default for name, each in problems.parameters(config.problem).items()
        }
        growth = [_growth(value, defaults.get(name)) for name, value in config.options.items()]
        return math.prod(growth) <= LARGEST_GROWTH and config.kappa <= LARGEST_KAPPA

    return is_harmless


def _growth(value: Any, default: Any) -> float:
    """How many times larger than usual an option is, at least 1; of words 1."""
    if not isinstance(value, int | float):
        return 1.0 if isinstance(value, str | None) else math.inf
    usual = max(USUAL, float(default)) if isinstance(default, int | float) else USUAL
    return max(1.0, abs(value) / usual)
