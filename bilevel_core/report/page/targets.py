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
    askers: dict[tuple[float, float, str], frozenset[str]] = {}
    columns = (group.rows[name].tolist() for name in (*TARGET, "solver"))
    for kappa, eps, instance, solver in sorted(zip(*columns, strict=True)):
        target = (float(kappa), float(eps), str(instance))
        askers[target] = askers.get(target, frozenset()) | {str(solver)}
    left = frozenset(group.solvers)
    found = []
    while left:
        sets = Counter(names & left for names in askers.values() if names & left)
        shared = {one: sum(n for other, n in sets.items() if one <= other) for one in sets}
        chosen = max(shared, key=lambda names: (len(names), shared[names], sorted(names)))
        common = [target for target, names in askers.items() if chosen <= names]
        found.append(_comparison(group.rows, common, solver_order(chosen)))
        left -= chosen
    return found


def _comparison(
    rows: pd.DataFrame, targets: list[tuple[float, float, str]], solvers: tuple[str, ...]
) -> Comparison:
    import pandas as pd

    reached = rows[rows["status"] == "ok"]
    index = pd.MultiIndex.from_tuples(targets, names=TARGET)
    costs = {}
    for name in COUNTED:
        table = reached.pivot(index=TARGET, columns="solver", values=name)
        known = table.reindex(index=index, columns=list(solvers)).to_numpy(dtype=float)
        costs[name] = np.where(np.isnan(known), np.inf, known)
    return Comparison(solvers, tuple(targets), costs)
