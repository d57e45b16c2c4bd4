"""Statistics of random draws for tests: p-values of means, and Holm's correction over many."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

LEVEL = 0.01
"""Chance that a right program is called wrong, over all p-values of one call of `rejected`."""


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    """Small tensors gain nothing from threads, which wait for each other where cores are busy."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def mean_is(values, expected):
    """p-values that the mean over the last axis of (..., N) is `expected`, by its normal law."""
    values = np.asarray(values, dtype=float)
    count = values.shape[-1]
    error = values.std(axis=-1, ddof=1) / math.sqrt(count)
    off = np.abs(values.mean(axis=-1) - expected)
    rounding = 1e-12 * (1.0 + np.abs(expected))
    # Where nothing varies but for rounding, the mean has to be right to rounding.
    z = np.where(error > rounding, off / np.maximum(error, 1e-300), 1e3 * (off > 10 * rounding))
    return 2.0 * stats.norm.sf(z)


def rejected(p_values, level=LEVEL):
    """Labels of the hypotheses {label: p or array of p} that Holm's procedure rejects."""
    flat = [
        (float(p), f"{label}[{i}]")
        for label, some in p_values.items()
        for i, p in enumerate(np.ravel(some))
    ]
    found = []
    for rank, (p, label) in enumerate(sorted(flat)):
        if not p <= level / (len(flat) - rank):
            break
        found.append(f"{label}: p = {p:.1e}")
    return found
