"""Policies beside one another: what the parameters of a policy do to the measured exponents."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from bilevel_core.errors import InputError
from bilevel_core.report import legend, wording
from bilevel_core.report.entries import ZERO, Entry, entries
from bilevel_core.report.groups import COUNTINGS, Group, in_brackets, solver_order, split
from bilevel_core.report.ledgers import COUNTED, SAMPLES
from bilevel_core.report.notation import MARKDOWN
from bilevel_core.report.tables import markdown_table

if TYPE_CHECKING:
    import pandas as pd

ORDER = ("theory", "sharp", "tuned")
"""The order of the columns; others follow by name."""

READING = (
    "In each cell: the exponents of κ and of 1/ε with their 95 % intervals over instances (± the "
    "model's error; ≈: local slopes still move), and the verdict against the last bound of the row "
    "(†: derived, not printed in the paper)."
)

SHOWN = (*COUNTED, *(name for name in COUNTINGS if name not in COUNTED))


def compare(frames: Iterable[pd.DataFrame]) -> str:
    """Markdown: a table for each problem and criterion, a row a count and a column a policy.

    frames: of stores, each with one or more policies.  A store at one kappa (or one eps) has a
    table of its own, since it measures one exponent only.  Counts of a solver whose rows say the
    same share a row.

    Raises:
        InputError: two frames hold one problem, criterion and policy; or as `write_table`.
    """
    tables: dict[str, dict[str, Group]] = {}
    for group in (group for frame in frames for group in split(frame)):
        columns, policy = tables.setdefault(_heading(group), {}), _policy(group)
        if policy in columns:
            raise InputError(f"frames: two of them hold {_heading(group)}, policy {policy}")
        columns[policy] = group
    found = [_table(heading, columns) for heading, columns in tables.items()]
    return "\n".join([*found, READING, ""])


def _heading(group: Group) -> str:
    held = [
        f", {symbol} = {levels[0]:.4g}"
        for symbol, axis in (("κ", "kappa"), ("ε", "eps"))
        for levels in [group.levels(axis)]
        if len(levels) == 1
    ]
    counted = ", counted in samples" if group.ledger == SAMPLES else ""
    name = f"{group.problem}{in_brackets(group.options)}"
    return f"{name}, criterion {group.criterion}{''.join(held)}{counted}"


def _policy(group: Group) -> str:
    return f"{group.policy}{in_brackets(group.overrides)}"


def _table(heading: str, columns: dict[str, Group]) -> str:
    policies = sorted(columns, key=lambda name: (*(name != known for known in ORDER), name))
    found = {policy: entries(columns[policy]) for policy in policies}
    solvers = solver_order(entry.solver for some in found.values() for entry in some)
    head = ["Algorithm", "Count", "Bound", *(MARKDOWN.escape(policy) for policy in policies)]
    rows = [row for solver in solvers for row in _rows(solver, found)]
    notes = [
        f"{MARKDOWN.escape(policy)}: {' '.join(legend.coverage(columns[policy], MARKDOWN))}"
        for policy in policies
    ]
    costs = [line for policy in policies for line in legend.tuning_cost(columns[policy], MARKDOWN)]
    return "\n".join(
        [
            f"### {MARKDOWN.escape(heading)}",
            "",
            *markdown_table([head, *rows]),
            "",
            *(f"- {line}" for line in (*notes, *costs)),
            "",
        ]
    )


def _rows(solver: str, found: dict[str, list[Entry]]) -> list[list[str]]:
    """A row for each count of a solver, or for several that read the same; its name stands once."""
    counts: dict[tuple[str, ...], list[str]] = {}
    for quantity in SHOWN:
        own = [_entry(some, solver, quantity) for some in found.values()]
        known = next((entry for entry in own if entry is not None), None)
        if known is not None:
            bound = "<br>".join(wording.orders(known, MARKDOWN))
            cells = (bound, *(_cell(entry) for entry in own))
            counts.setdefault(cells, []).append(wording.head(quantity))
    names = [wording.title(solver, MARKDOWN), *[""] * (len(counts) - 1)]
    return [
        [name, ", ".join(heads), *cells]
        for name, (cells, heads) in zip(names, counts.items(), strict=True)
    ]


def _entry(some: list[Entry], solver: str, quantity: str) -> Entry | None:
    return next((e for e in some if (e.solver, e.quantity) == (solver, quantity)), None)


def _cell(entry: Entry | None) -> str:
    if entry is None:
        return "–"
    if entry.verdict == ZERO:
        return "0"
    verdict = " ".join(wording.verdict(entry, MARKDOWN))
    if entry.fit is None:
        return verdict
    powers = [*wording.powers(entry.fit, MARKDOWN).values(), *wording.factors(entry.fit, MARKDOWN)]
    return f"{' '.join(powers)}<br>{verdict}"
