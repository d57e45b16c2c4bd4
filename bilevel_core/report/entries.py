"""What a table's cell holds, as numbers: bound, fit, verdict, and what was left out."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.errors import InputError
from bilevel_core.report.groups import QUANTITIES, Group
from bilevel_core.report.points import INFEASIBLE, predicted
from bilevel_core.report.points import statuses as cell_statuses

if TYPE_CHECKING:
    import pandas as pd

    from bilevel_core.fit import Collapse, Fit
    from bilevel_core.fit_verdict import Verdict
    from bilevel_core.paper import Bound

ZERO = "zero"
UNREACHED = "nothing reached"
NOT_RUN = "infeasible"
NO_BOUND = "no bound"
TOO_LITTLE = "not enough data"
NOT_ASYMPTOTIC = "not asymptotic"


class Entry(NamedTuple):
    """One solver and one quantity of a group.

    bound: what the verdict is against, None where no theorem is known; printed: the paper's own
    bound where that is another one; fit: None where the counts carry none; verdict: a word of
    `Fit.verdict`, or "zero" (all counts are 0), "nothing reached", "infeasible" (nothing was run),
    "no bound"; reason: of the verdict; factor: the hidden log factor that alone lets exponents
    above the bound match; cells: (kappa, eps) pairs; excluded: those with an instance that missed
    its eps, which are in no mean; infeasible: those that were not run, with the range of calls
    `predicted` for them; statuses: rows by status.
    """

    solver: str
    quantity: str
    bound: Bound | None
    printed: Bound | None
    fit: Fit | None
    verdict: str
    reason: str
    factor: str
    cells: int
    excluded: int
    infeasible: int
    predicted: tuple[float, float] | None
    statuses: dict[str, int]


def entries(group: Group) -> list[Entry]:
    """Every solver and quantity of a group, solvers in the order of the paper.

    A solver that draws its Hessian-vector products in batches has those in three countings.
    """
    return [
        entry(group, solver, name)
        for solver in group.solvers
        for name in (*QUANTITIES, *group.countings(solver))
    ]


def entry(group: Group, solver: str, quantity: str) -> Entry:
    """Fit one quantity of one solver and hold it against its bound."""
    rows = group.of(solver)
    statuses = dict(Counter(rows["status"].astype(str)).most_common())
    cells = cell_statuses(rows)
    infeasible = int((cells == INFEASIBLE).sum())
    bound, printed = bounds(group.lower_level, solver, quantity)
    fit, (verdict, reason, factor) = _measure(rows, quantity, bound)
    if verdict == TOO_LITTLE and infeasible:
        reason += f"; {infeasible} more cells are infeasible"
    return Entry(
        solver,
        quantity,
        bound,
        printed,
        fit,
        verdict,
        reason,
        factor,
        len(cells),
        int((cells != "ok").sum()) - infeasible,
        infeasible,
        predicted(rows),
        statuses,
    )


def bounds(lower_level: str, solver: str, quantity: str) -> tuple[Bound | None, Bound | None]:
    """The bound that holds for a lower level, and the printed one where it is another.

    Another holds where the printed one does not follow from the prescribed parameters, and for a
    quadratic lower level, where theorems give smaller exponents.
    """
    from bilevel_core import paper

    printed = paper.bound(solver, quantity)
    for level in dict.fromkeys((lower_level, "general")):
        for holds in (paper.derived_bound, paper.bound):
            found = holds(solver, quantity, level)
            if found is not None:
                return found, None if found is printed else printed
    return None, None


def measurable(bound: Bound, rows: pd.DataFrame) -> Bound:
    """The bound without its exponent of kappa where rows vary in eps alone."""
    in_eps_alone = rows["kappa"].nunique() == 1 and rows["eps"].nunique() > 1
    return replace(bound, kappa=None) if in_eps_alone else bound


def collapse(group: Group, solver: str) -> Collapse | None:
    """Outer iterations over the theorem's own bound on them; None without a bound or a cell."""
    from bilevel_core.fit import collapse as collapse_rows

    rows = group.of(solver)
    if "outer_bound" not in rows or rows["outer_bound"].isna().all():
        return None
    try:
        found = collapse_rows(rows)
    except InputError:
        return None
    return found if found.cells else None


def _measure(rows: pd.DataFrame, quantity: str, bound: Bound | None) -> tuple[Fit | None, Verdict]:
    from bilevel_core.fit import fit
    from bilevel_core.fit_verdict import Verdict, judge

    reached = rows.loc[rows["status"] == "ok", quantity]
    if reached.empty:
        never_run = (rows["status"] == INFEASIBLE).all()
        return None, Verdict(NOT_RUN if never_run else UNREACHED, "")
    if (reached == 0).all():
        return None, Verdict(ZERO, "")
    try:
        fitted = fit(rows, y=quantity)
    except InputError as error:
        return None, Verdict(TOO_LITTLE, str(error))
    if bound is None:
        return fitted, Verdict(NO_BOUND if fitted.asymptotic else NOT_ASYMPTOTIC, "")
    return fitted, judge(fitted, measurable(bound, rows))
