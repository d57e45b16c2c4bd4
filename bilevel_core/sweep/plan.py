"""What a sweep has to compute, given what its directory holds already."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.errors import InputError
from bilevel_core.sweep import store
from bilevel_core.sweep.keys import key, to_json

if TYPE_CHECKING:
    from bilevel_core.record import RunConfig, RunRecord

# Predicted work of starting a run, in inner steps.
OVERHEAD = 1e4


class Plan(NamedTuple):
    """What to compute, in order, and what is there already.

    work: predicted work of each pending run, by key; kept: numbers of stored runs by status; notes:
    why stored runs are computed again.
    """

    pending: list[RunConfig]
    work: dict[str, float]
    kept: Counter[str]
    notes: list[str]


def make(directory: Path, configs: list[RunConfig]) -> Plan:
    """Split the runs into those that the directory holds intact and current, and the rest.

    A stored run that failed is computed again: what made it fail may have been put right.
    """
    pending: list[RunConfig] = []
    kept: Counter[str] = Counter()
    notes: list[str] = []
    outdated: Counter[str] = Counter()
    is_current = code_check()
    for config in configs:
        path = store.path_of(directory, key(config))
        found = store.read(path) if path.exists() else None
        if found is None:
            pending.append(config)
        elif isinstance(found, store.Damaged):
            pending.append(config)
            notes.append(f"computing again {found}")
        elif found.status == "failed" or not is_current(found):
            pending.append(config)
            why = "they failed" if found.status == "failed" else "their code has changed since"
            outdated[f"of {config.solver} on {config.problem}: {why}"] += 1
        else:
            kept[found.status] += 1
    notes += (f"computing again {runs} runs {why}" for why, runs in outdated.items())
    return Plan(*in_order(pending), kept, notes)


def code_check() -> Callable[[RunRecord], bool]:
    """A function that says whether today's code would compute a record.

    It says no where a plug-in is missing. Each pair of solver and family is looked at once.
    """
    from bilevel_core.run import code_fingerprint

    known: dict[tuple[str, str, str], str] = {}

    def is_current(record: RunRecord) -> bool:
        code = _code(record.config)
        if code not in known:
            try:
                known[code] = code_fingerprint(record.config)
            except InputError:
                known[code] = "unavailable"
        return record.code == known[code]

    return is_current


def in_order(configs: list[RunConfig]) -> tuple[list[RunConfig], dict[str, float]]:
    """The least run of each solver on each family, then most work first; and the work by key.

    The first ones compile: two workers then compile two things, and not the same one twice. Their
    work is 0, because compiling says nothing about the time that the rest will take. The long runs
    come next, so that no worker is left alone with one at the end.
    """
    by_work = sorted(configs, key=predicted_work, reverse=True)
    compiling = set({_code(config): key(config) for config in by_work}.values())
    work = {key(c): 0.0 if key(c) in compiling else predicted_work(c) for c in by_work}
    return sorted(by_work, key=lambda config: key(config) not in compiling), work


def predicted_work(config: RunConfig) -> float:
    """A rough relative cost, for order and remaining time: inner steps times outer steps.

    Theory has K of order kappa^3 / eps outer steps of order kappa inner steps each.
    """
    outer = min(config.kappa**3 / min(config.eps), float(config.max_outer))
    return OVERHEAD + config.kappa * outer


def _code(config: RunConfig) -> tuple[str, str, str]:
    """What decides the code that a run executes."""
    return config.solver, config.problem, to_json(config.options)
