"""The cells of a group with their mean counts: what pictures plot and data tables list."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bilevel_core.report.entries import Entry
from bilevel_core.report.groups import QUANTITIES, Group
from bilevel_core.report.points import points

if TYPE_CHECKING:
    import pandas as pd

Mean = tuple[float, float, float, float]
"""Geometric mean over instances, both ends of its 95 % interval, and the count of the fit."""


class Cell(NamedTuple):
    """One solver at one kappa and eps.

    status: the worst of its instances; means are NaN unless it is "ok"; predicted: oracle calls,
    where it was not run, else NaN; counts: a mean for each of `QUANTITIES`.
    """

    solver: str
    kappa: float
    eps: float
    status: str
    instances: int
    predicted: float
    counts: Mapping[str, Mean]

    def at(self, axis: str) -> float:
        """Its place along "kappa", or along 1/eps for "eps"."""
        return self.kappa if axis == "kappa" else 1 / self.eps

    def mean(self, quantity: str) -> Mean:
        """Mean, interval and fit of one of `QUANTITIES`."""
        return self.counts[quantity]


def cells(group: Group, found: Sequence[Entry]) -> list[Cell]:
    """All cells of a group, solvers in the order of the paper, kappa ascending, eps descending."""
    return [cell for solver in group.solvers for cell in _cells(group.of(solver), solver, found)]


def _cells(rows: pd.DataFrame, solver: str, found: Iterable[Entry]) -> list[Cell]:
    fits = {entry.quantity: entry.fit for entry in found if entry.solver == solver}
    tables = {name: points(rows, rows[name]) for name in QUANTITIES}
    first = tables[QUANTITIES[0]]
    calls = rows.groupby(["kappa", "eps"])["predicted_calls"].max()
    means: dict[str, list[Mean]] = {}
    for name, table in tables.items():
        fit = fits.get(name)
        fitted = (
            np.full(len(table), np.nan)
            if fit is None
            else fit.predict(table["kappa"], table["eps"])
        )
        columns = (table["mean"], table["low"], table["high"], fitted)
        means[name] = [
            (float(mean), float(low), float(high), float(curve))
            for mean, low, high, curve in zip(*columns, strict=True)
        ]
    return [
        Cell(
            solver,
            float(kappa),
            float(eps),
            str(status),
            int(instances),
            float(calls[kappa, eps]),
            {name: means[name][place] for name in QUANTITIES},
        )
        for place, (kappa, eps, status, instances) in enumerate(
            zip(first["kappa"], first["eps"], first["status"], first["instances"], strict=True)
        )
    ]
