"""Inner loops, unrolled and implicit hypergradients, against autograd and explicit matrices."""

import numpy as np
import pytest
import torch

import problems
from bilevel_core import oracle as calls
from bilevel_core.check.of_problem import matrices
from bilevel_core.engines.torch import TorchSession, stack_data
from bilevel_core.inner import gradient_steps, gradient_steps_until
from bilevel_core.oracle import GRAD_Y_G
from bilevel_core.reference import private_oracle
from bilevel_core.solvers import get, make_params

CASES = [("hard", {}), ("hard", {"curvature": 1}), ("ramp", {}), ("quadratic", {"dim": 4})]


def point(problem, draw=3):
    """x and y away from the start and from every stationary point."""
    random = np.random.default_rng(draw)
    x = problem.x0 + 0.3 * random.normal(size=problem.dim_x)
    return x, problem.y_star(x) + 0.2 * random.normal(size=problem.dim_y)


def charged(oracle):
    return int((oracle.ledger + oracle.restricted)[0, GRAD_Y_G])


def hypergradient(problem, name, x, y, **values):
    """What one outer step of a solver takes for grad Phi, read off its move."""
    solver = get(name)
    params = make_params(solver, {"beta": 1.0, **values})
    state = solver.init(x.copy(), y.copy())
    return x - solver.step(private_oracle(problem), params, state).x


def implicit(problem, x, y, D, N, alpha):
    return hypergradient(problem, "aid_bio", x, y, alpha=alpha, D=D, N=N, first_D=D, first_N=N)


def through_the_loop(problem, x, y, alpha, D):
    """d f(x, y_D(x)) / dx by torch, which unrolls the loop on f and g alone."""
    data = stack_data([problem.data], torch.device("cpu"))
    x = torch.as_tensor(x)[:, None].clone().requires_grad_()
    y = torch.as_tensor(y)[:, None].clone().requires_grad_()
    inner = y
    for _ in range(D):
        value = calls.family_g(data, x, inner).sum()
        inner = inner - alpha * torch.autograd.grad(value, inner, create_graph=True)[0]
    outer = calls.family_f(data, x, inner).sum()
    return torch.autograd.grad(outer, x)[0][:, 0].numpy()


def by_proposition_2(problem, x, y, alpha, D):
    """grad_x f - alpha sum_t J_t prod_{j>t} (I - alpha H_j) grad_y f, with explicit matrices."""
    path = [y]
    for _ in range(D):
        path.append(gradient_steps(private_oracle(problem), x, path[-1], alpha, 1))
    own = private_oracle(problem)
    total = calls.grad_x_f(own, x, path[-1])
    outer = calls.grad_y_f(own, x, path[-1])
    for t in range(D):
        product = np.eye(problem.dim_y)
        for j in range(t + 1, D):
            product = product @ (np.eye(problem.dim_y) - alpha * matrices(problem, x, path[j])[0])
        total = total - alpha * matrices(problem, x, path[t])[1] @ product @ outer
    return total


@pytest.mark.parametrize("alpha", [0.2, 1.0])
def test_gradient_steps_contract(alpha):
    problem = problems.make("quadratic", kappa=10.0, seed=1)
    x, y = point(problem)
    star = problem.y_star(x)
    rate = 1.0 - alpha * problem.constants.mu
    one = gradient_steps(private_oracle(problem), x, y, alpha, 1)
    np.testing.assert_allclose(
        one, y - alpha * (problem.data.H @ y - problem.data.transposed_J @ x), rtol=1e-13
    )
    for D in (1, 4, 30):
        oracle = private_oracle(problem)
        after = gradient_steps(oracle, x, y, alpha, D)
        assert np.linalg.norm(after - star) <= rate**D * np.linalg.norm(y - star) * (1 + 1e-9)
        assert charged(oracle) == D
    # Along the slowest eigenvector the factor is attained.
    slow = np.linalg.eigh(problem.data.H)[1][:, 0]
    after = gradient_steps(private_oracle(problem), x, star + slow, alpha, 5)
    assert np.linalg.norm(after - star) == pytest.approx(rate**5, rel=1e-9)


def test_gradient_steps_leave_their_start_alone():
    problem = problems.make("quadratic", kappa=10.0, seed=1)
    x, y = point(problem)
    kept = y.copy()
    gradient_steps(private_oracle(problem), x, y, 0.5, 3)
    gradient_steps_until(private_oracle(problem), x, y, 0.5, 1e-3, 30)
    np.testing.assert_array_equal(y, kept)


@pytest.mark.parametrize("tolerance", [1e-1, 1e-4, 1e-8])
def test_gradient_steps_until_cost_one_more_than_their_steps(tolerance):
    problem = problems.make("quadratic", kappa=10.0, seed=1)
    x, y = point(problem)
    oracle = private_oracle(problem)
    after = gradient_steps_until(oracle, x, y, 1.0, tolerance, 10_000)
    steps = charged(oracle) - 1
    np.testing.assert_allclose(
        after, gradient_steps(private_oracle(problem), x, y, 1.0, steps), rtol=1e-13
    )

    def residual(at):
        return np.linalg.norm(problem.data.H @ at - problem.data.transposed_J @ x)

    assert residual(after) <= tolerance * (1 + 1e-9)
    assert residual(gradient_steps(private_oracle(problem), x, y, 1.0, steps - 1)) > tolerance


def test_gradient_steps_until_stop_at_most():
    problem = problems.make("quadratic", kappa=10.0, seed=1)
    x, y = point(problem)
    oracle = private_oracle(problem)
    after = gradient_steps_until(oracle, x, y, 1.0, 1e-12, 4)
    assert charged(oracle) == 5
    np.testing.assert_allclose(after, gradient_steps(private_oracle(problem), x, y, 1.0, 4))


def test_gradient_steps_until_serve_each_instance_of_a_batch():
    instances = [problems.make("quadratic", kappa=10.0, seed=seed) for seed in range(3)]
    solver = get("hoag")
    session = TorchSession(instances, solver, solver.theory(instances[0].constants, 0.1))
    oracle, starts = session._oracle, [point(p, p.seed) for p in instances]
    x, y = (torch.as_tensor(np.stack(part, axis=-1)) for part in zip(*starts, strict=True))
    tolerance = torch.tensor([1e-1, 1e-3, 1e-7], dtype=torch.float64)
    after = gradient_steps_until(oracle, x, y, 1.0, tolerance, 1000)
    counts = oracle.ledger[0, GRAD_Y_G] + oracle.restricted[0, GRAD_Y_G].numpy()
    for i, problem in enumerate(instances):
        own = private_oracle(problem)
        alone = gradient_steps_until(own, *starts[i], 1.0, float(tolerance[i]), 1000)
        np.testing.assert_allclose(after[:, i].numpy(), alone, rtol=1e-10)
        assert counts[i] == charged(own)
    assert len(set(counts.tolist())) == 3


@pytest.mark.parametrize("D", [1, 2, 5, 12])
@pytest.mark.parametrize(("family", "options"), CASES)
def test_unrolled_hypergradient_is_autograd_through_the_loop(family, options, D):
    problem = problems.make(family, kappa=6.0, seed=2, **options)
    x, y = point(problem)
    alpha = 0.7 / problem.constants.L
    got = hypergradient(problem, "itd_bio", x, y, alpha=alpha, D=D)
    wanted = through_the_loop(problem, x, y, alpha, D)
    np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-9 * np.abs(wanted).max())
    assert np.abs(wanted - problem.grad_phi(x)).max() > 1e-8  # it is not simply grad Phi


@pytest.mark.parametrize("D", [1, 3, 6])
@pytest.mark.parametrize(("family", "options"), CASES)
def test_unrolled_hypergradient_is_the_sum_of_proposition_2(family, options, D):
    problem = problems.make(family, kappa=6.0, seed=2, **options)
    x, y = point(problem)
    alpha = 0.7 / problem.constants.L
    got = hypergradient(problem, "itd_bio", x, y, alpha=alpha, D=D)
    wanted = by_proposition_2(problem, x, y, alpha, D)
    np.testing.assert_allclose(got, wanted, rtol=1e-8, atol=1e-9 * np.abs(wanted).max())


def test_unrolling_is_biased_even_from_the_solution():
    """From y* itself the error is J H^{-1} (I - alpha H)^D grad_y f, and falls like q^D."""
    problem = problems.make("quadratic", kappa=10.0, seed=1)
    x, _ = point(problem)
    star, exact = problem.y_star(x), problem.grad_phi(x)
    H, J = problem.data.H, problem.data.J
    outer = problem.data.weight * (star - problem.data.t)
    errors = {}
    for D in (1, 10, 80, 160):
        error = hypergradient(problem, "itd_bio", x, star, alpha=1.0, D=D) - exact
        left = np.linalg.matrix_power(np.eye(len(H)) - H, D) @ outer
        np.testing.assert_allclose(error, -J @ np.linalg.solve(H, left), rtol=1e-8, atol=1e-12)
        errors[D] = np.linalg.norm(error)
    q = 1.0 - problem.constants.mu
    assert errors[1] > 0.1
    assert errors[160] / errors[80] == pytest.approx(q**80, rel=1e-3)


@pytest.mark.parametrize(("family", "options"), CASES)
def test_implicit_differentiation_is_exact_at_the_solution(family, options):
    problem = problems.make(family, kappa=6.0, seed=2, **options)
    x, _ = point(problem)
    exact = problem.grad_phi(x)
    got = implicit(problem, x, problem.y_star(x), 1, problem.dim_y, 1.0 / problem.constants.L)
    np.testing.assert_allclose(got, exact, rtol=0, atol=1e-12 * max(1.0, np.abs(exact).max()))


@pytest.mark.parametrize(("family", "options"), [*CASES, ("chain", {})])
@pytest.mark.parametrize("kappa", [3.0, 20.0])
def test_many_steps_give_grad_phi_from_anywhere(family, options, kappa):
    problem = problems.make(family, kappa=kappa, seed=2, **options)
    x, y = point(problem)
    exact = problem.grad_phi(x)
    many = int(45 * kappa)
    got = implicit(problem, x, y, many, problem.dim_y + 5, 1.0 / problem.constants.L)
    np.testing.assert_allclose(got, exact, rtol=0, atol=1e-9 * max(1.0, np.abs(exact).max()))
    few = implicit(problem, x, y, 1, 1, 1.0 / problem.constants.L)
    assert np.abs(few - exact).max() > 1e-6


def test_the_first_order_shortcut_is_grad_x_f():
    problem = problems.make("hard", kappa=6.0, seed=2, curvature=1)
    x, y = point(problem)
    after = gradient_steps(private_oracle(problem), x, y, 0.5, 3)
    wanted = np.array([0.0, problem.constants.L * after[0]])
    got = hypergradient(problem, "fo_itd_bio", x, y, alpha=0.5, D=3)
    np.testing.assert_allclose(got, wanted, rtol=1e-12, atol=1e-14)
    assert wanted[1] != 0.0


def test_a_fixed_point_series_gives_grad_phi():
    problem = problems.make("quadratic", kappa=4.0, seed=1)
    x, y = point(problem)
    values = {"alpha": 1.0, "eta": 1.0, "D": 200, "first_D": 200}
    got = hypergradient(problem, "aid_fp", x, y, N=200, **values)
    np.testing.assert_allclose(got, problem.grad_phi(x), rtol=1e-9, atol=1e-10)
    short = hypergradient(problem, "aid_fp", x, y, N=3, **values)
    assert np.abs(short - problem.grad_phi(x)).max() > 1e-3
