"""Hyper-cleaning and 20 Newsgroups: what they are made of, and constants that bound what they say.

On tiny data in the real formats; `test_softmax*` hold the oracles against autograd.
"""

import dataclasses
import sys

import numpy as np
import pytest
import scipy.stats
from tiny_data import CLASSES, OPTIONS, digits, posts

import bilevel_core as bl
import problems
from bilevel_core import oracle
from bilevel_core.check import of_problem
from bilevel_core.errors import InputError
from bilevel_core.oracle import family_f
from bilevel_core.record import RunConfig
from bilevel_core.run import code_fingerprint
from bilevel_core.solvers import aid_bio
from bilevel_core.spectrum import spectrum
from problems import hypercleaning, newsgroups
from problems.second_moment import largest_eigenvalue
from problems.softmax_dense import dense_data
from problems.softmax_sparse import sparse_data

families = pytest.mark.parametrize("family", OPTIONS)


def make(family, kappa=None, seed=0, **options):
    return problems.make(family, kappa=kappa, seed=seed, **OPTIONS[family], **options)


def points(problem, count, seed=0):
    """x within the box of the constants, and y*(x)."""
    random = np.random.default_rng(seed)
    for i in range(count):
        step = random.uniform(-1.0, 1.0, problem.dim_x)
        if problem.name == "newsgroups":
            step *= newsgroups.half_width(problem.kappa)
            step = np.sign(step) * np.abs(step).max() if i % 2 else step
        else:
            step *= 6.0
        yield problem.x0 + step, problem.y_star(problem.x0 + step)


@families
@pytest.mark.parametrize("kappa", [None, 1.5, 3.0, 50.0])
def test_constants_bound_what_they_should(family, kappa):
    problem = make(family, kappa, seed=1)
    c = problem.constants
    previous = None
    for x, y in points(problem, 5):
        H, J = of_problem.matrices(problem, x, y)
        values = np.linalg.eigvalsh(H)
        assert c.mu * (1 - 1e-9) <= values[0]
        assert values[-1] <= c.L * (1 + 1e-9)
        assert np.linalg.norm(J, 2) <= c.L
        outer = np.empty_like(y)
        oracle.family_grad_y_f(problem.data, x, y, outer)
        assert np.linalg.norm(outer) <= c.M
        if previous is not None:
            H0, J0, x0, y0 = previous
            moved = np.hypot(np.linalg.norm(x - x0), np.linalg.norm(y - y0))
            assert np.linalg.norm(H - H0, 2) <= c.rho * moved
            assert np.linalg.norm(J - J0, 2) <= c.tau * moved
        previous = H, J, x, y


@families
@pytest.mark.parametrize("kappa", [None, 3.0, 50.0])
def test_gap_and_distance_are_upper_bounds(family, kappa):
    problem = make(family, kappa, seed=2)
    assert np.linalg.norm(problem.y0 - problem.y_star(problem.x0)) <= problem.constants.distance
    assert problem.phi(problem.x0) <= problem.constants.gap


@families
@pytest.mark.parametrize("noise", [None, "finite_sum"])
def test_kappa_is_what_was_asked_for(family, noise):
    options = {} if noise is None else {"noise": noise}
    for kappa in (1.01, 2.0, 300.0):
        problem = make(family, kappa, **options)
        assert problem.kappa == kappa
        assert problem.constants.kappa == pytest.approx(kappa, rel=1e-12)
    own = make(family, **options)
    assert own.kappa == own.constants.kappa
    again = make(family, own.kappa, **options)
    np.testing.assert_allclose(again.x0, own.x0, atol=1e-12)
    assert again.constants.mu == pytest.approx(own.constants.mu, rel=1e-12)


def test_both_ends_of_hypercleaning_are_attained():
    """mu where classes are ruled out; L with every weight 1 and two classes of even odds."""
    problem = make("hypercleaning")
    data = problem.data
    y = np.zeros(problem.dim_y)
    y[-10:-8] = 60.0
    found = spectrum(problem, np.full(problem.dim_x, 60.0), y, 1e-9)
    Z = np.column_stack([data.X, np.ones(len(data.X))])
    largest = np.linalg.eigvalsh(Z.T @ Z / len(Z))[-1]
    assert found.smallest == pytest.approx(problem.constants.mu, rel=1e-9)
    assert found.largest == pytest.approx(0.5 * largest + 0.002, rel=1e-9)
    held = np.column_stack([data.held_X, np.ones(len(data.held_X))])
    largest = max(largest, np.linalg.eigvalsh(held.T @ held / len(held))[-1])
    assert pytest.approx(0.5 * largest + 0.002, rel=1e-6) == problem.constants.L


def test_mu_of_newsgroups_is_attained_at_a_corner_of_the_box():
    problem = make("newsgroups", 20.0)
    x = problem.x0 - newsgroups.half_width(20.0)
    found = spectrum(problem, x, problem.y_star(x), 1e-9)
    assert found.smallest == pytest.approx(problem.constants.mu, rel=1e-9)


def test_the_protocol_has_its_own_regularisation():
    assert make("hypercleaning").data.regularisation == 0.001
    problem = make("newsgroups")
    assert not problem.x0.any()
    words = len(problem.x0)
    v = np.ones(problem.dim_y)
    out = np.empty(words)
    oracle.family_jvp(problem.data, problem.x0, v, v, out)
    np.testing.assert_allclose(out, CLASSES / (words * CLASSES), rtol=1e-14)


@families
def test_every_sample_of_the_finite_sum_keeps_the_constants(family):
    problem = make(family, 8.0, seed=1, noise="finite_sum")
    c, whole = problem.constants, problem.data.wrapped
    deviations = []
    for x, y in points(problem, 2):
        mean = np.empty_like(y)
        oracle.family_grad_y_g(problem.data, x, y, mean)
        squares = []
        for i in range(0, 20, 3):
            own, x_own = single(family, whole, i, x)
            sample = dataclasses.replace(problem, data=own, x0=x_own)
            values = np.linalg.eigvalsh(of_problem.matrices(sample, x_own, y)[0])
            assert c.mu * (1 - 1e-9) <= values[0]
            assert values[-1] <= c.L
            outer, inner = np.empty_like(y), np.empty_like(y)
            oracle.family_grad_y_f(own, x_own, y, outer)
            assert np.linalg.norm(outer) <= c.M
            oracle.family_grad_y_g(own, x_own, y, inner)
            squares.append(((inner - mean) ** 2).sum())
        deviations.append(np.sqrt(np.mean(squares)))
    assert 0.01 * c.sigma < max(deviations) <= c.sigma


def single(family, whole, i, x):
    """The problem of sample i of both sets, and its x."""
    if family == "hypercleaning":
        rows = slice(i, i + 1)
        data = dense_data(
            whole.X[rows], whole.labels[rows], whole.held_X[i % 20 :][:1],
            whole.held_labels[i % 20 :][:1], 10, biased=True,
            regularisation=whole.regularisation,
        )  # fmt: skip
        return data, x[rows]
    train, held = (newsgroups._matrix(side)[[i % 13]] for side in (whole.train, whole.held))
    labels = [side.labels[[i % 13]] for side in (whole.train, whole.held)]
    return sparse_data(train, labels[0], held, labels[1], CLASSES), x


@families
def test_evaluation_agrees_with_differences_of_phi(family):
    problem = make(family, 10.0, seed=1)
    x = problem.x0 + np.linspace(-0.2, 0.2, problem.dim_x)
    direction = np.cos(np.arange(problem.dim_x))
    h = 1e-4
    rise = (problem.phi(x + h * direction) - problem.phi(x - h * direction)) / (2 * h)
    slope = problem.grad_phi(x) @ direction
    assert abs(slope) > 1e-6
    assert slope == pytest.approx(rise, rel=1e-5)
    assert problem.phi(x) == pytest.approx(family_f(problem.data, x, problem.y_star(x)))


@families
def test_a_run_is_evaluated_at_the_numerical_solution(family):
    """On torch; `test_softmax*` compile the oracles, and evaluation compiles for two minutes."""
    problem = make(family, 6.0, seed=1)
    params = aid_bio.Params(0.3 / problem.constants.L, 1.0, 3, 4, 3, 4)._asdict()
    run = bl.run(problem, "aid_bio", [1e-12], params, "torch", max_outer=3)
    assert run.status == "censored", run.reason
    gradient = problem.grad_phi(problem.x0)
    assert run.trajectory[0]["squared"] == pytest.approx(gradient @ gradient, rel=1e-6)


@families
@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"noise": "gaussian"}, "no noise 'gaussian'; allowed: finite_sum"),
        ({"noise": "gausian"}, "no noise 'gausian'; did you mean 'gaussian'"),
        ({"noise": "finite_sum", "sampling": "shuffled"}, "no sampling 'shuffled'; allowed: repl"),
        ({"noise": "finite_sum", "sigma": 0.1}, "sigma: the noise of this family's"),
        ({"noise": "finite_sum", "pool": 8}, "pool: the noise of this family's"),
        ({"kappa": 1.0}, "kappa: expected a finite number > 1, got 1.0"),
        ({"kappa": "4"}, "kappa: expected a finite number > 1, got '4'"),
        ({"seed": -1}, "seed: expected an integer >= 0"),
    ],
)
def test_options_that_do_not_fit_are_refused(family, options, message):
    with pytest.raises(InputError, match=message):
        make(family, **options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"samples": 41, "held": 20}, r"expected samples \+ held <= 60 for mnist, got 41 \+ 20"),
        ({"samples": 0}, "samples: expected an integer >= 1"),
        ({"held": 1.5}, "held: expected an integer >= 1"),
        ({"corrupted": 0.0}, "corrupted: expected a finite number > 0 and < 1"),
        ({"corrupted": 1.0}, "corrupted: expected a finite number > 0 and < 1"),
        ({"dataset": "mnits"}, "did you mean 'mnist'"),
    ],
)
def test_options_of_hypercleaning_are_checked(options, message):
    with pytest.raises(InputError, match=message):
        problems.make("hypercleaning", **options)


def test_only_families_with_a_regularisation_of_their_own_need_no_kappa():
    own = [name for name in problems.names() if problems.has_own_regularisation(name)]
    assert {"hypercleaning", "newsgroups"} <= set(own)
    assert not {"hard", "quadratic", "logistic"} & set(own)
    with pytest.raises(InputError, match="kappa: expected a finite number > 1, got None"):
        problems.make("hard")


def test_labels_are_shifted_once_and_the_mask_says_where():
    truth = np.arange(20_000) % 10
    before = truth.copy()
    noise = hypercleaning.corrupt(truth, 0.4, 10, seed=3)
    np.testing.assert_array_equal(truth, before)
    assert noise.mask.sum() == 8_000
    np.testing.assert_array_equal(noise.labels != truth, noise.mask)
    shifts = np.bincount((noise.labels - truth)[noise.mask] % 10, minlength=10)
    assert shifts[0] == 0
    assert scipy.stats.chisquare(shifts[1:]).pvalue > 1e-3
    again = hypercleaning.corrupt(truth, 0.4, 10, seed=3)
    np.testing.assert_array_equal(again.labels, noise.labels)
    assert (hypercleaning.corrupt(truth, 0.4, 10, seed=4).mask != noise.mask).any()


def test_hypercleaning_is_made_of_the_files():
    files, cleaning = digits(), hypercleaning.read(seed=2, **OPTIONS["hypercleaning"])
    images = files["train-images-idx3-ubyte"].reshape(60, -1)
    labels = files["train-labels-idx1-ubyte"]
    np.testing.assert_array_equal(cleaning.images, images[:30])
    np.testing.assert_array_equal(cleaning.truth, labels[:30])
    np.testing.assert_array_equal(cleaning.held_images, images[30:50])
    np.testing.assert_array_equal(cleaning.held_labels, labels[30:50])
    np.testing.assert_array_equal(cleaning.test_labels, files["t10k-labels-idx1-ubyte"])
    problem = make("hypercleaning", seed=2)
    np.testing.assert_allclose(problem.data.X, images[:30] / 255.0, rtol=1e-15)
    np.testing.assert_array_equal(problem.data.labels, cleaning.corruption.labels)
    np.testing.assert_array_equal(problem.data.held_labels, labels[30:50])
    assert problem.dim_y == 10 * (9 + 1)
    assert cleaning.corruption.mask.sum() == 12


def test_the_halves_of_the_posts_are_stratified():
    labels = np.repeat([0, 1, 2], [101, 60, 33])
    train, held = newsgroups.halves(labels, seed=0)
    assert sorted([*train, *held]) == list(range(194))
    assert len(train) == len(held) == 97
    for one, other in zip(*(np.bincount(labels[h]) for h in (train, held)), strict=True):
        assert abs(one - other) <= 1
    other, _ = newsgroups.halves(labels, seed=1)
    assert set(other) != set(train)


def test_newsgroups_is_made_of_the_files():
    parts, problem = newsgroups.read(seed=1), make("newsgroups", seed=1)
    n = len(posts()["train"][1])
    assert len(parts.train_labels) == len(parts.held_labels) == n // 2
    X = newsgroups._matrix(problem.data.train).toarray()
    np.testing.assert_allclose(X, parts.train.toarray(), rtol=1e-15)
    np.testing.assert_allclose(np.linalg.norm(X, axis=1), 1.0, rtol=1e-12)
    assert problem.dim_y == problem.dim_x * CLASSES


@families
def test_a_seed_moves_the_start_and_the_data(family):
    nominal, one, same, other = (make(family, 5.0, seed=s) for s in (0, 1, 1, 2))
    assert not nominal.y0.any()
    assert one.y0.any()
    np.testing.assert_array_equal(one.y0, same.y0)
    assert (one.y0 != other.y0).any()
    assert one.constants == same.constants
    labels = [p.data.labels if family == "hypercleaning" else p.data.train.labels
              for p in (one, same, other)]  # fmt: skip
    np.testing.assert_array_equal(labels[0], labels[1])
    x, v = one.x0, np.cos(np.arange(one.dim_y))
    outs = [np.empty(one.dim_y) for _ in range(3)]
    for p, out in zip((one, same, other), outs, strict=True):
        oracle.family_grad_y_g(p.data, x, v, out)
    np.testing.assert_array_equal(outs[0], outs[1])
    assert (outs[0] != outs[2]).any()


@families
def test_a_stored_run_knows_its_data(family, monkeypatch):
    config = RunConfig(family, 4.0, "aid_bio", (0.1,), OPTIONS[family])
    before = code_fingerprint(config)
    assert code_fingerprint(config) == before
    made = make(family, 4.0)
    # The package's `run` is the function, not the module.
    running = sys.modules["bilevel_core.run"]
    monkeypatch.setattr(
        running, "make_problem", lambda _: dataclasses.replace(made, content="other")
    )
    assert code_fingerprint(config) != before
    assert len(made.content) == 32


@pytest.mark.parametrize("shape", [(40, 7), (6, 30)])
@pytest.mark.parametrize("constant", [0.0, 1.0])
def test_largest_eigenvalue_is_bounded_from_above_and_sharp(shape, constant):
    random = np.random.default_rng(1)
    X = random.random(shape) * (random.random(shape) < 0.4)
    X[:, 0] = 0.0
    Z = np.column_stack([X, np.full(len(X), constant)])
    exact = np.linalg.eigvalsh(Z.T @ Z / len(Z))[-1]
    for matrix in (X, scipy.sparse.csr_array(X)):
        found = largest_eigenvalue(matrix, constant)
        assert exact <= found <= exact * (1 + 2e-7)


def test_largest_eigenvalue_of_separate_blocks():
    X = np.zeros((4, 4))
    X[0, 0], X[1, 1], X[2, 2] = 1.0, 3.0, 2.9
    assert 9.0 / 4 <= largest_eigenvalue(X) <= 9.0 / 4 * (1 + 2e-7)
    with pytest.raises(InputError, match="no negative feature"):
        largest_eigenvalue(-X)
