"""Products with tall and sparse matrices, compiled and not, against plain sums."""

import numba
import numpy as np
import pytest
import torch
from softmax import full

from bilevel_core import matrices
from bilevel_core.engines import matrix_kernels  # noqa: F401
from bilevel_core.matrices import Sparse

multiply = numba.njit(lambda rows, w, c, out: matrices.scores_of_rows(rows, w, c, out))
add = numba.njit(lambda rows, z, c, out: matrices.add_product_of_rows(rows, z, c, out))
multiply_sparse = numba.njit(lambda m, v, c, out: matrices.multiply_sparse(m, v, c, out))
multiply_and_add = numba.njit(
    lambda m, v, s, a, c, out: matrices.multiply_sparse_and_add(m, v, s, a, c, out)
)
same = numba.njit(lambda a, b: matrices.same(a, b))

random = np.random.default_rng(0)
sizes = pytest.mark.parametrize("n", [1, 3, 4, 9])
numbers_of_classes = pytest.mark.parametrize("c", [1, 4, 5, 8, 13, 20])
biased = pytest.mark.parametrize("biases", [0, 1])


@biased
@numbers_of_classes
@sizes
def test_scores_of_samples(n, c, biases):
    rows, W, b = (random.standard_normal(s) for s in ((n, 11), (c, 11), c))
    y = np.concatenate([W.ravel(), b]) if biases else W.ravel()
    expected = (rows @ W.T + biases * b).ravel()
    for function in (matrices.scores_of_rows, multiply):
        out = np.full(n * c, np.nan)
        function(rows, y, c, out)
        np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-13)


@biased
@numbers_of_classes
@sizes
def test_transposed_product_is_added(n, c, biases):
    rows, changes = random.standard_normal((n, 11)), random.standard_normal((n, c))
    start = random.standard_normal(c * (11 + biases))
    sums = [(changes.T @ rows).ravel(), changes.sum(0)]
    expected = start + np.concatenate(sums[: 1 + biases])
    for function in (matrices.add_product_of_rows, add):
        out = start.copy()
        function(rows, changes.ravel(), c, out)
        np.testing.assert_allclose(out, expected, rtol=1e-12, atol=1e-13)


def some_sparse():
    """7 x 9; the first, the last and one more row are empty."""
    lengths = np.array([0, 3, 1, 0, 9, 4, 0])
    columns = np.concatenate([np.sort(random.permutation(9)[:k]) for k in lengths])
    starts = np.concatenate([[0], np.cumsum(lengths)])
    values = random.standard_normal(lengths.sum())
    return Sparse(values, columns.astype(np.int32), starts.astype(np.int64))


@numbers_of_classes
def test_sparse_products(c):
    matrix = some_sparse()
    V, added = random.standard_normal((9, c)), random.standard_normal((7, c))
    scales = np.array([0.0, 1.0, -2.0, 0.5, 3.0, 0.0, 1.0])
    plain = full(matrix, 9) @ V
    for function in (matrices.multiply_sparse, multiply_sparse):
        out = np.full(7 * c, np.nan)
        function(matrix, V.ravel(), c, out)
        np.testing.assert_allclose(out, plain.ravel(), rtol=1e-12, atol=1e-13)
    for function in (matrices.multiply_sparse_and_add, multiply_and_add):
        out = np.full(7 * c, np.nan)
        function(matrix, V.ravel(), scales, added.ravel(), c, out)
        np.testing.assert_allclose(out, (plain + scales[:, None] * added).ravel(), rtol=1e-12)


def test_scores_and_losses_do_not_overflow():
    scores = np.array([1e4, 0.0, -1e4, -1e4, -1e4, -1e4])
    losses = np.empty(2)
    matrices.cross_entropies(scores, np.array([1, 2]), 3, losses)
    np.testing.assert_allclose(losses, [1e4, np.log(3.0)])
    matrices.softmax(scores, 3)
    np.testing.assert_allclose(scores, [1.0, 0.0, 0.0, 1 / 3, 1 / 3, 1 / 3])


@pytest.mark.parametrize("place", [0, 63, 64, 130])
def test_one_number_makes_a_vector_another(place):
    a = random.standard_normal(131)
    b = a.copy()
    found = (matrices.same, same, lambda a, b: matrices.same(*map(torch.as_tensor, (a, b))))
    assert all(function(a, b) for function in found)
    b[place] = np.nextafter(b[place], np.inf)
    assert not any(function(a, b) for function in found)
    a[place] = b[place] = np.nan
    assert not any(function(a, b) for function in found)
