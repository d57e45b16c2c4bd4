"""What a store holds, read once and one record at a time: rows, runs, and how each was made."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from bilevel_core.making import instances_kept
from bilevel_core.sweep import store
from bilevel_core.sweep.currency import Currency, currency_check

if TYPE_CHECKING:
    import pandas as pd

    from bilevel_core.record import RunConfig, RunRecord


class Missed(NamedTuple):
    """Levels of eps that one pass of a run did not reach, and why.

    predicted: oracle calls, of what was too dear to start; else None.
    """

    eps: tuple[float, ...]
    status: str
    reason: str
    predicted: float | None


class Run(NamedTuple):
    """One record without its counts and points.

    currency: what comparing it with today's code came to.
    machine: position in `Inventory.machines`.
    """

    config: RunConfig
    status: str
    seconds: float
    code: str
    currency: Currency
    machine: int
    missed: tuple[Missed, ...]


class Inventory(NamedTuple):
    """frame: as `store.frame`; machines: distinct environments of the runs; damaged: of the rest.

    Runs are in the order of their files' names.
    """

    frame: pd.DataFrame
    runs: tuple[Run, ...]
    machines: tuple[Mapping[str, str], ...]
    damaged: tuple[store.Damaged, ...]


def read(directory: Path, load_plugins: bool = False) -> Inventory:
    """Read all runs of a store.

    load_plugins: import what its runs name, to compare them with today's code.

    Raises:
        InputError: the directory does not exist, is not one, or holds no intact run.
    """
    compare = currency_check(load_plugins)
    damaged: list[store.Damaged] = []
    machines: dict[tuple[tuple[str, str], ...], int] = {}
    runs: list[Run] = []

    def note(record: RunRecord) -> None:
        told = tuple(sorted((str(k), str(v)) for k, v in record.environment.items()))
        runs.append(
            Run(
                record.config,
                record.status,
                record.seconds,
                record.code,
                compare(record),
                machines.setdefault(told, len(machines)),
                missed(record),
            )
        )

    with instances_kept():
        frame = store.frame(directory, damaged.append, note)
    return Inventory(frame, tuple(runs), tuple(dict(told) for told in machines), tuple(damaged))


def missed(record: RunRecord) -> tuple[Missed, ...]:
    """What a record did not reach by its own criterion; all of its eps where it has no pass."""
    wanted = record.config.criterion
    hit = {each["eps"] for each in record.hits if each["criterion"] == wanted}
    if not record.passes:
        left = tuple(eps for eps in record.config.eps if eps not in hit)
        return (Missed(left, record.status, record.reason, None),) if left else ()
    found = (_missed(each, hit) for each in record.passes)
    return tuple(each for each in found if each.eps)


def _missed(each: Mapping[str, Any], hit: set[float]) -> Missed:
    return Missed(
        tuple(eps for eps in each["eps"] if eps not in hit),
        str(each["status"]),
        str(each["reason"]),
        each.get("predicted_calls"),
    )
