"""Ends of the inner spectrum: known spectra, dense matrices, and what they cost."""

import dataclasses

import numpy as np
import pytest
from softmax import dense, points, problem, sparse

import bilevel_core as bl
import problems
from bilevel_core.autograd import Graph
from bilevel_core.check.of_problem import matrices
from bilevel_core.errors import InputError
from bilevel_core.spectrum import SMALL, spectrum
from bilevel_core.spy import spy_on


@pytest.mark.parametrize("dim", [6, SMALL, SMALL + 1, 90])
@pytest.mark.parametrize("kind", ["uniform", "clusters", "chebyshev"])
def test_ends_of_a_known_spectrum(dim, kind):
    made = problems.make("quadratic", kappa=200.0, seed=1, dim=dim, spectrum=kind)
    found = spectrum(made, made.x0, made.y0, tolerance=1e-8)
    assert found.smallest == pytest.approx(made.constants.mu, rel=1e-9)
    assert found.largest == pytest.approx(made.constants.L, rel=1e-9)
    assert found.kappa == pytest.approx(200.0, rel=1e-9)
    assert found.smallest_error <= 1e-8 * found.smallest
    assert found.largest_error <= 1e-8 * found.largest


@pytest.mark.parametrize("data", [dense(3, True), sparse(3)], ids=["dense", "sparse"])
@pytest.mark.parametrize("tolerance", [1e-1, 1e-6])
def test_ends_are_those_of_the_matrix_to_the_errors_stated(data, tolerance):
    instance = problem(data)
    x, y, *_ = points(data)
    values = np.linalg.eigvalsh(matrices(instance, x, y)[0])
    found = spectrum(instance, x, y, tolerance)
    for value, error, end in (
        (found.smallest, found.smallest_error, values[0]),
        (found.largest, found.largest_error, values[-1]),
    ):
        assert error <= tolerance * value
        assert np.abs(values - value).min() <= error * (1 + 1e-6) + 1e-13
        assert value == pytest.approx(end, rel=tolerance)
    assert values[0] * (1 - 1e-10) <= found.smallest
    assert found.largest <= values[-1] * (1 + 1e-10)


@pytest.mark.parametrize("dim", [5, 70])
def test_products_are_those_that_a_spy_sees(dim):
    spied = spy_on(problems.make("quadratic", kappa=30.0, dim=dim))
    found = spectrum(spied, spied.x0, spied.y0)
    assert found.products == spied.data.seen[0, 5] > 0
    assert spied.data.seen.sum() == 2 * found.products


def test_a_smaller_tolerance_costs_more():
    made = problems.make("quadratic", kappa=1e4, dim=400, spectrum="uniform")
    loose, sharp = (spectrum(made, made.x0, made.y0, t) for t in (0.3, 1e-3))
    assert loose.products < sharp.products
    assert sharp.smallest == pytest.approx(made.constants.mu, rel=1e-3)


def test_the_same_call_gives_the_same_numbers():
    made = problems.make("quadratic", kappa=1e3, dim=120)
    one, same = (spectrum(made, made.x0, made.y0, 1e-2, seed=3) for _ in range(2))
    assert one == same


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"most": 30}, "most: 30 products do not bring both ends .* to tolerance 0.01"),
        ({"tolerance": 0.0}, "expected tolerance > 0"),
        ({"tolerance": float("nan")}, "expected tolerance > 0"),
        ({"most": 0}, "most >= 1"),
    ],
)
def test_what_cannot_be_found_is_said(arguments, message):
    made = problems.make("quadratic", kappa=1e4, dim=400)
    with pytest.raises(InputError, match=message):
        spectrum(made, made.x0, made.y0, **arguments)


def test_functions_of_torch_have_a_spectrum_too():
    import torch

    scales = torch.arange(1.0, 61.0, dtype=torch.float64)
    made = bl.problem_from_functions(
        lambda x, y: (y * y).sum(),
        lambda x, y: 0.5 * (scales * y * y).sum() - x.sum() * y.sum(),
        dim_x=2,
        dim_y=60,
        constants=bl.Constants(L=60.0, mu=1.0, M=1.0),
    )
    found = spectrum(made, made.x0, made.y0, 1e-6)
    assert (found.smallest, found.largest) == pytest.approx((1.0, 60.0), rel=1e-9)


def test_the_error_is_that_of_the_vector():
    """Temple: residual^2 >= (value - end)(next - value), where value lies between the two."""
    made = problems.make("quadratic", kappa=1e4, dim=400, spectrum="uniform")
    values = np.linalg.eigvalsh(matrices(made, made.x0, made.y0)[0])
    found = spectrum(made, made.x0, made.y0, tolerance=0.3)
    above_end = found.smallest - values[0]
    assert 1e-13 < above_end < 0.5 * (values[1] - values[0])
    assert found.smallest_error**2 >= above_end * (values[1] - found.smallest)


@pytest.mark.parametrize("dim", [2, 60])
def test_what_has_no_condition_number(dim):
    made = bl.problem_from_functions(
        lambda x, y: y.sum(),
        lambda x, y: 0.5 * (y * y).sum(),
        *(1, dim, bl.Constants(L=1.0, mu=1.0, M=1.0)),
    )
    # As a problem it would be refused.
    data = made.data._replace(inner=lambda x, y: (y[1:] ** 4).sum() - y[0] ** 2, graph=Graph())
    made = dataclasses.replace(made, data=data)
    assert spectrum(made, np.zeros(1), np.arange(1.0, dim + 1)).kappa == np.inf
    with pytest.raises(InputError, match="a product is not finite"):
        spectrum(made, np.zeros(1), np.full(dim, np.nan))
