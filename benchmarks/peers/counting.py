"""What counting costs: a compiled step with `count`, and with a function that does nothing.

Compiled code has one `count`, so each form runs in processes of its own, in turns.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from numba.extending import register_jitable

import problems
from benchmarks.peers.settings import ALPHA, BETA, INNER, LINEAR
from bilevel_core import oracle
from bilevel_core.engines.compiled import CompiledSession
from bilevel_core.solvers import aid_bio, get

SIZES = {2: 20_000, 8: 20_000, 20: 5000, 100: 500}
PROCESSES, REPEATS = 7, 9


@register_jitable(forceinline=True)  # type: ignore[untyped-decorator, unused-ignore]
def count_nothing(oracle: Any, slot: int, samples: int) -> None:
    """Leave the ledger as it is."""


FORMS: dict[str, Callable[..., None]] = {"counted": oracle.count, "silent": count_nothing}


def cost() -> dict[str, Any]:
    """Microseconds of a step with counting, and its ratio to one without, medians, by unknowns."""
    spent: dict[str, list[dict[str, float]]] = {form: [] for form in FORMS}
    for _ in range(PROCESSES):
        for form, found in spent.items():
            code = f"from benchmarks.peers.counting import run; run({form!r})"
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
            found.append(json.loads(done.stdout.splitlines()[-1]))
    medians = {
        form: {d: statistics.median(each[d] for each in found) for d in found[0]}
        for form, found in spent.items()
    }
    return {
        d: {"microseconds": counted, "ratio": counted / medians["silent"][d]}
        for d, counted in medians["counted"].items()
    }


def run(form: str) -> None:
    """Print the microseconds of a step in one form as JSON, the least of several, by unknowns."""
    oracle.count = FORMS[form]
    print(json.dumps({str(d): _microseconds(form, d, n) for d, n in SIZES.items()}))  # noqa: T201


def _microseconds(form: str, d: int, steps: int) -> float:
    problem, solver = problems.make("quadratic", kappa=10.0, dim=d), get("aid_bio")
    params = aid_bio.Params(ALPHA, BETA, INNER, LINEAR, INNER, LINEAR)
    session = CompiledSession(problem, solver, params)
    least = float("inf")
    for _ in range(REPEATS):
        session._state = solver.init(problem.x0.copy(), problem.y0.copy())
        began = time.process_time()
        session._run(steps)
        least = min(least, time.process_time() - began)
    if session._oracle.ledger.any() != (form == "counted"):
        raise ValueError(f"{form}: the ledger says otherwise")
    return 1e6 * least / steps
