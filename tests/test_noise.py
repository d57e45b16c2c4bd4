"""Laws of random batches of every family: means, variances, and averages drawn one by one."""

import itertools
import math

import numpy as np
import pytest
from draws import mean_is, one_thread, rejected  # noqa: F401
from noisy import (
    CALLS,
    FAMILIES,
    NOISES,
    SIGMA,
    SUMS,
    Draws,
    every_sample,
    exact,
    make,
    point,
    pool_size,
)
from scipy import stats

import problems
from bilevel_core import sampled
from bilevel_core.reference import private_oracle
from bilevel_core.sampled import SAMPLED
from bilevel_core.streams import open_generators


def variance_of_one(key, name):
    """E ||G - mean||^2 of a single sample, by the statement or by going through all samples."""
    problem, (x, y, v) = make(*key), point(key)
    c = problem.constants
    if problem.noise == "finite_sum":
        off = every_sample(key, name, x, y, v) - exact(name, problem.data, x, y, v)
        return float((off**2).sum(axis=1).mean())
    r = SIGMA / c.M
    by_name = {"jvp": (r * c.L) ** 2 * (v @ v), "hvp": r**2 * c.mu * (c.L - c.mu) * (v @ v)}
    return by_name.get(name.removeprefix("held_"), SIGMA**2)


def variance_of_batch(key, name, S):
    """The same of a batch of S from a fresh stream."""
    one, left, n = variance_of_one(key, name), S, math.inf
    if key[1] == "shuffled":
        n = pool_size(make(*key))
        left = S % n
    correction = 1.0 if n == math.inf else (n - left) / (n - 1)
    return one * left / S**2 * correction


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("family", FAMILIES)
def test_batches_are_unbiased_with_the_stated_variance(family, noise):
    """Means and mean squares of draws, against exact expectations; batches beyond the pool, too."""
    key, p_values = (family, noise), {}
    problem, (x, y, v) = make(*key), point((family, noise))
    for name, S in itertools.product(CALLS, (1, 4, 50)):
        drawn = Draws(key, 800, seed=S).batch(name, S)
        off = drawn - exact(name, problem.data, x, y, v)[:, None]
        p_values[f"{name}, mean of {S}"] = mean_is(off, 0.0)
        squares = (off**2).sum(axis=0)
        p_values[f"{name}, variance of {S}"] = mean_is(squares, variance_of_batch(key, name, S))
    assert rejected(p_values) == []


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("family", FAMILIES)
def test_variance_of_one_sample_is_within_its_bound(family, noise):
    key = (family, noise)
    c = make(*key).constants
    v = point(key)[2]
    slack = 1 + 1e-12
    assert c.sigma > 0
    for name in ("grad_x_g", "grad_y_g"):
        assert variance_of_one(key, name) <= c.sigma**2 * slack
    assert variance_of_one(key, "gradients_f") <= slack * (
        c.M**2 if (family, noise in SUMS) == ("logistic", True) else c.sigma**2
    )
    for name in ("jvp", "hvp"):
        assert variance_of_one(key, name) <= c.L**2 * (v @ v) * slack


def test_an_analytic_batch_has_the_law_of_an_average_of_draws():
    """Kolmogorov and Smirnov's test of a projection and of the distance to the mean."""
    p_values, N = {}, 400
    for family, noise in itertools.product(FAMILIES, ("gaussian", "replacement")):
        key = (family, noise)
        for S in (2, 7, 64):
            one, other = Draws(key, N, seed=2 * S), Draws(key, N, seed=2 * S + 1)
            for name in CALLS:
                center = exact(name, make(*key).data, *point(key))[:, None]
                samples = one.batch(name, S) - center, other.average(name, S) - center
                direction = np.cos(1.0 + np.arange(len(center)))
                # Rounded, for values of a discrete law that differ in their last digits are one.
                for label, of in (
                    ("projection", lambda z, d=direction: np.round(d @ z, 9)),
                    ("distance", lambda z: np.round((z**2).sum(axis=0), 9)),
                ):
                    found = stats.ks_2samp(*map(of, samples), method="asymp")
                    p_values[f"{family}, {noise}, {name}, {S}, {label}"] = found.pvalue
    assert len(p_values) == 5 * 2 * 3 * 6 * 2
    assert rejected(p_values) == []


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("name", CALLS)
def test_a_shuffled_batch_is_the_average_of_its_draws(family, name):
    """The same order of the pool gives the same average, and a whole epoch the exact mean."""
    key = (family, "shuffled")
    size, center = pool_size(make(*key)), exact(name, make(*key).data, *point(key))[:, None]
    for S in (2, 7, size):
        one, other = Draws(key, 3, seed=S), Draws(key, 3, seed=S)
        for _ in range(3):
            together, apart = one.batch(name, S), other.average(name, S)
            np.testing.assert_allclose(together, apart, rtol=1e-10, atol=1e-12)
            if size == S:
                np.testing.assert_allclose(apart, center + 0 * apart, rtol=1e-10, atol=1e-12)


def test_a_shuffled_batch_is_not_one_with_replacement():
    """Otherwise the test above could not see the sampling."""
    drawn = Draws(("quadratic", "replacement"), 50, seed=0).batch("grad_y_g", 32)
    assert drawn.std(axis=1).max() > 1e-3


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("S", [1, 7, 10**9])
def test_ledger_counts_the_batch(noise, S):
    problem = make("hard, curvature 3", noise)
    x, y, v = point(("hard, curvature 3", noise))
    of = private_oracle(problem)
    of = of._replace(streams=sampled.open_streams(problem.data, open_generators(0, 0)))
    in_x, in_y = np.empty_like(x), np.empty_like(y)
    sampled.batch_gradients_f_into(of, x, y, S, in_x, in_y)
    sampled.batch_grad_x_g_into(of, x, y, S, in_x)
    sampled.batch_grad_y_g_into(of, x, y, S, in_y)
    sampled.batch_jvp_into(of, x, y, v, S, in_x)
    sampled.batch_hvp_into(of, x, y, v, S, in_y)
    held = sampled.hold_hessian(of, y, S)
    sampled.held_hvp_into(of, held, S, x, y, v, in_y)
    calls = np.array([1, 1, 1, 1, 1, 2, 0, 0])
    np.testing.assert_array_equal(of.ledger, [calls, S * calls])


def held_matrices(key, S, N):
    """(q, q, N): N held batches of Hessian noise, as matrices."""
    draws = Draws(key, N, seed=S)
    family = SAMPLED[type(make(*key).data)]
    return family.hold_hessian(draws.data, draws.columns, draws.point[1], S).numpy()


@pytest.mark.parametrize("S", [1, 9])
@pytest.mark.parametrize("family", ["quadratic", "ramp"])
def test_held_gaussian_noise_is_a_symmetric_matrix_of_its_covariance(family, S):
    key, p_values = (family, "gaussian"), {}
    problem = make(*key)
    c, q = problem.constants, problem.dim_y
    W = held_matrices(key, S, 3000)
    np.testing.assert_array_equal(W, W.swapaxes(0, 1))
    square = (SIGMA / c.M) ** 2 * c.mu * (c.L - c.mu) / (q + 1) / S
    entries = [(i, j) for i in range(q) for j in range(i + 1)]
    for a, (i, j) in enumerate(entries):
        p_values[f"mean {i}{j}"] = mean_is(W[i, j], 0.0)
        p_values[f"variance {i}{j}"] = mean_is(W[i, j] ** 2, square * (2.0 if i == j else 1.0))
        for k, l in entries[:a]:  # noqa: E741
            p_values[f"{i}{j} and {k}{l}"] = mean_is(W[i, j] * W[k, l], 0.0)
    assert rejected(p_values) == []


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("family", FAMILIES)
def test_a_held_batch_is_one_symmetric_matrix(family, noise):
    problem, (x, y, _) = make(family, noise), point((family, noise))
    functions, stream = SAMPLED[type(problem.data)], np.random.Generator(np.random.PCG64(1))
    stream = functions.open_stream(problem.data, 0, stream)
    held = functions.hold_hessian(problem.data, stream, y, 3)

    def product(v):
        out = np.empty_like(v)
        functions.held_hvp(problem.data, held, x, y, v, out)
        return out

    identity = np.eye(problem.dim_y)
    G = np.stack([product(column) for column in identity], axis=-1)
    np.testing.assert_allclose(G, G.T, atol=1e-12)
    v = np.cos(np.arange(problem.dim_y))
    np.testing.assert_allclose(product(v), G @ v, rtol=1e-10, atol=1e-12)
    H = np.stack([exact("hvp", problem.data, x, y, column) for column in identity], axis=-1)
    assert np.abs(G - H).max() > 1e-6


@pytest.mark.parametrize("sigma", [0.01, 0.3, 50.0])
@pytest.mark.parametrize("family", FAMILIES)
def test_a_gaussian_factor_shrinks_mean_squares(family, sigma):
    """E ||(I - eta (H + W)) v||^2 <= (1 - eta mu) ||v||^2, with E W^2 = (q + 1) s^2 I."""
    name, options = FAMILIES[family]
    problem = problems.make(name, kappa=5.0, seed=1, noise="gaussian", sigma=sigma, **options)
    c, q, (x, y, _) = problem.constants, problem.dim_y, point((family, "gaussian"))
    H = np.stack([exact("hvp", problem.data, x, y, v) for v in np.eye(q)], axis=-1)
    square = (q + 1) * problem.data.hessian**2
    for eta in (0.1 / c.L, 0.5 / c.L, 1.0 / c.L):
        factor = np.eye(q) - eta * H
        largest = np.linalg.eigvalsh(factor @ factor)[-1] + eta**2 * square
        assert largest <= (1 - eta * c.mu) * (1 + 1e-12)


def test_a_drawn_gaussian_factor_shrinks_mean_squares():
    key = ("quadratic", "gaussian")
    c, (_, _, v) = make(*key).constants, point(key)
    shrunk = v[:, None] - Draws(key, 4000, seed=3).batch("hvp", 1) / c.L
    H = make(*key).data.wrapped.H
    wanted = np.sum((v - H @ v / c.L) ** 2) + variance_of_one(key, "hvp") / c.L**2
    assert rejected({"mean square": mean_is((shrunk**2).sum(axis=0), wanted)}) == []
    assert wanted <= (1 - c.mu / c.L) * (v @ v)
