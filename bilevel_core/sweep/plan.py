"""What a sweep has to compute, given what its directory holds already and what its budget allows.

A run that is stored intact and current stands, whatever a budget says of it now.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.sweep import store
from bilevel_core.sweep.feasibility import Cell, Division, Infeasible, divide, single
from bilevel_core.sweep.forecast import Forecaster
from bilevel_core.sweep.keys import key
from bilevel_core.sweep.progress import compact, duration
from bilevel_core.sweep.speed_model import here
from bilevel_core.sweep.stock import INFEASIBLE, Stock, code_check, code_of, stock_of

if TYPE_CHECKING:
    from bilevel_core.record import RunConfig

__all__ = ["Plan", "announcement", "code_check", "make"]


class Plan(NamedTuple):
    """What to compute, in order, and what is there already.

    seconds: predicted, of each pending run, by key; compiling: keys of those that compile first;
    kept: numbers of stored runs by status; infeasible: what is not run; stale: files about what
    once was infeasible; notes: why stored runs are computed again.
    """

    pending: list[RunConfig]
    seconds: dict[str, float]
    compiling: frozenset[str]
    kept: Counter[str]
    infeasible: list[Infeasible]
    stale: list[Path]
    notes: list[str]

    def work(self, config: RunConfig) -> float:
        """Seconds of a pending run that count towards progress: none while it compiles.

        Compiling says nothing about the time that the rest will take.
        """
        return 0.0 if key(config) in self.compiling else self.seconds[key(config)]

    def duration(self, jobs: int) -> float:
        """Predicted seconds of all pending runs in so many processes, compilation included."""
        compiled = {key(config) for config in self.pending if config.engine == "compiled"}
        together = sum(self.seconds.values()) + here().compilation * len(compiled & self.compiling)
        return max(together / jobs, max(self.seconds.values(), default=0.0))


def make(directory: Path, cells: Iterable[Cell], forecast: Forecaster) -> Plan:
    """Divide the cells into what the directory holds, what remains to be run, and the infeasible.

    A stored run that failed is computed again: what made it fail may have been put right.
    """
    stock = stock_of(directory)
    runs: dict[str, RunConfig] = {}
    refused: dict[str, Infeasible] = {}
    for cell in cells:
        division = _divide(cell, stock, forecast)
        runs |= {key(config): config for config in division.runs}
        refused |= {key(each.config): each for each in division.infeasible}
    runs |= {name: each.config for name, each in refused.items() if stock.find(name).stands}
    left = stock.keys - runs.keys()
    served = _singles(runs.values()) if left or refused else set()
    stale = (name for name in served & left if stock.find(name).status == INFEASIBLE)
    pending = {name: config for name, config in runs.items() if not stock.find(name).stands}
    return Plan(
        *_in_order(pending, forecast),
        Counter(stock.find(name).status for name in runs.keys() - pending.keys()),
        [each for name, each in refused.items() if name not in served],
        [store.path_of(directory, name) for name in sorted(stale)],
        _notes(pending, stock),
    )


def announcement(plan: Plan, jobs: int) -> str:
    """One line on what is about to happen; empty where nothing is."""
    parts = []
    if plan.pending:
        jobs = max(1, min(jobs, len(plan.pending)))
        parts.append(
            f"{_counted(len(plan.pending), 'run')} to make ({plan.kept.total()} stored), predicted "
            f"time about {duration(max(1.0, plan.duration(jobs)))} with "
            f"{_counted(jobs, 'process', 'processes')}"
        )
    if plan.infeasible:
        cells = {key(dataclasses.replace(each.config, seed=0)) for each in plan.infeasible}
        budgets = {each.budget for each in plan.infeasible}
        budget = f"the budget of {compact(*budgets)}" if len(budgets) == 1 else "their budgets"
        are = "is" if len(cells) == 1 else "are"
        parts.append(
            f"{_counted(len(cells), 'cell')} {are} infeasible (predicted calls above {budget})"
        )
    return "; ".join(parts)


def _in_order(
    pending: Mapping[str, RunConfig], forecast: Forecaster
) -> tuple[list[RunConfig], dict[str, float], frozenset[str]]:
    """The least run of each solver on each family, then the longest first.

    Gives predicted seconds by key, and the keys of the first ones, too. Those compile: two workers
    then compile two things, and not the same one twice. The long runs come next, so that no worker
    is left alone with one at the end.
    """
    seconds = {name: forecast(config).seconds for name, config in pending.items()}
    longest = sorted(pending, key=seconds.__getitem__, reverse=True)
    compiling = frozenset({code_of(pending[name]): name for name in longest}.values())
    first = sorted(longest, key=lambda name: name not in compiling)
    return [pending[name] for name in first], seconds, compiling


def _singles(configs: Iterable[RunConfig]) -> set[str]:
    """Under which keys the infeasible eps of these runs would be filed."""
    return {key(single(config, eps)) for config in configs for eps in config.eps}


def _divide(cell: Cell, stock: Stock, forecast: Forecaster) -> Division:
    """Divide what of a cell is not stored; without a budget it is stored as a whole or not."""
    if cell.budget is None:
        return Division(list(cell.configs), [])
    stored: list[RunConfig] = []
    missing: list[RunConfig] = []
    for config in cell.configs:
        found, left = _covered(config, stock)
        stored += found
        missing += [dataclasses.replace(config, eps=left)] if left else []
    rest = Cell(tuple(missing), cell.budget)
    division = divide(rest, lambda config: forecast(config).predictions)
    return Division(stored + division.runs, division.infeasible)


def _covered(config: RunConfig, stock: Stock) -> tuple[list[RunConfig], tuple[float, ...]]:
    """Stored runs that together measure the first eps of a run, and the eps that are left."""
    found: list[RunConfig] = []
    left = config.eps
    while left:
        parts = (dataclasses.replace(config, eps=left[:n]) for n in range(len(left), 0, -1))
        longest = next((part for part in parts if stock.find(key(part)).stands), None)
        if longest is None:
            break
        found.append(longest)
        left = left[len(longest.eps) :]
    return found, left


def _notes(pending: dict[str, RunConfig], stock: Stock) -> list[str]:
    found = {name: stock.find(name) for name in pending}
    damaged = [each.damaged for each in found.values() if each.damaged]
    outdated = Counter(
        f"of {config.solver} on {config.problem}: {found[name].outdated}"
        for name, config in pending.items()
        if found[name].outdated
    )
    return [
        *(f"computing again {line}" for line in damaged),
        *(f"computing again {runs} runs {why}" for why, runs in outdated.items()),
    ]


def _counted(number: int, noun: str, plural: str = "") -> str:
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
