"""Which eps of which cells a budget allows, and the record of those that it does not.

A cell is one problem, solver, policy and kappa; its instances stand or fall together, since a mean
over those that happen to be cheap would be biased. What is feasible becomes runs, one for each set
of parameters, so that a larger budget later adds runs and repeats none. What is not becomes a
record for each instance and eps, with status "infeasible" and the predicted cost.
"""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from bilevel_core.record import RunConfig, RunRecord
from bilevel_core.sweep.cost_model import Prediction, passes
from bilevel_core.sweep.progress import compact
from bilevel_core.sweep.stock import INFEASIBLE

MOST_SAMPLES = 2.0**62
"""What the ledger, of 64-bit integers, can hold with room to spare."""

Predict = Callable[[RunConfig], tuple[Prediction, ...]]
"""Predictions for each eps of a run; empty where a solver or a family does not allow any."""


class Cell(NamedTuple):
    """Runs that differ in the instance only, and the most oracle calls that one may take.

    Where some of it is stored already, instances may have different eps left.
    """

    configs: tuple[RunConfig, ...]
    budget: float | None


class Infeasible(NamedTuple):
    """One eps of one instance; prediction: of the cell's dearest instance."""

    config: RunConfig
    prediction: Prediction
    budget: float
    reason: str


class Division(NamedTuple):
    """A cell's runs, and what is not run."""

    runs: list[RunConfig]
    infeasible: list[Infeasible]


def divide(cell: Cell, predict: Predict) -> Division:
    """Divide a cell by its budget; without one, or without predictions, all of it is run."""
    if cell.budget is None:
        return Division(list(cell.configs), [])
    predicted = [predict(config) for config in cell.configs]
    refused = _refused(predicted, cell.budget)
    runs: list[RunConfig] = []
    infeasible: list[Infeasible] = []
    for config, own in zip(cell.configs, predicted, strict=True):
        runs += [] if own else [config]
        for group in passes(own):
            eps = tuple(each.eps for each in group if each.eps not in refused)
            runs += [dataclasses.replace(config, eps=eps)] if eps else []
        infeasible += (
            Infeasible(single(config, each.eps), *refused[each.eps])
            for each in own
            if each.eps in refused
        )
    return Division(runs, infeasible)


def single(config: RunConfig, eps: float) -> RunConfig:
    """The same run with one eps; a record of what is infeasible is filed under it."""
    return dataclasses.replace(config, eps=(eps,))


def dearest(predicted: Sequence[Sequence[Prediction]]) -> list[Prediction]:
    """Of each eps the prediction with the most calls; predicted: of some instances."""
    most: dict[float, Prediction] = {}
    for one in itertools.chain.from_iterable(predicted):
        known = most.get(one.eps)
        most[one.eps] = one if known is None or one.calls > known.calls else known
    return list(most.values())


def obstacle(prediction: Prediction, budget: float) -> str:
    """Why this eps is infeasible; empty where it is feasible."""
    if prediction.calls > budget:
        return (
            f"predicted {compact(prediction.calls)} oracle calls, "
            f"above the budget of {compact(budget)}"
        )
    if prediction.samples > MOST_SAMPLES:
        return (
            f"predicted {compact(prediction.samples)} samples, "
            f"more than the ledger holds ({compact(MOST_SAMPLES)})"
        )
    return ""


def record(infeasible: Infeasible, code: str) -> RunRecord:
    """The record that stands for a run that was not made; code: the fingerprint of the run's.

    Raises:
        InputError: the configuration is not allowed.
    """
    from bilevel_core.environment import environment
    from bilevel_core.making import make_problem

    config = infeasible.config
    return RunRecord(
        config=config,
        constants=make_problem(config).constants.to_dict(),
        status=INFEASIBLE,
        reason=infeasible.reason,
        passes=[record_pass(infeasible)],
        hits=[],
        trajectory=[],
        environment=environment(),
        seconds=0.0,
        code=code,
    )


def record_pass(infeasible: Infeasible) -> dict[str, Any]:
    """The one pass of such a record."""
    prediction = infeasible.prediction
    bound = prediction.bound
    return {
        "eps": list(infeasible.config.eps),
        "params": dict(prediction.params),
        "status": INFEASIBLE,
        "reason": infeasible.reason,
        "outer": 0,
        "spent": {},
        "outer_bound": {} if bound is None else {repr(prediction.eps): bound},
        "predicted_calls": prediction.calls,
        "predicted_samples": prediction.samples,
        "predicted_outer": prediction.outer,
    }


def _refused(
    predicted: Sequence[Sequence[Prediction]], budget: float
) -> dict[float, tuple[Prediction, float, str]]:
    """Each infeasible eps, with what makes it so."""
    worst = ((each, obstacle(each, budget)) for each in dearest(predicted))
    return {each.eps: (each, budget, reason) for each, reason in worst if reason}
