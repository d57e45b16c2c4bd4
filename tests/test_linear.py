"""Linear solvers over counted products, against closed forms and explicit matrices."""

import numpy as np
import pytest
import torch

import problems
from bilevel_core.engines.torch import TorchSession
from bilevel_core.inner import implicit_gradient, linear_target
from bilevel_core.linear import (
    conjugate_gradient,
    conjugate_gradient_from_zero,
    conjugate_gradient_until,
    neumann_series,
)
from bilevel_core.oracle import HVP, SLOTS, grad_y_f
from bilevel_core.reference import private_oracle
from bilevel_core.solvers import get, make_params

PARAMETERS = {"alpha": 1.0, "beta": 0.1, "D": 1, "N": 1, "first_D": 1, "first_N": 1}


def quadratic(seed=1, **options):
    return problems.make("quadratic", kappa=30.0, seed=seed, **options)


def system(problem, seed=0):
    """A right-hand side, a start, and the solution of H v = b."""
    random = np.random.default_rng(seed)
    b, start = random.normal(size=(2, problem.dim_y))
    return b, start, np.linalg.solve(problem.data.H, b)


def products(oracle):
    """Hessian products charged to one instance, after checking that nothing else was."""
    total = oracle.ledger + oracle.restricted
    others = [slot for slot in range(len(SLOTS)) if slot != HVP]
    assert not total[:, others].any()
    assert total[0, HVP] == total[1, HVP]
    return int(total[0, HVP])


def torch_oracle(instances):
    """The oracle that the torch engine hands to a solver, and the starts x and y."""
    solver = get("aid_bio")
    session = TorchSession(instances, solver, make_params(solver, PARAMETERS))
    return session._oracle, session._state.x, session._state.y


def norm(problem, e):
    """The norm of H, in which conjugate gradients are optimal."""
    return float(np.sqrt(e @ problem.data.H @ e))


@pytest.mark.parametrize("dim", [2, 5, 8])
@pytest.mark.parametrize("extra", [0, 7])
def test_conjugate_gradients_are_exact_after_dim_steps(dim, extra):
    problem = quadratic(dim=dim)
    b, start, solution = system(problem)
    for method, first in (("from a start", 1), ("from zero", 0)):
        oracle = private_oracle(problem)
        if first:
            v = conjugate_gradient(oracle, problem.x0, problem.y0, b, start, dim + extra)
        else:
            v = conjugate_gradient_from_zero(oracle, problem.x0, problem.y0, b, dim + extra)
        np.testing.assert_allclose(v, solution, rtol=1e-9, atol=1e-10, err_msg=method)
        assert products(oracle) == dim + extra + first


def test_one_step_less_than_dim_is_not_exact():
    problem = quadratic(dim=8)
    b, start, solution = system(problem)
    v = conjugate_gradient(private_oracle(problem), problem.x0, problem.y0, b, start, 7)
    assert np.abs(v - solution).max() > 1e-6


def test_the_start_and_the_right_hand_side_are_not_written_to():
    problem = quadratic()
    b, start, _ = system(problem)
    kept = b.copy(), start.copy()
    conjugate_gradient(private_oracle(problem), problem.x0, problem.y0, b, start, 5)
    conjugate_gradient_until(private_oracle(problem), problem.x0, problem.y0, b, start, 1e-8, 50)
    conjugate_gradient_from_zero(private_oracle(problem), problem.x0, problem.y0, b, 5)
    neumann_series(private_oracle(problem), problem.x0, problem.y0, b, 0.5, 5)
    np.testing.assert_array_equal(b, kept[0])
    np.testing.assert_array_equal(start, kept[1])


def test_zero_right_hand_side_from_zero_stays_zero_and_is_paid_for():
    problem = quadratic()
    zero = np.zeros(problem.dim_y)
    oracle = private_oracle(problem)
    assert (conjugate_gradient(oracle, problem.x0, problem.y0, zero, zero, 6) == 0.0).all()
    assert products(oracle) == 7
    oracle = private_oracle(problem)
    assert (conjugate_gradient_from_zero(oracle, problem.x0, problem.y0, zero, 6) == 0.0).all()
    assert products(oracle) == 6


def test_an_exact_start_stays_where_it_is():
    # H e_i of a diagonal system in powers of two has no rounding: the first residual is exactly 0.
    problem = problems.make("hard", kappa=4.0, curvature=1)
    b = np.array([0.5, 2.0])
    solution = b / np.array([problem.data.mu, problem.data.L])
    oracle = private_oracle(problem)
    v = conjugate_gradient(oracle, problem.x0, problem.y0, b, solution, 5)
    np.testing.assert_array_equal(v, solution)
    assert products(oracle) == 6


def test_one_step_is_the_hand_formula():
    problem = quadratic()
    b, start, _ = system(problem)
    H = problem.data.H
    r = b - H @ start
    wanted = start + (r @ r) / (r @ H @ r) * r
    v = conjugate_gradient(private_oracle(problem), problem.x0, problem.y0, b, start, 1)
    np.testing.assert_allclose(v, wanted, rtol=1e-12)
    v = conjugate_gradient_from_zero(private_oracle(problem), problem.x0, problem.y0, b, 1)
    np.testing.assert_allclose(v, (b @ b) / (b @ H @ b) * b, rtol=1e-12)


@pytest.mark.parametrize("N", [1, 2, 3, 5])
def test_steps_minimise_over_the_krylov_space(N):
    """Lanczos' characterisation: no other point of the space is nearer in the norm of H."""
    problem = quadratic()
    b, start, solution = system(problem)
    H = problem.data.H
    r = b - H @ start
    space = np.linalg.qr(np.stack([np.linalg.matrix_power(H, i) @ r for i in range(N)], 1))[0]
    inside = space @ np.linalg.solve(space.T @ H @ space, space.T @ r)
    v = conjugate_gradient(private_oracle(problem), problem.x0, problem.y0, b, start, N)
    np.testing.assert_allclose(v, start + inside, rtol=1e-8, atol=1e-9)
    assert norm(problem, v - solution) < norm(problem, start - solution)


@pytest.mark.parametrize("kappa", [4.0, 50.0, 400.0])
def test_conjugate_gradient_error_obeys_its_bound(kappa):
    problem = problems.make("quadratic", kappa=kappa, dim=60, spectrum="chebyshev", seed=1)
    b, start, solution = system(problem)
    root = np.sqrt(kappa)
    rate = (root - 1.0) / (root + 1.0)
    measured = []
    for N in (1, 5, 10, 20):
        v = conjugate_gradient(private_oracle(problem), problem.x0, problem.y0, b, start, N)
        measured.append(norm(problem, v - solution) / norm(problem, start - solution))
        assert measured[-1] <= 2.0 * rate**N * (1 + 1e-9)
        error = np.linalg.norm(v - solution) / np.linalg.norm(start - solution)
        assert error <= 2.0 * root * rate**N * (1 + 1e-9)
    # The spectrum is the hard one: the bound is nearly attained, so that it can fail.
    assert measured[1] >= 0.2 * 2.0 * rate**5


@pytest.mark.parametrize("length", [3, 6, 9])
def test_a_chain_is_crossed_in_one_product_a_link(length):
    problem = problems.make("chain", kappa=16.0, length=length, seed=1)
    x, y = np.array([0.7]), problem.y_star(np.array([0.7]))
    wanted = problem.grad_phi(x)
    for N in range(1, length):
        oracle = private_oracle(problem)
        v = conjugate_gradient_from_zero(oracle, x, y, linear_target(oracle, x, y), N)
        assert (implicit_gradient(oracle, x, y, v) == 0.0).all()
    v = conjugate_gradient_from_zero(oracle, x, y, linear_target(oracle, x, y), length)
    np.testing.assert_allclose(implicit_gradient(oracle, x, y, v), wanted, rtol=1e-9)
    assert abs(wanted[0]) > 1e-8


@pytest.mark.parametrize("tolerance", [1e-1, 1e-4, 1e-9])
def test_stops_at_its_tolerance_and_not_later(tolerance):
    problem = quadratic(dim=12, spectrum="uniform")
    b, start, _ = system(problem)
    H = problem.data.H
    oracle = private_oracle(problem)
    v = conjugate_gradient_until(oracle, problem.x0, problem.y0, b, start, tolerance, 100)
    steps = products(oracle) - 1
    assert np.linalg.norm(b - H @ v) <= tolerance * (1 + 1e-6)
    before = conjugate_gradient(
        private_oracle(problem), problem.x0, problem.y0, b, start, steps - 1
    )
    assert np.linalg.norm(b - H @ before) > tolerance


def test_a_start_within_tolerance_costs_one_product():
    problem = quadratic()
    b, _, solution = system(problem)
    oracle = private_oracle(problem)
    v = conjugate_gradient_until(oracle, problem.x0, problem.y0, b, solution, 1e-6, 100)
    np.testing.assert_array_equal(v, solution)
    assert products(oracle) == 1


def test_most_bounds_the_steps():
    problem = quadratic()
    b, start, _ = system(problem)
    oracle = private_oracle(problem)
    v = conjugate_gradient_until(oracle, problem.x0, problem.y0, b, start, 1e-12, 3)
    assert products(oracle) == 4
    same = conjugate_gradient(private_oracle(problem), problem.x0, problem.y0, b, start, 3)
    np.testing.assert_allclose(v, same, rtol=1e-13)


def test_a_batch_is_its_columns():
    """Same v and same products as alone, for each instance of a batch that stops on its own."""
    instances = [quadratic(seed=seed, dim=12, spectrum="uniform") for seed in range(4)]
    scales = [1e-6, 1.0, 0.0, 2e-4]
    tolerance = 1e-5
    alone, charged, rights, starts = [], [], [], []
    for problem, scale in zip(instances, scales, strict=True):
        b, start = (scale * a for a in system(problem, problem.seed)[:2])
        oracle = private_oracle(problem)
        alone.append(
            conjugate_gradient_until(oracle, problem.x0, problem.y0, b, start, tolerance, 100)
        )
        charged.append(products(oracle))
        rights.append(b)
        starts.append(start)
    oracle, x, y = torch_oracle(instances)
    b, start = (torch.as_tensor(np.stack(a, axis=-1)) for a in (rights, starts))
    v = conjugate_gradient_until(oracle, x, y, b, start, tolerance, 100)
    np.testing.assert_allclose(v.numpy(), np.stack(alone, axis=-1), rtol=1e-6, atol=1e-8)
    total = oracle.ledger[0, HVP] + oracle.restricted[0, HVP].numpy()
    assert total.tolist() == charged
    assert (oracle.ledger[1, HVP] + oracle.restricted[1, HVP].numpy()).tolist() == charged
    assert len(set(charged)) == 3  # 1, 1 and two others: otherwise nothing was told apart
    assert charged[0] == charged[2] == 1


def test_a_batch_of_fixed_steps_is_its_columns():
    instances = [quadratic(seed=seed) for seed in range(3)]
    oracle, x, y = torch_oracle(instances)
    columns = [system(problem, problem.seed) for problem in instances]
    b, start, _ = (torch.as_tensor(np.stack(part, axis=-1)) for part in zip(*columns, strict=True))
    together = conjugate_gradient(oracle, x, y, b, start, 4).numpy()
    for i, problem in enumerate(instances):
        v = conjugate_gradient(private_oracle(problem), problem.x0, problem.y0, *columns[i][:2], 4)
        np.testing.assert_allclose(together[:, i], v, rtol=1e-10)
    assert oracle.ledger[:, HVP].tolist() == [5, 5]
    assert not oracle.restricted.any()


@pytest.mark.parametrize("eta", [0.3, 1.0])
@pytest.mark.parametrize("N", [1, 2, 9])
def test_neumann_series_is_its_sum(eta, N):
    problem = quadratic()
    b, _, _ = system(problem)
    H = problem.data.H
    step = np.eye(problem.dim_y) - eta * H
    wanted = eta * sum(np.linalg.matrix_power(step, i) @ b for i in range(N + 1))
    closed = np.linalg.solve(H, (np.eye(problem.dim_y) - np.linalg.matrix_power(step, N + 1)) @ b)
    oracle = private_oracle(problem)
    v = neumann_series(oracle, problem.x0, problem.y0, b, eta, N)
    np.testing.assert_allclose(v, wanted, rtol=1e-11, atol=1e-13)
    np.testing.assert_allclose(v, closed, rtol=1e-9, atol=1e-11)
    assert products(oracle) == N


def test_neumann_series_of_a_batch():
    instances = [quadratic(seed=seed) for seed in range(3)]
    oracle, x, y = torch_oracle(instances)
    target = grad_y_f(oracle, x, y)
    together = neumann_series(oracle, x, y, target, 0.5, 4).numpy()
    for i, problem in enumerate(instances):
        own = private_oracle(problem)
        b = grad_y_f(own, problem.x0, problem.y0)
        v = neumann_series(own, problem.x0, problem.y0, b, 0.5, 4)
        np.testing.assert_allclose(together[:, i], v, rtol=1e-10)
