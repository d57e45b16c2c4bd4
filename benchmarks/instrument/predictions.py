"""Predicted over actual seconds of the cells of a sweep that one process made.

One process makes its runs one after the other, so that a run took from the time of the file before
its own to the time of its own.  Runs that compile, or load what is compiled, are left out.
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from bilevel_core.sweep import plan, store
from bilevel_core.sweep.feasibility import Cell
from bilevel_core.sweep.forecast import forecaster
from bilevel_core.sweep.keys import key

WITHIN = 2.0
"""The factor that predictions are held to."""


class Told(NamedTuple):
    """One cell: what it is, and its seconds, predicted and actual, all instances together."""

    cell: str
    predicted: float
    actual: float

    @property
    def ratio(self) -> float:
        """Predicted over actual."""
        return self.predicted / self.actual


def compare(directory: Path, cells: Sequence[Cell]) -> list[Told]:
    """Predicted and actual seconds of each cell, from a directory that one process has filled."""
    forecast = forecaster()
    todo = plan.make(directory / "nothing", cells, forecast)  # what a sweep plans in a new place
    took = seconds_between(directory)
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for config in todo.pending:
        name = key(config)
        if name in took and name not in todo.compiling:
            cell = f"{config.solver} on {config.problem}, {config.policy}, kappa {config.kappa:g}"
            sums[cell][0] += todo.seconds[name]
            sums[cell][1] += took[name]
    return [Told(cell, *both) for cell, both in sums.items()]


def seconds_between(directory: Path) -> Mapping[str, float]:
    """Seconds from each file to the one before it, by key; none of the first."""
    written = sorted((path.stat().st_mtime_ns, path.stem) for path in store.paths(directory))
    return {name: (end - start) / 1e9 for (start, _), (end, name) in pairwise(written)}


def summary(told: Sequence[Told]) -> dict[str, Any]:
    """Median ratio, share of cells within `WITHIN`, the worst cell, and all of them; JSON-ready.

    Raises:
        ValueError: no cell.
    """
    worst = max(told, key=lambda one: max(one.ratio, 1 / one.ratio))
    close = sum(1 / WITHIN <= one.ratio <= WITHIN for one in told)
    return {
        "cells": len(told),
        "median": statistics.median(one.ratio for one in told),
        f"share_within_{WITHIN:g}": close / len(told),
        "all_together": sum(one.predicted for one in told) / sum(one.actual for one in told),
        "worst": _plain(worst),
        "every": [_plain(one) for one in sorted(told, key=lambda one: one.ratio)],
    }


def _plain(one: Told) -> dict[str, Any]:
    return one._asdict() | {"ratio": one.ratio}
