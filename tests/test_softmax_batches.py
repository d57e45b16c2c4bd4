"""Batches of the softmax families: the mean of the samples drawn, and their price."""

import dataclasses

import numpy as np
import pytest
from softmax import dense, points, problem, sparse

from bilevel_core import batches, oracle
from bilevel_core.engines.compiled import CompiledSession
from bilevel_core.engines.repeated import RepeatedSession
from bilevel_core.engines.torch import TorchSession
from bilevel_core.sampled import SAMPLED
from bilevel_core.solvers import get, stocbio
from problems.softmax_dense import dense_data
from problems.softmax_dense_samples import replaced
from problems.softmax_sparse import sparse_data
from problems.softmax_sparse_samples import SoftmaxSparseReplacedData

CALLS = ("grad_x_g", "grad_y_g", "jvp", "hvp")
FAMILIES = {
    "dense": lambda: replaced(dense(3, True)),
    "sparse": lambda: SoftmaxSparseReplacedData(sparse(5)),
}
families = pytest.mark.parametrize("family", FAMILIES)


class Fixed:
    """Uniform numbers that draw the rows given, of n."""

    def __init__(self, rows, n):
        self.rows, self.n = list(rows), n

    def random(self):
        return (self.rows.pop(0) + 0.5) / self.n


def like(part, x, y):
    return np.full_like(x if part in ("grad_x_g", "jvp") else y, np.nan)


def call(data, stream, part, x, y, v, S):
    out = like(part, x, y)
    vectors = (x, y, v) if part in ("jvp", "hvp") else (x, y)
    getattr(SAMPLED[type(data)], part)(data, stream, *vectors, S, out)
    return out


def exact(data, part, x, y, v):
    out = like(part, x, y)
    vectors = (x, y, v) if part in ("jvp", "hvp") else (x, y)
    oracle.FAMILY_CALLS[part](data, *vectors, out)
    return out


@pytest.mark.parametrize("part", ["grad_y_g", "hvp"])
def test_a_batch_is_the_problem_of_its_samples(part):
    data, rows = FAMILIES["dense"](), [3, 260, 3, 130]
    whole = data.wrapped
    x, y, v, _ = points(whole)
    chosen = dense_data(
        whole.X[rows], whole.labels[rows], whole.held_X, whole.held_labels, 3, biased=True
    )
    found = call(data, Fixed(rows, len(whole.X)), part, x, y, v, len(rows))
    np.testing.assert_allclose(found, exact(chosen, part, x[rows], y, v), rtol=1e-12)


@pytest.mark.parametrize("part", ["grad_y_g", "hvp"])
def test_a_batch_larger_than_the_problem_counts_its_samples(part):
    data, S = FAMILIES["dense"](), 400
    whole = data.wrapped
    n = len(whole.X)
    x, y, v, _ = points(whole)
    shares = batches.draw_batch(np.random.default_rng(6), n, S, y)[n:]
    rows = np.repeat(np.arange(n), np.rint(S * shares).astype(int))
    assert len(rows) == S
    chosen = dense_data(
        whole.X[rows], whole.labels[rows], whole.held_X, whole.held_labels, 3, biased=True
    )
    found = call(data, np.random.default_rng(6), part, x, y, v, S)
    np.testing.assert_allclose(found, exact(chosen, part, x[rows], y, v), rtol=1e-10)


@pytest.mark.parametrize("part", ["grad_x_g", "jvp"])
def test_a_batch_moves_the_weights_of_its_samples_alone(part):
    data, rows = FAMILIES["dense"](), [3, 260, 3, 130]
    whole = data.wrapped
    x, y, v, _ = points(whole)
    chosen = dense_data(
        whole.X[rows], whole.labels[rows], whole.held_X, whole.held_labels, 3, biased=True
    )
    expected = np.zeros_like(x)
    np.add.at(expected, rows, exact(chosen, part, x[rows], y, v))
    found = call(data, Fixed(rows, len(whole.X)), part, x, y, v, len(rows))
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("part", CALLS)
def test_a_sparse_batch_is_the_problem_of_its_samples(part):
    from scipy.sparse import csr_array
    from softmax import full

    data, rows = FAMILIES["sparse"](), [3, 39, 3, 17]
    train = data.wrapped.train
    x, y, v, _ = points(data.wrapped)
    X = csr_array(full(train.by_rows, x.size)[rows])
    chosen = sparse_data(X, train.labels[rows], X, train.labels[rows], 5)
    found = call(data, Fixed(rows, 40), part, x, y, v, len(rows))
    np.testing.assert_allclose(found, exact(chosen, part, x, y, v), rtol=1e-11, atol=1e-15)


@pytest.mark.parametrize("part", CALLS)
@families
def test_the_mean_of_many_draws_is_exact(family, part):
    data = FAMILIES[family]()
    x, y, v, _ = points(data.wrapped)
    stream = np.random.default_rng(2)
    expected = exact(data.wrapped, part, x, y, v)
    scale = np.linalg.norm(expected)
    mean = np.mean([call(data, stream, part, x, y, v, 20) for _ in range(400)], axis=0)
    assert np.linalg.norm(mean - expected) < 0.25 * scale
    many = call(data, stream, part, x, y, v, 10**9)
    assert np.linalg.norm(many - expected) < 1e-3 * scale


@families
def test_gradients_of_f_come_from_one_batch_of_validation_samples(family):
    data = FAMILIES[family]()
    x, y, *_ = points(data.wrapped)
    in_x, in_y = np.full_like(x, np.nan), np.full_like(y, np.nan)
    SAMPLED[type(data)].gradients_f(data, np.random.default_rng(1), x, y, 10**9, in_x, in_y)
    expected = exact(data.wrapped, "grad_y_f", x, y, None)
    assert not in_x.any()
    assert np.linalg.norm(in_y - expected) < 1e-3 * np.linalg.norm(expected)


@pytest.mark.parametrize("S", [1, 6, 7, 1000])
def test_draws_are_those_of_shares(S):
    n, m = 7, min(S, 7)
    found, shares = np.empty(2 * m), np.empty(n)
    batches.draw_rows(np.random.default_rng(3), n, S, found)
    batches.replaced_shares(np.random.default_rng(3), S, shares)
    assert found[m:].sum() == pytest.approx(1.0)
    summed = np.bincount(found[:m].astype(int), weights=found[m:], minlength=n)
    np.testing.assert_allclose(summed, shares, rtol=1e-12)


@families
def test_engines_agree_and_count_samples(family):
    data = FAMILIES[family]()
    exactly = problem(data.wrapped)
    instance = dataclasses.replace(exactly, data=data, noise="finite_sum")
    S = 150 if family == "dense" else 6  # more than one block
    params = stocbio.Params(0.3, 50.0, 0.3, 2, 2, S, 3, 5, S, 2, 0.9)
    solver, seeds = get("stocbio"), (4, 5)
    one = RepeatedSession([CompiledSession(instance, solver, params, s) for s in seeds], 2)
    other = TorchSession([instance, instance], solver, params, "cpu", seeds)
    spent = one.advance(2).ledgers[-1, 0]
    other.advance(2)
    moved = other.iterate() - instance.x0[:, None]
    assert np.abs(moved).max() > 1e-4
    np.testing.assert_allclose(
        one.iterate() - instance.x0[:, None], moved, rtol=1e-10, atol=1e-10 * np.abs(moved).max()
    )
    for row, cost in ((0, stocbio.cost_per_step), (1, stocbio.samples_per_step)):
        found = dict(zip(oracle.SLOTS, spent[row], strict=True))
        price = cost(params, 1)
        assert found["grad_y_g"] == 2 * price.grad_y_g
        assert found["hvp"] == 2 * price.hvp
        assert found["jvp"] == 2 * price.jvp
