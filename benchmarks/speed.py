"""Speed of the compiled engine, written as JSON: python benchmarks/speed.py FILE.json.

Solver seconds only, on one thread; the best of several runs, since other work on the machine can
only slow one down.
"""

import json
import sys
import time
from pathlib import Path

import bilevel_core as bl
import problems
from bilevel_core.environment import environment
from bilevel_core.sweep.atomic import write_text

REPEATS = 5
STEPS = 200_000
CASES = [("ramp", {"dim": 8}), ("quadratic", {"dim": 8}), ("chain", {"length": 8}), ("hard", {})]
LONG_RUN = {"kappa": 32.0, "curvature": 3, "tail": 4.0, "rho": 1.0}
SMALLEST_EPS = 10**-2.5


def calls_per_second(family, options):
    """Oracle calls a second of AID-BiO at kappa = 32, and the number of inner unknowns."""
    problem = problems.make(family, kappa=32.0, **options)
    best = float("inf")
    for _ in range(REPEATS):
        record = bl.run(problem, "aid_bio", eps=1e-300, max_outer=STEPS)
        best = min(best, record.seconds)
    calls = sum(record.passes[0]["spent"].values())
    return {"inner_unknowns": problem.dim_y, "calls_per_second": calls / best}


def long_run(policy):
    """Wall seconds of AID-BiO on `hard` at kappa = 32 down to eps = 10^-2.5, with evaluation."""
    started = time.perf_counter()
    record = bl.run(
        problems.make("hard", **LONG_RUN), "aid_bio", SMALLEST_EPS, policy, max_outer=10**9
    )
    counts = record.counts(SMALLEST_EPS)
    return {
        "seconds": time.perf_counter() - started,
        "status": record.status,
        "outer": record.outer(SMALLEST_EPS),
        "calls": counts,
    }


def main(path):
    """Measure and write."""
    report = {
        "calls_per_second": {name: calls_per_second(name, options) for name, options in CASES},
        "hard_kappa_32_eps_10^-2.5": {p: long_run(p) for p in ("sharp", "theory")},
        "environment": environment(),
    }
    write_text(Path(path), json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1])
