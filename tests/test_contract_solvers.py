"""Every registered solver, on every family and engine: what it declares is what it does."""

import numpy as np
import pytest
from small_families import SMALL
from tiny_data import OPTIONS

import problems
from bilevel_core import solvers
from bilevel_core.check import of_solver
from bilevel_core.policies import params_for
from bilevel_core.spy import spy_on

KAPPA = 4.0
SPIED_WHEN_COMPILED = ("hard", "quadratic")  # each spy is a compilation of its own
RANDOM = [name for name in solvers.names() if solvers.get(name).is_random]
GAUSSIAN = {"noise": "gaussian"}
REPLACED = {"noise": "finite_sum"}
SHUFFLED = {"noise": "finite_sum", "sampling": "shuffled"}
NOISY = [
    pytest.param(family, options, id=f"{family}-{'-'.join(options.values())}")
    for family in ("hard", "logistic", "quadratic", "ramp")
    for options in (GAUSSIAN, REPLACED, SHUFFLED)
] + [pytest.param(family, REPLACED, id=f"{family}-finite_sum") for family in OPTIONS]


def compiled_too(name, family, options):
    """Each pair of solver and noise is a compilation of ten seconds: one solver has them all."""
    if family == "logistic" or family in OPTIONS:
        return False
    return name == "bsa" or (family == "hard" and options == GAUSSIAN)


def engines_for(name, problem):
    """Not compiled, half a minute for each: ablations for logistic regression, and real data.

    `test_real_families` has one exact and one random solver on real data on both engines.
    """
    if problem.name in OPTIONS:
        return ("torch",)
    ablation = solvers.get(name).guarantee.startswith("an ablation")
    return ("torch",) if ablation and problem.name == "logistic" else problem.engines


def case(solver_name, family, seed=1, **options):
    chosen = {**SMALL.get(family, {}), **OPTIONS.get(family, {}), **options}
    problem = problems.make(family, kappa=KAPPA, seed=seed, **chosen)
    solver = solvers.get(solver_name)
    return problem, solver, params_for(solver, problem, "theory", {}, 1e-2)


@pytest.mark.parametrize("family", problems.names())
@pytest.mark.parametrize("name", solvers.names())
def test_ledger_is_what_the_problem_saw(name, family):
    problem, solver, params = case(name, family)
    assert of_solver.ledger_against_spy(problem, solver, params, "torch") == ""
    if family in SPIED_WHEN_COMPILED:
        assert of_solver.ledger_against_spy(problem, solver, params, "compiled") == ""


@pytest.mark.parametrize("family", problems.names())
@pytest.mark.parametrize("name", solvers.names())
def test_ledger_is_what_the_solver_declares(name, family):
    problem, solver, params = case(name, family)
    for engine in engines_for(name, problem):
        assert of_solver.ledger_against_declared(problem, solver, params, engine) == ""


@pytest.mark.parametrize("family", problems.names())
@pytest.mark.parametrize("name", solvers.names())
def test_engines_count_and_move_alike(name, family):
    problem, solver, params = case(name, family)
    if engines_for(name, problem) == problem.engines:
        assert of_solver.engines_agree(problem, solver, params) == ""


@pytest.mark.parametrize(("family", "options"), NOISY)
@pytest.mark.parametrize("name", RANDOM)
def test_batches_are_counted_by_call_and_by_sample(name, family, options):
    problem, solver, params = case(name, family, **options)
    assert of_solver.ledger_against_spy(problem, solver, params, "torch") == ""
    assert of_solver.ledger_against_declared(problem, solver, params, "torch") == ""
    if family == "hard" and options == GAUSSIAN:
        assert of_solver.ledger_against_spy(problem, solver, params, "compiled") == ""


@pytest.mark.parametrize(("family", "options"), NOISY)
@pytest.mark.parametrize("name", RANDOM)
def test_engines_draw_alike(name, family, options):
    if not compiled_too(name, family, options):
        pytest.skip("each solver and family with noise would compile anew")
    problem, solver, params = case(name, family, **options)
    assert of_solver.engines_agree(problem, solver, params) == ""
    assert of_solver.ledger_against_declared(problem, solver, params, "compiled") == ""


@pytest.mark.parametrize("name", solvers.names())
def test_a_batch_is_its_instances(name):
    """Early exits are charged per instance: a batch counts what each instance counts alone."""
    from bilevel_core.engines.torch import TorchSession

    solver = solvers.get(name)
    instances = [problems.make("hard", kappa=KAPPA, seed=seed) for seed in range(4)]
    params = params_for(solver, instances[0], "theory", {}, 1e-2)
    together = TorchSession(instances, solver, params, "cpu", [0] * 4 if solver.is_random else None)
    chunk = together.advance(30)
    for b, problem in enumerate(instances):
        alone = of_solver.open_session(problem, solver, params, "compiled")
        single = alone.advance(30)
        np.testing.assert_array_equal(chunk.ledgers[:, b], single.ledgers[:, 0])
        np.testing.assert_allclose(together.iterate()[:, b], alone.iterate()[:, 0], rtol=1e-10)
        np.testing.assert_allclose(chunk.squared[:, b], single.squared[:, 0], rtol=1e-9)


def test_hoag_spends_differently_on_each_instance_of_a_batch():
    """Otherwise the test above could not see a wrong charge."""
    from bilevel_core.engines.torch import TorchSession

    solver = solvers.get("hoag")
    instances = [problems.make("hard", kappa=KAPPA, seed=seed) for seed in range(4)]
    params = params_for(solver, instances[0], "theory", {}, 1e-2)
    ledgers = TorchSession(instances, solver, params).advance(30).ledgers[-1, :, 0]
    assert len({tuple(row) for row in ledgers.tolist()}) > 1


def test_a_wrong_declaration_is_found():
    problem, solver, params = case("aid_bio", "hard")
    lying = type(solver)(
        **{
            **vars(solver),
            "cost_per_step": lambda p, k: solver.cost_per_step(p, k)._replace(hvp=p.N),
        }
    )
    found = of_solver.ledger_against_declared(problem, lying, params, "compiled")
    assert found == f"outer step 0: hvp declared {params.N} calls, counted {params.first_N + 1}"


def test_a_call_behind_the_oracle_is_found(monkeypatch):
    problem, solver, params = case("aid_bio", "hard")
    spied = spy_on(problem)
    monkeypatch.setattr(of_solver, "spy_on", lambda _: spied)
    spied.data.seen[0, 5] += 1
    found = of_solver.ledger_against_spy(problem, solver, params, "torch")
    assert "hvp" in found


@pytest.mark.parametrize("name", solvers.names())
def test_solver_describes_itself(name):
    solver = solvers.get(name)
    assert solver.summary
    assert solver.guarantee
    assert solver.guarantee != "none stated"
    assert solver.step.__doc__
    assert solver.theory.__doc__


@pytest.mark.parametrize("name", solvers.names())
@pytest.mark.parametrize("kappa", [1.5, 4.0, 64.0])
def test_theory_respects_its_own_limits(name, kappa):
    constants = problems.make("hard", kappa=kappa).constants
    for eps in (1e-1, 1e-4):
        params = solvers.get(name).theory(constants, eps)
        assert 0 < params.alpha <= 2.0 / (constants.L + constants.mu)
        assert 0 < params.beta <= 1.0 / constants.L_Phi
