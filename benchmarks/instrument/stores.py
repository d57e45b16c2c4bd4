"""Growth of what is done with a store: listing, planning a resumed sweep, reading, fitting.

The store holds variants of one real run: other kappa, instances and options, counts that grow as
kappa^3, and keys and checksums that are right.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import bilevel_core as bl
import problems
from benchmarks.instrument.panels import Panel, Series, best_seconds
from bilevel_core.cli.fits import fit_all
from bilevel_core.record import RunConfig, RunRecord
from bilevel_core.report.groups import QUANTITIES
from bilevel_core.sweep import plan, store
from bilevel_core.sweep.feasibility import Cell
from bilevel_core.sweep.forecast import forecaster
from bilevel_core.sweep.frames import to_frame
from bilevel_core.sweep.keys import key
from bilevel_core.sweep.run_file import text_of

if TYPE_CHECKING:
    import pandas as pd

KAPPAS = tuple(4.0 * 2.0 ** (i / 2) for i in range(10))
INSTANCES = 20
EPS = (0.1, 0.03, 0.01)
EXPONENT, JITTER = 3.0, 0.05
"""Of the counts in kappa, and the relative spread between instances."""

LEVELS = (100, 300, 1000, 3000, 10_000, 30_000, 100_000)
STARTED = 1000
"""From this number of files on, what is done once is little beside what is done to each."""
MANY_INSTANCES = (10, 30, 100, 300, 1000, 3000)
MANY = 100
"""The same of instances in one fit."""


def original() -> RunRecord:
    """The run that all others are variants of."""
    return bl.run(problems.make("hard", kappa=KAPPAS[0]), "aid_bio", EPS, "sharp")


def cells(config: RunConfig, runs: int) -> list[Cell]:
    """Cells of so many runs: every kappa with the same instances, then again with other options."""
    every = ((group, kappa) for group in itertools.count() for kappa in KAPPAS)
    wanted = itertools.islice(every, math.ceil(runs / INSTANCES))
    return [_cell(config, kappa, {"tail": 4.0 + group}, INSTANCES) for group, kappa in wanted]


def _cell(config: RunConfig, kappa: float, options: dict[str, float], instances: int) -> Cell:
    own = dataclasses.replace(config, kappa=kappa, options={**config.options, **options})
    return Cell(tuple(dataclasses.replace(own, seed=seed) for seed in range(instances)), None)


def variant(record: RunRecord, config: RunConfig) -> RunRecord:
    """The record as if of another configuration."""
    jitter = JITTER * math.sin(config.seed * config.kappa)
    factor = (config.kappa / record.config.kappa) ** EXPONENT * math.exp(jitter)
    return dataclasses.replace(
        record, config=config, hits=[_scaled(hit, factor) for hit in record.hits]
    )


def _scaled(hit: dict[str, Any], factor: float) -> dict[str, Any]:
    ledgers = {
        ledger: {slot: round(count * factor) for slot, count in hit[ledger].items()}
        for ledger in ("calls", "samples")
    }
    return hit | {"outer": max(1, round(hit["outer"] * factor))} | ledgers


def fill(directory: Path, records: Iterable[RunRecord]) -> None:
    """Write run files as a sweep does, but for waiting until the disk has them."""
    for record in records:
        path = store.path_of(directory, key(record.config))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text_of(record), encoding="utf-8")


def resume(directory: Path, asked: Sequence[Cell]) -> plan.Plan:
    """Plan a sweep whose runs are all stored.

    Raises:
        RuntimeError: some are not, so that this is no measurement of resuming.
    """
    found = plan.make(directory, asked, forecaster())
    if found.pending:
        raise RuntimeError(f"{len(found.pending)} runs of {directory} do not stand: {found.notes}")
    return found


def average_rows(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows of the criterion that fits are about first."""
    return frame[frame["criterion"] == "average"]


def in_files(levels: Sequence[int] = LEVELS) -> list[Panel]:
    """Seconds to list, to resume, to read and to fit a store, against the number of its runs."""
    record = original()
    seconds: dict[str, list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory(prefix="bilevel-growth-") as name:
        directory = Path(name)
        written = 0
        for level in levels:
            asked = cells(record.config, level)
            configs = [config for cell in asked for config in cell.configs]
            fill(directory, (variant(record, config) for config in configs[written:]))
            if not written:
                list(_seconds(directory, asked))  # loads libraries
            written = len(configs)
            for what, spent in _seconds(directory, asked):
                seconds.setdefault(what, []).append((float(written), spent))

    def panel(title: str, note: str, *series: str) -> Panel:
        lines = [Series(what, seconds[what], STARTED) for what in series]
        return Panel(title, "run files", "seconds", note, lines)

    return [
        panel("Find what is stored", "resume: plan a sweep that has all of it", "list", "resume"),
        panel("Read into a frame", f"{2 * len(EPS)} rows a run", "read"),
        panel("Fit", f"five counts a group of {len(KAPPAS) * INSTANCES} runs", "fit"),
    ]


def _seconds(directory: Path, asked: Sequence[Cell]) -> Iterator[tuple[str, float]]:
    yield "list", best_seconds(lambda: store.paths(directory))
    yield "resume", best_seconds(lambda: resume(directory, asked))
    yield "read", best_seconds(lambda: store.frame(directory))
    rows = average_rows(store.frame(directory))
    yield "fit", best_seconds(lambda: fit_all(rows, QUANTITIES, "auto"))


def in_instances(levels: Sequence[int] = MANY_INSTANCES) -> list[Panel]:
    """Seconds to fit one group of many instances, against their number."""
    record = original()
    points = []
    for level in levels:
        group = [_cell(record.config, kappa, {}, level) for kappa in KAPPAS]
        configs = [config for cell in group for config in cell.configs]
        rows = average_rows(
            to_frame([row for config in configs for row in variant(record, config).rows()])
        )
        points.append((float(level), best_seconds(lambda: fit_all(rows, QUANTITIES, "auto"))))  # noqa: B023
    note = f"five counts of one group: {len(KAPPAS)} κ, {len(EPS)} ε"
    return [
        Panel("Fit many instances", "instances", "seconds", note, [Series("fit", points, MANY)])
    ]
