"""What a solver's module declares of itself, asked and checked: nonsense is blamed on its name."""

from __future__ import annotations

import math
from typing import Any

from bilevel_core import checking
from bilevel_core.constants import Constants
from bilevel_core.cost import Cost, CostRange
from bilevel_core.errors import InputError, blaming, shown
from bilevel_core.solvers import Solver


def cost_of_step(solver: Solver, params: Any, k: int, ledger: str = "calls") -> Cost | CostRange:
    """What outer step k costs; in samples what it costs in calls, unless the solver says otherwise.

    Raises:
        InputError: the solver's function fails or returns something else.
    """
    own = ledger == "samples" and solver.samples_per_step is not None
    part = "samples_per_step" if own else "cost_per_step"
    what = f"solver {solver.name!r}: its {part}"
    with blaming(what):
        found = getattr(solver, part)(params, k)
    for end in found if checking.is_a(found, CostRange) else (found,):
        if not checking.is_a(end, Cost):
            raise InputError(f"{what}: expected a Cost or a CostRange, got {shown(found)}")
        for slot, value in zip(Cost._fields, end, strict=True):
            checking.number(f"{what}: {slot}", value, "a finite number >= 0", lambda v: v >= 0)
    return found


def bound_on_outer(solver: Solver, constants: Constants, eps: float) -> float | None:
    """The theorem's bound on K; None where the solver states none, or none that is finite.

    Raises:
        InputError: the solver's function fails or returns something else.
    """
    return _steps(solver, "outer_bound", constants, eps)


def predicted_steps(solver: Solver, constants: Constants, eps: float) -> float | None:
    """The solver's own prediction of K, as `bound_on_outer`."""
    return _steps(solver, "predicted_outer", constants, eps)


def _steps(solver: Solver, part: str, constants: Constants, eps: float) -> float | None:
    function = getattr(solver, part)
    if function is None:
        return None
    what = f"solver {solver.name!r}: its {part}"
    with blaming(what):
        found = float(function(constants, eps))
    if found < 0.0:
        raise InputError(f"{what}: expected a number of steps, got {found!r}")
    return found if math.isfinite(found) else None
