"""What runs cost in a search's terms: weighted columns of a ledger, or seconds."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from typing import Any

from bilevel_core.cost import Cost, CostRange
from bilevel_core.declarations import cost_of_step
from bilevel_core.errors import InputError
from bilevel_core.oracle import SLOTS
from bilevel_core.record import COLUMNS, RunRecord, column_counts
from bilevel_core.solvers import Solver
from bilevel_core.tuning.settings import Settings

BLOCK = 1.1
"""Outer steps are priced in blocks that end this many times further on than they begin."""
UNDECLARED = 16
"""Outer steps of the first run where only running tells what a step costs."""
FIRST_STEPS = 100
"""Outer steps of the cheapest candidate that the first rung pays for."""
FIRST_SECONDS, MOST_SECONDS = 1e-3, 10.0
"""Budgets of the first rung and, unless it is set, of the last, where cost is seconds."""


@dataclasses.dataclass(frozen=True)
class Spent:
    """What runs took altogether: calls and samples by column, seconds in outer steps, and runs."""

    calls: Mapping[str, int]
    samples: Mapping[str, int]
    seconds: float
    runs: int


def repetitions(record: RunRecord) -> int:
    """How often a run was repeated over noise seeds; its ledgers hold the mean."""
    return max(1, len(record.config.noise_seeds))


def spent_by(record: RunRecord) -> Spent:
    """What one run took to its end, a little after its last hit, all repetitions together."""
    passes = [p for p in record.passes if p["spent"]]
    times = repetitions(record)
    calls = _columns([p["spent"] for p in passes], times)
    samples = _columns([p.get("spent_samples", p["spent"]) for p in passes], times)
    return Spent(calls, samples, record.seconds, times)


def total(parts: list[Spent]) -> Spent:
    """The sum of what several runs took."""
    calls = {name: sum(p.calls[name] for p in parts) for name in COLUMNS}
    samples = {name: sum(p.samples[name] for p in parts) for name in COLUMNS}
    return Spent(calls, samples, sum(p.seconds for p in parts), sum(p.runs for p in parts))


def _columns(slots: list[Mapping[str, int]], times: int) -> dict[str, int]:
    summed = {slot: times * sum(int(part[slot]) for part in slots) for slot in SLOTS}
    return column_counts(summed)


def weighted(counts: Mapping[str, float], settings: Settings) -> float:
    """Columns times weights."""
    return sum(weight * counts[name] for name, weight in settings.weights.items())


def cost_of(spent: Spent, settings: Settings) -> float:
    """What was spent, in the settings' terms."""
    match settings.cost:
        case "seconds":
            return spent.seconds
        case "samples":
            return weighted(spent.samples, settings)
        case _:
            return weighted(spent.calls, settings)


def cost_of_hit(record: RunRecord, eps: float, settings: Settings) -> float | None:
    """What a run cost when it reached eps, one repetition of it if it is random; None if not."""
    outer = record.outer(eps)
    if outer is None:
        return None
    if settings.cost == "seconds":
        made = sum(int(p["outer"]) for p in record.passes)
        return record.seconds / repetitions(record) * outer / max(1, made)
    counts = record.counts(eps, ledger=settings.cost)
    return None if counts is None else weighted(counts, settings)


def step_cost(
    solver: Solver, params: Any, k: int, settings: Settings
) -> tuple[float, float] | None:
    """What outer step k costs, least and most, in the mean if it is drawn; None for seconds."""
    if settings.cost == "seconds":
        return None
    cost = cost_of_step(solver, params, k, settings.cost)
    ends = cost if isinstance(cost, CostRange) else (cost, cost)
    least, most = (weighted(_columns_of(end), settings) for end in ends)
    middle = (least + most) / 2.0
    return (middle, middle) if solver.is_random else (least, most)


def _columns_of(cost: Cost) -> dict[str, float]:
    slots = cost._asdict()
    return {name: sum(slots[slot] for slot in parts) for name, parts in COLUMNS.items()}


def affordable_steps(
    solver: Solver, params: Any, budget: float, most: int, settings: Settings
) -> int:
    """How many outer steps, up to `most`, a budget buys by what the solver declares.

    Steps may grow dearer with k: a block is priced by its last one.  UNDECLARED where only running
    tells what a step costs: by a clock, or because its loops stop by a tolerance.
    """
    done, left = 0, budget
    while done < most:
        end = min(most, max(done + 1, math.ceil(done * BLOCK)))
        ends = step_cost(solver, params, end - 1, settings)
        if ends is None or ends[0] < ends[1]:
            return min(most, UNDECLARED)
        price = ends[1]
        if price * (end - done) > left:
            return done + int(left / price)
        left -= price * (end - done)
        done = end
    return most


def budgets(
    solver: Solver, candidates: Sequence[Any], max_outer: int, settings: Settings
) -> tuple[float, float]:
    """What one run of a candidate may cost at the first rung of a search, and at the last.

    Raises:
        InputError: the columns with a weight are none that the solver ever calls.
    """
    ends = [step_cost(solver, params, 1, settings) for params in candidates]
    known = [pair for pair in ends if pair is not None]
    if not known:
        return FIRST_SECONDS, settings.budget or MOST_SECONDS
    paid = [cost for pair in known for cost in pair if cost > 0.0]
    if not paid:
        raise InputError(
            f"tuning: {solver.name!r} calls no oracle that has a weight > 0, got "
            + ", ".join(f"{name} = {weight:g}" for name, weight in settings.weights.items())
        )
    return FIRST_STEPS * min(paid), settings.budget or max_outer * max(paid)
