"""The certified numbers of steps: minimal, valid for the recursion they come from, and for runs."""

import dataclasses
import itertools
import math

import numpy as np
import pytest

import bilevel_core as bl
import problems
from bilevel_core import InputError
from bilevel_core.certificate import (
    LINEAR_SHARE,
    MOST_GAIN,
    certified_steps,
    conjugate_gradient_factor,
    first_steps,
    gain,
    recursion,
    transient,
)
from bilevel_core.solvers import get

CASES = [
    ("hard", 2.0, {}),
    ("hard", 16.0, {}),
    ("hard", 64.0, {"curvature": 1}),
    ("quadratic", 10.0, {}),
    ("ramp", 100.0, {}),
]


def constants_of(family, kappa, options):
    return problems.make(family, kappa=kappa, **options).constants


def certified(constants, share=1 / 8):
    """alpha, beta, D, N at a share of the longest outer step."""
    alpha, beta = 1.0 / constants.L, share / constants.L_Phi
    return alpha, beta, *certified_steps(constants, alpha, beta)


def factors(constants, alpha, D, N):
    return (1.0 - alpha * constants.mu) ** D, conjugate_gradient_factor(constants.kappa, N)


@pytest.mark.parametrize(("family", "kappa", "options"), CASES)
def test_more_steps_gain_less(family, kappa, options):
    constants = constants_of(family, kappa, options)
    alpha, beta, D, N = certified(constants)
    gains = [
        gain(constants, beta, *factors(constants, alpha, D + i, N + j))
        for i, j in ((-1, 0), (0, 0), (1, 0), (1, 1), (50, 50))
    ]
    assert gains == sorted(gains, reverse=True)
    assert len(set(gains)) == len(gains)
    assert gain(constants, beta, 0.0, 0.0) == 0.0


@pytest.mark.parametrize("share", [1 / 8, 1.0])
@pytest.mark.parametrize(("family", "kappa", "options"), CASES)
def test_certified_steps_are_the_fewest(family, kappa, options, share):
    constants = constants_of(family, kappa, options)
    alpha, beta, D, N = certified(constants, share)
    assert N > 1
    assert gain(constants, beta, *factors(constants, alpha, D, N)) <= MOST_GAIN
    assert gain(constants, beta, *factors(constants, alpha, D - 1, N)) > MOST_GAIN
    linear = [conjugate_gradient_factor(constants.kappa, n) for n in (N, N - 1)]
    assert gain(constants, beta, 0.0, linear[0]) <= LINEAR_SHARE
    assert gain(constants, beta, 0.0, linear[1]) > LINEAR_SHARE


def test_a_shorter_outer_step_needs_no_more_steps():
    constants = constants_of("hard", 16.0, {})
    shares = [certified(constants, share)[2:] for share in (1.0, 1 / 8, 1 / 64)]
    assert [D for D, _ in shares] == sorted((D for D, _ in shares), reverse=True)
    assert [N for _, N in shares] == sorted((N for _, N in shares), reverse=True)


def test_a_recursion_that_does_not_contract_has_no_gain():
    constants = constants_of("hard", 16.0, {})
    assert gain(constants, 1.0 / constants.L_Phi, 1.0, 0.0) == math.inf
    assert gain(constants, 1.0 / constants.L_Phi, 0.0, 5.0) == math.inf


def test_the_recursion_is_the_one_of_the_docstring():
    constants = bl.Constants(L=2.0, mu=0.5, M=3.0, rho=0.7, tau=0.2)
    beta, a, c = 1e-3, 0.1, 0.2
    C_v = 4.0 + 0.7 * 3.0 / 0.25
    L_v = C_v * 5.0
    A = constants.L_y + 2.0 * c * C_v
    T, row = recursion(constants, beta, a, c)
    np.testing.assert_allclose(row, [A * a, 2.0 * c])
    np.testing.assert_allclose(
        T,
        [
            [a + 4.0 * beta * A * a, 4.0 * beta * 2.0 * c],
            [(1 + c) * C_v * a + L_v * beta * A * a, c + L_v * beta * 2.0 * c],
        ],
    )


@pytest.mark.parametrize(("family", "kappa", "options"), CASES)
def test_gain_is_what_linear_algebra_says(family, kappa, options):
    """Whether T contracts by its eigenvalues, and the gain by a solve, on both sides of 1."""
    constants = constants_of(family, kappa, options)
    beta = 1.0 / constants.L_Phi
    C_v = constants.kappa + constants.rho * constants.M / constants.mu**2
    inflow = beta * np.array([constants.kappa, C_v * (1.0 + constants.kappa)])
    contracts = []
    for a, c in itertools.product(np.geomspace(1e-8, 2.0, 12), repeat=2):
        T, row = map(np.array, recursion(constants, beta, a, c))
        contracts.append(bool(max(abs(np.linalg.eigvals(T))) < 1.0))
        expected = row @ np.linalg.solve(np.eye(2) - T, inflow) if contracts[-1] else math.inf
        assert gain(constants, beta, a, c) == pytest.approx(expected, rel=1e-9)
    assert {*contracts} == {True, False}


@pytest.mark.parametrize(("family", "kappa", "options"), CASES)
@pytest.mark.parametrize("draw", range(4))
def test_simulated_errors_obey_the_bound(family, kappa, options, draw):
    """sum E_k^2 <= 2 H0^2 + 2 gain^2 sum ||grad Phi_k||^2 for any sequence of gradient norms."""
    constants = constants_of(family, kappa, options)
    alpha, beta, D, N = certified(constants)
    a, c = factors(constants, alpha, D, N)
    T, row = map(np.array, recursion(constants, beta, a, c))
    C_v = constants.kappa + constants.rho * constants.M / constants.mu**2
    inflow = beta * np.array([constants.kappa, C_v * (1.0 + constants.kappa)])
    random = np.random.default_rng(draw)
    state = random.exponential(size=2)
    allowed = 2.0 * transient(constants, beta, a, c, *state)
    sizes = {
        0: np.ones(400),
        1: random.exponential(size=400),
        2: (random.random(400) < 0.05) * 10.0,
        3: np.zeros(400),
    }[draw]
    errors = []
    for size in sizes:
        errors.append(float(row @ state))
        state = T @ state + inflow * size
    allowed += 2.0 * gain(constants, beta, a, c) ** 2 * float(sizes @ sizes)
    assert sum(e * e for e in errors) <= allowed * (1 + 1e-9)
    if draw == 0:  # constant gradients approach the gain itself
        assert errors[-1] == pytest.approx(gain(constants, beta, a, c), rel=1e-6)


@pytest.mark.parametrize(("family", "kappa", "options"), CASES)
def test_the_transient_is_its_sum(family, kappa, options):
    constants = constants_of(family, kappa, options)
    alpha, beta, D, N = certified(constants)
    a, c = factors(constants, alpha, D, N)
    T, row = map(np.array, recursion(constants, beta, a, c))
    state, total = np.array([0.3, 2.0]), 0.0
    for _ in range(2000):
        total += float(row @ state) ** 2
        state = T @ state
    assert transient(constants, beta, a, c, 0.3, 2.0) == pytest.approx(total, rel=1e-9)
    assert transient(constants, beta, a, c, 0.6, 4.0) == pytest.approx(4.0 * total, rel=1e-9)


@pytest.mark.parametrize(("family", "kappa", "options"), CASES)
def test_the_first_step_brings_the_start_down(family, kappa, options):
    constants = constants_of(family, kappa, options)
    alpha, _, D, N = certified(constants)
    first_D, first_N = first_steps(constants, alpha, D, N)
    assert first_D >= D
    assert first_N >= N
    target = 1.0 / (1.0 + constants.kappa) ** 2
    a, c = factors(constants, alpha, first_D, first_N)
    assert a <= target * (1 + 1e-9)
    assert c <= target * (1 + 1e-9)
    # And with no step too many, unless the later steps already ask for them.
    fewer_a, fewer_c = factors(constants, alpha, first_D - 1, first_N - 1)
    assert first_D == D or fewer_a > target
    assert first_N == N or fewer_c > target


@pytest.mark.parametrize("family", ["hard", "quadratic", "ramp"])
@pytest.mark.parametrize("kappa", [2.0, 4.0, 8.0])
def test_a_run_stays_below_its_bound(family, kappa):
    """K eps <= outer_bound eps at every K of the trajectory, for the average criterion."""
    problem = problems.make(family, kappa=kappa, seed=1)
    record = bl.run(problem, "aid_bio", 1e-9, "theory", max_outer=300)
    bound = get("aid_bio").outer_bound(problem.constants, 1.0)
    assert len(record.trajectory) > 15
    for at in record.trajectory:
        assert at["average"] <= bound / (at["outer"] + 1)
    assert record.trajectory[-1]["average"] > 0.0


def test_a_bound_that_was_too_small_would_be_seen():
    """With a gradient of constant size the run uses up a fair share of what the gap allows."""
    problem = problems.make("quadratic", kappa=4.0)
    record = bl.run(problem, "aid_bio", 0.02, "theory")
    bound = record.passes[0]["outer_bound"]["0.02"]
    assert 0.01 * bound < record.outer(0.02) <= bound


def test_the_transient_of_the_bound_counts_from_the_first_step():
    """A longer first step lowers the bound; the gap's share of it stays."""
    constants = constants_of("hard", 16.0, {})
    near = dataclasses.replace(constants, distance=0.0)
    bound = get("aid_bio").outer_bound
    assert bound(near, 0.1) <= bound(constants, 0.1)
    assert bound(constants, 0.05) == pytest.approx(2.0 * bound(constants, 0.1))
    gap_only = 4.0 * constants.gap * 8.0 * constants.L_Phi / 0.1
    assert bound(constants, 0.1) >= gap_only


@pytest.mark.parametrize("family", ["hard", "quadratic"])
def test_steps_grow_as_the_theorem_says(family):
    """D = Theta(kappa) and N = Theta(sqrt kappa), up to logarithms."""
    kappas = np.array([8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 512.0])
    steps = np.array([certified(constants_of(family, k, {}))[2:] for k in kappas])
    slope_D, slope_N = (np.polyfit(np.log(kappas), np.log(s), 1)[0] for s in steps.T)
    assert 0.9 <= slope_D <= 1.15
    assert 0.4 <= slope_N <= 0.75
    last_D, _ = np.log(steps[-1] / steps[-2]) / np.log(2.0)
    assert 0.95 <= last_D <= 1.05


@pytest.mark.parametrize("share", [1.0 + 1e-9, 8.0, 0.0, -1.0, math.nan])
def test_an_outer_step_without_a_certificate_is_refused(share):
    constants = constants_of("hard", 4.0, {})
    with pytest.raises(InputError, match="beta: expected 0 < beta <= 1/L_Phi = "):
        certified_steps(constants, 1.0, share / constants.L_Phi)


def test_conjugate_gradient_factor_is_the_chebyshev_bound():
    assert conjugate_gradient_factor(9.0, 0) == pytest.approx(6.0)
    assert conjugate_gradient_factor(9.0, 3) == pytest.approx(6.0 / 8.0)


def test_numbers_of_steps_are_certified_once_a_run():
    problem = problems.make("hard", kappa=4.0)
    certified_steps.cache_clear()
    bl.run(problem, "aid_bio", [0.1, 0.01, 0.001], engine="torch", max_outer=1)
    assert certified_steps.cache_info().misses == 1
