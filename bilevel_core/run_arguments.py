"""The arguments of a run, checked before anything is made; see `run.run` for their meaning."""

from __future__ import annotations

from typing import Any

from bilevel_core import checking
from bilevel_core.errors import InputError, shown
from bilevel_core.problem import Problem
from bilevel_core.record import RunConfig

SMALLEST_EPS = 1e-300
"""Below it a bound divided by eps is no number any more."""


def levels(eps: Any) -> tuple[float, ...]:
    """Distinct bounds, largest first, from one number or a sequence of them.

    Raises:
        InputError: there is none, or one is no number from `SMALLEST_EPS`.
    """
    single = checking.is_a(checking.plain(eps), int, float, str) or eps is None
    expected = "finite numbers > 0"
    values = [eps] if single else checking.items("eps", eps, expected)
    if not values:
        raise InputError("eps: expected at least one value, got none")
    found = [checking.number("eps", value, expected, lambda v: v > 0) for value in values]
    if min(found) < SMALLEST_EPS:
        raise InputError(f"eps: expected numbers from {SMALLEST_EPS:g}, got {min(found)!r}")
    return tuple(sorted({float(value) for value in found}, reverse=True))


def problem_of(problem: Any) -> Problem:
    """A problem.

    Raises:
        InputError: something else.
    """
    if not checking.is_a(problem, Problem):
        raise InputError(f"problem: expected a Problem, as of problems.make, got {shown(problem)}")
    return problem


def problems_of(instances: Any) -> list[Problem]:
    """At least one problem.

    Raises:
        InputError: there is none, or something else.
    """
    expected = "a sequence of problems"
    found = checking.items("instances", instances, expected)
    if not all(checking.is_a(each, Problem) for each in found):
        raise InputError(f"instances: expected {expected}, got {shown(instances)}")
    if not found:
        raise InputError("instances: expected at least one problem, got none")
    return found


def seeds_of(seeds: Any, number: int) -> list[Any] | None:
    """One seed for each instance, None where none is given.

    Raises:
        InputError: there are more or fewer.
    """
    if seeds is None:
        return None
    found = checking.items("seeds", seeds, "a sequence of integers >= 0")
    if len(found) != number:
        raise InputError(f"seeds: expected one for each of {number} instances, got {len(found)}")
    return found


def policy_of(params: Any, overrides: Any) -> tuple[str, dict[str, Any]]:
    """The policy, "custom" for a dict, and the parameters that are set by hand.

    Raises:
        InputError: neither a policy nor a dict, or overrides that are no dict.
    """
    by_hand = {} if overrides is None else checking.mapping("overrides", overrides)
    policy = checking.plain(params)
    if checking.is_a(policy, str):
        return policy, by_hand
    try:
        return "custom", checking.mapping("params", params) | by_hand
    except InputError:
        raise InputError(f"params: expected a policy or a dict, got {shown(params)}") from None


def configuration(config: Any) -> RunConfig:
    """A RunConfig.

    Raises:
        InputError: something else.
    """
    if not checking.is_a(config, RunConfig):
        raise InputError(f"config: expected a RunConfig, got {shown(config)}")
    return config
