"""Every registered family: oracles, constants and closed forms agree with each other."""

import hypothesis
import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from small_families import SMALL, UNBOUNDED
from tiny_data import OPTIONS

import problems
from bilevel_core import oracle
from bilevel_core.check.of_problem import TESTS, matrices, sample_points
from bilevel_core.engines.torch import stack_data
from bilevel_core.errors import InputError

VARIANTS = [
    ("hard", {"curvature": 1, "tail": 0.5}),
    ("hard", {"curvature": 2, "profile": "one_sided", "tail": 1.0}),
    ("hard", {"curvature": 3, "rho": 0.1, "tail": 2.5}),
    ("quadratic", {"outer": "log_cosh", "spectrum": "clusters", "dim": 5}),
    ("quadratic", {"spectrum": "chebyshev", "dim": 2}),
    ("quadratic", {"spectrum": "uniform"}),
    ("ramp", {"dim": 4, "rho": 0.3}),
    ("chain", {"length": 6}),
    ("logistic", {"dataset": "digits", "features": 6, "samples": 40}),
    *((name, OPTIONS.get(name, {})) for name in problems.names() if name not in UNBOUNDED),
]
SYNTHETIC = [(family, options) for family, options in VARIANTS if family not in OPTIONS]
"""`test_real_families` and `test_softmax` have the same tests for those on real data."""
SETTINGS = hypothesis.settings(max_examples=15, deadline=None, derandomize=True)


@pytest.mark.parametrize("test", TESTS.values(), ids=TESTS.keys())
@pytest.mark.parametrize(("family", "options"), VARIANTS)
def test_conforms(family, options, test):
    if test.__name__ == "runs" and (options or family in OPTIONS):
        pytest.skip("the run is tested on the default options; each variant would compile anew")
    for kappa, seed in ((3.0, 0), (16.0, 2)):
        assert test(problems.make(family, kappa=kappa, seed=seed, **options)) == ""


def by_autograd(data, part, x, y, v):
    """What torch makes of f and g, independently of the hand-written oracles."""
    x, y = x.requires_grad_(), y.requires_grad_()
    if part.startswith("grad"):
        value = getattr(oracle, f"family_{part[-1]}")(data, x, y).sum()
        target = x if part[5] == "x" else y
    else:
        inner = oracle.family_g(data, x, y).sum()
        value = (torch.autograd.grad(inner, y, create_graph=True)[0] * v).sum()
        target = x if part == "jvp" else y
    if not value.requires_grad:
        return torch.zeros_like(target)
    return torch.autograd.grad(value, target, materialize_grads=True)[0]


@pytest.mark.parametrize("part", ["grad_x_f", "grad_y_f", "grad_x_g", "grad_y_g", "jvp", "hvp"])
@pytest.mark.parametrize(("family", "options"), SYNTHETIC)
@SETTINGS
@hypothesis.given(kappa=st.floats(1.5, 200.0), seed=st.integers(0, 50), draw=st.integers(0, 999))
def test_oracles_are_what_autograd_says(family, options, part, kappa, seed, draw):
    problem = problems.make(family, kappa=kappa, seed=seed, **options)
    data = stack_data([problem.data], torch.device("cpu"))
    (point,) = sample_points_near(problem, draw)
    x, y, v = (torch.as_tensor(a)[:, None].clone() for a in point)
    out = torch.empty_like(x if part in ("grad_x_f", "grad_x_g", "jvp") else y)
    with torch.no_grad():
        arguments = (x, y, v) if part in ("jvp", "hvp") else (x, y)
        oracle.FAMILY_CALLS[part](data, *arguments, out)
    wanted = by_autograd(data, part, x, y, v)
    size = float(wanted.abs().max()) + 1e-6
    assert float((out - wanted).abs().max()) <= 1e-9 * max(size, 1.0)


def sample_points_near(problem, draw):
    """One point of the kind that solvers visit, away from the kinks of a piecewise family."""
    random = np.random.default_rng(draw)
    x = problem.x0 + random.normal(size=problem.dim_x)
    y = random.normal(size=problem.dim_y)
    return [(x, y, random.normal(size=problem.dim_y))]


@pytest.mark.parametrize(("family", "options"), SYNTHETIC)
@SETTINGS
@hypothesis.given(kappa=st.floats(1.5, 100.0), seed=st.integers(0, 20))
def test_constants_bound_what_they_should(family, options, kappa, seed):
    problem = problems.make(family, kappa=kappa, seed=seed, **options)
    c = problem.constants
    assert c.kappa == pytest.approx(kappa, rel=1e-12)
    points = [(x, problem.y_star(x)) for x, _, _ in sample_points(problem, 2, seed)]
    previous = None
    for x, y in points:
        x = problem.x0 + 0.3 * (x - problem.x0)
        y = problem.y_star(x)
        H, J = matrices(problem, x, y)
        spectrum = np.linalg.eigvalsh(H)
        assert spectrum[0] >= c.mu * (1 - 1e-9)
        assert spectrum[-1] <= c.L * (1 + 1e-9)
        assert np.linalg.norm(J, 2) <= c.L * (1 + 1e-9)
        if previous is not None:
            H0, J0, x0, y0 = previous
            moved = np.hypot(np.linalg.norm(x - x0), np.linalg.norm(y - y0))
            assert np.linalg.norm(H - H0, 2) <= c.rho * moved * (1 + 1e-9) + 1e-9
            assert np.linalg.norm(J - J0, 2) <= c.tau * moved * (1 + 1e-9) + 1e-9
        previous = (H, J, x, y)


@pytest.mark.parametrize(
    ("family", "options"), [(f, o) for f, o in SYNTHETIC if f not in ("logistic", "hard")]
)
def test_spectrum_ends_are_attained(family, options):
    problem = problems.make(family, kappa=16.0, seed=1, **options)
    c = problem.constants
    low, high = [], []
    for level in (-50.0, 0.0, 50.0):
        y = np.full(problem.dim_y, level)
        spectrum = np.linalg.eigvalsh(matrices(problem, problem.x0, y)[0])
        low.append(spectrum[0])
        high.append(spectrum[-1])
    assert min(low) == pytest.approx(c.mu, rel=1e-9)
    assert max(high) == pytest.approx(c.L, rel=1e-9)


@pytest.mark.parametrize("curvature", [1, 2, 3])
def test_hard_approaches_both_ends(curvature):
    problem = problems.make("hard", kappa=16.0, curvature=curvature)
    spectrum = np.linalg.eigvalsh(matrices(problem, problem.x0, np.full(problem.dim_y, -1e4))[0])
    assert spectrum[0] == pytest.approx(problem.constants.mu, rel=1e-6)
    assert spectrum[-1] == pytest.approx(problem.constants.L, rel=1e-12)


@pytest.mark.parametrize(("family", "options"), [(f, o) for f, o in SYNTHETIC if f != "logistic"])
@pytest.mark.parametrize("seed", [0, 3])
def test_exact_smoothness_is_the_largest_curvature(family, options, seed):
    """No second difference of Phi along the way exceeds it, and some nearly attain it."""
    problem = problems.make(family, kappa=8.0, seed=seed, **options)
    random = np.random.default_rng(1)
    best = 0.0
    directions = [*np.eye(problem.dim_x), random.normal(size=problem.dim_x)]
    if family == "quadratic":
        data = problem.data
        directions.append(np.linalg.svd(data.pulled_back)[0][:, 0])
    centers = (
        [problem.x0, problem.data.transposed_J.T @ problem.data.t * 0 + problem.x0]
        if (family == "quadratic")
        else [problem.x0]
    )
    for d in directions:
        d = d / np.linalg.norm(d)
        for center in centers:
            for t in np.concatenate([[0.0], np.geomspace(1e-6, 1e4, 400)]):
                for sign in (-1.0, 1.0):
                    a = center + sign * t * d
                    h = 1e-6 * max(t, 1e-3)
                    rise = problem.grad_phi(a + h * d) - problem.grad_phi(a - h * d)
                    best = max(best, float(np.linalg.norm(rise)) / (2 * h))
    assert best <= problem.exact_smoothness * (1 + 1e-3)
    if family != "quadratic" or options.get("outer") != "log_cosh":
        assert best >= 0.8 * problem.exact_smoothness
    assert problem.exact_smoothness <= problem.constants.formula_L_Phi * (1 + 1e-9)


@pytest.mark.parametrize(("family", "options"), VARIANTS)
def test_columns_are_points(family, options):
    problem = problems.make(family, kappa=5.0, seed=1, **options)
    x = problem.x0[:, None] + np.linspace(-0.5, 0.5, 3)
    for method in (problem.y_star, problem.grad_phi, problem.phi):
        together = method(x)
        for i in range(3):
            np.testing.assert_allclose(together[..., i], method(x[:, i]), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("family", [name for name in problems.names() if name not in OPTIONS])
def test_seeds_differ_and_repeat(family):
    options = SMALL.get(family, {})
    one, same, other = (problems.make(family, kappa=6.0, seed=s, **options) for s in (1, 1, 2))
    for a, b in zip(one.data, same.data, strict=True):
        np.testing.assert_array_equal(a, b)
    assert one.constants == same.constants
    differs = [not np.array_equal(a, b) for a, b in zip(one.data, other.data, strict=True)]
    assert any(differs) or not np.array_equal(one.x0, other.x0)


@pytest.mark.parametrize(
    ("family", "arguments", "message"),
    [
        ("hrad", {"kappa": 4}, "did you mean 'hard'"),
        ("hard", {"kappa": 1}, "kappa: expected a finite number > 1, got 1"),
        ("hard", {"kappa": float("nan")}, "kappa"),
        ("hard", {"kappa": "4"}, "kappa"),
        ("hard", {"kappa": 1e200}, "too large"),
        ("hard", {"kappa": 4, "seed": -1}, "seed: expected an integer >= 0, got -1"),
        ("hard", {"kappa": 4, "curvature": 4}, "curvature: expected one of 1, 2, 3, got 4"),
        ("hard", {"kappa": 4, "tail": 0}, "tail: expected a finite number > 0, got 0"),
        ("hard", {"kappa": 4, "tial": 1}, "did you mean 'tail'"),
        ("hard", {"kappa": 4, "profile": "evn"}, "did you mean 'even'"),
        ("quadratic", {"kappa": 4, "dim": 1}, "dim: expected an integer >= 2, got 1"),
        ("quadratic", {"kappa": 4, "outer": "log_cosh", "M": 9.0}, "M: expected"),
        ("ramp", {"kappa": 4, "M": 2.0}, "M: expected 0 < M <= L"),
        ("chain", {"kappa": 4, "length": 1}, "length: expected an integer >= 2, got 1"),
        ("logistic", {"kappa": 4, "dataset": "iris"}, "allowed: breast_cancer, digits"),
        ("logistic", {"kappa": 4, "features": 31}, "features: expected 1 to 30"),
        ("logistic", {"kappa": 4, "samples": 400}, "samples: expected 2 to 284"),
    ],
)
def test_bad_arguments_are_named(family, arguments, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(")):
        problems.make(family, **arguments)
