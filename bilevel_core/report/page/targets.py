"""Which solvers of a group can be compared, on which targets, and what each paid.

A target is one (kappa, eps, instance).  Solvers are compared on targets that were asked of all of
them: one that was asked for easy targets only would win by that.  Being asked counts, not being
run: a target whose predicted cost exceeded the budget was asked for and not reached.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from bilevel_core.report.groups import Group, solver_order
from bilevel_core.report.ledgers import COUNTED
from bilevel_core.report.page.profiles import Floats

if TYPE_CHECKING:
    import pandas as pd

TARGET = ["kappa", "eps", "instance"]


class Comparison(NamedTuple):
    """Solvers on the targets that were asked of all of them.

    solvers: S names in the order of the paper; targets: T triples (kappa, eps, instance); costs: of
    each counted oracle, (T, S), infinity where the target was not reached.
    """

    solvers: tuple[str, ...]
    targets: tuple[tuple[float, float, str], ...]
    costs: Mapping[str, Floats]


def comparisons(group: Group) -> list[Comparison]:
    """One comparison of all solvers where they share a target, else one for each set that does.

    Sets are taken the largest first, then by the number of shared targets; each solver is in one.
    """
    rows = group.rows
    asked = rows.groupby(TARGET)["solver"].agg(frozenset)
    left = frozenset(group.solvers)
    found = []
    while left:
        sets = Counter(names & left for names in asked if names & left)
        shared = {
            names: sum(n for other, n in sets.items() if names <= other) for names in sets
        }  # fmt: skip
        chosen = max(shared, key=lambda names: (len(names), shared[names], sorted(names)))
        found.append(_comparison(rows, asked, chosen))
        left -= chosen
    return found


def _comparison(
    rows: pd.DataFrame, asked: pd.Series[object], solvers: frozenset[object]
) -> Comparison:
    names = solver_order(str(name) for name in solvers)
    shared = asked.index[[solvers <= asking for asking in asked]]  # type: ignore[operator]
    reached = rows[rows["status"] == "ok"]
    costs = {
        name: reached.pivot(index=TARGET, columns="solver", values=name)
        .reindex(index=shared, columns=list(names))
        .to_numpy(dtype=float)
        for name in COUNTED
    }
    targets = tuple((float(kappa), float(eps), str(instance)) for kappa, eps, instance in shared)
    return Comparison(
        names, targets, {name: np.where(np.isnan(c), np.inf, c) for name, c in costs.items()}
    )
