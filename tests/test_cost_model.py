"""The cost model: sums, gradient flow and predictions with known answers, and what runs measure."""

import dataclasses
import math

import numpy as np
import pytest

import problems
from bilevel_core.cost import Cost, CostRange
from bilevel_core.engines.chunk import Chunk
from bilevel_core.engines.loop import drive
from bilevel_core.problem import ClosedForms
from bilevel_core.record import RunConfig
from bilevel_core.run import execute, make_problem
from bilevel_core.solvers import ba, get
from bilevel_core.sweep import cost_model, gradient_flow, speed_model, stalling
from bilevel_core.sweep.forecast import UNKNOWN, forecaster

CONFIG = RunConfig(problem="hard", kappa=4.0, solver="aid_bio", eps=(0.1, 0.03))
NOISE = {"noise": "gaussian", "sigma": 0.1}


def config(**changes):
    return dataclasses.replace(CONFIG, **changes)


def predicted(asked, solver=None, time=1.0):
    """Predictions where gradient flow takes `time` to every eps."""
    solver = solver or get(asked.solver)
    return cost_model.predict(asked, solver, make_problem(asked), dict.fromkeys(asked.eps, time))


# Sums over outer steps


@pytest.mark.parametrize("outer", [1, 2, 3, 16, 17, 1000, 10**9])
def test_sum_is_exact_where_only_the_first_step_differs(outer):
    assert cost_model.total(lambda k: 30.0 if k == 0 else 4.0, outer) == 30.0 + 4.0 * (outer - 1)


@pytest.mark.parametrize("outer", [1, 5, 64, 1000])
def test_sum_is_exact_where_cost_grows_linearly(outer):
    assert cost_model.total(lambda k: 3.0 + 2.0 * k, outer) == pytest.approx(outer * (outer + 2.0))


@pytest.mark.parametrize("outer", [10, 1000, 100_000])
def test_sum_over_growing_inner_loops_is_close(outer):
    exact = sum(ba.inner_steps(k) for k in range(outer))
    assert cost_model.total(ba.inner_steps, outer) == pytest.approx(exact, rel=0.1)


def test_middle_of_a_range_is_the_mean_of_draws_and_lower_for_tolerances():
    least, most = Cost(grad_y_g=1, hvp=0), Cost(grad_y_g=1, hvp=100)
    solver = dataclasses.replace(
        get("hoag"), cost_per_step=lambda params, k: CostRange(least, most), samples_per_step=None
    )
    by_tolerance = cost_model.calls_per_step(solver, None)(0)
    assert by_tolerance == pytest.approx(1.0 + 100.0**0.4)
    drawn = dataclasses.replace(solver, samples_per_step=solver.cost_per_step)
    assert cost_model.calls_per_step(drawn, None)(0) == 1.0 + 50.0


# Gradient flow


def bowl(curvature, start, gap=None, smoothness=None):
    """Phi = curvature x^2/2, along which x = start e^{-curvature t}."""
    problem = problems.make("quadratic", kappa=2.0)

    def grad_phi(data, x, out):
        out[:] = curvature * x

    forms = ClosedForms(lambda data, x, out: None, lambda data, x: None, grad_phi)
    gap = gap or curvature * start**2 / 2.0
    smoothness = smoothness or curvature
    constants = dataclasses.replace(problem.constants, smoothness=smoothness, gap=gap)
    x0 = np.array([start])
    return dataclasses.replace(problem, constants=constants, x0=x0, closed_forms=forms)


def test_flow_reaches_the_first_eps_when_the_exponential_does():
    eps = [1e-1, 1e-3, 1e-6]
    found = gradient_flow.times(bowl(2.0, 1.0), eps, "first")
    for level in eps:
        assert found[level] == pytest.approx(math.log(4.0 / level) / 4.0, rel=0.25)


def test_flow_reaches_the_average_when_phi_has_lost_eps_times_t():
    time = gradient_flow.times(bowl(2.0, 1.0), [0.5], "average")[0.5]
    assert (1.0 - math.exp(-4.0 * time)) / time == pytest.approx(0.5, rel=0.1)


def test_flow_is_followed_where_the_certified_smoothness_is_far_too_large():
    cautious = bowl(2.0, 1.0, gap=1e9, smoothness=1e6)
    assert gradient_flow.times(cautious, [1e-3], "first")[1e-3] == pytest.approx(2.07, rel=0.25)


def test_eps_of_the_start_takes_no_time():
    assert gradient_flow.times(bowl(2.0, 1.0), [5.0], "average") == {5.0: 0.0}


def test_flow_takes_at_most_gap_over_eps():
    assert gradient_flow.times(bowl(2.0, 1.0, gap=1e-3), [0.5], "average") == {0.5: 2e-3}


def test_bound_stands_where_the_flow_cannot_be_followed():
    problem = dataclasses.replace(bowl(2.0, 1.0), closed_forms=None, engines=("torch",))
    assert gradient_flow.times(problem, [0.5], "first") == {0.5: problem.constants.gap / 0.5}
    overflowing = dataclasses.replace(bowl(2.0, 1.0), x0=np.array([np.inf]))
    assert gradient_flow.times(overflowing, [0.5], "first") == {0.5: 2.0}


def test_gap_far_above_what_phi_can_lose_does_not_matter():
    exact = gradient_flow.times(bowl(2.0, 1.0), [0.1], "average")
    assert gradient_flow.times(bowl(2.0, 1.0, gap=1e6), [0.1], "average") == exact


# Predictions


def test_outer_steps_are_time_over_step_size():
    by_hand = config(overrides={"beta": 0.01})
    assert {p.outer for p in predicted(by_hand, time=2.5)} == {250.0}
    assert {p.outer for p in predicted(by_hand, time=0.0)} == {1.0}


def test_theorem_caps_outer_steps_but_not_those_of_other_parameters():
    solver = dataclasses.replace(get("aid_bio"), outer_bound=lambda constants, eps: 7.2)
    assert {(p.outer, p.bound) for p in predicted(CONFIG, solver, 1e6)} == {(8.0, 7.2)}
    by_hand = predicted(config(overrides={"beta": 0.01}), solver, 1e6)
    assert {(p.outer, p.bound) for p in by_hand} == {(1e8, None)}


def test_solvers_own_prediction_is_taken_for_what_phi_has_to_lose():
    solver = dataclasses.replace(
        get("hoag"), predicted_outer=lambda constants, eps: 100.0 * constants.gap / eps
    )
    gap = make_problem(CONFIG).constants.gap
    short, long = (predicted(config(eps=(0.1,)), solver, time)[0].outer for time in (1.0, 1e9))
    assert (short, long) == (100.0, math.ceil(100.0 * gap / 0.1))


def test_solver_without_a_step_size_is_taken_to_use_an_eighth_of_1_over_smoothness():
    params = get("hoag").theory(make_problem(CONFIG).constants, 0.1)
    nameless = type("Params", (), {"_asdict": lambda self: {}})()
    constants = make_problem(CONFIG).constants
    assert cost_model.steps_by_size(params, constants, 1.0) == pytest.approx(constants.L_Phi)
    assert cost_model.steps_by_size(nameless, constants, 1.0) == pytest.approx(
        8.0 * constants.L_Phi
    )


def test_repetitions_multiply_calls_and_leave_samples_alone():
    once = predicted(config(noise_seeds=(0,)))
    thrice = predicted(config(noise_seeds=(0, 1, 2)))
    assert [p.calls for p in thrice] == [3.0 * p.calls for p in once]
    assert [p.samples for p in thrice] == [p.samples for p in once] == [p.calls for p in once]


def test_samples_are_what_the_solver_declares():
    solver = dataclasses.replace(
        get("aid_bio"), samples_per_step=lambda params, k: Cost(grad_y_g=10**9)
    )
    found = predicted(CONFIG, solver)[0]
    assert found.samples == 1e9 * found.outer


def test_reaching_eps_costs_what_it_costs_whatever_max_outer_allows():
    assert predicted(config(max_outer=3)) == predicted(CONFIG)


def test_eps_of_equal_parameters_are_one_pass_and_tuned_ones_never_are():
    shared = cost_model.passes(predicted(CONFIG))
    assert [[p.eps for p in group] for group in shared] == [[0.1, 0.03]]
    for own in (config(solver="itd_bio"), config(policy="tuned")):
        assert [[p.eps for p in group] for group in cost_model.passes(predicted(own))] == [
            [0.1],
            [0.03],
        ]


def test_forecast_of_what_cannot_be_made_is_unknown():
    forecast = forecaster()
    assert forecast(config(overrides={"Q": 1})) == UNKNOWN
    assert forecast(config(problem="nowhere.py:p")) == UNKNOWN
    assert forecast(CONFIG).predictions


@pytest.mark.parametrize("solver", ["aid_bio", "itd_bio", "hoag"])
@pytest.mark.parametrize("seed", [0, 3])
def test_prediction_is_what_a_run_measures(solver, seed):
    """K within a sixth, calls within a factor of three where loops stop by a tolerance."""
    asked = config(solver=solver, seed=seed, eps=(0.03,))
    (found,) = forecaster()(asked).predictions
    record = execute(asked)
    hit = next(hit for hit in record.hits if hit["criterion"] == "average")
    assert found.outer == pytest.approx(hit["outer"], rel=1 / 6)
    calls, most = sum(hit["calls"].values()), 3.0 if solver == "hoag" else 7 / 6
    assert calls / most < found.calls < calls * most


# Seconds


SPEEDS = speed_model.Speeds(
    yardstick=1e-5,
    engines={"compiled": speed_model.Speed(1e-8, 4e-7), "torch": speed_model.Speed(3e-5, 0.0)},
    solvers={"hoag": 2.0},
    multiplication=1e-10,
    row=1e-9,
    loss=1e-8,
    noise_call=1e-8,
    noise_number=1e-8,
    noise_step=4e-6,
    look=1e-4,
    run=0.01,
    compilation=3.0,
)


def seconds(asked, speeds=SPEEDS, **changes):
    has_closed_forms = changes.pop("closed_forms", True)
    return speed_model.seconds(asked, 1e-6, has_closed_forms, predicted(asked, **changes), speeds)


def test_seconds_keep_within_max_outer_and_max_seconds():
    long = config(solver="hoag", max_outer=10**12)
    assert seconds(long, time=1e9) > 1e3
    assert seconds(dataclasses.replace(long, max_outer=10), time=1e9) < 0.1
    limited = dataclasses.replace(long, max_seconds=5.0)
    assert seconds(limited, time=1e9) == pytest.approx(5.0 + SPEEDS.run)


def test_evaluation_without_closed_forms_takes_calls_of_its_own():
    outer = predicted(CONFIG)[-1].outer
    more = seconds(CONFIG, closed_forms=False) - seconds(CONFIG)
    assert more == pytest.approx(outer * speed_model.REFERENCE_CALLS * 1e-6)


def test_call_takes_longer_on_larger_instances_and_under_torch():
    made = [
        problems.make("hard", kappa=2.0),
        problems.make("quadratic", kappa=2.0, dim=20),
        problems.make("logistic", kappa=2.0),
        problems.make("logistic", kappa=2.0, samples=200),
    ]
    calls = [speed_model.seconds_per_call(problem, "compiled", SPEEDS) for problem in made]
    assert calls == sorted(calls)
    assert calls[0] < 1.5e-8
    assert speed_model.seconds_per_call(made[0], "torch", SPEEDS) > 1000.0 * calls[0]


def test_noise_makes_a_call_longer_by_its_unknowns():
    exact, noisy = (problems.make("quadratic", kappa=2.0, dim=20, **o) for o in ({}, NOISE))
    calls = [speed_model.seconds_per_call(each, "compiled", SPEEDS) for each in (exact, noisy)]
    assert calls[1] - calls[0] == pytest.approx(1e-8 + 40 * 1e-8)


def test_a_solver_has_a_factor_of_its_own():
    plain, slow = (SPEEDS._replace(look=0.0, solvers=own) for own in ({}, {"aid_bio": 3.0}))
    expected = 3.0 * (seconds(CONFIG, plain) - SPEEDS.run)
    assert seconds(CONFIG, slow) - SPEEDS.run == pytest.approx(expected)


@pytest.mark.parametrize("outer", [1, 16, 17, 1000, 40_000, 200_000])
def test_looks_are_the_stretches_that_the_loop_makes(outer):
    asked_for = []

    class Session:
        batch = 1

        def advance(self, n, is_late):
            asked_for.append(n)
            ledgers = np.zeros((n + 1, 1, 2, 1), np.int64)
            return Chunk(np.ones((n, 1)), ledgers, np.array([True]))

    drive(Session(), (0.1,), "average", outer, None)
    assert sum(asked_for) == outer
    assert speed_model.looks(outer) == len(asked_for)


def test_a_look_takes_its_time_again_in_every_pass():
    several, once = (config(solver=name, max_outer=1000) for name in ("itd_bio", "aid_bio"))
    for asked, passes in ((several, 2), (once, 1)):
        plain = seconds(asked, SPEEDS._replace(look=0.0), time=1e9)
        more = seconds(asked, time=1e9) - plain
        assert more == pytest.approx(passes * speed_model.looks(1000) * SPEEDS.look)


def test_a_slower_machine_takes_longer_for_all_of_it():
    slower = speed_model.scaled(SPEEDS, 2.0)
    assert slower.solvers == SPEEDS.solvers
    for asked in (CONFIG, config(solver="hoag")):
        made = make_problem(asked)
        took = [
            speed_model.seconds(
                asked, speed_model.seconds_per_call(made, "compiled", speeds), True,
                predicted(asked), speeds,
            )
            for speeds in (SPEEDS, slower)
        ]  # fmt: skip
        assert took[1] == pytest.approx(2.0 * took[0])


def test_a_machine_is_measured_by_its_best_moment():
    ticks = iter([0.0, 5.0] * 3 + [0.0, 2.0] + [0.0, 4.0] * speed_model.TRIES)
    assert speed_model.yardstick(lambda: next(ticks)) == 2.0


def test_this_machine_is_looked_at_once_and_has_speeds():
    assert speed_model.here() is speed_model.here()
    measured = speed_model.read()
    ratio = speed_model.here().yardstick / measured.yardstick
    assert speed_model.here().engines["compiled"].call == pytest.approx(
        measured.engines["compiled"].call * ratio
    )


@pytest.mark.parametrize("family", ["hard", "quadratic"])
def test_a_run_that_never_moves_is_given_up_early(family):
    """A first-order solver where f depends on x through y*(x) alone."""
    still, moving = (
        forecaster()(config(problem=family, solver=name, eps=(1e-6,), max_outer=10**9))
        for name in ("fo_itd_bio", "itd_bio")
    )
    assert still.predictions[0].outer > 1e6
    assert still.seconds < moving.seconds / 100.0


def test_what_moves_by_derivatives_of_g_or_depends_on_x_itself_is_not_given_up():
    problem = make_problem(CONFIG)
    assert not stalling.is_direct(problem)
    assert stalling.is_direct(dataclasses.replace(problem, engines=("torch",)))
    assert not stalling.moves_by_f_alone(get("hoag"), get("hoag").theory(problem.constants, 0.1))
    by_penalty = dataclasses.replace(
        get("aid_bio"), cost_per_step=lambda params, k: Cost(grad_x_f=1, grad_x_g=1)
    )
    assert not stalling.moves_by_f_alone(by_penalty, None)


def test_each_class_of_a_regression_is_a_product_of_its_own():
    X = np.zeros((50, 5))
    assert speed_model._sizes(X, 5) == (250, 50)
    assert speed_model._sizes(X, 15) == (750, 150)
    assert speed_model._sizes(X.T, 5) == (250, 0)
