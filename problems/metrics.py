"""What an experiment reports of a classifier and of sample weights; pure NumPy, never counted."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.stats import rankdata

from bilevel_core.errors import InputError


def scores_by_class(X: np.ndarray, y: np.ndarray, classes: int) -> np.ndarray:
    """Scores (n, classes) of samples X (n, d) under the unknowns of `softmax_dense`.

    y: the weights of each class, (classes * d,), and then, where it is longer, one bias a class.
    """
    weights = y[: classes * X.shape[1]].reshape(classes, -1)
    return X @ weights.T + (y[weights.size :] if y.size > weights.size else 0.0)


def scores_by_feature(X: Any, y: np.ndarray, classes: int) -> np.ndarray:
    """Scores (n, classes) of a SciPy matrix X (n, d) under the unknowns of `softmax_sparse`.

    y: the weights of each feature, (d * classes,).
    """
    return X @ y.reshape(-1, classes)


def cross_entropy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean of log sum_c exp(s_ic) - s_i,labels_i over the samples; scores (n, classes)."""
    shifted = scores - scores.max(axis=1, keepdims=True)
    chosen = shifted[np.arange(len(labels)), labels]
    return float(np.mean(np.log(np.exp(shifted).sum(axis=1)) - chosen))


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Share of samples whose label has the highest score; the first of equal ones is taken."""
    return float(np.mean(scores.argmax(axis=1) == labels))


def separation(weights: np.ndarray, mask: np.ndarray) -> float:
    """P(weight of a corrupted sample < weight of a clean one), ties counted half.

    weights: (n,).  mask: (n,), True where a sample is corrupted.  1: the worst are all found; 0.5:
    chance.  It is the area under the ROC curve, Mann and Whitney's U over the number of pairs.

    Raises:
        InputError: no sample is corrupted, or all are.
    """
    corrupted = int(np.count_nonzero(mask))
    clean = len(mask) - corrupted
    if not corrupted or not clean:
        raise InputError(
            f"mask: expected some corrupted samples and some clean ones, got {corrupted} of "
            f"{len(mask)} corrupted"
        )
    ranks = rankdata(weights)
    below = float(ranks[~np.asarray(mask)].sum()) - 0.5 * clean * (clean + 1)
    return below / (corrupted * clean)
