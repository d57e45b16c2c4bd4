"""Parameter policies: where a run's parameters come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bilevel_core.constants import Constants
from bilevel_core.errors import InputError, blaming, shown, unknown_name
from bilevel_core.problem import Problem
from bilevel_core.solvers import Solver, make_params

POLICIES = ("theory", "sharp", "tuned", "custom")


def constants_for(policy: str, problem: Problem) -> Constants:
    """The constants that a policy reads: the certified ones, with the exact L_Phi for "sharp".

    "tuned" and "custom" read none; theirs are the certified ones, too.

    Raises:
        InputError: unknown policy, or "sharp" on a problem whose exact L_Phi is not known.
    """
    if policy not in POLICIES:
        raise unknown_name("policy", policy, POLICIES)
    if policy != "sharp":
        return problem.constants
    if problem.exact_smoothness is None:
        raise InputError(
            "params: policy 'sharp' needs the exact L_Phi, which "
            f"{problem.name!r} does not know; allowed: theory, or a dict"
        )
    return problem.constants.sharpened(problem.exact_smoothness)


def params_for(
    solver: Solver,
    problem: Problem,
    policy: str,
    overrides: Mapping[str, Any],
    eps: float,
    tuned: Mapping[str, Any] | None = None,
) -> Any:
    """The solver's Params for one eps: those of the policy, with some set by hand.

    Under "custom" all of them are set by hand.  tuned: what `tuning.tune` found for this eps, which
    "tuned" alone needs.

    Raises:
        InputError: a parameter is unknown, missing, or out of range; "tuned" without a search.
    """
    constants = constants_for(policy, problem)
    if policy == "custom":
        given: Mapping[str, Any] = {}
    elif policy == "tuned":
        if tuned is None:
            raise InputError("tuned: policy 'tuned' needs the result of a search, got None")
        given = tuned
    else:
        given = _prescribed(solver, constants, eps)._asdict()
    return make_params(solver, {**given, **overrides})


def _prescribed(solver: Solver, constants: Constants, eps: float) -> Any:
    with blaming(f"solver {solver.name!r}: its theory"):
        found = solver.theory(constants, eps)
    if not isinstance(found, solver.Params):
        raise InputError(
            f"solver {solver.name!r}: expected its theory to return Params, got {shown(found)}"
        )
    return found
