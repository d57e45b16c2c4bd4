"""What a directory holds of the runs that are asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.errors import InputError
from bilevel_core.fingerprint import is_known
from bilevel_core.sweep import store, tunings
from bilevel_core.sweep.keys import to_json

if TYPE_CHECKING:
    from bilevel_core.record import RunConfig, RunRecord

INFEASIBLE = "infeasible"
"""Status of a record that stands for a run which was too dear to make."""


class Found(NamedTuple):
    """What is stored under one key.

    status: of an intact record, else ""; stands: whether the run need not be made again; outdated:
    why a record of a run does not stand; damaged: what is wrong with the file.
    """

    status: str = ""
    stands: bool = False
    outdated: str = ""
    damaged: str = ""


NOTHING = Found()


class Stock(NamedTuple):
    """keys: of all run files, intact or not; find: what is stored under a key.

    Looking for what is not there opens no file, and each file is read once.
    """

    keys: frozenset[str]
    find: Callable[[str], Found]


def stock_of(directory: Path) -> Stock:
    """The stock of a directory, which need not exist.

    Raises:
        InputError: files cannot be written there; in `find`, not this one.
    """
    store.require_room(directory)
    is_current = code_check()
    there = {p.stem: p for p in store.paths(directory) if p.parent.name == p.stem[:2]}
    known: dict[str, Found] = {}

    def find(name: str) -> Found:
        if name not in there:
            return NOTHING
        if name not in known:
            store.refuse_directory(there[name])
            known[name] = _judge(store.read_summary(there[name]), is_current)
        return known[name]

    return Stock(frozenset(there), find)


def code_check() -> Callable[[RunRecord], bool]:
    """A function that says whether today's code would compute a record.

    It says no where a plug-in is missing.
    """
    code = fingerprints()

    def is_current(record: RunRecord) -> bool:
        is_same = is_known(record.code) and record.code == code(record.config)
        return is_same and tunings.is_current(record)

    return is_current


def fingerprints() -> Callable[[RunConfig], str]:
    """A function that gives the fingerprint of a run's code, "unavailable" without its plug-in.

    Each pair of solver and family is looked at once.
    """
    from bilevel_core.run import code_fingerprint

    known: dict[tuple[str, str, str], str] = {}

    def fingerprint(config: RunConfig) -> str:
        name = code_of(config)
        if name not in known:
            try:
                known[name] = code_fingerprint(config)
            except InputError:
                known[name] = "unavailable"
        return known[name]

    return fingerprint


def code_of(config: RunConfig) -> tuple[str, str, str]:
    """What decides the code that a run executes."""
    return config.solver, config.problem, to_json(config.options)


def _judge(found: RunRecord | store.Damaged, is_current: Callable[[RunRecord], bool]) -> Found:
    if isinstance(found, store.Damaged):
        return Found(damaged=str(found))
    if found.status == INFEASIBLE:
        return Found(found.status)
    if found.status == "failed":
        return Found(found.status, outdated="they failed")
    if not is_known(found.code):
        return Found(found.status, outdated=f"provenance {found.code}")
    if not is_current(found):
        return Found(found.status, outdated="their code has changed since")
    return Found(found.status, stands=True)
