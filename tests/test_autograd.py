"""Problems given as two torch functions: the same numbers as closed forms, at the same price."""

import dataclasses

import numpy as np
import pytest
import torch

import bilevel_core as bl
import problems
from bilevel_core import InputError, oracle
from bilevel_core.autograd import Graph
from bilevel_core.check.of_problem import difference
from bilevel_core.engines.torch import TorchSession
from bilevel_core.solvers import get, make_params

VALUES = {"alpha": 1.0, "beta": 0.02, "D": 12, "N": 4, "first_D": 20, "first_N": 5}
PARTS = ("grad_x_f", "grad_y_f", "grad_x_g", "grad_y_g", "jvp", "hvp")
CONSTANTS = bl.Constants(L=4.0, mu=0.5, M=2.0)


def closed(seed=1):
    return problems.make("quadratic", kappa=4.0, dim=4, seed=seed)


def same_by_autograd(problem):
    """The quadratic problem written again, in torch, from its matrices."""
    H, J, t = (torch.as_tensor(a) for a in (problem.data.H, problem.data.J, problem.data.t))
    weight = problem.data.weight
    return bl.problem_from_functions(
        lambda x, y: 0.5 * weight * ((y - t) ** 2).sum(),
        lambda x, y: 0.5 * y @ (H @ y) - x @ (J @ y),
        dim_x=problem.dim_x,
        dim_y=problem.dim_y,
        constants=problem.constants,
    )


def curved():
    """Not quadratic, not separable, and with a Jacobian that depends on y (tau > 0)."""
    A = torch.tensor([[1.0, 0.3, -0.2], [0.5, -1.0, 0.4]], dtype=torch.float64)

    def f(x, y):
        return torch.sin(y).sum() + 0.5 * (x * x).sum() + x[0] * y[1]

    def g(x, y):
        return (0.5 * y * y + 0.3 * torch.cos(y)).sum() - torch.tanh(x) @ (A @ torch.sin(y))

    start = np.array([0.4, -0.3])
    return bl.problem_from_functions(f, g, 2, 3, CONSTANTS, x0=start)


def part_of(problem, part, *vectors):
    """One oracle of the problem at torch vectors or batches."""
    like_x = part in ("grad_x_f", "grad_x_g", "jvp")
    out = torch.full_like(vectors[0 if like_x else 1], float("nan"))
    oracle.FAMILY_CALLS[part](problem.data, *vectors[: 3 if part in ("jvp", "hvp") else 2], out)
    return out


def vectors(problem, *batch, draw=0):
    random = np.random.default_rng(draw)
    dims = (problem.dim_x, problem.dim_y, problem.dim_y)
    return [torch.as_tensor(random.normal(size=(dim, *batch))) for dim in dims]


@pytest.mark.parametrize("solver", ["aid_bio", "itd_bio"])
def test_runs_count_and_hit_alike(solver):
    names = get(solver).Params._fields
    params = {key: value for key, value in VALUES.items() if key in names}
    problem, eps = closed(), [0.8, 0.4]
    one = bl.run(problem, solver, eps, params, engine="torch", max_outer=400)
    other = bl.run(same_by_autograd(problem), solver, eps, params, max_outer=400)
    assert other.config.engine == "torch"
    assert one.status == other.status == "ok"
    assert one.hits == other.hits
    assert one.outer(0.4) > 5
    for a, b in zip(one.trajectory, other.trajectory, strict=True):
        assert a["squared"] == pytest.approx(b["squared"], rel=1e-6)


@pytest.mark.parametrize("batch", [(), (1,), (5,)])
@pytest.mark.parametrize("part", PARTS)
def test_oracles_are_the_closed_forms(part, batch):
    problem = closed()
    at = vectors(problem, *batch)
    got = part_of(same_by_autograd(problem), part, *at).numpy()
    columns = [a.numpy().reshape(a.shape[0], -1) for a in at]
    for i in range(columns[0].shape[1]):
        x, y, v = (np.ascontiguousarray(c[:, i]) for c in columns)
        wanted = np.empty(4)
        arguments = (x, y, v) if part in ("jvp", "hvp") else (x, y)
        oracle.FAMILY_CALLS[part](problem.data, *arguments, wanted)
        np.testing.assert_allclose(got.reshape(4, -1)[:, i], wanted, rtol=1e-11, atol=1e-13)


@pytest.mark.parametrize("part", ["f", "g"])
def test_values_of_a_batch(part):
    problem = curved()
    x, y, _ = vectors(problem, 3)
    together = oracle.FAMILY_CALLS[part](problem.data, x, y)
    for i in range(3):
        alone = oracle.FAMILY_CALLS[part](problem.data, x[:, i], y[:, i])
        assert float(together[i]) == pytest.approx(float(alone), rel=1e-13)


@pytest.mark.parametrize("changed", [0, 1, 2])
@pytest.mark.parametrize("part", ["jvp", "hvp"])
def test_a_point_changed_in_place_is_a_new_point(part, changed):
    at = vectors(curved())
    problem = curved()
    before = part_of(problem, part, *at).clone()
    at[changed] += 0.5
    after = part_of(problem, part, *at)
    fresh = part_of(curved(), part, *(a.clone() for a in at))
    torch.testing.assert_close(after, fresh, rtol=1e-13, atol=0.0)
    assert (after - before).abs().max() > 1e-3


@pytest.mark.parametrize("part", ["jvp", "hvp"])
def test_an_equal_point_elsewhere_and_a_return_are_no_trouble(part):
    problem, at = curved(), vectors(curved())
    other = vectors(problem, draw=1)
    first = part_of(problem, part, *at).clone()
    part_of(problem, part, *other)
    torch.testing.assert_close(part_of(problem, part, *at), first, rtol=0.0, atol=0.0)
    copies = [a.clone() for a in at]
    torch.testing.assert_close(part_of(problem, part, *copies), first, rtol=0.0, atol=0.0)


def test_results_carry_no_graph():
    problem = curved()
    for part in PARTS:
        assert not part_of(problem, part, *vectors(problem)).requires_grad


def test_functions_that_ignore_an_argument_have_zero_gradients():
    x, y, v = at = vectors(curved())
    ignoring = bl.problem_from_functions(
        lambda x, y: torch.ones((), dtype=torch.float64),
        lambda x, y: 0.5 * (y * y).sum(),
        dim_x=2,
        dim_y=3,
        constants=CONSTANTS,
    )
    for part in ("grad_x_f", "grad_y_f", "grad_x_g", "jvp"):
        assert not part_of(ignoring, part, *at).any()
    torch.testing.assert_close(part_of(ignoring, "grad_y_g", *at), y)
    torch.testing.assert_close(part_of(ignoring, "hvp", *at), v)
    # Not convex, which is refused as a problem; its functions are right all the same.
    data = ignoring.data._replace(outer=lambda x, y: (x * x).sum(), inner=lambda x, y: y.sum())
    only_x = dataclasses.replace(ignoring, data=data._replace(graph=Graph()))
    torch.testing.assert_close(part_of(only_x, "grad_x_f", *at), 2.0 * x)
    assert not part_of(only_x, "grad_y_f", *at).any()
    assert not part_of(only_x, "hvp", *at).any()
    assert not part_of(only_x, "jvp", *at).any()


def test_numerical_references_are_the_closed_forms():
    problem = closed()
    same = same_by_autograd(problem)
    x = np.random.default_rng(0).normal(size=(4, 3))
    for method in ("y_star", "phi", "grad_phi"):
        wanted = getattr(problem, method)(x)
        np.testing.assert_allclose(getattr(same, method)(x), wanted, rtol=1e-8, atol=1e-9)
        np.testing.assert_allclose(getattr(same, method)(x[:, 1]), wanted[..., 1], rtol=1e-8)


def test_numerical_references_of_a_curved_problem():
    problem = curved()
    for draw in range(3):
        x = 0.7 * np.random.default_rng(draw).normal(size=2)
        star = problem.y_star(x)
        residual = part_of(problem, "grad_y_g", torch.as_tensor(x), torch.as_tensor(star))
        assert residual.abs().max() < 1e-9
        slope = difference(lambda a: float(problem.phi(a)), x)
        np.testing.assert_allclose(problem.grad_phi(x), slope, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("D", [1, 2, 7])
def test_unrolling_follows_a_jacobian_that_depends_on_y(D):
    """No built-in family has one (tau = 0): where the products are taken matters only here."""
    problem = curved()
    solver = get("itd_bio")
    alpha = 0.6
    session = TorchSession(
        [problem], solver, make_params(solver, {"alpha": alpha, "beta": 1.0, "D": D})
    )
    session.advance(1)
    got = problem.x0 - session.iterate()[:, 0]
    x = torch.tensor(problem.x0, requires_grad=True)
    y = torch.tensor(problem.y0, requires_grad=True)
    for _ in range(D):
        value = problem.data.inner(x, y)
        y = y - alpha * torch.autograd.grad(value, y, create_graph=True)[0]
    wanted = torch.autograd.grad(problem.data.outer(x, y), x)[0].numpy()
    np.testing.assert_allclose(got, wanted, rtol=1e-12)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"f": lambda x, y: x}, "f: expected a function to a scalar float64 tensor, got tensor"),
        ({"f": lambda x, y: 1.0}, "f: expected a function to a scalar float64 tensor, got 1.0"),
        ({"g": lambda x, y: y.sum().float()}, "g: expected a function to a scalar float64 tensor"),
        ({"g": lambda x, y: None}, "g: expected a function to a scalar float64 tensor, got None"),
        ({"dim_x": 0}, "dim_x: expected an integer from 1 to 1000000000, got 0"),
        ({"dim_y": 2.0}, "dim_y: expected an integer from 1 to 1000000000, got 2.0"),
        ({"dim_x": True}, "dim_x: expected an integer from 1 to 1000000000, got True"),
        ({"x0": np.zeros(3)}, r"x0: expected shape (2,), got (3,)"),
        ({"y0": np.zeros((2, 1))}, r"y0: expected shape (2,), got (2, 1)"),
    ],
)
def test_what_is_not_allowed_is_named(changed, message):
    arguments = {
        "f": lambda x, y: (y * y).sum(),
        "g": lambda x, y: (y * y).sum(),
        "dim_x": 2,
        "dim_y": 2,
        "constants": CONSTANTS,
    }
    with pytest.raises(InputError) as caught:
        bl.problem_from_functions(**(arguments | changed))
    assert message in str(caught.value)


def test_starts_are_copied():
    start = np.ones(2)
    problem = bl.problem_from_functions(
        lambda x, y: y.sum(), lambda x, y: ((y - x) ** 2).sum(), 2, 2, CONSTANTS, x0=start
    )
    bl.run(problem, "aid_bio", 1e-6, VALUES, max_outer=3)
    start += 5.0
    np.testing.assert_array_equal(problem.x0, np.ones(2))
