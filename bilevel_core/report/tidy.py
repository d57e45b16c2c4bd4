"""The table as tidy CSV: one line for each group, solver and quantity, with all numbers."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from math import isnan
from typing import TYPE_CHECKING, Any

from bilevel_core.report import entries as measured
from bilevel_core.report.entries import Entry
from bilevel_core.report.groups import Group
from bilevel_core.report.spreadsheet import inert
from bilevel_core.report.tuning import Tuning, tuning

if TYPE_CHECKING:
    from bilevel_core.fit import Collapse, Fit
    from bilevel_core.fit_estimate import Exponent
    from bilevel_core.paper import Bound

ENDS = ("low", "high")


def tidy(groups: list[Group]) -> str:
    """All entries of all groups as CSV with one header line; an empty field means "none"."""
    lines = [line for group in groups for line in _lines(group)]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(lines[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows({name: inert(_known(value)) for name, value in line.items()} for line in lines)
    return text.getvalue()


def _lines(group: Group) -> list[dict[str, Any]]:
    collapses = {solver: measured.collapse(group, solver) for solver in group.solvers}
    tuned = {solver: tuning(group.of(solver)) for solver in group.solvers}
    return [
        {
            "problem": group.problem,
            "options": json.dumps(group.options, sort_keys=True),
            "policy": group.policy,
            "overrides": json.dumps(group.overrides, sort_keys=True),
            "criterion": group.criterion,
            "lower_level": group.lower_level,
            **_line(entry),
            **_collapse(collapses[entry.solver] if entry.quantity == "outer" else None),
            "ledger": group.ledger,
            "infeasible": entry.infeasible,
            **_range("predicted", entry.predicted),
            **_tuning(tuned[entry.solver]),
        }
        for entry in measured.entries(group)
    ]


def _line(entry: Entry) -> dict[str, Any]:
    return {
        "solver": entry.solver,
        "quantity": entry.quantity,
        "verdict": entry.verdict,
        "reason": entry.reason,
        "hidden_factor": entry.factor,
        "cells": entry.cells,
        "excluded": entry.excluded,
        "statuses": "; ".join(f"{name} {number}" for name, number in entry.statuses.items()),
        **_bound("bound", entry.bound),
        **_bound("printed", entry.printed or entry.bound),
        **_fit(entry.fit),
    }


def _bound(prefix: str, bound: Bound | None) -> dict[str, Any]:
    names = ("kappa", "eps", "tilde", "source", "note")
    if bound is None:
        return {f"{prefix}_{name}": None for name in names}
    numbers = {f"{prefix}_{name}": getattr(bound, name) for name in names}
    return numbers | {f"{prefix}_kappa": "poly" if bound.kappa is None else bound.kappa}


def _fit(fit: Fit | None) -> dict[str, Any]:
    return {
        "model": fit.model if fit else None,
        "offset": fit.offset if fit else None,
        "runner_up": fit.runner_up if fit else None,
        "instances": fit.instances if fit else None,
        **_exponent("kappa", fit.kappa if fit else None),
        **_exponent("eps", fit.eps if fit else None),
        "drift": fit.drift if fit else None,
        "eps_drift": fit.eps_drift if fit else None,
        "asymptotic": fit.asymptotic if fit else None,
        "local_slopes_kappa": _joined(fit.local_slopes["kappa"] if fit else ()),
        "local_slopes_eps": _joined(fit.local_slopes["eps"] if fit else ()),
    }


def _exponent(prefix: str, exponent: Exponent | None) -> dict[str, Any]:
    return {
        prefix: exponent.value if exponent else None,
        f"{prefix}_low": exponent.low if exponent else None,
        f"{prefix}_high": exponent.high if exponent else None,
        f"{prefix}_model_error": exponent.model_error if exponent else None,
    }


def _collapse(collapse: Collapse | None) -> dict[str, Any]:
    return {
        "collapse_low": collapse.minimum if collapse else None,
        "collapse_high": collapse.maximum if collapse else None,
        **_exponent("collapse_kappa", collapse.kappa if collapse else None),
        **_exponent("collapse_eps", collapse.eps if collapse else None),
    }


def _tuning(cost: Tuning | None) -> dict[str, Any]:
    return {
        **_range("tuning", cost.spent if cost else None),
        **_range("tuning_over_run", cost.over_run if cost else None),
    }


def _range(prefix: str, ends: tuple[float, float] | None) -> dict[str, Any]:
    return {f"{prefix}_{name}": ends[place] if ends else None for place, name in enumerate(ENDS)}


def _known(value: Any) -> Any:
    return None if isinstance(value, float) and isnan(value) else value


def _joined(values: Iterable[float]) -> str:
    return "; ".join(f"{value:.6g}" for value in values)
