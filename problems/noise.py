"""The stochastic form of any family: `noise="gaussian"` or `noise="finite_sum"`, and `sigma`."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from bilevel_core.errors import InputError
from bilevel_core.problem import Problem
from problems import hypercleaning, newsgroups
from problems.checks import choice, integer, number
from problems.finite_sum import SAMPLES, make_finite_sum
from problems.gaussian import add_gaussian_noise
from problems.logistic import LogisticData
from problems.logistic_samples import make_logistic_samples
from problems.softmax_dense import SoftmaxDenseData
from problems.softmax_sparse import SoftmaxSparseData

KINDS = ("gaussian", "finite_sum")
SAMPLINGS = ("replacement", "shuffled")
OWN_SAMPLES: dict[type, Callable[..., Problem]] = {LogisticData: make_logistic_samples}
"""Families that are a finite sum by nature, by the class of their data."""
REAL_SAMPLES: dict[type, Callable[[Problem, float | None], Problem]] = {
    SoftmaxDenseData: hypercleaning.make_samples,
    SoftmaxSparseData: newsgroups.make_samples,
}
"""The same of families that are too large for any noise but batches of their own rows."""


def parameters(
    *,
    noise: str | None = None,
    sigma: float = 0.1,
    sampling: str = "replacement",
    pool: int = SAMPLES,
) -> None:
    """The options that every family takes, with their defaults."""


OPTIONS = inspect.signature(parameters).parameters


def make_noisy(
    make_base: Callable[[float | None], Problem],
    kappa: float | None,
    seed: int,
    options: Mapping[str, Any],
) -> Problem:
    """The stochastic form of a family that `make_base` makes from a condition number.

    options: noise, sigma > 0 (bound on the root mean square deviation of a sample's gradients; not
    where the samples are the family's own), and for a finite sum sampling, "replacement" or
    "shuffled" epochs, and pool, an even number of samples.

    Raises:
        InputError: an option is out of range.
    """
    noise = choice("noise", options["noise"], KINDS)
    base = make_base(kappa)
    if type(base.data) in REAL_SAMPLES:
        return _of_real_samples(base, kappa, options)
    kappa = base.kappa if kappa is None else kappa
    if noise == "gaussian":
        for name in ("sampling", "pool"):
            _refuse(name, options, "noise='gaussian' draws no samples from a pool")
        sigma = number("sigma", options.get("sigma", OPTIONS["sigma"].default))
        return _with_options(add_gaussian_noise(base, sigma), {"sigma": sigma})
    sampling = choice("sampling", options.get("sampling", "replacement"), SAMPLINGS)
    own = OWN_SAMPLES.get(type(base.data))
    if own is not None:
        _refuse_synthetic(options)
        return _with_options(own(make_base, kappa, sampling), {"sampling": sampling})
    sigma = number("sigma", options.get("sigma", OPTIONS["sigma"].default))
    samples = integer("pool", options.get("pool", SAMPLES), 2)
    if samples % 2:
        raise InputError(f"pool: expected an even number, got {samples}")
    problem = make_finite_sum(make_base, kappa, seed, sigma, sampling, samples)
    own_number = {} if samples == SAMPLES else {"pool": samples}
    return _with_options(problem, {"sigma": sigma, "sampling": sampling} | own_number)


def _of_real_samples(base: Problem, kappa: float | None, options: Mapping[str, Any]) -> Problem:
    choice("noise", options["noise"], ("finite_sum",))
    sampling = choice("sampling", options.get("sampling", "replacement"), ("replacement",))
    _refuse_synthetic(options)
    made = REAL_SAMPLES[type(base.data)](base, kappa)
    return _with_options(made, {"sampling": sampling})


def _refuse_synthetic(options: Mapping[str, Any]) -> None:
    for name in ("sigma", "pool"):
        _refuse(name, options, "the noise of this family's finite sum is that of its data")


def _refuse(name: str, options: Mapping[str, Any], reason: str) -> None:
    if name in options:
        raise InputError(f"{name}: {reason}; expected none, got {options[name]!r}")


def _with_options(problem: Problem, options: Mapping[str, Any]) -> Problem:
    return dataclasses.replace(
        problem, options=dict(problem.options) | {"noise": problem.noise} | dict(options)
    )
