"""The passes of a run: parameters, and the eps that share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import problems
from bilevel_core.errors import InputError, shown
from bilevel_core.policies import params_for
from bilevel_core.problem import Problem
from bilevel_core.record import RunConfig
from bilevel_core.solvers import Solver

if TYPE_CHECKING:
    from bilevel_core.tuning import Tuning

TUNED = "tuned"

Tune = Callable[[RunConfig, float], "Tuning"]
"""The search behind one eps of a configuration, made now or looked up."""


class Pass(NamedTuple):
    """One set of parameters for some eps, in decreasing order.

    tuning: the search that found the parameters, None under other policies.  params is None where
    that search found none that reach its eps.
    """

    params: Any
    eps: tuple[float, ...]
    tuning: Tuning | None = None

    @property
    def named(self) -> dict[str, Any]:
        """The parameters by name, empty where there are none."""
        return {} if self.params is None else dict(self.params._asdict())


def passes_of(config: RunConfig, solver: Solver, problem: Problem, tune: Tune) -> list[Pass]:
    """The passes that a run needs; each eps has its own where the parameters were tuned for it.

    Raises:
        InputError: a parameter is unknown, missing or out of range.
    """
    if config.policy == TUNED:
        return [
            _tuned(solver, problem, config.overrides, eps, tune(config, eps)) for eps in config.eps
        ]
    plan: dict[Any, list[float]] = {}
    for eps in config.eps:
        params = params_for(solver, problem, config.policy, config.overrides, eps)
        plan.setdefault(params, []).append(eps)
    return [Pass(params, tuple(levels)) for params, levels in plan.items()]


def _tuned(
    solver: Solver, problem: Problem, overrides: Mapping[str, Any], eps: float, found: Tuning
) -> Pass:
    if found.params is None:
        return Pass(None, (eps,), found)
    return Pass(params_for(solver, problem, TUNED, overrides, eps, found.params), (eps,), found)


def check_tuning(config: RunConfig, solver: Solver, problem: Problem) -> None:
    """Check the settings of a search without making it.

    Raises:
        InputError: a setting or a parameter set by hand is not allowed, or the problem was made by
            hand, so that no other instances of its family can be.
    """
    from bilevel_core.tuning import settings_from

    if config.policy != TUNED:
        if config.tuning:
            raise InputError(
                f"tuning: goes with policy 'tuned' alone, got {shown(dict(config.tuning))} with "
                f"{shown(config.policy)}"
            )
        return
    settings_from(config.tuning, solver.is_random)
    if not problems.factories(config.problem):
        raise InputError(
            "params: policy 'tuned' makes other instances of the family, and "
            f"{shown(config.problem)} is of none; allowed: theory, or a dict"
        )
    for eps in config.eps:
        params_for(solver, problem, "theory", config.overrides, eps)


def searched() -> Tune:
    """A function that makes each search once, in this process."""
    from bilevel_core.tuning import tune, tuning_key

    known: dict[str, Tuning] = {}

    def once(config: RunConfig, eps: float) -> Tuning:
        key = tuning_key(config, eps)
        if key not in known:
            known[key] = tune(config, eps)
        return known[key]

    return once
