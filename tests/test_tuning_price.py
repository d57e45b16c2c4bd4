"""What runs cost a search, how many steps a budget buys, and what a cut-off run promises."""

import math

import pytest

from bilevel_core import InputError, RunConfig, RunRecord
from bilevel_core.oracle import SLOTS
from bilevel_core.solvers import get, make_params
from bilevel_core.tuning import Settings
from bilevel_core.tuning.bench import projected_cost
from bilevel_core.tuning.price import (
    UNDECLARED,
    affordable_steps,
    budgets,
    cost_of_hit,
    spent_by,
    step_cost,
    total,
)

VALUES = {
    "aid_bio": {"alpha": 1.0, "beta": 0.1, "D": 4, "N": 2, "first_D": 10, "first_N": 5},
    "ba": {"alpha": 1.0, "beta": 0.1, "N": 3},
    "bsa": {"alpha": 1.0, "offset": 8.0, "beta": 0.1, "eta": 1.0, "b": 5},
    "hoag": {
        "alpha": 1.0,
        "beta": 0.1,
        "tolerance": 0.1,
        "decrease": 2.0,
        "floor": 1e-11,
        "mu": 0.1,
        "most": 99,
    },
}


def params(name):
    return make_params(get(name), VALUES[name])


def record(outer=10, hit=8, seconds=3.0, noise_seeds=(), trajectory=(), criterion="average"):
    slots = {name: 100 * i for i, name in enumerate(SLOTS, start=1)}
    samples = {name: 7 * n for name, n in slots.items()}
    return RunRecord(
        config=RunConfig(
            "hard", 8.0, "aid_bio", (0.1,), criterion=criterion, noise_seeds=noise_seeds
        ),
        constants={},
        status="ok",
        reason="",
        passes=[{"eps": [0.1], "outer": outer, "spent": slots, "spent_samples": samples}],
        hits=[
            {"criterion": criterion, "eps": 0.1, "outer": hit, "calls": slots, "samples": samples}
        ],
        trajectory=[
            {"outer": k - 1, "average": value, "squared": value} for k, value in trajectory
        ],
        environment={},
        seconds=seconds,
        code="",
    )


def test_a_hit_in_each_currency():
    counts = {"gc_f": 300, "gc_g": 700, "jv": 500, "hv": 600}
    assert cost_of_hit(record(), 0.1, Settings()) == sum(counts.values())
    assert cost_of_hit(record(), 0.1, Settings(cost="samples")) == 7 * sum(counts.values())
    weights = Settings(gc_f=0.0, gc_g=0.5, jv=0.0, hv=2.0)
    assert cost_of_hit(record(), 0.1, weights) == 0.5 * 700 + 2 * 600


def test_seconds_are_those_up_to_the_hit_of_one_repetition():
    seconds = Settings(cost="seconds")
    assert cost_of_hit(record(), 0.1, seconds) == pytest.approx(3.0 * 8 / 10)
    assert cost_of_hit(record(noise_seeds=(0, 1)), 0.1, seconds) == pytest.approx(1.2)


def test_what_is_spent_counts_every_repetition():
    one, three = spent_by(record()), spent_by(record(noise_seeds=(0, 1, 2)))
    assert three.calls == {name: 3 * n for name, n in one.calls.items()}
    assert three.samples == {name: 7 * n for name, n in three.calls.items()}
    assert (one.runs, three.runs, three.seconds) == (1, 3, 3.0)
    both = total([one, three])
    assert (both.calls["hv"], both.seconds, both.runs) == (4 * 600, 6.0, 4)


def paid(name, outer):
    return sum(step_cost(get(name), params(name), k, Settings())[1] for k in range(outer))


@pytest.mark.parametrize("name", ["aid_bio", "ba", "bsa"])
@pytest.mark.parametrize("budget", [50.0, 1e3, 1e5])
def test_a_budget_is_neither_exceeded_nor_wasted(name, budget):
    steps = affordable_steps(get(name), params(name), budget, 10**9, Settings())
    assert paid(name, steps) <= budget
    assert paid(name, math.ceil(1.1 * steps) + 1) > budget


def test_a_budget_below_the_first_step_buys_none():
    first = paid("aid_bio", 1)
    assert affordable_steps(get("aid_bio"), params("aid_bio"), first - 1, 99, Settings()) == 0
    assert affordable_steps(get("aid_bio"), params("aid_bio"), first, 99, Settings()) == 1
    assert affordable_steps(get("aid_bio"), params("aid_bio"), 1e99, 99, Settings()) == 99


def test_only_running_tells_what_a_tolerance_or_a_clock_costs():
    hoag, aid = (get("hoag"), params("hoag")), (get("aid_bio"), params("aid_bio"))
    assert affordable_steps(*hoag, 1.0, 10**6, Settings()) == UNDECLARED
    assert affordable_steps(*aid, 1.0, 10**6, Settings(cost="seconds")) == UNDECLARED
    assert affordable_steps(*aid, 1.0, 5, Settings(cost="seconds")) == 5


def test_budgets_run_from_the_cheapest_step_to_the_dearest():
    solver, cheap = get("aid_bio"), params("aid_bio")
    dear = cheap._replace(D=40)
    assert budgets(solver, [dear, cheap], 1000, Settings()) == (100 * 10.0, 1000 * 46.0)
    assert budgets(solver, [dear, cheap], 1000, Settings(budget=5e5))[1] == 5e5
    first, last = budgets(solver, [dear, cheap], 1000, Settings(cost="seconds"))
    assert 0 < first < last


def test_oracles_that_cost_nothing_leave_nothing_to_minimise():
    with pytest.raises(InputError, match=r"'aid_bio'.*gc_f = 0, gc_g = 0, jv = 0, hv = 0"):
        budgets(get("aid_bio"), [params("aid_bio")], 10, Free())


class Free(Settings):
    """Settings that pass over their own check."""

    def __post_init__(self):
        for name in ("gc_f", "gc_g", "jv", "hv"):
            object.__setattr__(self, name, 0.0)


def falling(power, ks):
    return [(k, 100.0 * k**-power) for k in ks]


@pytest.mark.parametrize("criterion", ["average", "first"])
@pytest.mark.parametrize("power", [0.5, 1.0, 2.0])
def test_a_power_goes_on(power, criterion):
    one = record(trajectory=falling(power, ks=(1, 2, 4, 7, 10, 20)), criterion=criterion)
    goal = (100.0 / 0.1) ** (1 / power)
    assert projected_cost(one, 200.0) == pytest.approx(10.0 * goal)


def test_a_goal_that_is_met_costs_nothing_more():
    assert projected_cost(record(trajectory=falling(2.0, ks=(1, 10, 120))), 7.0) == 7.0


def test_a_faster_fall_than_a_square_is_not_believed():
    one = record(trajectory=falling(4.0, ks=(1, 2, 4)))
    assert projected_cost(one, 4.0) == pytest.approx(4.0 * (100 / 4**4 / 0.1) ** 0.5)


@pytest.mark.parametrize(
    "trajectory",
    [
        [],
        [(1, 5.0)],
        [(k, 5.0) for k in (1, 3, 10, 30)],
        [(1, 9.0), (10, 1.0), (40, 2.0)],
        [(1, 9.0), (10, 0.0), (40, 0.0)],
    ],
)
def test_what_does_not_fall_promises_nothing(trajectory):
    assert projected_cost(record(trajectory=trajectory), 10.0) == math.inf


def test_for_the_first_hit_the_least_value_counts():
    swinging = [(1, 9.0), (10, 3.0), (20, 8.0), (40, 0.3), (50, 7.0)]
    assert projected_cost(record(trajectory=swinging, criterion="first"), 50.0) < 1000.0
    assert projected_cost(record(trajectory=swinging), 50.0) == math.inf
