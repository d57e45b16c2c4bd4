"""Predicted cost and seconds of configurations, each instance looked at once."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

from bilevel_core.engines.loop import STALLED_AFTER
from bilevel_core.passes import TUNED
from bilevel_core.problem import Problem
from bilevel_core.record import RunConfig
from bilevel_core.sweep import gradient_flow, speed_model
from bilevel_core.sweep.cost_model import Prediction, predict
from bilevel_core.sweep.keys import canonical, key, to_json
from bilevel_core.sweep.stalling import is_direct, moves_by_f_alone


class Forecast(NamedTuple):
    """Of each eps what it costs, and of the whole run its seconds on one core.

    predictions: empty where the solver or the family does not allow any.
    """

    predictions: tuple[Prediction, ...]
    seconds: float


SEARCHES = 100.0
"""Runs that a tuned run stands for: a search takes about 500, and some five instances share it."""

Forecaster = Callable[[RunConfig], Forecast]
UNKNOWN = Forecast((), speed_model.read().run)


class _Instance(NamedTuple):
    """What predictions need of an instance, which may be large: all but its data.

    direct: whether f depends on x itself, and not through y*(x) alone.
    """

    problem: Problem
    per_call: float
    direct: bool
    times: dict[tuple[str, float], float]


def forecaster() -> Forecaster:
    """A function that forecasts a run; it remembers what it has seen."""
    known: dict[str, Forecast] = {}
    instances: dict[str, _Instance] = {}

    def forecast(config: RunConfig) -> Forecast:
        name = key(config)
        if name not in known:
            try:
                known[name] = _forecast(config, instances)
            except Exception:  # noqa: BLE001  # a plug-in may raise anything: its run will say what
                known[name] = UNKNOWN
        return known[name]

    return forecast


def _forecast(config: RunConfig, instances: dict[str, _Instance]) -> Forecast:
    from bilevel_core.solvers import get

    instance = _instance(config, instances)
    times = {eps: instance.times[config.criterion, eps] for eps in config.eps}
    solver = get(config.solver)
    predictions = predict(config, solver, instance.problem, times)
    tuned = config.policy == TUNED
    if not (tuned or instance.direct) and moves_by_f_alone(solver, predictions[0].passed):
        config = dataclasses.replace(config, max_outer=min(config.max_outer, STALLED_AFTER))
    has_closed_forms = instance.problem.closed_forms is not None
    spent = speed_model.seconds(
        config, instance.per_call, has_closed_forms, predictions, speed_model.here()
    )
    return Forecast(predictions, spent * SEARCHES if tuned else spent)


def _instance(config: RunConfig, instances: dict[str, _Instance]) -> _Instance:
    from bilevel_core.making import make_problem

    named = [config.problem, config.options, config.kappa, config.seed, config.engine]
    name = to_json(canonical(named))
    found = instances.get(name)
    wanted = [(config.criterion, eps) for eps in config.eps]
    if found is None or not all(each in found.times for each in wanted):
        problem = make_problem(config)
        times = gradient_flow.times(problem, config.eps, config.criterion)
        instances[name] = _Instance(
            dataclasses.replace(problem, data=None),
            speed_model.seconds_per_call(problem, config.engine, speed_model.here()),
            is_direct(problem),
            ({} if found is None else found.times)
            | {(config.criterion, eps): time for eps, time in times.items()},
        )
    return instances[name]
