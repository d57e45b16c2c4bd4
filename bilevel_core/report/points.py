"""What figures plot: one point for each cell, over its instances.

A cell with an instance that missed its eps has no mean: its point carries the status instead.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from bilevel_core.report.groups import Group

if TYPE_CHECKING:
    import pandas as pd

CONFIDENCE = 0.95

INFEASIBLE = "infeasible"
"""The status of a run that was not started, since its predicted calls exceed the budget."""

WORST_LAST = ("ok", INFEASIBLE, "censored", "diverged", "failed")


def points(rows: pd.DataFrame, values: pd.Series[float]) -> pd.DataFrame:
    """One line for each (kappa, eps), kappa ascending and eps descending.

    rows: of one solver; values: what is plotted, one for each row.  Columns kappa, eps, mean
    (geometric, over instances), low, high (its 95 % interval by Student's t on the logarithms, the
    mean itself for one instance or a value of 0), instances, status (the worst in the cell; mean,
    low and high are NaN unless it is "ok").
    """
    import pandas as pd

    table = rows.assign(value=values).groupby(["kappa", "eps"])
    lines = [
        (kappa, eps, *_summary(cell["value"].to_numpy(dtype=float), status), len(cell), status)
        for (kappa, eps), cell in table
        for status in [worst(cell["status"])]
    ]
    names = ["kappa", "eps", "mean", "low", "high", "instances", "status"]
    found = pd.DataFrame(lines, columns=names)
    return found.sort_values(["kappa", "eps"], ascending=[True, False], ignore_index=True)


def worst(statuses: pd.Series[str]) -> str:
    """The status that speaks for a cell: "ok" only when every instance is.

    A run that tried and missed says more than one that was not started.
    """
    order = {name: place for place, name in enumerate(WORST_LAST)}
    return str(max(statuses, key=lambda name: order.get(name, len(order))))


def statuses(rows: pd.DataFrame) -> pd.Series[str]:
    """The status of each (solver, kappa, eps), the worst in the cell."""
    return rows.groupby(["solver", "kappa", "eps"])["status"].agg(worst)


def predicted(rows: pd.DataFrame) -> tuple[float, float] | None:
    """Smallest and largest predicted number of calls of infeasible rows; None where none is."""
    calls = rows.loc[rows["status"] == INFEASIBLE, "predicted_calls"].dropna()
    return None if calls.empty else (float(calls.min()), float(calls.max()))


def held(rows: pd.DataFrame, axis: str) -> float:
    """The level at which the other axis is held when counts are drawn against `axis`.

    The hardest one (smallest eps, or largest kappa) at which at least half of the cells of all
    solvers are complete; where there is none, the level with the most complete cells.
    """
    other = "eps" if axis == "kappa" else "kappa"
    complete = (rows["status"] == "ok").groupby([rows[name] for name in (other, "solver", axis)])
    share = complete.all().groupby(level=0).mean()
    enough = share[share >= 0.5]
    if enough.empty:
        return float(share.index[int(share.argmax())])
    return float(enough.index.min() if other == "eps" else enough.index.max())


def held_for(group: Group, solver: str, axis: str) -> float:
    """The level of the whole group, or a solver's own where it was not asked for that one."""
    level, own = held(group.rows, axis), group.of(solver)
    asked = own["eps" if axis == "kappa" else "kappa"]
    return level if (asked == level).any() else held(own, axis)


def _summary(values: np.ndarray, status: str) -> tuple[float, float, float]:
    from scipy.special import stdtrit

    if status != "ok":
        return float("nan"), float("nan"), float("nan")
    if (values <= 0).any() or len(values) == 1:
        mean = float(values.mean())
        return mean, mean, mean
    logs = np.log(values)
    half = stdtrit(len(logs) - 1, (1 + CONFIDENCE) / 2) * logs.std(ddof=1) / np.sqrt(len(logs))
    middle = logs.mean()
    return float(np.exp(middle)), float(np.exp(middle - half)), float(np.exp(middle + half))
