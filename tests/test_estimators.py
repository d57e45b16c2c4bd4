"""Estimators from random batches: exact expectations, stated bounds, and what they spend."""

import math

import numpy as np
import pytest
import torch
from draws import mean_is, one_thread, rejected  # noqa: F401
from scipy import stats

import problems
from bilevel_core import estimators
from bilevel_core.engines.torch import stack_data
from bilevel_core.oracle import GRAD_Y_G, HVP, JVP, SLOTS, Oracle, make_work
from bilevel_core.problem import column_data
from bilevel_core.reference import private_oracle
from bilevel_core.sampled import SAMPLED, open_streams
from bilevel_core.solvers import bsa, get, stocbio
from bilevel_core.streams import CHOICES, Columns, Shuffled, open_generators

DIM = 4
NOISES = {
    "gaussian": {"noise": "gaussian", "sigma": 1.0},  # of the size of M: as much as is allowed
    "finite_sum": {"noise": "finite_sum", "sigma": 0.5},
}


def make(noise=None, kappa=4.0, **options):
    given = NOISES[noise] if noise else {}
    return problems.make("quadratic", kappa=kappa, seed=1, dim=DIM, **{**given, **options})


def quadratic(problem):
    """The data without noise: H, J and t."""
    return problem.data.wrapped if problem.noise else problem.data


def hardest(problem):
    """(y, b): grad_y f(y) = b of length M along the eigenvector of the smallest eigenvalue."""
    data = quadratic(problem)
    b = data.weight * np.linalg.eigh(data.H)[1][:, 0]
    return data.t + b / data.weight, b


def series(H, b, eta, terms):
    """eta sum_{i < terms} (I - eta H)^i b."""
    factor = np.eye(len(b)) - eta * H
    return eta * sum(np.linalg.matrix_power(factor, i) @ b for i in range(terms))


def one_instance(problem):
    of = private_oracle(problem)
    return of._replace(streams=open_streams(problem.data, open_generators(0, 0)))


def in_columns(problem, y, N, noise_seed=0):
    """(oracle, x, y): N repetitions at x0 and y, which share one generator a kind."""
    x, y = (torch.as_tensor(a)[:, None].repeat(1, N) for a in (problem.x0, y))
    shared = open_streams(problem.data, open_generators(noise_seed, 0))
    ledger = np.zeros((2, len(SLOTS)), np.int64)
    restricted = torch.zeros((2, len(SLOTS), N), dtype=torch.int64)
    streams = tuple(Columns((stream,) * N, None) for stream in shared)
    data = stack_data([problem.data], torch.device("cpu"))
    return Oracle(data, ledger, restricted, None, make_work(x, y), streams), x, y


@pytest.mark.parametrize("Q", [1, 2, 3, 8])
@pytest.mark.parametrize("estimator", ["independent", "held"])
def test_exact_oracles_give_the_series_with_b_included(estimator, Q):
    problem = make()
    eta, b = 0.7, np.cos(np.arange(DIM))
    of, kept = one_instance(problem), b.copy()
    if estimator == "held":
        v = estimators.held_neumann_series(of, problem.x0, problem.y0, b, eta, Q, 5)
        spent = 5 * Q
    else:
        v = estimators.batch_neumann_series(of, problem.x0, problem.y0, b, eta, Q, 5, 0.8)
        spent = estimators.total_of_batches(Q, 5, 0.8)
    np.testing.assert_allclose(v, series(problem.data.H, b, eta, Q + 1), rtol=1e-12)
    np.testing.assert_array_equal(b, kept)
    assert of.ledger[:, HVP].tolist() == [Q, spent]
    assert of.ledger.sum() == Q + spent


@pytest.mark.parametrize(("Q", "B", "shrink"), [(1, 7, 0.5), (6, 10, 0.75), (40, 3, 0.6)])
def test_batches_shrink_from_the_one_applied_first(monkeypatch, Q, B, shrink):
    """|B_{Q+1-j}| = B Q shrink^{j-1}: r_Q = b meets B_Q, the largest."""
    sizes, met, original = [], [], estimators.batch_hvp_into

    def spied(oracle, x, y, v, S, out):
        sizes.append(S)
        met.append(v.copy())
        original(oracle, x, y, v, S, out)

    monkeypatch.setattr(estimators, "batch_hvp_into", spied)
    problem = make("gaussian")
    of, b = one_instance(problem), np.ones(DIM)
    estimators.batch_neumann_series(of, problem.x0, problem.y0, b, 0.5, Q, B, shrink)
    wanted = [max(1, math.ceil(B * Q * shrink ** (j - 1) - 1e-9)) for j in range(1, Q + 1)]
    assert sizes == wanted
    np.testing.assert_array_equal(met[0], b)
    assert of.ledger[:, HVP].tolist() == [Q, sum(wanted)]
    assert estimators.total_of_batches(Q, B, shrink) == sum(wanted)
    assert estimators.rounded_batch(0.001) == 1


def test_stocbio_declares_the_samples_of_its_batches():
    params = stocbio.theory(make().constants, 0.01)
    declared = stocbio.samples_per_step(params, 1).hvp
    assert declared == estimators.total_of_batches(params.Q, params.B, params.shrink)
    geometric = params.B * params.Q * (1 - params.shrink**params.Q) / (1 - params.shrink)
    assert geometric <= declared <= geometric + params.Q


@pytest.mark.parametrize("noise", NOISES)
def test_independent_batches_leave_the_series_unbiased(noise):
    problem, N, p_values = make(noise), 3000, {}
    y, b = hardest(problem)
    eta = 1.0 / problem.constants.L
    for Q, B in ((1, 1), (3, 1), (8, 2)):
        of, x, columns = in_columns(problem, y, N)
        _, target = estimators.outer_gradients(of, x, columns, 2)
        shrink = 1 - eta * problem.constants.mu
        v = estimators.batch_neumann_series(of, x, columns, target, eta, Q, B, shrink)
        wanted = series(quadratic(problem).H, b, eta, Q + 1)
        p_values[f"Q = {Q}"] = mean_is(v.numpy(), wanted)
    assert rejected(p_values) == []


@pytest.mark.parametrize("Q", [1, 4, 20])
@pytest.mark.parametrize("kappa", [2.0, 16.0])
def test_bias_of_the_series_is_bounded_and_the_bound_attained(kappa, Q):
    """(1 - eta mu)^{Q+1} M/mu, with equality along the smallest eigenvalue's vector."""
    problem = make(kappa=kappa)
    c, (y, b) = problem.constants, hardest(problem)
    eta = 1.0 / c.L
    shrink = 1 - eta * c.mu
    v = estimators.batch_neumann_series(one_instance(problem), problem.x0, y, b, eta, Q, 1, shrink)
    bias = np.linalg.norm(v - np.linalg.solve(problem.data.H, b))
    assert bias == pytest.approx(shrink ** (Q + 1) * c.M / c.mu, rel=1e-9)


def bounds(c, eta, Q, B, D_f):
    """Bounds on E ||v_Q - H^{-1} grad f||^2: our own, and Ji, Yang and Liang's Proposition 3."""
    left = (1 - eta * c.mu) ** (2 * Q + 2)
    batches = (eta * c.L) ** 2 / B
    own = left + batches * min(1.0, 1 / (Q * eta * c.mu)) + 1 / D_f
    published = 4 * batches + 4 * left + 2 / D_f
    return [(c.M / c.mu) ** 2 * bound for bound in (own, published)]


@pytest.mark.parametrize(
    ("kappa", "Q", "B", "D_f"),
    [
        (2.0, 3, 4, 10**6), (4.0, 12, 32, 128), (4.0, 30, 4, 10**6), (10.0, 60, 32, 128),
        (8.0, 5, 1, 4),
    ],
)  # fmt: skip
@pytest.mark.parametrize("noise", NOISES)
def test_mean_squared_error_of_the_series_is_within_its_bounds(noise, kappa, Q, B, D_f):
    problem, N = make(noise, kappa), 1500
    c, (y, b) = problem.constants, hardest(problem)
    of, x, columns = in_columns(problem, y, N)
    _, target = estimators.outer_gradients(of, x, columns, D_f)
    eta = 1.0 / c.L
    v = estimators.batch_neumann_series(of, x, columns, target, eta, Q, B, 1 - eta * c.mu).numpy()
    solution = np.linalg.solve(quadratic(problem).H, b)
    squares = ((v - solution[:, None]) ** 2).sum(axis=0)
    own, published = bounds(c, eta, Q, B, D_f)
    error = squares.std() / math.sqrt(N)
    assert squares.mean() + 3 * error <= own <= published
    truncated = series(quadratic(problem).H, b, eta, Q + 1)
    assert squares.mean() >= np.sum((truncated - solution) ** 2) * (1 - 1e-9)


@pytest.mark.parametrize("Q", [1, 2])
def test_a_held_batch_biases_the_series_by_the_square_of_its_noise(Q):
    """E (I - eta G)^2 = (I - eta H)^2 + eta^2 E W^2; independent factors have no second term."""
    problem = make("gaussian")
    c, (y, b) = problem.constants, hardest(problem)
    eta, N = 1.0 / c.L, 4000
    unbiased = series(quadratic(problem).H, b, eta, Q + 1)
    square = (DIM + 1) * problem.data.hessian**2
    shift = eta**3 * square * b if Q == 2 else 0.0 * b
    of, x, columns = in_columns(problem, y, N)
    rhs = torch.as_tensor(b)[:, None].repeat(1, N)
    held = estimators.held_neumann_series(of, x, columns, rhs, eta, Q, 1).numpy()
    free = estimators.batch_neumann_series(of, x, columns, rhs, eta, Q, 1, 1e-9).numpy()
    p_values = {"held": mean_is(held, unbiased + shift), "free": mean_is(free, unbiased)}
    assert rejected(p_values) == []
    # Along b, where the shift is largest, the bias is seen beyond doubt.
    along = mean_is(b @ held, b @ unbiased)
    assert along < 1e-6 if Q == 2 else along > 1e-3


def test_a_held_sample_of_a_pool_biases_the_series():
    """Batches of one from a finite sum: the mean over all samples of their own series."""
    problem, Q = make("finite_sum", sigma=5.0), 12
    c, (y, b) = problem.constants, hardest(problem)
    eta, n = 1.0 / c.L, problem.data.pool.u.shape[0]
    x, data = problem.x0, column_data(problem.data)
    repeated = [np.repeat(a[:, None], DIM, axis=1) for a in (x, y)]
    own = []
    for i in range(n):
        G = np.empty((DIM, DIM))
        chosen = Shuffled(None, np.array([i]), np.array([0]))
        SAMPLED[type(data)].hvp(data, chosen, *repeated, np.eye(DIM), 1, G)
        own.append(series(G, b, eta, Q + 1))
    wanted, unbiased = np.mean(own, axis=0), series(quadratic(problem).H, b, eta, Q + 1)
    assert np.linalg.norm(wanted - unbiased) > 1e-4
    of, xs, ys = in_columns(problem, y, 3000)
    rhs = torch.as_tensor(b)[:, None].repeat(1, 3000)
    held = estimators.held_neumann_series(of, xs, ys, rhs, eta, Q, 1).numpy()
    assert rejected({"mean": mean_is(held, wanted)}) == []
    assert rejected({"mean": mean_is(held, unbiased)}) != []


class Chosen:
    """A generator whose uniform numbers lie in the middle of interval p of b."""

    def __init__(self, p, b):
        self.number = (p + 0.5) / b

    def random(self):
        return self.number


def test_a_random_product_is_the_truncated_series_on_average():
    """Over every length p of 0..b-1, each of which costs p products."""
    problem, terms, eta = make(), 7, 0.6
    rhs, values = np.sin(1.0 + np.arange(DIM)), []
    for p in range(terms):
        of = one_instance(problem)
        of = of._replace(streams=(*of.streams[:CHOICES], Chosen(p, terms)))
        v = estimators.randomised_neumann_product(of, problem.x0, problem.y0, rhs, eta, terms)
        values.append(v)
        charged = of.ledger + of.restricted
        assert charged[:, HVP].tolist() == [p, p]
        assert charged.sum() == 2 * p
    wanted = series(problem.data.H, rhs, eta, terms)
    np.testing.assert_allclose(np.mean(values, axis=0), wanted, rtol=1e-12)
    np.testing.assert_allclose(values[0], terms * eta * rhs, rtol=1e-12)


@pytest.mark.parametrize("terms", [1, 5, 16])
@pytest.mark.parametrize("noise", NOISES)
def test_a_random_product_with_noise(noise, terms):
    """Its mean, its second moment against the bound, and the number of products."""
    problem, N = make(noise), 3000
    c, (y, b) = problem.constants, hardest(problem)
    eta = 1.0 / c.L
    of, x, columns = in_columns(problem, y, N)
    _, target = estimators.outer_gradients(of, x, columns, 1)
    v = estimators.randomised_neumann_product(of, x, columns, target, eta, terms).numpy()
    products = (torch.as_tensor(of.ledger)[..., None] + of.restricted)[:, HVP].numpy()
    np.testing.assert_array_equal(products[0], products[1])
    p_values = {
        "mean": mean_is(v, series(quadratic(problem).H, b, eta, terms)),
        "products": mean_is(products[0], (terms - 1) / 2),
    }
    if terms > 1:
        lengths = np.bincount(products[0], minlength=terms)
        assert len(lengths) == terms
        p_values["lengths"] = stats.chisquare(lengths).pvalue
    assert rejected(p_values) == []
    squares = (v**2).sum(axis=0)
    bound = terms * eta * (c.M**2 + c.sigma**2) / c.mu
    assert squares.mean() + 3 * squares.std() / math.sqrt(N) <= bound * (1 + 1e-9) + 1e-9


@pytest.mark.parametrize("name", ["bsa", "ttsa"])
def test_the_declared_moment_of_the_hypergradient_holds(name):
    """E ||grad_x F - grad_x grad_y G v||^2 <= the V that bsa and ttsa take their steps from."""
    problem, N = make("gaussian"), 2000
    c, (y, _) = problem.constants, hardest(problem)
    params = get(name).theory(c, 0.01)
    of, x, columns = in_columns(problem, y, N)
    gradient, target = estimators.outer_gradients(of, x, columns, 1)
    v = estimators.randomised_neumann_product(of, x, columns, target, params.eta, params.b)
    estimators.subtract_jacobian_product(of, gradient, x, columns, v, 1)
    squares = (gradient.numpy() ** 2).sum(axis=0)
    moment = bsa.estimator_moment(c, params.b)
    assert squares.mean() + 3 * squares.std() / math.sqrt(N) <= moment
    assert of.ledger[:, JVP].tolist() == [1, 1]


@pytest.mark.parametrize(("D", "S"), [(1, 1), (5, 3), (40, 10**6)])
def test_stochastic_gradient_steps_have_their_exact_law(D, S):
    """Mean square distance to y*, from the modes of H, and within q^{2D} d^2 + sigma^2/(L mu S)."""
    problem, N = make("gaussian"), 2000
    c, data = problem.constants, quadratic(problem)
    x = problem.x0 + 0.3
    start, solution = np.cos(np.arange(DIM)), data.solution @ x
    alpha = 2.0 / (c.L + c.mu)
    of, _, columns = in_columns(problem, start, N)
    xs = torch.as_tensor(x)[:, None].repeat(1, N)
    y = estimators.stochastic_gradient_steps(of, xs, columns, alpha, D, S)
    assert of.ledger[:, GRAD_Y_G].tolist() == [D, D * S]
    np.testing.assert_array_equal(columns[:, 0], start)
    h, vectors = np.linalg.eigh(data.H)
    shrink = (1 - alpha * h) ** 2
    from_start = (vectors.T @ (start - solution)) ** 2 * shrink**D
    from_noise = alpha**2 * c.sigma**2 / DIM / S * (1 - shrink**D) / (1 - shrink)
    squares = ((y.numpy() - solution[:, None]) ** 2).sum(axis=0)
    wanted = float((from_start + from_noise).sum())
    assert rejected({"mean square": mean_is(squares, wanted)}) == []
    q = (c.kappa - 1) / (c.kappa + 1)
    distance = float(((start - solution) ** 2).sum())
    assert wanted <= q ** (2 * D) * distance + c.sigma**2 / (c.L * c.mu * S)


@pytest.mark.parametrize("eps", [0.3, 0.03])
@pytest.mark.parametrize("noise", NOISES)
def test_a_hypergradient_with_stocbio_parameters_is_within_a_quarter_of_eps(noise, eps):
    """At y*(x): what Q, B, D_f and D_g leave are an eps/32 and three eps/16."""
    problem, N = make(noise, 3.0), 400
    c = problem.constants
    p = stocbio.theory(c, eps)
    y = problem.y_star(problem.x0)
    of, x, columns = in_columns(problem, y, N)
    gradient, target = estimators.outer_gradients(of, x, columns, p.D_f)
    v = estimators.batch_neumann_series(of, x, columns, target, p.eta, p.Q, p.B, p.shrink)
    estimators.subtract_jacobian_product(of, gradient, x, columns, v, p.D_g)
    off = gradient.numpy() - problem.grad_phi(problem.x0)[:, None]
    assert (off**2).sum(axis=0).mean() <= eps / 4
