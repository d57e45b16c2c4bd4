"""From the frame to groups: what one table, or one set of figures, is about."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from bilevel_core.errors import InputError

if TYPE_CHECKING:
    import pandas as pd

COUNTED = ("gc_f", "gc_g", "jv", "hv")
"""The columns of the papers' tables."""

QUANTITIES = (*COUNTED, "outer")

HEADS = {"gc_f": "Gc(f)", "gc_g": "Gc(g)", "jv": "JV", "hv": "HV", "outer": "K"}
"""What tables and figures call a quantity."""

SOLVERS = ("ba", "aid_bio", "itd_bio", "aid_fp", "fo_itd_bio", "hoag")
"""The order of the rows: the paper's table, then what it compares with; others follow by name."""

TITLES = {
    "ba": "BA",
    "aid_bio": "AID-BiO",
    "itd_bio": "ITD-BiO",
    "aid_fp": "AID-FP",
    "fo_itd_bio": "FO-ITD-BiO",
    "hoag": "HOAG",
}
"""What tables and figures call a solver; a plug-in goes by its own name."""

LABEL = 20
"""Characters of a plug-in's name that fit beside a panel."""

KEYS = ("problem", "options", "policy", "overrides", "criterion")
NEEDED = (*KEYS, "solver", "kappa", "eps", "instance", "status", *QUANTITIES)


class Group(NamedTuple):
    """One problem, policy and criterion, with the rows of all solvers.

    options, overrides: as set by the user; rows: one for each solver, kappa, eps and instance;
    conflicts: how many of them several runs gave with different counts (the largest is kept).
    """

    problem: str
    options: Mapping[str, Any]
    policy: str
    overrides: Mapping[str, Any]
    criterion: str
    rows: pd.DataFrame
    conflicts: int

    @property
    def solvers(self) -> tuple[str, ...]:
        """Names of the solvers, in the order of the paper's table."""
        names = set(self.rows["solver"])
        return (*(n for n in SOLVERS if n in names), *sorted(names.difference(SOLVERS)))

    @property
    def heading(self) -> str:
        """Problem, policy and criterion in words, as in "hard (curvature 3), policy sharp, ..."."""
        policy = f"policy {self.policy}{_in_brackets(self.overrides)}"
        return f"{self.problem}{_in_brackets(self.options)}, {policy}, criterion {self.criterion}"

    @property
    def slug(self) -> str:
        """The same as a file name: letters, digits, dots and dashes."""
        parts = [self.problem, *_settings(self.options), self.policy, *_settings(self.overrides)]
        return re.sub(r"[^A-Za-z0-9.]+", "-", "-".join([*parts, self.criterion])).strip("-.")[:120]

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
    return [_group(names, rows) for names, rows in frame.groupby(list(KEYS), sort=True)]


def label(solver: str) -> str:
    """What figures call a solver: its title, or of "path/to/file.py:name" the name, cut to fit."""
    return TITLES.get(solver) or solver.rpartition(":")[2][:LABEL]


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
    cell = ["solver", "kappa", "eps", "instance"]
    reached = rows[rows["status"] == "ok"]
    differ = reached.groupby(cell)[list(QUANTITIES)].nunique(dropna=False).gt(1).any(axis=1)
    order = rows.assign(missed=rows["status"] != "ok").sort_values(
        ["missed", "outer"], ascending=[True, False], kind="stable"
    )
    kept = rows.loc[order.drop_duplicates(cell).index].sort_index()
    return Group(
        str(problem),
        json.loads(options),
        str(policy),
        json.loads(overrides),
        str(criterion),
        kept,
        int(differ.sum()),
    )


def _settings(values: Mapping[str, Any]) -> Iterator[str]:
    for name, value in values.items():
        yield f"{name} {value:g}" if isinstance(value, float) else f"{name} {value}"


def _in_brackets(values: Mapping[str, Any]) -> str:
    return f" ({_join(_settings(values))})" if values else ""


def _join(names: Iterable[Any]) -> str:
    return ", ".join(str(name) for name in names)
