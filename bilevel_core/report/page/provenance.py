"""How the runs of a store were made: versions and machines, code, engines, seeds, budgets."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import NamedTuple

from bilevel_core.report.page.inventory import Inventory, Run
from bilevel_core.report.page.misses import heading
from bilevel_core.report.style import short
from bilevel_core.sweep.currency import Currency

MACHINE = ("system", "machine", "cores", "cpu", "gpu", "python")
"""What stands first of an environment; the versions of libraries follow."""


class Machine(NamedTuple):
    """runs: how many were made in this environment; told: names and values."""

    runs: int
    told: tuple[tuple[str, str], ...]


class Configuration(NamedTuple):
    """All runs under one heading by one solver; each field a list in words."""

    heading: str
    solver: str
    runs: int
    criteria: str
    engines: str
    seeds: str
    noise_seeds: str
    limits: str
    codes: str
    outdated: int
    not_compared: int


def machines(inventory: Inventory) -> list[Machine]:
    """Distinct environments, the most used first."""
    used = Counter(run.machine for run in inventory.runs)
    return [
        Machine(number, tuple(sorted(inventory.machines[place].items(), key=_order)))
        for place, number in sorted(used.items(), key=lambda item: (-item[1], item[0]))
    ]


def configurations(runs: Iterable[Run]) -> list[Configuration]:
    """In the order of headings, then of names."""
    found: dict[tuple[str, str], list[Run]] = {}
    for run in runs:
        found.setdefault((heading(run.config), run.config.solver), []).append(run)
    return [_configuration(*place, found[place]) for place in sorted(found)]


def _configuration(title: str, solver: str, runs: list[Run]) -> Configuration:
    def distinct(of: Callable[[Run], str]) -> str:
        return ", ".join(sorted({of(run) for run in runs} - {""}))

    repeated = sorted({seed for run in runs for seed in run.config.noise_seeds})
    return Configuration(
        title,
        solver,
        len(runs),
        distinct(lambda run: run.config.criterion),
        distinct(lambda run: f"{run.config.engine} on {run.config.device}"),
        spans(sorted({run.config.seed for run in runs})),
        spans(repeated) or "none drawn",
        distinct(_limits),
        distinct(lambda run: run.code[:12]),
        sum(run.currency is Currency.OUTDATED for run in runs),
        sum(run.currency is Currency.NOT_COMPARED for run in runs),
    )


def spans(numbers: Iterable[int]) -> str:
    """Ascending integers in few characters, as in "0 to 4, 7"."""
    parts: list[list[int]] = []
    for number in numbers:
        if parts and number == parts[-1][-1] + 1:
            parts[-1].append(number)
        else:
            parts.append([number])
    return ", ".join(
        f"{part[0]} to {part[-1]}" if len(part) > 2 else ", ".join(map(str, part)) for part in parts
    )


def _limits(run: Run) -> str:
    seconds = run.config.max_seconds
    return f"K ≤ {short(run.config.max_outer)}" + ("" if seconds is None else f", {seconds:g} s")


def _order(item: tuple[str, str]) -> tuple[int, str]:
    name = item[0]
    return (MACHINE.index(name) if name in MACHINE else len(MACHINE)), name
