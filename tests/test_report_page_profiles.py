"""Performance profiles and runtime distributions against values worked out by hand."""

import numpy as np
import pandas as pd
import pytest
from report_frames import EPSS, KAPPAS, SEEDS, frame, miss, rows

from bilevel_core.report import groups
from bilevel_core.report.page.profiles import is_free, ratios, shares, thinned
from bilevel_core.report.page.targets import comparisons

INF = float("inf")

# Four targets, three solvers.
COSTS = np.array(
    [
        [10.0, 20.0, 40.0],
        [30.0, 10.0, INF],
        [INF, 50.0, INF],
        [INF, INF, INF],
    ]
)


def only_group(df):
    (group,) = groups.split(df)
    return group


def test_ratios_are_to_the_best_solver_of_each_target():
    assert ratios(COSTS).tolist() == [
        [1.0, 2.0, 4.0],
        [3.0, 1.0, INF],
        [INF, 1.0, INF],
        [INF, INF, INF],
    ]


def test_a_profile_steps_where_a_ratio_is():
    """Solver 1: ratios 1, 3 and two misses; solver 2: 2, 1, 1 and a miss."""
    first, second, third = (shares(column) for column in ratios(COSTS).T)
    assert (first.at.tolist(), first.share.tolist()) == ([1.0, 3.0], [0.25, 0.5])
    assert (second.at.tolist(), second.share.tolist()) == ([1.0, 2.0], [0.5, 0.75])
    assert (third.at.tolist(), third.share.tolist()) == ([4.0], [0.25])


def test_shares_of_wins_add_up_to_what_anyone_reached():
    wins = [shares(column).within(1.0) for column in ratios(COSTS).T]
    assert wins == [0.25, 0.5, 0.0]


def test_a_runtime_distribution_counts_what_a_budget_reaches():
    found = shares(COSTS[:, 1])
    assert [found.within(b) for b in (9.0, 10.0, 19.0, 20.0, 50.0, 1e9)] == [
        0.0,
        0.25,
        0.25,
        0.5,
        0.75,
        0.75,
    ]
    assert (found.last, found.quantile(0.5), found.quantile(0.75)) == (0.75, 20.0, 50.0)
    assert found.quantile(0.8) == INF


def test_a_curve_of_many_steps_is_thinned_by_less_than_can_be_seen():
    values = np.random.default_rng(0).exponential(size=5000)
    values[:500] = INF
    full = shares(values)
    few = thinned(full, 100)
    assert len(few.at) <= 101
    assert few.last == full.last == 0.9
    lower = np.array([full.within(v) - few.within(v) for v in np.linspace(0, 8, 999)])
    assert (lower >= 0).all()
    assert lower.max() <= 0.01
    assert thinned(few, 101) is few


def test_nothing_reached_is_a_flat_line():
    found = shares(np.array([INF, INF]))
    assert (len(found.at), found.last, found.within(1e9), found.quantile(0.5)) == (0, 0, 0, INF)


def test_a_target_for_nothing_is_won_by_who_pays_nothing():
    assert ratios(np.array([[0.0, 0.0, 7.0, INF]])).tolist() == [[1.0, 1.0, INF, INF]]


def test_a_solver_is_free_when_all_that_it_reached_cost_nothing():
    costs = np.array([[0.0, 0.0, 5.0, INF], [INF, 3.0, 6.0, INF]])
    assert is_free(costs).tolist() == [True, False, False, False]


def test_solvers_meet_on_targets_asked_of_all():
    df = frame("aid_bio", "ba")
    df = df[(df["solver"] != "ba") | (df["kappa"] < 32)]
    (found,) = comparisons(only_group(df))
    assert found.solvers == ("ba", "aid_bio")
    assert len(found.targets) == 3 * len(EPSS) * len(SEEDS)
    assert {kappa for kappa, _, _ in found.targets} == set(KAPPAS) - {32.0}
    row = df[(df["kappa"] == 8) & (df["eps"] == 1e-2) & (df["instance"] == "3")]
    place = found.targets.index((8.0, 1e-2, "3"))
    for name in ("gc_f", "gc_g", "jv", "hv"):
        expected = row.set_index("solver")[name].loc[["ba", "aid_bio"]].tolist()
        assert found.costs[name][place].tolist() == expected


@pytest.mark.parametrize("status", ["censored", "diverged", "failed", "infeasible"])
def test_whatever_was_not_reached_costs_infinity(status):
    df = miss(frame("aid_bio", "ba"), status, solver="ba", kappa=32.0)
    (found,) = comparisons(only_group(df))
    costs = found.costs["hv"]
    missed = np.array([kappa == 32.0 for kappa, _, _ in found.targets])
    assert np.isinf(costs[missed, 0]).all()
    assert np.isfinite(costs[~missed, 0]).all()
    assert np.isfinite(costs[:, 1]).all()


def test_a_count_in_a_row_that_missed_is_not_believed():
    df = frame("aid_bio", "ba")
    df.loc[df["solver"] == "ba", "status"] = "censored"
    (found,) = comparisons(only_group(df))
    assert np.isinf(found.costs["hv"][:, 0]).all()


def test_solvers_without_a_common_target_are_compared_apart():
    apart = pd.DataFrame(rows("fo_itd_bio")).assign(kappa=lambda df: df["kappa"] + 1)
    df = pd.concat([frame("aid_bio", "ba"), apart])
    first, second = comparisons(only_group(df))
    assert (first.solvers, second.solvers) == (("ba", "aid_bio"), ("fo_itd_bio",))
    assert len(first.targets) == len(second.targets) == len(KAPPAS) * len(EPSS) * len(SEEDS)


def test_samples_are_compared_where_the_problem_has_noise():
    from report_frames import samples

    df = samples("ttsa", "bsa")
    (found,) = comparisons(only_group(df))
    largest = df.loc[df["status"] == "ok", "samples_gc_g"].max()
    assert found.costs["gc_g"][np.isfinite(found.costs["gc_g"])].max() == largest
