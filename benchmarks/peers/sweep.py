"""A sweep of 128 small instances, from a fresh process: `-m benchmarks.peers.sweep WHO TIMES`.

16 condition numbers and 8 instances each, d = 20, 500 outer steps of AID-CG: the seconds of each of
TIMES sweeps go to standard output as JSON, with the sum of |x| over all final iterates.  WHO: ours
or jax.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

import problems
from benchmarks.peers.settings import ALPHA, BETA, INNER, LINEAR

KAPPAS, SEEDS, DIM, STEPS = np.geomspace(2.0, 64.0, 16), range(8), 20, 500
COLD_REPEATS, STEADY_SWEEPS = 5, 9
AGREEMENT = 1e-8


def instances() -> list[Any]:
    """The 128 instances, kappa by kappa."""
    return [
        problems.make("quadratic", kappa=float(kappa), dim=DIM, seed=seed)
        for kappa in KAPPAS
        for seed in SEEDS
    ]


def ours(made: list[Any]) -> Callable[[], float]:
    """One run an instance on the compiled engine."""
    from bilevel_core.engines.compiled import CompiledSession
    from bilevel_core.solvers import aid_bio, get

    solver = get("aid_bio")
    params = aid_bio.Params(ALPHA, BETA, INNER, LINEAR, INNER, LINEAR)

    def sweep() -> float:
        total = 0.0
        for problem in made:
            session = CompiledSession(problem, solver, params)
            session._run(STEPS)
            total += float(np.abs(session.iterate()).sum())
        return total

    return sweep


def jax(made: list[Any]) -> Callable[[], float]:
    """All instances at once under vmap."""
    from benchmarks.peers.dense_jax import aid_step, batched

    call = batched(aid_step, made, STEPS, 0)
    return lambda: float(np.abs(call()).sum())


def compare() -> dict[str, Any]:
    """Cold and steady seconds of both, medians, each from processes of their own, in turns.

    Raises:
        ValueError: the two computed different things.
    """
    cold: dict[str, list[float]] = {"ours": [], "jax": []}
    steady: dict[str, list[float]] = {"ours": [], "jax": []}
    sums: dict[str, float] = {}
    for repeat in range(COLD_REPEATS + 1):
        for who, spent in cold.items():
            started = time.perf_counter()
            _child(who, 1)
            if repeat:  # the first fills the cache of compiled code
                spent.append(time.perf_counter() - started)
    for who in steady:
        found = _child(who, STEADY_SWEEPS)
        steady[who], sums[who] = found["seconds"][1:], found["sum"]
    if abs(sums["ours"] - sums["jax"]) > AGREEMENT * abs(sums["jax"]):
        raise ValueError(f"the sweeps differ: {sums}")
    return {
        name: {who: float(np.median(each)) for who, each in spent.items()}
        for name, spent in (("cold", cold), ("steady", steady))
    }


def _child(who: str, times: int) -> Any:
    command = [sys.executable, "-m", "benchmarks.peers.sweep", who, str(times)]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def main(who: str, times: int) -> None:
    """One process of the comparison."""
    sweep = {"ours": ours, "jax": jax}[who](instances())
    seconds, total = [], 0.0
    for _ in range(times):
        started = time.perf_counter()
        total = sweep()
        seconds.append(time.perf_counter() - started)
    sys.stdout.write(json.dumps({"seconds": seconds, "sum": total}))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
