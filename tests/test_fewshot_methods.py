"""ANIL and MAML: hypergradients through the whole adaptation, and what they cost."""

import numpy as np
import pytest
import torch
from small_families import SMALL

import problems
from bilevel_core import solvers
from bilevel_core.check import of_solver
from bilevel_core.errors import InputError
from bilevel_core.experiments import learned_start
from bilevel_core.oracle import FAMILY_CALLS, SLOTS, Oracle, make_work
from problems import fewshot, fewshot_backbone
from problems.fewshot_adapted import AdaptedData, all_adapted

NAMES = {"anil": "bilevel_core.experiments.anil:step", "maml": "bilevel_core.experiments.maml:step"}
methods = pytest.mark.parametrize("name", NAMES)


def make(seed=0, **options):
    base = problems.make("fewshot", seed=seed, **{**SMALL["fewshot"], "shots": 2, **options})
    return fewshot.with_initial_head(base)


def stepped(name, problem, x, params):
    """x after one outer step, and its ledger of calls."""
    solver = solvers.get(NAMES[name])
    column = torch.as_tensor(x)[:, None]
    y0 = torch.as_tensor(problem.y0)[:, None]
    ledger = np.zeros((2, len(SLOTS)), np.int64)
    oracle = Oracle(problem.data, ledger, None, None, make_work(column, y0))
    with torch.no_grad():
        state = solver.step(oracle, params, solver.init(column, y0))
    return state.x[:, 0], dict(zip(SLOTS, ledger[0].tolist(), strict=True))


def outcome(name, data, x, alpha, D):
    """f after D steps of adaptation, as one function of x: autograd sees through all of it."""
    split = fewshot_backbone.dimension(data.shape)
    support, query = torch.as_tensor(data.support), torch.as_tensor(data.query)

    def entropy(backbone, head, images):
        z = fewshot_backbone.embed(data.shape, backbone, images)
        logits = z @ head[:, :-1].T + head[:, -1]
        labels = torch.arange(data.ways).repeat_interleave(len(images) // data.ways)
        return torch.nn.functional.cross_entropy(logits, labels)

    total = 0.0
    for t in range(len(support)):
        backbone, head = x[:split], x[split:].reshape(data.ways, -1)
        for _ in range(D):
            adapted = (head,) if name == "anil" else (backbone, head)
            slopes = torch.autograd.grad(
                entropy(backbone, head, support[t]), adapted, create_graph=True
            )
            head = head - alpha * slopes[-1]
            if name == "maml":
                backbone = backbone - alpha * slopes[0]
        total = total + entropy(backbone, head, query[t])
    return total / len(support)


@methods
@pytest.mark.parametrize("D", [1, 3])
@pytest.mark.parametrize("options", [{}, {"tasks": 3, "ways": 3, "blocks": 2}], ids=str)
def test_hypergradients_are_those_of_the_whole_adaptation(name, D, options):
    problem = make(seed=1, **options)
    x = problem.x0 + 0.3 * np.random.default_rng(D).normal(size=problem.dim_x)
    moved, _ = stepped(name, problem, x, solvers.get(NAMES[name]).Params(0.4, 1.0, D))
    leaf = torch.as_tensor(x).requires_grad_()
    (wanted,) = torch.autograd.grad(outcome(name, problem.data, leaf, 0.4, D), leaf)
    got = torch.as_tensor(x) - moved
    assert float((got - wanted).abs().max()) <= 1e-9 * float(wanted.abs().max())
    assert float(wanted[-problem.dim_y // problem.data.tasks :].abs().max()) > 1e-3


@methods
def test_the_ledger_is_what_is_declared_and_what_the_problem_saw(name):
    problem, solver = make(), solvers.get(NAMES[name])
    params = solver.Params(0.1, 0.1, 3)
    _, calls = stepped(name, problem, problem.x0, params)
    assert calls == solver.cost_per_step(params, 0)._asdict()
    assert of_solver.ledger_against_spy(problem, solver, params, "torch") == ""


def test_maml_reads_no_product_that_is_nothing():
    solver = solvers.get(NAMES["maml"])
    cost = solver.cost_per_step(solver.Params(0.1, 0.1, 5), 0)
    assert cost == (0, 1, 0, 5, 0, 5, 0, 0)


@methods
def test_a_step_keeps_its_input_and_says_how_it_adapts(name):
    problem, solver = make(), solvers.get(NAMES[name])
    params = solver.Params(0.3, 0.1, 2)
    x = torch.as_tensor(problem.x0)[:, None].clone()
    y0 = torch.as_tensor(problem.y0)[:, None]
    state = solver.init(x, y0)
    assert (state.alpha, state.D) == (0.0, 0)
    oracle = Oracle(problem.data, np.zeros((2, len(SLOTS)), np.int64), None, None, make_work(x, y0))
    after = solver.step(oracle, params, state)
    assert (after.alpha, after.D) == (0.3, 2)
    assert isinstance(after, solver.State)
    np.testing.assert_array_equal(x[:, 0].numpy(), problem.x0)
    assert not torch.equal(after.x, x)


@methods
def test_theory_gives_nothing(name):
    with pytest.raises(InputError, match="expected a dict of alpha, beta and D"):
        solvers.get(NAMES[name]).theory(make().constants, 1e-2)


@methods
def test_they_are_in_no_list(name):
    solver = solvers.get(NAMES[name])
    assert solver.summary.startswith(f"{name.upper()}: ")
    assert name not in solvers.names()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bilevel_core.experiments.nothing:step", "no solver 'bilevel_core.experiments.nothing:st"),
        ("bilevel_core.experiments.anil:stride", "no solver 'bilevel_core.experiments.anil:stride"),
        ("bilevel_core.inner:descend", "its module lacks Params, State, init, cost_per_step"),
        (":step", "no solver ':step'"),
        ("bilevel_core.experiments.anil:", "no solver 'bilevel_core.experiments.anil:'"),
        ("bilevel_core.experiments.anil:GUARANTEE", "expected a function, got 'none"),
    ],
)
def test_modules_that_hold_no_solver_are_named(name, message):
    with pytest.raises(InputError, match=message) as error:
        solvers.get(name)
    assert "\n" not in str(error.value)


def adapted(seed=0):
    """The problem where all parameters are adapted, at a point."""
    problem = make(seed, blocks=2)
    data = all_adapted(problem.data)
    random = np.random.default_rng(seed)
    y = np.concatenate([problem.x0 + 0.2 * random.normal(size=problem.dim_x) for _ in range(2)])
    return (
        data,
        torch.as_tensor(problem.x0),
        torch.as_tensor(y),
        torch.as_tensor(random.normal(size=y.shape)),
    )


@pytest.mark.parametrize("column", [False, True])
def test_oracles_of_adapted_parameters(column):
    data, x, y, v = adapted()
    assert isinstance(data, AdaptedData)
    leaf = y.clone().requires_grad_()
    g, f = (FAMILY_CALLS[part](data, x, y) for part in ("g", "f"))
    inner = 0.0
    for t in range(2):
        support = data.support[t : t + 1]
        alone = data._replace(support=support, query=support)
        inner = inner + outcome("anil", alone, leaf.view(2, -1)[t], 0.0, 0)
    assert float(g) == pytest.approx(float(inner.detach()), rel=1e-12)
    (gradient,) = torch.autograd.grad(inner, leaf, create_graph=True)
    (product,) = torch.autograd.grad(gradient, leaf, v)
    arguments = [x[:, None], y[:, None], v[:, None]] if column else [x, y, v]
    for part, wanted in (("grad_y_g", gradient.detach()), ("hvp", product)):
        out = torch.empty_like(arguments[1])
        FAMILY_CALLS[part](data, *arguments[: 3 if part == "hvp" else 2], out)
        torch.testing.assert_close(out.view(-1), wanted, rtol=1e-10, atol=1e-12)
    slope = torch.empty_like(y)
    FAMILY_CALLS["grad_y_f"](data, x, y, slope)
    rise = [float(FAMILY_CALLS["f"](data, x, y + h * v)) for h in (-1e-6, 1e-6)]
    assert float(slope @ v) == pytest.approx((rise[1] - rise[0]) / 2e-6, rel=1e-5)
    assert float(f) == pytest.approx(sum(rise) / 2, rel=1e-6)


@pytest.mark.parametrize("part", ["grad_x_f", "grad_x_g", "jvp"])
def test_neither_function_reads_x_where_all_is_adapted(part):
    data, x, y, v = adapted()
    out = torch.full_like(x, float("nan"))
    FAMILY_CALLS[part](data, x, y, *([v] if part == "jvp" else []), out)
    assert not out.any()


def test_repeating_and_summing_are_transposes():
    random = np.random.default_rng(0)
    for shape in ((4,), (4, 1)):
        start, adjoint = random.normal(size=shape), random.normal(size=(12, *shape[1:]))
        left = (learned_start.repeated(start, 3) * adjoint).sum()
        right = (start * learned_start.summed(adjoint, 3)).sum()
        assert left == pytest.approx(right, rel=1e-12)
