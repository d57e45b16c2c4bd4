"""What a table's cell holds, as numbers: bound, fit, verdict, and what was left out."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from bilevel_core.errors import InputError
from bilevel_core.report.groups import QUANTITIES, Group

if TYPE_CHECKING:
    import pandas as pd

    from bilevel_core.fit import Collapse, Fit
    from bilevel_core.paper import Bound

ZERO = "zero"
UNREACHED = "nothing reached"
NO_BOUND = "no bound"
TOO_LITTLE = "not enough data"
NOT_ASYMPTOTIC = "not asymptotic"

QUADRATIC = "quadratic"
"""The problem whose lower level is quadratic (rho = tau = 0): theorems give smaller exponents."""


class Entry(NamedTuple):
    """One solver and one quantity of a group.

    bound: what the verdict is against, None where no theorem is known; printed: the paper's own
    bound where that is another one; fit: None where the counts carry none; verdict: a word of
    `Fit.verdict`, or "zero" (all counts are 0), "nothing reached", "no bound"; reason: of the
    verdict; cells, excluded: (kappa, eps) pairs, and those with an instance that missed its eps,
    which are in no mean; statuses: rows by status.
    """

    solver: str
    quantity: str
    bound: Bound | None
    printed: Bound | None
    fit: Fit | None
    verdict: str
    reason: str
    cells: int
    excluded: int
    statuses: dict[str, int]


def entries(group: Group) -> list[Entry]:
    """Every solver and quantity of a group, solvers in the order of the paper."""
    return [entry(group, solver, name) for solver in group.solvers for name in QUANTITIES]


def entry(group: Group, solver: str, quantity: str) -> Entry:
    """Fit one quantity of one solver and hold it against its bound."""
    rows = group.of(solver)
    statuses = dict(Counter(rows["status"].astype(str)).most_common())
    incomplete = (rows["status"] != "ok").groupby([rows["kappa"], rows["eps"]]).any()
    bound, printed = bounds(group.problem, solver, quantity)
    fit, verdict, reason = _measure(rows, quantity, bound)
    return Entry(
        solver,
        quantity,
        bound,
        printed,
        fit,
        verdict,
        reason,
        len(incomplete),
        int(incomplete.sum()),
        statuses,
    )


def bounds(problem: str, solver: str, quantity: str) -> tuple[Bound | None, Bound | None]:
    """The bound that holds for a problem, and the printed one where it is another."""
    from bilevel_core import paper

    printed = paper.bound(solver, quantity)
    if problem != QUADRATIC:
        return printed, None
    smaller = paper.bound(solver, quantity, lower_level=QUADRATIC)
    return (printed, None) if smaller is None else (smaller, printed)


def collapse(group: Group, solver: str) -> Collapse | None:
    """Outer iterations over the theorem's own bound on them; None where no bound is stated."""
    from bilevel_core.fit import collapse as collapse_rows

    rows = group.of(solver)
    if "outer_bound" not in rows or rows["outer_bound"].isna().all():
        return None
    try:
        return collapse_rows(rows)
    except InputError:
        return None


def _measure(rows: pd.DataFrame, quantity: str, bound: Bound | None) -> tuple[Fit | None, str, str]:
    from bilevel_core.fit import fit

    reached = rows.loc[rows["status"] == "ok", quantity]
    if reached.empty:
        return None, UNREACHED, ""
    if (reached == 0).all():
        return None, ZERO, ""
    try:
        fitted = fit(rows, y=quantity)
    except InputError as error:
        return None, TOO_LITTLE, str(error)
    if bound is None:
        return fitted, NO_BOUND if fitted.asymptotic else NOT_ASYMPTOTIC, ""
    verdict = fitted.verdict(bound)
    return fitted, verdict, fitted.explain(bound).removeprefix(f"{verdict}: ")
