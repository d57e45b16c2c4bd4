"""One run end to end: counts from the outer iterations, statuses, and what is refused."""

import dataclasses
import importlib
import json

import numpy as np
import pytest

import bilevel_core as bl
import problems
from bilevel_core import InputError
from bilevel_core.policies import params_for
from bilevel_core.solvers import get

EXACT = {"alpha": 1.0, "beta": 0.02, "D": 60, "N": 6, "first_D": 80, "first_N": 7}


def quadratic(**options):
    return problems.make("quadratic", **({"kappa": 4.0, "dim": 4, "seed": 1} | options))


def hard(**options):
    return problems.make("hard", **({"kappa": 4.0, "seed": 1} | options))


def paid(params, K):
    """What K outer steps of aid_bio cost, in the paper's columns."""
    return {
        "gc_f": 2 * K,
        "gc_g": params.first_D + (K - 1) * params.D if K else 0,
        "jv": K,
        "hv": params.first_N + 1 + (K - 1) * (params.N + 1) if K else 0,
    }


def descent(problem, beta, eps, criterion):
    """Outer iterations of exact gradient descent on Phi, which knows of nothing else here."""
    x, total = problem.x0.copy(), 0.0
    for k in range(1_000_000):
        gradient = problem.grad_phi(x)
        squared = float(gradient @ gradient)
        total += squared
        if criterion == "first" and squared <= eps:
            return k
        if criterion == "average" and total / (k + 1) <= eps:
            return k + 1
        x = x - beta * gradient
    raise AssertionError("not reached")


def without_times(record):
    values = record.to_dict()
    del values["seconds"]
    return values


@pytest.mark.parametrize("criterion", ["average", "first"])
@pytest.mark.parametrize("make", [quadratic, hard])
def test_counts_follow_from_the_outer_iterations(make, criterion):
    problem, eps = make(), [0.3, 0.1, 0.03]
    record = bl.run(problem, "aid_bio", eps, params="sharp", criterion=criterion)
    assert (record.status, record.reason) == ("ok", "every eps reached")
    params = params_for(get("aid_bio"), problem, "sharp", {}, eps[0])
    assert params.first_D > params.D  # otherwise the first step could be charged like the others
    outers = [record.outer(e) for e in eps]
    assert outers == sorted(outers)
    assert outers[-1] > 10
    for e, K in zip(eps, outers, strict=True):
        assert record.counts(e) == paid(params, K)
        assert record.counts(e, ledger="samples") == paid(params, K)


@pytest.mark.parametrize("criterion", ["average", "first"])
@pytest.mark.parametrize("make", [quadratic, hard])
def test_exact_hypergradients_make_it_gradient_descent(make, criterion):
    problem = make()
    beta, eps = 0.2 / problem.exact_smoothness, 0.01
    record = bl.run(problem, "aid_bio", eps, {**EXACT, "beta": beta}, criterion=criterion)
    wanted = descent(problem, beta, eps, criterion)
    assert wanted > 20
    assert record.outer(eps) == pytest.approx(wanted, rel=0.01)


def test_a_solver_that_ignores_its_gradient_would_be_seen():
    """FO-ITD-BiO never moves on `hard`: it is given up, without a hit that it did not earn."""
    record = bl.run(hard(), "fo_itd_bio", [1e-3], engine="torch")
    assert record.status == "censored"
    assert "x has not moved" in record.reason
    assert record.counts(1e-3) is None
    assert record.outer(1e-3) is None


def test_parameters_by_hand():
    record = bl.run(quadratic(), "aid_bio", 0.1, EXACT)
    assert record.config.policy == "custom"
    assert record.passes[0]["params"] == EXACT
    assert record.passes[0]["outer_bound"] == {}


@pytest.mark.parametrize("policy", ["theory", "sharp"])
def test_a_policy_with_an_override(policy):
    problem = quadratic()
    record = bl.run(problem, "aid_bio", 0.5, policy, overrides={"D": 123}, max_outer=3)
    wanted = params_for(get("aid_bio"), problem, policy, {}, 0.5)._replace(D=123)
    assert record.passes[0]["params"] == wanted._asdict()
    assert record.passes[0]["outer_bound"] == {}  # the theorem says nothing of other parameters


def test_overrides_on_top_of_a_dict_count():
    record = bl.run(quadratic(), "aid_bio", 0.5, EXACT, overrides={"D": 9}, max_outer=3)
    assert record.passes[0]["params"] == {**EXACT, "D": 9}


def test_a_measured_run_stays_below_its_bound():
    record = bl.run(quadratic(), "aid_bio", 0.5, "sharp")
    bound = record.passes[0]["outer_bound"]["0.5"]
    assert 0 < record.outer(0.5) <= bound


def test_several_eps_share_a_pass_where_parameters_agree():
    eps = [0.5, 0.1, 0.02]
    together = bl.run(quadratic(), "aid_bio", eps, "sharp")
    assert [p["eps"] for p in together.passes] == [eps]
    for e in eps:
        alone = bl.run(quadratic(), "aid_bio", e, "sharp")
        assert together.counts(e) == alone.counts(e)
        assert together.outer(e) == alone.outer(e)


def test_parameters_that_depend_on_eps_take_a_pass_each():
    eps = [0.5, 0.1]
    problem = quadratic()
    together = bl.run(problem, "itd_bio", eps, "sharp", engine="torch")
    assert [p["eps"] for p in together.passes] == [[e] for e in eps]
    lengths = [p["params"]["D"] for p in together.passes]
    assert lengths[0] < lengths[1]
    for e, D in zip(eps, lengths, strict=True):
        K = together.outer(e)
        assert together.counts(e) == {"gc_f": 2 * K, "gc_g": D * K, "jv": D * K, "hv": D * K}
        assert together.counts(e) == bl.run(problem, "itd_bio", e, "sharp", engine="torch").counts(
            e
        )


def test_eps_in_any_order_and_repeated():
    record = bl.run(quadratic(), "aid_bio", [0.1, 0.5, 0.1], EXACT)
    assert record.config.eps == (0.5, 0.1)
    assert record.counts(0.5) == bl.run(quadratic(), "aid_bio", np.array([0.5]), EXACT).counts(0.5)


def test_counts_are_missing_where_eps_was_not_reached():
    record = bl.run(quadratic(), "aid_bio", [0.5, 1e-12], EXACT, max_outer=400)
    assert (record.status, record.reason) == ("censored", "max_outer = 400 reached")
    assert record.counts(0.5)["jv"] == record.outer(0.5) > 0
    assert record.counts(1e-12) is None
    assert record.counts(1e-12, ledger="samples") is None
    assert record.outer(1e-12) is None
    with pytest.raises(InputError, match=r"eps: expected one of 0.5, 1e-12, got 0.1"):
        record.counts(0.1)
    with pytest.raises(InputError, match="no ledger 'call'; did you mean 'calls'"):
        record.counts(0.5, ledger="call")


def test_the_first_hit_is_never_after_the_average():
    record = bl.run(hard(), "aid_bio", [0.3, 0.1, 0.03], "sharp")
    rows = {(row["criterion"], row["eps"]): row["outer"] for row in record.rows()}
    assert len(rows) == 6
    for e in record.config.eps:
        assert rows["first", e] < rows["average", e]
        alone = bl.run(hard(), "aid_bio", e, "sharp", criterion="first")
        assert alone.outer(e) == rows["first", e]


def test_a_record_survives_json():
    for record in (
        bl.run(hard(), "aid_bio", [0.3, 0.1], "sharp"),
        bl.run(quadratic(), "aid_bio", [0.5, 1e-12], EXACT, max_outer=20, seed=7),
    ):
        text = json.dumps(record.to_dict(), allow_nan=False)
        again = bl.RunRecord.from_dict(json.loads(text))
        assert again == record
        assert again.rows() == record.rows()
        assert again.counts(record.config.eps[0]) == record.counts(record.config.eps[0])
    for needed in ("numpy", "numba", "torch", "python"):
        assert record.environment[needed]
    assert record.config.seed == 7
    assert len(record.code) == 32


def test_a_step_too_long_ends_in_its_status():
    record = bl.run(quadratic(), "aid_bio", [0.5, 0.1], {**EXACT, "beta": 1e6})
    assert record.status == "diverged"
    assert "not finite after" in record.reason
    assert record.counts(0.1) is None
    json.dumps(record.to_dict(), allow_nan=False)
    assert record.trajectory
    assert all(row["status"] == "diverged" for row in record.rows())


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_both_engines_see_the_same_divergence(engine):
    record = bl.run(quadratic(), "aid_bio", 0.1, {**EXACT, "beta": 1e6}, engine=engine)
    other = bl.run(quadratic(), "aid_bio", 0.1, {**EXACT, "beta": 1e6}, engine="torch")
    assert (record.status, record.reason) == (other.status, other.reason)
    assert record.passes[0]["spent"] == other.passes[0]["spent"]


def test_a_solver_that_raises_ends_in_its_status(monkeypatch):
    solver = get("aid_bio")

    def broken(*arguments):
        raise ZeroDivisionError("no such luck\nsecond line")

    module = importlib.import_module("bilevel_core.run")  # `bilevel_core.run` is the function
    monkeypatch.setattr(module, "get", lambda name: dataclasses.replace(solver, init=broken))
    record = bl.run(quadratic(), "aid_bio", 0.1, EXACT, engine="torch")
    assert record.status == "failed"
    assert record.reason.startswith("ZeroDivisionError: no such luck (test_run.py, line ")
    assert record.counts(0.1) is None
    assert json.dumps(record.to_dict(), allow_nan=False)


def test_max_seconds_censors():
    record = bl.run(quadratic(), "aid_bio", 1e-300, EXACT, max_seconds=1e-9)
    assert (record.status, record.reason) == ("censored", "max_seconds = 1e-09 reached")


def test_a_batch_gives_the_records_of_its_instances():
    solver, eps = "aid_bio", [0.5, 0.1]
    instances = [quadratic(seed=seed) for seed in range(3)]
    together = bl.run_many(instances, solver, eps, "sharp", engine="torch")
    alone = [bl.run(problem, solver, eps, "sharp", engine="torch") for problem in instances]
    compiled = [bl.run(problem, solver, eps, "sharp") for problem in instances]
    for one, other, third in zip(together, alone, compiled, strict=True):
        assert one.hits == other.hits == third.hits
        assert one.config == other.config
        assert (one.status, one.reason, one.code) == (other.status, other.reason, other.code)
        spent = [{k: v for k, v in p.items() if k != "outer"} for p in one.passes]
        assert spent[0]["params"] == other.passes[0]["params"]
        for a, b in zip(one.trajectory, other.trajectory, strict=False):
            assert (a["outer"], a["calls"]) == (b["outer"], b["calls"])
            assert a["squared"] == pytest.approx(b["squared"], rel=1e-9)
    assert len({record.outer(0.1) for record in together}) > 1
    assert [record.config.seed for record in together] == [0, 1, 2]


def test_a_batch_whose_parameters_differ_is_run_one_by_one():
    instances = [quadratic(kappa=kappa) for kappa in (3.0, 5.0)]
    together = bl.run_many(instances, "aid_bio", 0.5, "sharp", engine="torch")
    for one, problem in zip(together, instances, strict=True):
        other = bl.run(problem, "aid_bio", 0.5, "sharp", engine="torch")
        assert without_times(one) == without_times(other)


def test_a_configuration_repeats_its_run():
    record = bl.run(quadratic(), "aid_bio", [0.5, 0.1], EXACT)
    again = bl.execute(bl.RunConfig.from_dict(json.loads(json.dumps(record.config.to_dict()))))
    assert without_times(again) == without_times(record)


def test_progress_ends_with_the_steps_done():
    told = []
    bl.run(quadratic(), "aid_bio", 1e-12, EXACT, max_outer=100, progress=told.append)
    assert told == sorted(told)
    assert told[-1] == 100
