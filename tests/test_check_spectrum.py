"""A problem from two functions is refused where its inner Hessian is not what was stated."""

import numpy as np
import pytest
import torch

import bilevel_core as bl
from bilevel_core.errors import InputError
from bilevel_core.stated_spectrum import ritz_ends


def f(x, y):
    return 0.5 * (y * y).sum()


def made(g, dim=3, y0=None, **constants):
    return bl.problem_from_functions(f, g, 2, dim, bl.Constants(M=1.0, **constants), y0=y0)


def bowl(x, y):
    return 0.5 * (torch.linspace(1.0, 4.0, len(y), dtype=y.dtype) * y * y).sum() + x.sum() * y[0]


def waves(x, y):
    return (torch.cos(3 * y) + 0.05 * y**2).sum() - y[0] * x.sum()


def steep(x, y):
    return bowl(x, y) + y[-1] ** 4


@pytest.mark.parametrize(
    ("g", "constants", "said"),
    [
        (bowl, {"L": 4.0, "mu": 2.0}, r"from 1 to 4 at the start, outside \[mu, L\] = \[2, 4\]"),
        (bowl, {"L": 3.0, "mu": 1.0}, r"from 1 to 4 at the start, outside \[mu, L\] = \[1, 3\]"),
        (waves, {"L": 10.0, "mu": 1.0}, "eigenvalues from -8.9 to -8.9 at the start"),
        (steep, {"L": 4.0, "mu": 1.0}, "near the start"),
        (lambda x, y: y[0] * x.sum(), {"L": 1.0, "mu": 1.0}, "eigenvalues from 0 to 0"),
        (lambda x, y: y.sum() ** 2 * torch.nan, {"L": 1.0, "mu": 1.0}, "from nan to nan"),
    ],
)
def test_a_hessian_outside_its_constants_is_told(g, constants, said):
    with pytest.raises(InputError, match=said) as told:
        made(g, **constants)
    assert "\n" not in str(told.value)


def test_a_right_one_is_taken():
    made(bowl, L=4.0, mu=1.0)
    made(bowl, L=5.0, mu=0.5)


@pytest.mark.parametrize("dim", [1, 3, 40, 200])
def test_ritz_values_never_leave_the_spectrum(dim):
    problem = made(bowl, dim=dim, L=4.0, mu=1.0)
    start = np.random.default_rng(1).normal(size=dim)
    low, high = ritz_ends(problem, problem.x0, problem.y0, start)
    assert 1.0 - 1e-9 <= low <= high <= 4.0 + 1e-9
    assert low < 1.1
    assert high > 3.9 or dim == 1
