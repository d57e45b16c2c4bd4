"""Time the variants of a case against each other: agreement first, then in turns."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.peers.case import Case

REPEATS = 7
SLOW, FEW = 1.5, 3
"""Variants whose call takes more seconds than SLOW are called FEW times."""
AGREEMENT = 1e-8


def measure(case: Case) -> dict[str, Any]:
    """Microseconds of CPU a unit of every variant, medians, and the ratios to the best peer.

    All variants run in this process, which its caller has pinned to one processor: CPU time is then
    that of every thread.

    Raises:
        ValueError: two variants computed different things.
    """
    calls: dict[str, Callable[[], Any]] = {**case.ours, **case.peers, **case.floors}
    _check_agreement(case)
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for repeat in range(REPEATS):
        for name, call in calls.items():
            if repeat < FEW or statistics.median(seconds[name]) < SLOW:
                seconds[name].append(_cpu_seconds(call))
    medians = {name: 1e6 * statistics.median(each) / case.units for name, each in seconds.items()}
    best_peer = min(
        (name for name in case.peers if name.startswith("JAX")), key=medians.__getitem__
    )
    best_own = min(case.ours, key=medians.__getitem__)
    floor = min((medians[name] for name in case.floors), default=math.nan)
    return {
        "title": case.title,
        "unit": case.unit,
        "microseconds": medians,
        "spread": {name: max(each) / min(each) for name, each in seconds.items()},
        "ours": best_own,
        "peer": best_peer,
        "ratio": _ratio(seconds[best_own], seconds[best_peer]),
        "target": _number(case.target),
        "floor_ratio": _number(medians[best_own] / floor),
        "floor_target": _number(case.floor_target),
    }


def _check_agreement(case: Case) -> None:
    results = {name: call() for name, call in {**case.ours, **case.peers}.items()}
    for call in case.floors.values():
        call()
    reference_name, reference = next(iter(results.items()))
    size = float(np.abs(reference).max())
    for name, result in results.items():
        error = float(np.abs(result - reference).max()) / size
        if not error <= AGREEMENT:
            raise ValueError(f"{case.title}: {name} and {reference_name} differ by {error:.1e}")


def _cpu_seconds(call: Callable[[], Any]) -> float:
    started = time.process_time()
    call()
    return time.process_time() - started


def _ratio(one: list[float], other: list[float]) -> float:
    return statistics.median(one) / statistics.median(other)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
