"""Prescribed parameters of stocbio, bsa and ttsa: each error term keeps to its share of eps."""

import itertools
import math

import pytest

from bilevel_core import estimators
from bilevel_core.constants import Constants
from bilevel_core.solvers import bsa, stocbio, ttsa

KAPPAS, LEVELS = (1.1, 2.0, 4.0, 16.0, 64.0), (1.0, 1e-1, 1e-2, 1e-4, 1e-6)


def constants_of(kappa, **given):
    """L = M = rho = tau = sigma = gap = 1, unless given."""
    ones = {"L": 1.0, "M": 1.0, "rho": 1.0, "tau": 1.0, "sigma": 1.0, "gap": 1.0} | given
    return Constants(mu=ones["L"] / kappa, **ones)


GRID = [
    (constants_of(kappa, **given), eps)
    for kappa, eps in itertools.product(KAPPAS, LEVELS)
    for given in ({}, {"L": 2.0, "M": 3.0, "sigma": 0.3, "tau": 0.0, "gap": 5.0}, {"sigma": 0.0})
]


@pytest.mark.parametrize(("c", "eps"), GRID)
def test_stocbio_theory_keeps_each_error_term_in_its_share_of_eps(c, eps):
    p = stocbio.theory(c, eps)
    tight = 1 + 1e-9
    assert p.alpha == pytest.approx(2 / (c.L + c.mu))
    assert p.beta == pytest.approx(1 / (4 * c.L_Phi))
    assert p.eta == pytest.approx(1 / c.L)
    assert p.shrink == pytest.approx(1 - p.eta * c.mu)

    def truncation(Q):
        return (c.kappa * c.M * p.shrink ** (Q + 1)) ** 2

    assert truncation(p.Q) <= eps / 32 * tight
    assert p.Q == 1 or truncation(p.Q - 1) > eps / 32 / tight

    def inner(S):
        return c.L_y**2 * c.sigma**2 / (c.L * c.mu * S)

    assert inner(p.S) <= eps / 32 * tight
    assert p.S == 1 or inner(p.S - 1) > eps / 32 / tight
    for batch in (p.B, p.D_f, p.D_g):
        assert c.kappa**2 * c.M**2 / batch <= eps / 16 * tight
        assert batch == 1 or c.kappa**2 * c.M**2 / (batch - 1) > eps / 16 / tight
    # |B_1| = B Q (1 - eta mu)^{Q-1} has to be a batch; rounding up makes it one.
    assert estimators.rounded_batch(p.B * p.Q * p.shrink ** (p.Q - 1)) >= 1
    q = (c.kappa - 1) / (c.kappa + 1)
    assert q ** (2 * p.D) <= 1 / 5 * tight
    assert p.D == 1 or q ** (2 * (p.D - 1)) > 1 / 5 / tight
    assert p.first_D >= p.D
    assert q**p.first_D * (1 + c.kappa) ** 2 <= tight
    outer = stocbio.outer_bound(c, eps)
    assert outer == pytest.approx(64 * c.L_Phi * c.gap / eps)
    assert 2 * c.gap / (p.beta * outer) == pytest.approx(eps / 8)


@pytest.mark.parametrize(
    ("kappa", "S", "B", "terms"),
    [(2, 5e5, 6e3, 7), (4, 8e6, 3e4, 19), (8, 1.7e8, 1e5, 46), (16, 4e9, 4e5, 106)],
)
def test_stocbio_theory_at_known_points(kappa, S, B, terms):
    """L = M = rho = tau = sigma = gap = 1, eps = 0.01; `terms` of the series are Q + 1."""
    p = stocbio.theory(constants_of(float(kappa)), 0.01)
    assert f"{p.S:.0e}" == f"{S:.0e}"
    assert f"{p.B:.0e}" == f"{p.D_f:.0e}" == f"{p.D_g:.0e}" == f"{B:.0e}"
    assert terms == p.Q + 1


@pytest.mark.parametrize(("c", "eps"), GRID)
def test_bsa_and_ttsa_theory_keep_each_error_term_in_its_share_of_eps(c, eps):
    tight = 1 + 1e-9
    one, two = bsa.theory(c, eps), ttsa.theory(c, eps)
    assert one.b == two.b

    def truncation(b):
        return (c.kappa * c.M * (1 - 1 / c.kappa) ** b) ** 2

    assert truncation(one.b) <= eps / 16 * tight
    assert one.b == 1 or truncation(one.b - 1) > eps / 16 / tight
    V = bsa.estimator_moment(c, one.b)
    for p in (one, two):
        assert p.eta == pytest.approx(1 / c.L)
        assert p.alpha <= 1 / c.L * tight
        assert p.beta <= 1 / c.L_Phi * tight
        assert c.L_Phi * p.beta * V <= eps / 4 * tight
    # The inner steps of bsa, alpha offset/(t + offset), are 2/(mu (t + 2 kappa)).
    assert one.alpha * one.offset == pytest.approx(2 / c.mu)
    moved = 4 * (c.kappa * two.beta) ** 2 * V / (two.alpha * c.mu) ** 2
    assert c.L_y**2 * two.alpha * c.sigma**2 / c.mu <= eps / 12 * tight
    assert c.L_y**2 * moved <= eps / 12 * tight


@pytest.mark.parametrize("kappa", [2.0, 8.0])
def test_steps_of_bsa_and_ttsa_have_their_order_in_eps(kappa):
    """Up to the length of the series, which grows like log(1/eps) and is in V."""
    c = constants_of(kappa)
    for eps in (1e-4, 1e-8):
        one, two = ((s.theory(c, eps), s.theory(c, eps / 100)) for s in (bsa, ttsa))
        V, smaller_V = (bsa.estimator_moment(c, p.b) for p in one)
        assert one[0].beta * V / (one[1].beta * smaller_V) == pytest.approx(100)
        assert two[0].alpha / two[1].alpha == pytest.approx(100)
        ratio = two[0].beta * math.sqrt(V) / (two[1].beta * math.sqrt(smaller_V))
        assert ratio == pytest.approx(1000)
        assert smaller_V < 2.5 * V
