"""What the edge takes as it is meant, what it refuses, and whom it blames."""

import dataclasses
import re

import numpy as np
import pytest
from hostile import HOSTILE

import bilevel_core as bl
import problems
from bilevel_core import InputError, solvers
from bilevel_core.declarations import bound_on_outer, cost_of_step
from bilevel_core.errors import shown

HARD = problems.make("hard", kappa=4.0, seed=1)
SOLVER = solvers.get("aid_bio")


def run(**changed):
    given = {"problem": HARD, "solver": "aid_bio", "eps": 0.5, "engine": "torch", "max_outer": 2}
    return bl.run(**given | changed)


def test_numbers_of_numpy_are_taken_as_numbers():
    usual = run(eps=[0.5, 0.25], seed=3, max_seconds=60.0)
    for eps in (np.array([0.5, 0.25]), np.float32([0.5, 0.25]), (0.25, np.float64(0.5))):
        other = run(eps=eps, seed=np.int64(3), max_outer=np.int32(2), max_seconds=np.array(60.0))
        assert other.config == usual.config
        assert [type(e) for e in other.config.eps] == [float, float]
        assert type(other.config.seed) is int
    made = problems.make("hard", kappa=np.float64(4), seed=np.int16(1), curvature=np.int64(3))
    assert made.constants == HARD.constants
    constants = bl.Constants(L=np.float64(2.0), mu=np.int64(1), M=np.float32(0.5))
    assert constants == bl.Constants(L=2.0, mu=1, M=0.5)
    assert HARD.phi(np.float32(HARD.x0)) == pytest.approx(HARD.phi(HARD.x0))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: run(problem=None), "problem: expected a Problem, as of problems.make, got None"),
        (lambda: run(solver=None), "solver: expected a name or path/to/file.py:name, got None"),
        (lambda: run(device=1.5), "device: expected a text, got 1.5"),
        (lambda: run(seed="x"), "seed: expected an integer >= 0, got 'x'"),
        (lambda: run(seed=10**400), "seed: expected an integer below 2**128, got 1000"),
        (lambda: run(eps=[10**400]), "eps: expected finite numbers > 0, got 1000"),
        (lambda: run(max_outer=10**30), "max_outer: expected at most 2**63 - 1, got 1000"),
        (lambda: run(max_seconds=True), "max_seconds: expected a finite number > 0, got True"),
        (lambda: run(progress=3), "progress: expected a function, got 3"),
        (lambda: bl.execute(None), "config: expected a RunConfig, got None"),
        (lambda: bl.fit([]), "df: expected a DataFrame of pandas, got []"),
        (lambda: bl.Constants(L=1, mu=None, M=1), "constants.mu: expected a finite number >= 0, g"),
        (lambda: bl.Constants(L=1, mu=1, M=True), "constants.M: expected a finite number >= 0, g"),
        (lambda: bl.Constants(L=1e300, mu=1, M=1), "L_Phi is beyond float64 for L=1e+300, mu=1"),
        (lambda: HARD.phi(np.ma.masked_array([1.0, 2.0], [1, 0])), "x: expected real numbers, got"),
        (lambda: HARD.phi([1j, 2]), "x: expected real numbers, got [1j, 2]"),
        (lambda: HARD.phi("12"), "x: expected real numbers, got '12'"),
    ],
)
def test_nonsense_is_refused(call, message):
    with pytest.raises(InputError, match=re.escape(message)):
        call()


NAMES = [3, None, "", "a b", "a/b", "x.py:y", "x.py", "a:b", ".a", "-a", "a\n", "\x1b", "x" * 81]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("register", [bl.register_solver, problems.register])
def test_what_is_no_name_is_not_registered(register, name):
    before = solvers.names(), problems.names()
    with pytest.raises(InputError, match="name: expected"):
        register(name)(run)
    assert (solvers.names(), problems.names()) == before


@pytest.mark.parametrize("step", [3, None, len, dict, print, object()])
def test_what_is_no_function_is_no_step(step):
    with pytest.raises(InputError, match="solver 'fuzz': expected a function `step`, got"):
        bl.register_solver("fuzz")(step)
    with pytest.raises(InputError, match="problem 'fuzz'"):
        problems.register("fuzz")(3)
    assert "fuzz" not in (*solvers.names(), *problems.names())


def test_a_step_whose_module_is_not_whole_spoils_no_list(monkeypatch):
    monkeypatch.setattr(solvers, "_steps", dict(solvers._steps))
    bl.register_solver("fuzz")(run)
    assert "fuzz" not in solvers.names()
    with pytest.raises(InputError, match="solver 'fuzz': its module lacks Params, State, init"):
        solvers.get("fuzz")


def failing(*arguments):
    raise KeyError("no")


def test_functions_of_the_user_are_blamed():
    with pytest.raises(InputError, match="progress raised KeyError: 'no'"):
        run(progress=failing)
    with pytest.raises(InputError, match="f raised KeyError: 'no'"):
        bl.problem_from_functions(failing, failing, 2, 2, HARD.constants)


@pytest.mark.parametrize(
    ("declared", "message"),
    [
        (failing, "its cost_per_step raised KeyError: 'no'"),
        (lambda params, k: 3, "its cost_per_step: expected a Cost or a CostRange, got 3"),
        (lambda params, k: bl.Cost(hvp=-1), "hvp: expected a finite number >= 0, got -1"),
        (lambda params, k: bl.CostRange(bl.Cost(), None), "expected a Cost or a CostRange, got"),
    ],
)
def test_costs_that_make_no_sense_are_blamed_on_the_solver(declared, message):
    solver = dataclasses.replace(SOLVER, cost_per_step=declared)
    with pytest.raises(InputError, match=f"solver 'aid_bio': .*{message}"):
        cost_of_step(solver, None, 1)


@pytest.mark.parametrize("bound", [failing, lambda constants, eps: "x", lambda constants, eps: -1])
def test_bounds_that_make_no_sense_are_blamed_on_the_solver(bound):
    solver = dataclasses.replace(SOLVER, outer_bound=bound)
    with pytest.raises(InputError, match="solver 'aid_bio': its outer_bound"):
        bound_on_outer(solver, HARD.constants, 0.1)


@pytest.mark.parametrize("kind", HOSTILE)
def test_any_value_is_shown_on_a_short_line(kind):
    line = shown(HOSTILE[kind]())
    assert 0 < len(line) <= 80
    assert line.isprintable()
