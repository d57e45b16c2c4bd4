"""What a run refuses, in one line that names the argument."""

import math
import re

import numpy as np
import pytest

import bilevel_core as bl
import problems
from bilevel_core import InputError

EXACT = {"alpha": 1.0, "beta": 0.02, "D": 60, "N": 6, "first_D": 80, "first_N": 7}


def quadratic(**options):
    return problems.make("quadratic", **({"kappa": 4.0, "dim": 4, "seed": 1} | options))


def hard(**options):
    return problems.make("hard", **({"kappa": 4.0, "seed": 1} | options))


def custom():
    return bl.problem_from_functions(
        lambda x, y: (y * y).sum(),
        lambda x, y: 0.5 * ((y - x) ** 2).sum(),
        dim_x=2,
        dim_y=2,
        constants=bl.Constants(L=1.0, mu=1.0, M=1.0),
    )


REFUSED = [
    ({"eps": []}, "eps: expected at least one value, got none"),
    ({"eps": 0}, "eps: expected finite numbers > 0, got 0"),
    ({"eps": [0.1, -1.0]}, "eps: expected finite numbers > 0, got -1.0"),
    ({"eps": math.nan}, "eps: expected finite numbers > 0, got nan"),
    ({"eps": math.inf}, "eps: expected finite numbers > 0, got inf"),
    ({"eps": "0.1"}, "eps: expected finite numbers > 0, got '0.1'"),
    ({"eps": ["0.1"]}, "eps: expected finite numbers > 0, got '0.1'"),
    ({"eps": True}, "eps: expected finite numbers > 0, got True"),
    ({"eps": None}, "eps: expected finite numbers > 0, got None"),
    ({"eps": np.array([0.1, 0.0])}, "eps: expected finite numbers > 0, got 0.0"),
    ({"solver": "aid_boi"}, "no solver 'aid_boi'; did you mean 'aid_bio'? allowed: aid_bio, "),
    ({"params": "theroy"}, "no policy 'theroy'; did you mean 'theory'?"),
    ({"params": "tuned", "tuning": {"candidate": 3}}, "no tuning key 'candidate'; did you mean"),
    ({"tuning": {"seed": 3}}, "tuning: goes with policy 'tuned' alone, got {'seed': 3}"),
    ({"noise_seeds": [0]}, "noise_seeds: solver 'aid_bio' draws no random numbers, got [0]"),
    ({"params": None}, "params: expected a policy or a dict, got None"),
    ({"params": {**EXACT, "d": 1}}, "no parameter of aid_bio 'd'"),
    ({"params": {"alpha": 1.0}}, "missing beta, D, N, first_D, first_N; expected alpha, beta, D"),
    ({"params": {**EXACT, "D": 0}}, "D: expected an integer >= 1, got 0"),
    ({"params": {**EXACT, "D": 2.5}}, "D: expected an integer >= 1, got 2.5"),
    ({"params": {**EXACT, "N": math.nan}}, "N: expected an integer >= 1, got nan"),
    ({"params": {**EXACT, "beta": -1}}, "beta: expected a finite number > 0, got -1"),
    ({"params": {**EXACT, "beta": math.inf}}, "beta: expected a finite number > 0, got inf"),
    ({"params": {**EXACT, "beta": "1"}}, "beta: expected a finite number > 0, got '1'"),
    ({"params": {**EXACT, "beta": True}}, "beta: expected a finite number > 0, got True"),
    ({"overrides": {"alhpa": 1.0}}, "did you mean 'alpha'?"),
    ({"overrides": {"D": -3}}, "D: expected an integer >= 1, got -3"),
    ({"engine": "trch"}, "no engine 'trch'; did you mean 'torch'? allowed: compiled, torch"),
    ({"engine": "compiled", "device": "cuda"}, "device: the compiled engine runs on 'cpu', got"),
    ({"engine": "torch", "device": "tpu"}, "device: expected 'cpu' or 'cuda', got 'tpu'"),
    ({"engine": "torch", "device": "meta"}, "device: expected 'cpu' or 'cuda', got 'meta'"),
    ({"max_outer": 0}, "max_outer: expected an integer >= 1, got 0"),
    ({"max_outer": 1.5}, "max_outer: expected an integer >= 1, got 1.5"),
    ({"max_outer": True}, "max_outer: expected an integer >= 1, got True"),
    ({"max_seconds": 0}, "max_seconds: expected a finite number > 0, got 0"),
    ({"max_seconds": math.nan}, "max_seconds: expected a finite number > 0, got nan"),
    ({"max_seconds": "5"}, "max_seconds: expected a finite number > 0, got '5'"),
    ({"criterion": "last"}, "no criterion 'last'"),
    ({"criterion": "avarage"}, "did you mean 'average'?"),
    ({"problem": custom(), "engine": "compiled"}, "engine: 'custom' runs on torch, got 'compiled'"),
    ({"problem": custom(), "params": "sharp"}, "needs the exact L_Phi, which 'custom' does not"),
]


@pytest.mark.parametrize(("changed", "message"), REFUSED, ids=[m for _, m in REFUSED])
def test_what_is_not_allowed_is_named(changed, message):
    arguments = {"problem": quadratic(), "solver": "aid_bio", "eps": 0.1} | changed
    with pytest.raises(InputError) as caught:
        bl.run(**arguments)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_sharp_is_refused_where_the_smoothness_is_not_known():
    problem = problems.make("logistic", kappa=4.0)
    with pytest.raises(InputError, match="'sharp' needs the exact L_Phi, which 'logistic' does"):
        bl.run(problem, "aid_bio", 0.1, "sharp")


def test_cuda_is_refused_where_there_is_none(monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    for device in ("cuda", "cuda:1"):
        with pytest.raises(InputError, match="this machine has no CUDA device"):
            bl.run(quadratic(), "aid_bio", 0.1, engine="torch", device=device)


def test_no_instances_are_refused():
    with pytest.raises(InputError, match="instances: expected at least one problem"):
        bl.run_many([], "aid_bio", 0.1)


def test_instances_that_do_not_fit_into_a_batch_are_refused():
    with pytest.raises(InputError, match="a batch needs instances of one family"):
        bl.run_many([quadratic(), hard()], "aid_bio", 0.1, EXACT, engine="torch")
    with pytest.raises(InputError, match="a batch needs instances of one size"):
        bl.run_many([quadratic(), quadratic(dim=5)], "aid_bio", 0.1, EXACT, engine="torch")


def test_kappa_of_almost_one_has_a_bound():
    record = bl.run(quadratic(kappa=1.0 + 3e-16), "aid_bio", 0.1, engine="torch")
    assert record.status == "ok"
    assert record.outer(0.1) <= record.passes[0]["outer_bound"]["0.1"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"instances": "hard"}, "instances: expected a sequence of problems, got 'hard'"),
        ({"instances": [1]}, "instances: expected a sequence of problems"),
        ({"seeds": [1]}, "seeds: expected one for each of 2 instances, got 1"),
        ({"seeds": [1, 2, 3]}, "seeds: expected one for each of 2 instances, got 3"),
        ({"overrides": [1]}, "overrides: expected a dict"),
    ],
)
def test_many_instances_and_what_goes_with_them_are_checked(arguments, message):
    given = {"instances": [hard(), hard(seed=2)]} | arguments
    with pytest.raises(InputError, match=re.escape(message)):
        bl.run_many(given.pop("instances"), "aid_bio", 0.1, **given)


@pytest.mark.parametrize("where", ["f", "start"])
def test_a_gradient_that_is_no_number_reaches_nothing(where):
    """Without closed forms nothing else would tell: a comparison with NaN ends Newton's method."""
    factor = np.nan if where == "f" else 1.0
    problem = bl.problem_from_functions(
        lambda x, y: (factor * y).sum(0),
        lambda x, y: 0.5 * ((y - x) ** 2).sum(0),
        dim_x=2,
        dim_y=2,
        constants=bl.Constants(L=1.0, mu=1.0, M=1.0),
        x0=np.full(2, np.nan if where == "start" else 1.0),
    )
    assert np.isnan(problem.grad_phi(problem.x0)).all()
    record = bl.run(problem, "aid_bio", 0.3, EXACT)
    assert (record.status, list(record.hits)) == ("diverged", [])
