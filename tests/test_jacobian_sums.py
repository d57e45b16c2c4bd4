"""Sums of Jacobian products: the same sum and the same ledger whichever way a family forms it."""

import numpy as np
import pytest

import bilevel_core as bl
import problems
from bilevel_core.check import of_problem
from bilevel_core.jacobian_sums import EACH, ONE_JACOBIAN, SUMS, add_jvp, settle_jvps, sums_of
from bilevel_core.oracle import CALLS, JVP, SAMPLES, SLOTS, Oracle, family_jvp, make_work
from bilevel_core.run import code_fingerprint

MADE = [
    problems.make(name, kappa=4.0, **options)
    for name, options in [
        *((name, {}) for name in ("quadratic", "ramp", "hard", "chain", "logistic")),
        ("quadratic", {"outer": "log_cosh", "dim": 5}),
    ]
]


def random_vectors(problem, many):
    random = np.random.default_rng(0)
    x = problem.x0 + random.standard_normal(problem.dim_x)
    return x, random.standard_normal((2, many, problem.dim_y))


@pytest.mark.parametrize("problem", MADE, ids=lambda problem: problem.name)
def test_sum_is_that_of_the_products_and_each_is_counted(problem):
    x, (path, vectors) = random_vectors(problem, 7)
    ledger = np.zeros((2, len(SLOTS)), np.int64)
    oracle = Oracle(problem.data, ledger, None, None, make_work(problem.x0, problem.y0))
    found, pending, wanted = np.ones(problem.dim_x), np.zeros(problem.dim_y), np.ones(problem.dim_x)
    product = np.empty(problem.dim_x)
    for y, v in zip(path, vectors, strict=True):
        add_jvp(oracle, x, y, v, -0.3, pending, found)
        family_jvp(problem.data, x, y, v, product)
        wanted += -0.3 * product
    settle_jvps(oracle, x, path[-1], -0.3, pending, found)
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-14)
    assert ledger[CALLS, JVP] == ledger[SAMPLES, JVP] == ledger[CALLS].sum() == len(path)


@pytest.mark.parametrize("problem", MADE, ids=lambda problem: problem.name)
def test_a_family_that_multiplies_once_has_one_jacobian(problem):
    if sums_of(type(problem.data)) is EACH:
        pytest.skip("multiplies each")
    x, (path, vectors) = random_vectors(problem, 2)
    products = np.empty((2, problem.dim_x))
    for at, y, out in zip((x, -2.0 * x), path, products, strict=True):
        family_jvp(problem.data, at, y, vectors[0], out)
    np.testing.assert_array_equal(*products)


@pytest.mark.parametrize("engine", ["compiled", "torch"])
@pytest.mark.parametrize("dim", [2, 40, 100])
def test_itd_counts_the_same_either_way(engine, dim, monkeypatch):
    """Of the iterates no more than the last digits differ."""
    problem = problems.make("quadratic", kappa=3.0, dim=dim)
    once = bl.run(problem, "itd_bio", eps=[0.1, 0.01], engine=engine)
    monkeypatch.setitem(SUMS, type(problem.data), EACH)
    # Numba has settled on a form for this class of data, and torch looks it up at each call.
    each = bl.run(problem, "itd_bio", eps=[0.1, 0.01], engine="torch")
    assert [hit["calls"] for hit in once.hits] == [hit["calls"] for hit in each.hits]
    for mine, other in zip(once.trajectory, each.trajectory, strict=True):
        assert mine["squared"] == pytest.approx(other["squared"], rel=1e-9)


def test_stored_runs_know_how_sums_were_formed(monkeypatch):
    problem = problems.make("quadratic", kappa=3.0)
    configs = [
        bl.run(problem, name, eps=0.1, max_outer=1).config for name in ("itd_bio", "aid_bio")
    ]
    before = [code_fingerprint(config) for config in configs]
    assert SUMS[type(problem.data)] is ONE_JACOBIAN
    monkeypatch.setitem(SUMS, type(problem.data), EACH)
    after = [code_fingerprint(config) for config in configs]
    assert before[0] != after[0]
    assert before[1] == after[1]


def test_check_finds_a_family_that_has_not_one_jacobian(monkeypatch):
    ramp, logistic = (problems.make(name, kappa=4.0) for name in ("ramp", "logistic"))
    assert of_problem.products(MADE[0]) == ""
    for problem in (ramp, logistic):
        monkeypatch.setitem(SUMS, type(problem.data), ONE_JACOBIAN)
    assert of_problem.products(ramp) == ""
    assert "a sum of jvp along a path of y is off by" in of_problem.products(logistic)
