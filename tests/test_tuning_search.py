"""Halving and the local search as pure functions, on toys whose cheapest candidate is known."""

import math

import pytest

from bilevel_core.tuning.search import FEWEST, Scored, Trial, halve, order, refine


def race(costs, first=1.0, last=1e6, keep=1 / 3, projections=None, hopeless=()):
    """Halve candidates that finish once their budget is their cost; gives the rungs as well."""
    asked = []

    def evaluate(candidate, budget):
        asked.append((candidate, budget))
        cost = costs[candidate]
        if candidate in hopeless:
            return Trial((), math.inf, True)
        if cost <= budget:
            return Trial((cost / 2, cost), cost)
        return Trial((), (projections or costs)[candidate])

    ranked = halve(list(costs), evaluate, first, last, keep)
    return ranked, asked


COSTS = {f"c{i}": 20.0 * 1.2**i for i in range(30)}


def test_a_candidate_costs_what_its_dearest_instance_does():
    assert Trial((3.0, 5.0, 4.0), 5.0).cost == 5.0
    assert Trial((), 5.0).cost == math.inf


def test_the_order_is_finished_then_projected_then_hopeless():
    trials = [
        Trial((), math.inf, True),
        Trial((), math.inf),
        Trial((9.0,), 9.0),
        Trial((), 2.0),
        Trial((7.0, 1.0), 7.0),
    ]
    ranked = sorted((Scored(i, trial) for i, trial in enumerate(trials)), key=order)
    assert [scored.candidate for scored in ranked] == [4, 2, 3, 1, 0]


def test_halving_finds_the_cheapest():
    ranked, _ = race(COSTS)
    assert ranked[0].candidate == "c0"
    assert ranked[0].trial.cost == 20.0
    assert len(ranked) == len(COSTS)


def test_rungs_keep_a_third_once_the_goal_is_near():
    _, asked = race(COSTS)
    rungs = {}
    for candidate, budget in asked:
        rungs.setdefault(budget, []).append(candidate)
    budgets = sorted(rungs)
    assert budgets[:3] == pytest.approx([1.0, 3.0, 9.0])
    # The leader, at 20, is two rungs away from a budget of 3 on.
    assert [len(rungs[b]) for b in budgets[:3]] == [30, 30, 10]
    assert rungs[budgets[2]] == [f"c{i}" for i in range(10)]


def test_nobody_spends_more_than_the_best_that_finished():
    _, asked = race(COSTS, first=1000.0)
    assert asked[0] == ("c0", 1000.0)
    assert all(budget == 20.0 for _, budget in asked[1:])


def test_a_budget_that_nothing_meets_ends_the_race():
    ranked, asked = race(COSTS, last=10.0)
    assert not ranked[0].trial.costs
    assert max(budget for _, budget in asked) == 10.0


def test_the_hopeless_are_tried_once():
    ranked, asked = race(COSTS, hopeless=("c0", "c1"))
    assert ranked[0].candidate == "c2"
    assert [candidate for candidate, _ in asked].count("c0") == 1


def test_a_race_of_the_hopeless_ends():
    ranked, asked = race(COSTS, hopeless=tuple(COSTS))
    assert all(scored.trial.hopeless for scored in ranked)
    assert len(asked) == len(COSTS)


def test_who_was_left_behind_comes_back_when_the_leaders_get_stuck():
    """Three candidates look best for ever and never finish; the honest one looks worse."""
    costs = {"honest": 50.0} | {f"stuck{i}": 1e9 for i in range(FEWEST)} | {"slow": 1e8}

    def evaluate(candidate, budget):
        if costs[candidate] <= budget:
            return Trial((costs[candidate],), costs[candidate])
        if candidate.startswith("stuck"):
            return Trial((), 5.0 if budget < 10.0 else math.inf)
        return Trial((), costs[candidate])

    ranked = halve(list(costs), evaluate, 1.0, 1e5, 1 / 3)
    assert ranked[0].candidate == "honest"


def test_equal_candidates_are_tried_once():
    asked = []

    def evaluate(candidate, budget):
        asked.append(candidate)
        return Trial((1.0,), 1.0)

    halve([3, 3, 4, 3], evaluate, 1.0, 1.0, 0.5)
    assert asked == [3, 4]


def valley(point, budget):
    """Cost of a step size a and a number of steps n: least at a = 0.037, n = 5; 1/a up to a cliff.

    Like a solver's: more steps are dearer, fewer make it slow, and too large a step never ends.
    """
    a, n = point
    if a > 0.037 * (1 + n) / 6 or budget <= 0:
        return Trial((), math.inf)
    cost = (n + 2.0) / a
    return Trial((cost,), cost) if cost <= budget else Trial((), math.inf)


def change(point, factors):
    (a, n), (by, factor) = point, factors
    moved = round(n * factor)
    if factor != 1 and moved == n:
        moved = n + (1 if factor > 1 else -1)
    return min(a * by, 2.0), min(max(moved, 1), 5)


OPTIMUM = 7.0 / 0.037


def refined(start, trials):
    scored = Scored(start, valley(start, math.inf))
    return refine(scored, valley, change, 2, trials)


@pytest.mark.parametrize("start", [(0.001, 5), (0.01, 2), (0.012, 1), (0.036, 5)])
def test_the_local_search_gets_near_the_optimum(start):
    best = refined(start, 100)[0]
    assert best.trial.cost <= 1.2 * OPTIMUM
    assert best.trial.cost >= OPTIMUM


@pytest.mark.parametrize("trials", [0, 1, 7, 20])
def test_the_local_search_keeps_to_its_trials(trials):
    tried = refined((0.001, 5), trials)
    assert len(tried) <= trials + 1
    assert tried[0].trial.cost <= valley((0.001, 5), math.inf).cost


def test_the_local_search_never_pays_more_than_the_best():
    budgets = []

    def evaluate(point, budget):
        budgets.append(budget)
        return valley(point, budget)

    start = Scored((0.01, 5), valley((0.01, 5), math.inf))
    refine(start, evaluate, change, 2, 50)
    assert budgets == sorted(budgets, reverse=True)
    assert budgets[0] == start.trial.cost


def test_only_a_move_of_both_leads_out_of_a_corner():
    """At n = 1 no longer step is possible, and at the same step no larger n is cheaper."""
    corner = (0.037 / 3, 1)
    alone = [
        change(corner, factors) for factors in ((2.0, 1.0), (1.4, 1.0), (1.0, 2.0), (0.5, 1.0))
    ]
    assert all(valley(p, math.inf).cost > valley(corner, math.inf).cost for p in alone)
    assert refined(corner, 100)[0].trial.cost < 0.95 * valley(corner, math.inf).cost


def test_the_local_search_is_the_same_every_time():
    assert refined((0.002, 3), 40) == refined((0.002, 3), 40)
