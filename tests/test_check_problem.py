"""`check` finds problems whose constants, seed, kappa or batch are not what they say."""

import dataclasses

import numpy as np
import pytest
from small_families import SMALL, UNBOUNDED

import bilevel_core as bl
import problems
from bilevel_core.check import of_problem
from bilevel_core.check.of_factory import made_as_asked, numbers_of, seeds_differ
from bilevel_core.errors import InputError
from bilevel_core.oracle import FAMILIES
from bilevel_core.sampled import EXACT, SAMPLED
from problems import hard
from problems.hard import SharpData


class WrongData(SharpData):
    """An instance of `hard` whose functions a test replaces."""


@pytest.fixture(autouse=True)
def nothing_compiles(monkeypatch):
    monkeypatch.setattr(of_problem, "engines_agree", lambda *arguments: "")


@pytest.fixture
def wrong_functions(monkeypatch):
    """`hard` with some of its functions replaced."""

    def replaced(**functions):
        monkeypatch.setitem(FAMILIES, WrongData, FAMILIES[SharpData]._replace(**functions))
        monkeypatch.setitem(SAMPLED, WrongData, SAMPLED.get(SharpData, EXACT))
        made = problems.make("hard", kappa=4.0)
        return dataclasses.replace(made, data=WrongData(*made.data))

    return replaced


def failed(given):
    return [finding.message for finding in bl.check_problem(given) if not finding.passed]


def with_constants(family="hard", kappa=4.0, **changed):
    problem = problems.make(family, kappa=kappa)
    factors = {key: getattr(problem.constants, key) * by for key, by in changed.items()}
    return dataclasses.replace(problem, constants=dataclasses.replace(problem.constants, **factors))


def consistent(problem):
    return dataclasses.replace(problem, kappa=problem.constants.kappa)


def with_forms(**changed):
    problem = problems.make("hard", kappa=4.0)
    return dataclasses.replace(problem, closed_forms=problem.closed_forms._replace(**changed))


def with_smoothness(factor, family="hard"):
    problem = problems.make(family, kappa=4.0)
    return dataclasses.replace(problem, exact_smoothness=problem.exact_smoothness * factor)


def sharpened(factor):
    problem = problems.make("quadratic", kappa=4.0)
    return dataclasses.replace(
        problem, constants=problem.constants.sharpened(factor * problem.exact_smoothness)
    )


def twice_y_star(data, x, out):
    hard.y_star(data, x, out)
    out *= 2.0


def twice_grad_phi(data, x, out):
    hard.grad_phi(data, x, out)
    out *= 2.0


def mixing_grad_phi(data, x, out):
    hard.grad_phi(data, x, out)
    if out.ndim == 2:
        out += 1e-6 * x.sum()


WRONG = {
    "M 1000 times too small": (lambda: with_constants(M=1e-3), "M = 0.001 is too small"),
    "M 1000 times too large": (lambda: with_constants(M=1e3), "M = 1000 is far too large"),
    "M half": (lambda: with_constants(M=0.5), "M = 0.5 is too small"),
    "gap 1e-9": (lambda: with_constants(gap=1e-9), "is too small: a fall of Phi of"),
    "gap half": (lambda: with_constants("quadratic", gap=0.5), "gap = 0.25 is too small"),
    "gap 1000 times too large": (lambda: with_constants(gap=1e3), "gap = "),
    "distance 0": (lambda: with_constants(distance=0.0), "distance = 0 is too small"),
    "distance 1000 times": (lambda: with_constants(distance=1e3), "is far too large: ||y0 - y*"),
    "rho 0": (lambda: with_constants(rho=0.0), "rho = 0, but the Hessian changes by"),
    "rho half": (lambda: with_constants(rho=0.5), "rho = 0.5, but the Hessian changes by"),
    "tau 0": (lambda: with_constants("logistic", tau=0.0), "tau = 0, but the Jacobian changes by"),
    "exact L_Phi 1000 times too small": (
        lambda: with_smoothness(1e-3), "exact_smoothness = 0.00410956 is too small"
    ),
    "exact L_Phi 1000 times too large": (lambda: with_smoothness(1e3), "exact_smoothness = 4109"),
    "exact L_Phi 1000 times, quadratic": (
        lambda: with_smoothness(1e3, "quadratic"), "exact_smoothness = 16000 is far too large"
    ),
    "L_Phi half": (lambda: sharpened(0.5), "L_Phi = 8 is too small"),
    "mu half": (lambda: with_constants(mu=0.5), "kappa = 4, but constants.L / constants.mu = 8"),
    "mu and kappa half": (
        lambda: consistent(with_constants(mu=0.5)), "mu = 0.125, but the smallest eigenvalue seen"
    ),
    "mu double": (lambda: consistent(with_constants("quadratic", mu=2.0)), "outside [mu, L] = "),
    "L double": (
        lambda: consistent(with_constants(L=2.0)), "L = 2, but the largest eigenvalue seen is 1"
    ),
    "L half": (lambda: consistent(with_constants(L=0.5)), "outside [mu, L] = [0.25, 0.5]"),
    "y* twice": (lambda: with_forms(y_star=twice_y_star), "||grad_y g(x, y*(x))|| ="),
    "grad Phi twice": (lambda: with_forms(grad_phi=twice_grad_phi), "grad_phi is off by"),
    "Phi shifted": (
        lambda: with_forms(phi=lambda data, x: hard.phi(data, x) + 1.0), "where f(x, y*(x)) is"
    ),
    "grad Phi mixes columns": (
        lambda: with_forms(grad_phi=mixing_grad_phi), "grad_phi of a batch (n, B) differs"
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_problem_is_found(kind):
    make, message = WRONG[kind]
    wrong = failed(make())
    assert any(message in found for found in wrong), wrong


def times(function, factor):
    def wrong(*arguments):
        function(*arguments)
        arguments[-1][:] *= factor

    return wrong


def mixing(data, x, y, out):
    hard.grad_y_g(data, x, y, out)
    if y.ndim == 2:
        out += 1e-6 * y.sum()


@pytest.mark.parametrize(
    ("functions", "message"),
    [
        ({"hvp": times(hard.hvp, 1.01)}, "hvp is off by"),
        ({"jvp": times(hard.jvp, -1.0)}, "jvp is off by"),
        ({"grad_y_f": times(hard.grad_y_f, 1.001)}, "grad_y_f is off by"),
        ({"grad_y_g": mixing}, "grad_y_g of a batch (n, B) differs from its columns"),
    ],
)
def test_a_wrong_function_is_found(wrong_functions, functions, message):
    wrong = failed(wrong_functions(**functions))
    assert any(message in found for found in wrong), wrong


def own_family(kappa, seed=0):
    return problems.make("hard", kappa=kappa, seed=seed)


def unseeded(kappa, seed=0):
    return dataclasses.replace(own_family(kappa, seed), x0=np.random.default_rng().normal(size=2))


@pytest.mark.parametrize(
    ("factory", "message"),
    [
        (lambda kappa, seed=0: dataclasses.replace(own_family(4.0, seed), kappa=kappa),
         "constants.L / constants.mu = 4, asked for kappa 16"),
        (lambda kappa, seed=0: own_family(9.0, seed), "kappa is 9.0, asked for 4.0"),
        (lambda kappa, seed=0: dataclasses.replace(own_family(kappa), seed=seed),
         "seeds 0 and 1 give the same instance: the seed is ignored"),
        (lambda kappa, seed=0: own_family(kappa), "seed is 0, asked for 1"),
        (unseeded, "made twice with seed 0, its numbers differ"),
    ],
    ids=["kappa ignored", "another kappa", "seed ignored", "no seed", "not seeded"],
)  # fmt: skip
def test_a_wrong_factory_is_found(monkeypatch, factory, message):
    monkeypatch.setitem(problems._factories, "checked_family", factory)
    wrong = failed("checked_family")
    assert any(message in found for found in wrong), wrong


@pytest.mark.parametrize("family", ["hard", "quadratic"])
def test_a_right_problem_passes_by_name_and_as_an_object(family):
    by_name = bl.check_problem(family)
    assert [finding for finding in by_name if not finding.passed] == []
    problem = problems.make(family, kappa=4.0)
    on_object = bl.check_problem(problem)
    assert len(on_object) == len(of_problem.TESTS)
    assert set(on_object) <= set(by_name)


@pytest.mark.parametrize("family", problems.names())
def test_every_registered_family_is_what_was_asked_for(family):
    options = SMALL.get(family, {})
    one, again, other = (problems.make(family, kappa=6.0, seed=s, **options) for s in (1, 1, 2))
    assert numbers_of(one) == numbers_of(again)
    assert seeds_differ(one, other) == ""
    if family not in UNBOUNDED:
        assert made_as_asked(one, 6.0, 1) == made_as_asked(other, 6.0, 2) == ""


def test_neither_a_name_nor_a_problem():
    with pytest.raises(InputError, match="problem: expected a name or a Problem, got 3"):
        bl.check_problem(3)
    with pytest.raises(InputError, match="did you mean 'hard'"):
        bl.check_problem("hrad")


def test_a_problem_from_functions_is_checked():
    def f(x, y):
        return 0.5 * ((y - 1.0) ** 2).sum()

    def g(x, y):
        return 0.5 * (y * y).sum() - 0.5 * (x * y).sum()

    def made(**constants):
        given = {"L": 1.0, "mu": 1.0, "M": 2.0, "distance": 0.0, "gap": 1.0} | constants
        return bl.problem_from_functions(f, g, 2, 2, bl.Constants(**given))

    assert failed(made()) == []
    assert any("M = 0.1 is too small" in found for found in failed(made(M=0.1)))
