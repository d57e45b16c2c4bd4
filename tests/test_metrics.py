"""What is reported of classifiers and of sample weights: closed forms, and the families' own f."""

import numpy as np
import pytest
from softmax import dense, full, points, sparse

from bilevel_core.errors import InputError
from bilevel_core.oracle import family_f
from problems import metrics


@pytest.mark.parametrize("biased", [True, False])
def test_cross_entropy_of_a_dense_family_is_its_f(biased):
    data = dense(5, biased)
    x, y, *_ = points(data)
    scores = metrics.scores_by_class(data.held_X, y, 5)
    assert metrics.cross_entropy(scores, data.held_labels) == pytest.approx(
        family_f(data, x, y), rel=1e-12
    )


def test_cross_entropy_of_a_sparse_family_is_its_f():
    data = sparse(5)
    x, y, *_ = points(data)
    scores = metrics.scores_by_feature(full(data.held.by_rows, x.size), y, 5)
    assert metrics.cross_entropy(scores, data.held.labels) == pytest.approx(
        family_f(data, x, y), rel=1e-12
    )


def test_scores_beyond_the_range_of_exp_are_no_trouble():
    scores = np.array([[1e4, 0.0], [-1e4, 0.0]])
    assert metrics.cross_entropy(scores, np.array([0, 0])) == 5e3


def test_accuracy_takes_the_first_of_equal_scores():
    scores = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [1.0, 1.0]])
    assert metrics.accuracy(scores, np.array([0, 0, 0, 1])) == 0.5


@pytest.mark.parametrize(
    ("weights", "mask", "expected"),
    [
        ([0.1, 0.2, 0.8, 0.9], [1, 1, 0, 0], 1.0),
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 0.0),
        ([0.5, 0.5, 0.5], [1, 0, 0], 0.5),
        ([1.0, 2.0, 3.0, 4.0, 4.0], [1, 0, 1, 1, 0], 3.5 / 6),
        ([-2.0, 7.0], [1, 0], 1.0),
    ],
)
def test_separation_has_these_closed_forms(weights, mask, expected):
    found = metrics.separation(np.array(weights), np.array(mask, dtype=bool))
    assert found == pytest.approx(expected, rel=1e-15)


def test_separation_is_the_share_of_pairs_in_order():
    random = np.random.default_rng(0)
    weights, mask = random.integers(0, 9, 80).astype(float), random.random(80) < 0.3
    corrupted, clean = weights[mask][:, None], weights[~mask][None, :]
    expected = np.mean((corrupted < clean) + 0.5 * (corrupted == clean))
    assert metrics.separation(weights, mask) == pytest.approx(expected, rel=1e-13)


@pytest.mark.parametrize("mask", [[True, True], [False, False]])
def test_separation_needs_both_kinds(mask):
    with pytest.raises(InputError, match="mask: expected some corrupted samples and some clean"):
        metrics.separation(np.zeros(2), np.array(mask))
