"""Many small instances at once on the compiled engine: what one instance at a time would do."""

import numpy as np
import pytest

import bilevel_core as bl
import problems
from bilevel_core import solvers
from bilevel_core.engines import fused
from bilevel_core.engines.compiled import CompiledSession
from bilevel_core.engines.fused import FusedSession, fits
from bilevel_core.errors import InputError, OneAtATimeError
from bilevel_core.policies import params_for

DETERMINISTIC = [name for name in solvers.BUILT_IN if not solvers.get(name).is_random]
LOOPS_ON_DATA = {"hoag"}
STEPS = 30


@pytest.fixture(autouse=True)
def small_tiles(monkeypatch):
    monkeypatch.setattr(fused, "TILE", 4)
    monkeypatch.setattr(fused, "FEWEST_FUSED", 2)


def instances(family="quadratic", count=6, **options):
    options = {"dim": 2, **options} if family == "quadratic" else options
    return [problems.make(family, kappa=4.0, seed=seed, **options) for seed in range(count)]


def session_of(name, made):
    solver = solvers.get(name)
    return FusedSession(made, solver, params_for(solver, made[0], "theory", {}, 0.1))


@pytest.mark.parametrize("name", sorted(set(DETERMINISTIC) - LOOPS_ON_DATA))
def test_a_tile_is_its_instances(name):
    """Counts exactly, iterates to rounding; six instances in tiles of four, one of them filled."""
    made = instances()
    chunk = session_of(name, made).advance(STEPS)
    assert chunk.squared.shape == (STEPS, 6)
    assert chunk.ledgers.shape[:2] == (STEPS + 1, 6)
    solver = solvers.get(name)
    params = params_for(solver, made[0], "theory", {}, 0.1)
    for i, problem in enumerate(made):
        alone = CompiledSession(problem, solver, params).advance(STEPS)
        np.testing.assert_array_equal(chunk.ledgers[:, i], alone.ledgers[:, 0])
        np.testing.assert_allclose(chunk.squared[:, i], alone.squared[:, 0], rtol=1e-10)
        assert chunk.moved[i] == alone.moved[0]


def test_families_without_matrices_run_too():
    made = instances("hard", curvature=2)
    solver = solvers.get("aid_bio")
    params = params_for(solver, made[0], "theory", {}, 0.1)
    chunk = FusedSession(made, solver, params).advance(5)
    alone = CompiledSession(made[5], solver, params).advance(5)
    np.testing.assert_allclose(chunk.squared[:, 5], alone.squared[:, 0], rtol=1e-10)


@pytest.mark.parametrize("name", sorted(LOOPS_ON_DATA))
def test_loops_that_depend_on_the_data_are_refused(name):
    with pytest.raises(OneAtATimeError, match=name):
        session_of(name, instances())


@pytest.mark.parametrize("name", ["aid_bio", "hoag"])
def test_run_many_gives_the_records_of_single_runs(name):
    made = instances()
    records = bl.run_many(made, name, [0.3, 0.1], engine="compiled", max_outer=5000)
    for problem, record in zip(made, records, strict=True):
        alone = bl.run(problem, name, [0.3, 0.1], engine="compiled", max_outer=5000)
        assert record.passes == alone.passes
        assert record.status == alone.status == "ok"


def test_an_instance_that_leaves_the_finite_numbers_leaves_the_others_alone():
    made = instances()
    far = made[2].x0 + 1e200
    made[2] = problems.make("quadratic", kappa=4.0, seed=2, dim=2)
    object.__setattr__(made[2], "x0", far)
    solver = solvers.get("aid_bio")
    params = params_for(solver, made[0], "theory", {}, 0.1)._replace(beta=1e200)
    squared = FusedSession(made, solver, params._replace(beta=0.01)).advance(STEPS).squared
    assert np.isfinite(np.delete(squared, 2, axis=1)).all()
    assert not np.isfinite(squared[:, 2]).all()


def test_only_many_small_instances_with_matrices_are_fused():
    solver = solvers.get("aid_bio")
    assert fits(instances(), solver)
    assert not fits(instances(count=1), solver)
    assert not fits(instances(dim=5), solver)
    assert not fits(instances("hard", curvature=2), solver)
    assert not fits(instances(noise="gaussian"), solvers.get("stocbio"))
    assert not fits([*instances(count=2), *instances(count=2, dim=3)], solver)


def test_a_tile_needs_instances_of_one_kind():
    with pytest.raises(InputError, match="one size"):
        fused.stack([each.data for each in (*instances(count=1), *instances(count=1, dim=3))])


def test_numbers_that_differ_become_one_for_each_instance():
    made = [problems.make("quadratic", kappa=4.0, dim=2, L=L) for L in (1.0, 2.0)]
    stacked = fused.stack([each.data for each in made])
    np.testing.assert_array_equal(stacked.weight, [1.0, 2.0])
    assert stacked.H.shape == (2, 2, 2)
    assert stacked.t.shape == (2, 2)
