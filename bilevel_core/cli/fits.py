"""Fits of a whole store for the command line: every group, solver and quantity."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from bilevel_core.cli.text import print_table
from bilevel_core.errors import InputError
from bilevel_core.report.groups import HEADS

if TYPE_CHECKING:
    import pandas as pd

    from bilevel_core.fit import Fit
    from bilevel_core.fit_estimate import Exponent
    from bilevel_core.paper import Bound
    from bilevel_core.report.groups import Group

MODELS = ("auto", "power", "power_log", "lower_order", "logarithmic")


class Fitted(NamedTuple):
    """One solver and quantity of one group; without a fit, `verdict` says why."""

    group: Group
    solver: str
    quantity: str
    fit: Fit | None
    bound: Bound | None
    verdict: str


def fit_all(frame: pd.DataFrame, quantities: Sequence[str], model: str) -> list[Fitted]:
    """Every group, solver and quantity of a frame, fitted and held against its bound."""
    from bilevel_core.report.groups import split

    return [
        _fit_one(group, solver, quantity, model)
        for group in split(frame)
        for solver in group.solvers
        for quantity in quantities
    ]


def print_fits(found: list[Fitted]) -> None:
    """One table a group: exponents with 95 % intervals, model, drift, bound and verdict."""
    columns = ("solver", "count", "kappa", "1/eps", "model", "drift", "bound", "verdict")
    for heading in dict.fromkeys(one.group.heading for one in found):
        rows = [_row(one) for one in found if one.group.heading == heading]
        print_table(heading, columns, rows)


def to_dict(one: Fitted) -> dict[str, Any]:
    """JSON-ready."""
    group = one.group
    return {
        "problem": group.problem,
        "options": dict(group.options),
        "policy": group.policy,
        "overrides": dict(group.overrides),
        "criterion": group.criterion,
        "solver": one.solver,
        "quantity": one.quantity,
        "verdict": one.verdict,
        "bound": None if one.bound is None else dataclasses.asdict(one.bound),
        "fit": None if one.fit is None else _fit_values(one.fit),
    }


def _fit_one(group: Group, solver: str, quantity: str, model: str) -> Fitted:
    from bilevel_core.fit import fit
    from bilevel_core.report.entries import bounds, measurable

    bound = bounds(group.lower_level, solver, quantity)[0]
    rows = group.of(solver)
    if (rows.loc[rows["status"] == "ok", quantity] == 0).all():
        return Fitted(group, solver, quantity, None, bound, "zero calls")
    try:
        fitted = fit(rows, y=quantity, model=model)
    except InputError as error:
        return Fitted(group, solver, quantity, None, bound, f"not enough data: {error}")
    verdict = fitted.verdict(measurable(bound, rows)) if bound else "no bound"
    return Fitted(group, solver, quantity, fitted, bound, verdict)


def _row(one: Fitted) -> list[str]:
    bound = one.bound.text() if one.bound else "-"
    numbers = ["-", "-", "-", "-"]
    if one.fit:
        fit = one.fit
        model = f"{fit.model} {fit.offset}".strip()
        numbers = [_interval(fit.kappa), _interval(fit.eps), model, f"{fit.drift:.2f}"]
    return [one.solver, HEADS[one.quantity], *numbers, bound, one.verdict]


def _interval(exponent: Exponent | None) -> str:
    if exponent is None:
        return "-"
    return f"{exponent.value:.2f} [{exponent.low:.2f}, {exponent.high:.2f}]"


def _fit_values(fit: Fit) -> dict[str, Any]:
    return {
        "kappa": _exponent_values(fit.kappa),
        "eps": _exponent_values(fit.eps),
        "model": fit.model,
        "offset": fit.offset,
        "runner_up": fit.runner_up,
        "drift": _finite(fit.drift),
        "asymptotic": fit.asymptotic,
        "instances": fit.instances,
        "cells": fit.cells,
        "excluded": len(fit.excluded),
    }


def _exponent_values(exponent: Exponent | None) -> dict[str, float | None] | None:
    if exponent is None:
        return None
    return {name: _finite(value) for name, value in dataclasses.asdict(exponent).items()}


def _finite(value: float) -> float | None:
    """The value, or None for what JSON cannot write."""
    return value if math.isfinite(value) else None
