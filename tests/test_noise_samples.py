"""Every sample of a finite sum, the constants of a stochastic problem, and its options."""

import math

import numpy as np
import pytest
from noisy import (
    CALLS,
    FAMILIES,
    NOISES,
    SIGMA,
    base_kappa,
    call,
    every_sample,
    exact,
    make,
    point,
    select,
)

import bilevel_core as bl
import problems
from bilevel_core import InputError
from bilevel_core.problem import column_data


def matrices_of_samples(key, x, y):
    """Hessian (n, q, q) and Jacobian (n, p, q) of each sample."""
    q = len(y)
    columns = [np.repeat(a[:, None], q, axis=1) for a in (x, y)]
    return [every_sample(key, name, *columns, np.eye(q)) for name in ("hvp", "jvp")]


SUM_KEYS = [
    (family, "replacement", kappa, seed)
    for family in FAMILIES
    for kappa, seed in ((1.3, 0), (5.0, 1), (40.0, 2))
]


@pytest.mark.parametrize("key", SUM_KEYS, ids=str)
def test_constants_hold_for_every_sample(key):
    problem = make(*key)
    c = problem.constants
    for draw in range(2):
        x, y, v = point(key, draw)
        H, J = matrices_of_samples(key, x, y)
        spectrum = np.linalg.eigvalsh(H)
        assert spectrum.min() >= c.mu * (1 - 1e-9)
        assert spectrum.max() <= c.L * (1 + 1e-9)
        assert np.linalg.norm(J, 2, axis=(1, 2)).max() <= c.L * (1 + 1e-9)
        for name in ("grad_x_g", "grad_y_g"):
            off = every_sample(key, name, x, y, v) - exact(name, problem.data, x, y, v)
            squares = (off**2).sum(axis=1)
            worst = squares.mean() if key[0] == "logistic" else squares.max()
            assert worst <= c.sigma**2 * (1 + 1e-9)
        gradients = np.linalg.norm(every_sample(key, "gradients_f", x, y, v), axis=1)
        if key[0] == "logistic":
            assert gradients.max() <= c.M * (1 + 1e-9)
        else:
            name, options = FAMILIES[key[0]]
            base = problems.make(name, kappa=base_kappa(problem), seed=key[3], **options)
            # M itself holds where the family's own does.
            own = np.linalg.norm(exact("gradients_f", problem.data, x, y, v))
            assert gradients.max() <= (own + c.M - base.constants.M) * (1 + 1e-9)
            assert pytest.approx(base.constants.M + SIGMA) == c.M


@pytest.mark.parametrize("key", SUM_KEYS, ids=str)
def test_third_derivatives_of_every_sample_are_bounded(key):
    c, h = make(*key).constants, 1e-5
    for draw in range(3):
        x, y, _ = point(key, draw)
        random = np.random.default_rng(draw)
        step = random.normal(size=len(x) + len(y))
        step *= h / np.linalg.norm(step)
        here = matrices_of_samples(key, x, y)
        there = matrices_of_samples(key, x + step[: len(x)], y + step[len(x) :])
        for one, other, bound in zip(here, there, (c.rho, c.tau), strict=True):
            change = np.linalg.norm(other - one, 2, axis=(1, 2)).max() / h
            assert change <= bound * (1 + 1e-3) + 1e-7


@pytest.mark.parametrize("family", [f for f in FAMILIES if f != "logistic"])
def test_what_a_finite_sum_adds_to_rho_and_tau_is_attained(family):
    problem = make(family, "replacement")
    pool, bend = problem.data.pool, problem.data.bend
    name, options = FAMILIES[family]
    base = problems.make(name, kappa=base_kappa(problem), seed=1, **options)
    added = problem.constants.rho - base.constants.rho
    assert added == pytest.approx(problem.constants.tau - base.constants.tau)
    i, h, steepest = 0, 1e-4, math.atanh(1 / math.sqrt(3))
    line = np.concatenate([pool.w[i], pool.u[i]]) / math.sqrt(2)

    def curvature(t):
        s = t * math.sqrt(2)  # u'y + w'x at t times the unit vector along (w, u)
        x, y = np.split(t * line, [problem.dim_x])
        sample = call("hvp", problem.data, select(i), x, y, pool.u[i], 1)
        own = pool.u[i] @ (sample - exact("hvp", problem.data, x, y, pool.u[i]))
        assert own == pytest.approx(bend / math.cosh(s) ** 2, rel=1e-6)
        return own

    t = steepest / math.sqrt(2)
    slope = abs(curvature(t + h) - curvature(t - h)) / (2 * h)
    assert slope == pytest.approx(added, rel=1e-3)


def test_rho_of_the_longest_logistic_sample_is_of_the_right_size():
    """Along its own direction and at the steepest score, between a fifth of rho and rho."""
    problem, h = make("logistic", "replacement"), 1e-4
    X = problem.data.wrapped.X
    i = int(np.linalg.norm(X, axis=1).argmax())
    line = np.concatenate([X[i], -X[i]])
    line /= np.linalg.norm(line)
    # p (1 - p) (1 - 2 p) is largest at p = (1 + 1/sqrt 3)/2; the score is sqrt 2 ||x_i|| t.
    score = math.log((math.sqrt(3) + 1) / (math.sqrt(3) - 1))
    steepest = score / (math.sqrt(2) * np.linalg.norm(X[i]))

    def curvature(t):
        return line @ call("hvp", problem.data, select(i), problem.x0, t * line, line, 1)

    slope = abs(curvature(steepest + h) - curvature(steepest - h)) / (2 * h)
    assert 0.2 * problem.constants.rho <= slope <= problem.constants.rho


@pytest.mark.parametrize("key", SUM_KEYS, ids=str)
def test_samples_average_to_the_family(key):
    problem = make(*key)
    x, y, v = point(key)
    for name in CALLS:
        mean = every_sample(key, name, x, y, v).mean(axis=0)
        wanted = exact(name, problem.data, x, y, v)
        np.testing.assert_allclose(mean, wanted, rtol=1e-10, atol=1e-12)


def slopes(function, at):
    """Central differences of a function of columns, one column a coordinate of `at`."""
    h = 1e-6
    steps = h * np.eye(len(at))
    return (function(at[:, None] + steps) - function(at[:, None] - steps)) / (2 * h)


@pytest.mark.parametrize("key", [k for k in SUM_KEYS if k[2] == 5.0], ids=str)
def test_oracles_of_a_sample_are_derivatives_of_each_other(key):
    x, y, _ = point(key)
    data = column_data(make(*key).data)

    def along(name, i):
        """The derivative of a gradient of sample i in (x, y), a matrix of p + q columns."""

        def at(z):
            columns = [np.ascontiguousarray(part) for part in np.split(z, [len(x)])]
            return call(name, data, select(i), *columns, None, 1)

        return slopes(at, np.concatenate([x, y]))

    H, J = matrices_of_samples(key, x, y)
    p = len(x)
    for i in range(0, len(H), 5):
        in_y, in_x, outer = (along(n, i) for n in ("grad_y_g", "grad_x_g", "gradients_f"))
        np.testing.assert_allclose(in_y[:, p:], H[i], atol=1e-7)
        np.testing.assert_allclose(in_y[:, :p].T, J[i], atol=1e-7)
        np.testing.assert_allclose(in_x[:, p:], J[i], atol=1e-7)
        np.testing.assert_allclose(outer, outer.T, atol=1e-7)


@pytest.mark.parametrize("kappa", [1.2, 4.0, 64.0])
@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("family", FAMILIES)
def test_kappa_is_exact_and_closed_forms_stay(family, noise, kappa):
    problem = make(family, noise, kappa, 3)
    assert problem.kappa == kappa
    assert problem.constants.kappa == pytest.approx(kappa, rel=1e-12)
    name, options = FAMILIES[family]
    of_mean = kappa if noise == "gaussian" else base_kappa(problem)
    assert 1 < of_mean <= kappa
    base = problems.make(name, kappa=of_mean, seed=3, **options)
    x = problem.x0 + 0.1
    for method in ("y_star", "grad_phi", "phi"):
        wanted, found = getattr(base, method)(x), getattr(problem, method)(x)
        np.testing.assert_allclose(found, wanted, rtol=1e-7, atol=1e-9)
    y = problem.y_star(x)
    assert np.linalg.norm(exact("grad_y_g", problem.data, x, y, None)) <= 1e-8
    columns = np.repeat(x[:, None], 2, axis=1)
    np.testing.assert_allclose(problem.grad_phi(columns)[:, 1], problem.grad_phi(x), rtol=1e-7)
    np.testing.assert_array_equal(problem.x0, base.x0)
    assert problem.exact_smoothness == pytest.approx(base.exact_smoothness)


def test_a_seed_draws_one_pool_for_every_kappa():
    pools = [make("quadratic", "replacement", kappa, seed).data.pool
             for kappa, seed in ((4.0, 1), (64.0, 1), (4.0, 2))]  # fmt: skip
    for one, other in zip(pools[0], pools[1], strict=True):
        np.testing.assert_array_equal(one, other)
    assert not np.array_equal(pools[0].u, pools[2].u)


@pytest.mark.parametrize("noise", NOISES)
def test_options_make_the_problem_again(noise):
    problem = make("ramp", noise)
    again = problems.make("ramp", problem.kappa, problem.seed, **problem.options)
    assert again.constants == problem.constants
    assert again.options == problem.options
    assert problem.options["noise"] == problem.noise == NOISES[noise]["noise"]


@pytest.mark.parametrize(
    ("family", "options", "message"),
    [
        ("hard", {"noise": "gausian"}, "no noise 'gausian'; did you mean 'gaussian'"),
        ("hard", {"noise": 3}, "noise: expected one of gaussian, finite_sum, got 3"),
        ("hard", {"noise": "gaussian", "sigma": 0.0}, "sigma: expected a finite number > 0, got 0"),
        ("hard", {"noise": "gaussian", "sigma": -1.0}, "sigma: expected a finite number > 0"),
        ("hard", {"noise": "finite_sum", "sigma": math.nan}, "sigma: expected a finite number > 0"),
        ("hard", {"noise": "finite_sum", "sigma": math.inf}, "sigma: expected a finite number > 0"),
        ("hard", {"noise": "gaussian", "sigma": "0.1"}, "sigma: expected a finite number > 0"),
        ("hard", {"noise": "gaussian", "sigma": True}, "sigma: expected a finite number > 0"),
        ("hard", {"sigma": 0.1}, "sigma: needs noise="),
        ("hard", {"sampling": "shuffled"}, "sampling: needs noise="),
        ("hard", {"noise": None, "sigma": 0.1}, "sigma: needs noise="),
        ("hard", {"noise": "finite_sum", "sampling": "shufled"}, "did you mean 'shuffled'"),
        ("hard", {"noise": "gaussian", "sampling": "shuffled"}, "sampling: noise='gaussian' draws"),
        ("logistic", {"noise": "finite_sum", "sigma": 0.1}, "sigma: the noise of this family's"),
        ("logistic", {"noise": "finite_sum", "sampling": "x"}, "no sampling 'x'"),
    ],
)
def test_bad_options_are_named(family, options, message):
    with pytest.raises(InputError, match=message):
        problems.make(family, kappa=4.0, **options)


@pytest.mark.parametrize(
    ("solver", "noise", "noise_seeds", "message"),
    [
        ("aid_bio", "gaussian", None, "solver: 'aid_bio' needs exact oracles.*bsa.*stocbio"),
        ("aid_bio", "shuffled", (0,), "noise_seeds: solver 'aid_bio' draws no random numbers"),
        ("ttsa", "gaussian", (), r"noise_seeds: expected different integers >= 0, at least one"),
        ("ttsa", "gaussian", (0, 0), r"noise_seeds: .*got \[0, 0\]"),
        ("ttsa", "gaussian", (0, -1), r"noise_seeds: .*got \[0, -1\]"),
        ("ttsa", "gaussian", (0.5,), r"noise_seeds: .*got \[0.5\]"),
        ("ttsa", "gaussian", (True,), r"noise_seeds: .*got \[True\]"),
        ("ttsa", "gaussian", "01", r"noise_seeds: .*got '01'"),
        ("ttsa", "gaussian", 3, "noise_seeds: expected different integers >= 0, got 3"),
    ],
)
def test_bad_runs_are_refused(solver, noise, noise_seeds, message):
    problem = make("hard, curvature 2", noise)
    with pytest.raises(InputError, match=message):
        bl.run(problem, solver, 0.1, noise_seeds=noise_seeds)
