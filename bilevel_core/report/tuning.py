"""What policy "tuned" cost: the search for parameters beside the run that it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.report.ledgers import COUNTED

if TYPE_CHECKING:
    import pandas as pd


class Tuning(NamedTuple):
    """Smallest and largest over the cells of a solver.

    spent: cost of the search of a cell, in the terms it was set to (by default the counts of all
    four oracles, added up); over_run: the same over the mean of those counts in the runs of that
    cell, None where no cell has any.
    """

    spent: tuple[float, float]
    over_run: tuple[float, float] | None


def tuning(rows: pd.DataFrame) -> Tuning | None:
    """The cost of tuning of one solver's rows; None where nothing was tuned."""
    tuned = rows[rows["tuning_cost"].notna()]
    if tuned.empty:
        return None
    run = tuned[list(COUNTED)].sum(axis=1, skipna=False)
    cells = tuned.assign(run=run).groupby(["kappa", "eps"])[["tuning_cost", "run"]].mean()
    ratios = (cells["tuning_cost"] / cells["run"]).dropna()
    return Tuning(_ends(cells["tuning_cost"]), None if ratios.empty else _ends(ratios))


def _ends(values: pd.Series[float]) -> tuple[float, float]:
    return float(values.min()), float(values.max())
