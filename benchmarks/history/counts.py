"""Oracle calls of every registered solver on fixed instances: exact, so that any change is meant.

`hard` at kappa 2 under policy sharp; solvers that draw see Gaussian noise, from one seed.  NaN: the
solver does not get to eps, which for a biased one is right.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

KAPPA, EPS, LONGEST = 2.0, 0.3, 200_000
STEPS, FAR = 100, 1e-6
NOISE = {"noise": "gaussian", "sigma": 0.1}
_MODULES = Path(__file__).resolve().parents[2] / "bilevel_core" / "solvers"
# From the checkout that the suites lie in: the names must not depend on the commit measured.
SOLVERS = sorted(path.stem for path in _MODULES.glob("[!_]*.py"))

params = SOLVERS
param_names = ["solver"]
version = "1"
"""To be raised with whatever is counted here: results of other versions are not compared."""


def setup_cache() -> dict[str, dict[str, float] | str]:
    """Numbers of each solver, or why there are none, from one process."""
    return {name: _numbers_or_reason(name) for name in SOLVERS}


def track_outer_iterations(found: dict[str, Any], solver: str) -> float:
    """Outer iterations to the first eps."""
    return _number(found, solver, "outer")


def track_gc_f(found: dict[str, Any], solver: str) -> float:
    """Gradients of f to the first eps."""
    return _number(found, solver, "gc_f")


def track_gc_g(found: dict[str, Any], solver: str) -> float:
    """Gradients of g to the first eps."""
    return _number(found, solver, "gc_g")


def track_jv(found: dict[str, Any], solver: str) -> float:
    """Jacobian-vector products to the first eps."""
    return _number(found, solver, "jv")


def track_hv(found: dict[str, Any], solver: str) -> float:
    """Hessian-vector products to the first eps."""
    return _number(found, solver, "hv")


def track_calls_of_100_steps(found: dict[str, Any], solver: str) -> float:
    """All oracle calls of the first hundred outer steps."""
    return _number(found, solver, "steps")


for _track, _unit in (
    (track_outer_iterations, "steps"),
    (track_gc_f, "calls"),
    (track_gc_g, "calls"),
    (track_jv, "calls"),
    (track_hv, "calls"),
    (track_calls_of_100_steps, "calls"),
):
    _track.unit, _track.less_is_better = _unit, True  # type: ignore[attr-defined]
setup_cache.timeout = 900  # type: ignore[attr-defined]  # each solver is compiled the first time


def _number(found: dict[str, Any], solver: str, quantity: str) -> float:
    numbers = found[solver]
    if isinstance(numbers, str):
        raise RuntimeError(numbers)
    return numbers[quantity]


def _numbers_or_reason(name: str) -> dict[str, float] | str:
    try:
        return _numbers(name)
    except Exception as error:  # noqa: BLE001  # an older commit may lack anything
        return f"{type(error).__name__}: {error}"


def _numbers(name: str) -> dict[str, float]:
    import bilevel_core as bl
    import problems
    from bilevel_core import solvers

    def made(eps: float, longest: int) -> Any:
        run = bl.run(problem, name, eps, "sharp", max_outer=longest, **seeds)
        if run.status == "failed":  # its ledger says nothing
            raise RuntimeError(run.reason)
        return run

    is_random = solvers.get(name).is_random
    problem = problems.make("hard", kappa=KAPPA, **(NOISE if is_random else {}))
    seeds = {"noise_seeds": [0]} if is_random else {}
    run = made(EPS, LONGEST)
    slots = ("gc_f", "gc_g", "jv", "hv")
    to_eps: dict[str, float] = {"outer": math.nan, **dict.fromkeys(slots, math.nan)}
    if run.status == "ok":
        counts = run.counts(EPS)
        to_eps = {"outer": int(run.outer(EPS)), **{slot: int(counts[slot]) for slot in slots}}
    steps = made(FAR, STEPS)
    return to_eps | {"steps": int(sum(steps.passes[0]["spent"].values()))}
