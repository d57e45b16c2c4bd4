"""The instrument reads back what is known: closed-form counts and planted exponents."""

import json

import numpy as np
import pandas as pd
import pytest

import bilevel_core as bl
import problems
from bilevel_core.fit import collapse, fit

SEEDS = range(5)


def measure(family, kappas, eps, params, criterion="average", **options):
    """Rows of AID-BiO over kappas and five instances."""
    rows = []
    for kappa in kappas:
        for seed in SEEDS:
            problem = problems.make(family, kappa=kappa, seed=seed, **options)
            record = bl.run(
                problem, "aid_bio", eps, params, criterion=criterion, max_outer=10_000_000
            )
            assert record.status == "ok", record.reason
            rows += record.rows()
    frame = pd.DataFrame(rows)
    return frame[frame.criterion == criterion]


@pytest.mark.parametrize("tail", [1.0, 2.0, 4.0])
@pytest.mark.parametrize("kappa", [8.0, 16.0])
def test_first_hit_of_the_one_sided_tail_is_the_closed_form(tail, kappa):
    """(1 + x1/w)^(2+q) = 1 + (2+q) M1 beta k/w along the slow coordinate."""
    problem = problems.make("hard", kappa=kappa, curvature=3, tail=tail, profile="one_sided")
    levels = (1e-2, 1e-3, 1e-4)
    record = bl.run(problem, "aid_bio", levels, "sharp", criterion="first", max_outer=10**8)
    beta = record.passes[0]["params"]["beta"]
    M1, width = problem.data.slow_M, problem.data.width
    for eps in levels:
        u = (M1 / eps**0.5) ** (1.0 / (1.0 + tail))
        closed = width * (u ** (2.0 + tail) - 1.0) / ((2.0 + tail) * M1 * beta)
        assert record.outer(eps) == pytest.approx(closed, rel=0.02)


@pytest.mark.parametrize(
    ("family", "options", "order"),
    [
        ("hard", {"curvature": 3, "tail": 4.0, "rho": 1.0}, 3.0),
        ("hard", {"curvature": 2, "tail": 4.0}, 2.0),
        ("hard", {"curvature": 1, "tail": 4.0}, 1.0),
        ("quadratic", {}, 2.0),
    ],
)
def test_exponents_are_read_back(family, options, order):
    frame = measure(family, (8.0, 16.0, 32.0), (0.0316, 0.0178, 0.01), "sharp", **options)
    outer = fit(frame, "outer")
    assert outer.kappa.value == pytest.approx(order, abs=0.05)
    assert outer.eps.value == pytest.approx(1.0, abs=0.03)
    assert outer.model == "power"
    assert outer.asymptotic
    assert outer.verdict(order) == "matches bound"
    if order >= 2.0:  # D = Theta(kappa), N = Theta(sqrt kappa), once Phi'' grows as kappa^2
        assert fit(frame, "gc_g", model="power").kappa.value == pytest.approx(order + 1, abs=0.1)
        assert fit(frame, "hv", model="power").kappa.value == pytest.approx(order + 0.5, abs=0.25)


def test_theory_is_not_asymptotic_and_collapses_on_its_bound():
    kappas = (4.0, 6.0, 8.0, 11.0, 16.0, 23.0, 32.0)
    frame = measure("hard", kappas, (0.1, 0.056), "theory", curvature=3, tail=4.0, rho=1.0)
    plain = fit(frame, "outer", model="power")
    assert plain.kappa.value < 2.9
    assert not plain.asymptotic
    assert plain.verdict(3.0) == "not asymptotic"
    assert fit(frame, "outer", model="lower_order").kappa.value == pytest.approx(3.0, abs=0.15)
    flat = collapse(frame)
    assert flat.kappa.value == pytest.approx(0.0, abs=0.05)
    assert flat.maximum <= 1.0


def test_a_first_hit_on_a_strongly_convex_outer_problem_is_logarithmic():
    levels = tuple(10.0**-i for i in range(2, 8))
    frame = measure("quadratic", (8.0, 16.0, 32.0), levels, "sharp", criterion="first")
    found = fit(frame, "outer")
    assert found.model == "logarithmic"
    assert found.eps.value == 0.0


@pytest.mark.parametrize("tail", [1.0, 4.0])
def test_first_hits_have_the_exponent_of_the_tail(tail):
    """(2 + q)/(2 (1 + q)), approached as eps falls."""
    frame = measure(
        "hard", (4.0, 6.0), tuple(np.geomspace(1e-4, 1e-6, 4)), "sharp", "first",
        curvature=2, tail=tail,
    )  # fmt: skip
    wanted = (2.0 + tail) / (2.0 * (1.0 + tail))
    assert fit(frame, "outer", model="power").eps.value == pytest.approx(wanted, abs=0.03)


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_nan_stops_a_run_within_a_thousand_steps(engine):
    problem = problems.make("quadratic", kappa=4.0)
    params = {"alpha": 1.0, "beta": 3.0, "D": 1, "N": 1, "first_D": 1, "first_N": 1}
    record = bl.run(problem, "aid_bio", 1e-3, params, engine=engine, max_outer=20_000)
    assert record.status == "diverged"
    steps = record.passes[0]["spent"]["jvp"]
    assert steps - record.passes[0]["outer"] <= 1000
    json.dumps(record.to_dict(), allow_nan=False)


def test_without_warm_start_kappa_costs_a_power_more():
    """BA loses its first outer steps, of order kappa^4; AID-BiO, warm-started, does not."""
    outer = {}
    for solver in ("ba", "aid_bio"):
        for kappa in (2.0, 4.0):
            problem = problems.make("quadratic", kappa=kappa)
            outer[solver, kappa] = bl.run(problem, solver, 0.1, max_outer=100_000).outer(0.1)
    assert outer["aid_bio", 4.0] / outer["aid_bio", 2.0] < 2.0**2.2
    assert outer["ba", 4.0] / outer["ba", 2.0] > 2.0**4
