"""What each cell of a grid is predicted to cost, feasible or not, as lines of a table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from bilevel_core.report.groups import label
from bilevel_core.sweep.feasibility import Cell, dearest, divide, obstacle
from bilevel_core.sweep.forecast import Forecaster
from bilevel_core.sweep.progress import compact, duration
from bilevel_core.sweep.specification import Grid, cells_of


class Outlook(NamedTuple):
    """One grid: a title, heads of columns, and a line of words for each cell."""

    title: str
    heads: tuple[str, ...]
    lines: list[tuple[str, ...]]


def outlook(grid: Grid, number: int, forecast: Forecaster) -> Outlook:
    """Predicted oracle calls of the dearest instance at each eps, and seconds of all instances.

    number: of the grid in its file, from 1.  Time is that of the feasible runs on one core, whether
    or not they are stored; compilation is left out.

    Raises:
        InputError: a solver or the problem cannot be made.
    """
    options = "".join(f", {name} {value}" for name, value in grid.options.items())
    budget = "no budget" if grid.budget is None else f"budget {compact(grid.budget)} calls"
    title = f"grid {number}: {grid.problem}{options}; {len(grid.seeds)} instances, {budget}"
    eps = sorted(grid.eps, reverse=True)
    heads = ("solver", "policy", "kappa", *(f"eps {level:g}" for level in eps), "time")
    return Outlook(title, heads, [tuple(_line(cell, forecast)) for cell in cells_of(grid)])


def _line(cell: Cell, forecast: Forecaster) -> Iterator[str]:
    first = cell.configs[0]
    yield from (label(first.solver), first.policy, f"{first.kappa:g}")
    predicted = [forecast(config).predictions for config in cell.configs]
    if all(predicted):
        for each in dearest(predicted):
            refused = cell.budget is not None and obstacle(each, cell.budget)
            yield f"{compact(each.calls)}{' infeasible' if refused else ''}"
    else:
        yield from ("unknown" for _ in first.eps)
    runs = divide(cell, lambda config: forecast(config).predictions).runs
    yield duration(sum(forecast(config).seconds for config in runs)) if runs else "-"
