"""A target to follow: y* = x whatever kappa, so that only the inner work depends on it.

g(x, y) = sum_i h_i (y_i - x_i)^2 / 2,  f(x, y) = m sum_i [sqrt(1 + y_i^2) - 1]
"""

from typing import Any, NamedTuple

import numpy as np

import bilevel_core as bl
import problems
from bilevel_core.arrays import sqrt
from bilevel_core.oracle import FAMILIES, Family
from bilevel_core.problem import ClosedForms


class TargetData(NamedTuple):
    h: np.ndarray  # (n,), from mu to L
    m: float


def grad_x_f(data: TargetData, x, y, out):
    for i in range(x.shape[0]):
        out[i] = 0.0 * x[i]


def grad_y_f(data: TargetData, x, y, out):
    for i in range(y.shape[0]):
        out[i] = data.m * y[i] / sqrt(1.0 + y[i] * y[i])


def grad_x_g(data: TargetData, x, y, out):
    for i in range(x.shape[0]):
        out[i] = data.h[i] * (x[i] - y[i])


def grad_y_g(data: TargetData, x, y, out):
    for i in range(y.shape[0]):
        out[i] = data.h[i] * (y[i] - x[i])


def jvp(data: TargetData, x, y, v, out):
    for i in range(v.shape[0]):
        out[i] = -data.h[i] * v[i]


def hvp(data: TargetData, x, y, v, out):
    for i in range(v.shape[0]):
        out[i] = data.h[i] * v[i]


def f(data: TargetData, x, y) -> Any:
    total = 0.0 * y[0]
    for i in range(y.shape[0]):
        total = total + data.m * (sqrt(1.0 + y[i] * y[i]) - 1.0)
    return total


def g(data: TargetData, x, y) -> Any:
    total = 0.0 * y[0]
    for i in range(y.shape[0]):
        total = total + 0.5 * data.h[i] * (y[i] - x[i]) * (y[i] - x[i])
    return total


def y_star(data: TargetData, x, out):
    for i in range(x.shape[0]):
        out[i] = x[i]


def phi(data: TargetData, x) -> Any:
    return f(data, x, x)


def grad_phi(data: TargetData, x, out):
    grad_y_f(data, x, x, out)


FAMILIES[TargetData] = Family(grad_x_f, grad_y_f, grad_x_g, grad_y_g, jvp, hvp, f, g)


@problems.register("target")
def make(kappa: float, seed: int = 0, *, dim: int = 4) -> bl.Problem:
    """A lower level that follows the upper one; curvatures from 1/kappa to 1."""
    m = 1.0 / np.sqrt(dim)
    data = TargetData(np.geomspace(1.0 / kappa, 1.0, dim), m)
    x0 = np.random.default_rng(seed).uniform(1.0, 2.0, dim)
    forms = ClosedForms(y_star, phi, grad_phi)
    constants = bl.Constants(
        L=1.0, mu=1.0 / kappa, M=1.0, gap=float(phi(data, x0)), distance=float(np.linalg.norm(x0))
    )
    return bl.Problem(
        name="target",
        data=data,
        constants=constants,
        x0=x0,
        y0=np.zeros(dim),
        kappa=kappa,
        seed=seed,
        options={"dim": dim},
        exact_smoothness=m,
        closed_forms=forms,
    )
