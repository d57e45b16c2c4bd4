"""From the frame to groups: what one table, or one set of figures, is about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bilevel_core.errors import InputError, printable
from bilevel_core.report.ledgers import CALLS, COUNTED, counted, ledger

if TYPE_CHECKING:
    import pandas as pd

QUANTITIES = (*COUNTED, "outer")

HEADS = {"gc_f": "Gc(f)", "gc_g": "Gc(g)", "jv": "JV", "hv": "HV", "outer": "K"}
"""What tables and figures call a quantity."""

COUNTINGS = {"hv": "HV in samples", "batches_hv": "HV as K B Q", "calls_hv": "HV in calls, K Q"}
"""Three countings of the Hessian-vector products of a solver that draws them in batches B_j."""

SOLVERS = (
    *("ba", "aid_bio", "itd_bio"),
    *("ttsa", "bsa", "stocbio"),
    *("aid_fp", "fo_itd_bio", "hoag"),
    *("aid_bio_cold_y", "aid_bio_cold_v", "stocbio_single_batch"),
)
"""The order of the rows: the paper's two tables, what it compares with, ablations; others follow by
name."""

TITLES = {
    "ba": "BA",
    "aid_bio": "AID-BiO",
    "itd_bio": "ITD-BiO",
    "ttsa": "TTSA",
    "bsa": "BSA",
    "stocbio": "stocBiO",
    "aid_fp": "AID-FP",
    "fo_itd_bio": "FO-ITD-BiO",
    "hoag": "HOAG",
    "aid_bio_cold_y": "AID-BiO, y not warm-started",
    "aid_bio_cold_v": "AID-BiO, v not warm-started",
    "stocbio_single_batch": "stocBiO, one batch of Hessians",
}
"""What tables call a solver; a plug-in goes by its own name."""

LABELS = TITLES | {
    "aid_bio_cold_y": "AID-BiO, cold y",
    "aid_bio_cold_v": "AID-BiO, cold v",
    "stocbio_single_batch": "stocBiO, one batch",
}
"""What figures call a solver."""

LABEL = 20
"""Characters of a plug-in's name that fit beside a panel."""

KEYS = ("problem", "options", "policy", "overrides", "criterion")
NEEDED = (*KEYS, "solver", "kappa", "eps", "instance", "status", *QUANTITIES)


class Group(NamedTuple):
    """One problem, policy and criterion, with the rows of all solvers.

    options, overrides: as set by the user; rows: one for each solver, kappa, eps and instance, with
    the counts of `ledger` and the columns that `ledgers.counted` adds; conflicts: how many of them
    several runs gave with different counts (the largest is kept).
    """

    problem: str
    options: Mapping[str, Any]
    policy: str
    overrides: Mapping[str, Any]
    criterion: str
    rows: pd.DataFrame
    conflicts: int

    @property
    def ledger(self) -> str:
        """What is counted: "calls", or "samples" where the problem has noise."""
        return ledger(self.options)

    @property
    def lower_level(self) -> str:
        """Give "quadratic" where every row says so, else "general", which holds for all."""
        levels = set(self.rows.get("lower_level", ()))
        return "quadratic" if levels == {"quadratic"} else "general"

    @property
    def solvers(self) -> tuple[str, ...]:
        """Names of the solvers, in the order of the paper's table."""
        return solver_order(self.rows["solver"])

    @property
    def heading(self) -> str:
        """Problem, policy and criterion in words, as in "hard (curvature 3), policy sharp, ..."."""
        return f"{self.regime}, criterion {self.criterion}"

    @property
    def regime(self) -> str:
        """The same without the criterion."""
        return regime(self.problem, self.options, self.policy, self.overrides)

    @property
    def slug(self) -> str:
        """The same as a file name: letters, digits, dots and dashes."""
        parts = [self.problem, *_settings(self.options), self.policy, *_settings(self.overrides)]
        return plain("-".join([*parts, self.criterion]))

    def countings(self, solver: str) -> tuple[str, ...]:
        """Further countings of the HV of a solver that draws them in batches, else none."""
        drawn = self.ledger != CALLS and self.of(solver)["batches_hv"].notna().any()
        return tuple(name for name in COUNTINGS if name not in COUNTED) if drawn else ()

    def of(self, solver: str) -> pd.DataFrame:
        """The rows of one solver."""
        return self.rows[self.rows["solver"] == solver]

    def levels(self, column: str) -> list[float]:
        """Distinct values of "kappa" or "eps", ascending."""
        return [float(value) for value in sorted(self.rows[column].unique())]


def split(frame: pd.DataFrame) -> list[Group]:
    """The groups of a frame, in the order of their names.

    Where several runs give one row (a run with criterion "average" also yields the rows of
    "first"), one of them is kept: a row that reached its eps before one that did not, and of those
    the one with the largest counts (parameters may depend on the smallest eps of a run).

    Raises:
        InputError: a missing column, or an empty frame.
    """
    missing = [name for name in NEEDED if name not in frame.columns]
    if missing:
        raise InputError(f"frame has no column {missing[0]!r}; it has: {_join(frame.columns)}")
    if frame.empty:
        raise InputError("frame is empty; expected the rows of at least one run")
    rows = frame.reset_index(drop=True)  # frames put together repeat their indices
    return [_group(names, part) for names, part in rows.groupby(list(KEYS), sort=True)]


def solver_order(names: Iterable[str]) -> tuple[str, ...]:
    """Distinct names of solvers, in the order of the paper's tables."""
    found = set(names)
    return (*(name for name in SOLVERS if name in found), *sorted(found.difference(SOLVERS)))


def label(solver: str) -> str:
    """What figures call a solver: its title, or of "path/to/file.py:name" the name, cut to fit."""
    return LABELS.get(solver) or printable(solver.rpartition(":")[2][:LABEL])


def plain(text: str) -> str:
    """Text as a part of a file name: letters, digits, dots and dashes, at most 120 of them."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", text).strip("-.")[:120]


def in_brackets(values: Mapping[str, Any]) -> str:
    """Settings as they stand behind a name, as in " (curvature 3)"; "" for none."""
    return f" ({_join(_settings(values))})" if values else ""


def regime(
    problem: str, options: Mapping[str, Any], policy: str, overrides: Mapping[str, Any]
) -> str:
    """Problem and policy in words, as in "hard (curvature 3), policy sharp"."""
    return printable(f"{problem}{in_brackets(options)}, policy {policy}{in_brackets(overrides)}")


def slugs(groups: Iterable[Group]) -> list[str]:
    """A different file name for each group, numbered where names would meet."""
    seen: dict[str, int] = {}
    names = []
    for group in groups:
        seen[group.slug] = seen.get(group.slug, 0) + 1
        names.append(group.slug + (f"-{seen[group.slug]}" if seen[group.slug] > 1 else ""))
    return names


def _group(names: tuple[Any, ...], rows: pd.DataFrame) -> Group:
    problem, options, policy, overrides, criterion = names
    options, overrides = json.loads(options), json.loads(overrides)
    rows = counted(rows, ledger(options))
    cell = ["solver", "kappa", "eps", "instance"]
    reached = rows[rows["status"] == "ok"]
    differ = reached.groupby(cell)[list(QUANTITIES)].nunique(dropna=False).gt(1).any(axis=1)
    order = rows.assign(missed=rows["status"] != "ok").sort_values(
        ["missed", "outer"], ascending=[True, False], kind="stable"
    )
    kept = rows.loc[order.drop_duplicates(cell).index].sort_index()
    return Group(
        str(problem), options, str(policy), overrides, str(criterion), kept, int(differ.sum())
    )


def _settings(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        yield f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _join(names: Iterable[Any]) -> str:
    return ", ".join(str(name) for name in names)
