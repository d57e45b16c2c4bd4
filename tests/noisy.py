"""Stochastic forms of the families for tests: points, batches at them, and single samples."""

import functools

import numpy as np
import torch

import problems
from bilevel_core import oracle
from bilevel_core.arrays import vector_like
from bilevel_core.engines.torch import stack_data
from bilevel_core.problem import column_data
from bilevel_core.sampled import SAMPLED
from bilevel_core.streams import Columns, Shuffled

SIGMA = 0.2
FAMILIES = {
    "quadratic": ("quadratic", {"dim": 4}),
    "ramp": ("ramp", {"dim": 3}),
    "hard, curvature 2": ("hard", {"curvature": 2}),
    "hard, curvature 3": ("hard", {"curvature": 3}),
    "logistic": ("logistic", {"features": 3, "samples": 12}),
}
NOISES = {
    "gaussian": {"noise": "gaussian"},
    "replacement": {"noise": "finite_sum"},
    "shuffled": {"noise": "finite_sum", "sampling": "shuffled"},
}
SUMS = ("replacement", "shuffled")
CALLS = ("gradients_f", "grad_x_g", "grad_y_g", "jvp", "hvp", "held_hvp")


@functools.cache
def make(family, noise, kappa=5.0, seed=1):
    name, options = FAMILIES[family]
    own = family == "logistic" and noise in SUMS
    scale = {} if own else {"sigma": SIGMA}
    return problems.make(name, kappa=kappa, seed=seed, **options, **NOISES[noise], **scale)


@functools.cache
def point(problem_key, draw=0):
    """x, y near y*(x) within the logistic tube, and v."""
    problem = make(*problem_key)
    random = np.random.default_rng(draw)
    x = problem.x0 + 0.2 * random.normal(size=problem.dim_x)
    y = problem.y_star(x) * random.uniform(0.3, 1.1, problem.dim_y)
    return x, y, random.normal(size=problem.dim_y)


def call(name, data, stream, x, y, v, S):
    """One batch of S of an oracle; both gradients of f are one vector, (p + q,)."""
    family = SAMPLED[type(data)]
    in_x, in_y = (vector_like(a, a.shape[0]) for a in (x, y))
    if name == "gradients_f":
        family.gradients_f(data, stream, x, y, S, in_x, in_y)
        return (torch.cat if isinstance(x, torch.Tensor) else np.concatenate)([in_x, in_y])
    if name == "held_hvp":
        held = family.hold_hessian(data, stream, y, S)
        family.held_hvp(data, held, x, y, v, in_y)
        return in_y
    out = in_x if name in ("grad_x_g", "jvp") else in_y
    arguments = (x, y, v) if name in ("jvp", "hvp") else (x, y)
    getattr(family, name)(data, stream, *arguments, S, out)
    return out


def exact(name, data, x, y, v):
    """The oracle without noise, of a single instance or of columns."""
    if name == "gradients_f":
        return np.concatenate([exact(part, data, x, y, v) for part in ("grad_x_f", "grad_y_f")])
    part = "hvp" if name == "held_hvp" else name
    out = np.empty_like(x if part in ("grad_x_f", "grad_x_g", "jvp") else y)
    arguments = (x, y, v) if part in ("jvp", "hvp") else (x, y)
    oracle.FAMILY_CALLS[part](data, *arguments, out)
    return out


def pool_size(problem):
    data = problem.data
    return data.pool.u.shape[0] if hasattr(data, "pool") else data.wrapped.X.shape[0]


class Draws:
    """N independent batches at one point, in the columns of torch tensors."""

    def __init__(self, key, N, seed):
        problem = make(*key)
        random = np.random.Generator(np.random.PCG64(seed))
        one = SAMPLED[type(problem.data)].open_stream
        # Columns may share a generator; pools have an order of their own.
        self.columns = Columns(tuple(one(problem.data, 0, random) for _ in range(N)), None)
        self.data = stack_data([problem.data], torch.device("cpu"))
        self.point = [torch.as_tensor(a)[:, None].repeat(1, N) for a in point(key)]

    def batch(self, name, S):
        """(dim, N): one analytic draw of S in each column."""
        return call(name, self.data, self.columns, *self.point, S).numpy()

    def average(self, name, S):
        """(dim, N): the average of S draws of one sample."""
        return sum(self.batch(name, 1) for _ in range(S)) / S


def select(i):
    """A stream whose batch of one is sample i."""
    return Shuffled(None, np.array([i]), np.array([0]))


def every_sample(key, name, x, y, v):
    """(n, ...): the oracle of each sample of a finite sum, at columns or at one point."""
    problem = make(*key)
    data = problem.data if x.ndim == 1 else column_data(problem.data)
    return np.array([call(name, data, select(i), x, y, v, 1) for i in range(pool_size(problem))])


def base_kappa(problem):
    """The condition number of the mean of a finite sum."""
    if hasattr(problem.data, "bend"):
        bend = problem.data.bend
        return (problem.constants.L - bend) / (problem.constants.mu + bend)
    return problem.options["L"] / problem.data.wrapped.low
