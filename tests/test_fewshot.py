"""The few-shot family: oracles, constants, and what is kept at a point."""

import dataclasses

import numpy as np
import pytest
import torch
from small_families import SMALL

import problems
from bilevel_core import oracle
from bilevel_core.check import of_problem
from bilevel_core.engines.torch import TorchSession
from bilevel_core.errors import InputError
from bilevel_core.policies import params_for
from bilevel_core.solvers import get
from problems import fewshot, fewshot_backbone, fewshot_head
from problems.episodes import Sizes, draw, pick
from problems.fewshot_backbone import Shape

TINY = SMALL["fewshot"]
PARTS = ("grad_x_f", "grad_y_f", "grad_x_g", "grad_y_g", "jvp", "hvp")
VARIANTS = (
    {},
    {"shots": 2, "queries": 2, "tasks": 1, "ways": 3},
    {"width": 4, "blocks": 2},
    {"blocks": 1, "ridge": 0.3},
)


def make(kappa=None, seed=0, **options):
    return problems.make("fewshot", kappa=kappa, seed=seed, **{**TINY, **options})


def written_again(data, part, x, y):
    """f or g in another way: task by task and image by image, with cross entropy from torch."""
    images = torch.as_tensor(data.support if part == "g" else data.query)
    tasks, each = images.shape[:2]
    labels = torch.arange(data.ways).repeat_interleave(each // data.ways)
    heads = y.reshape(tasks, data.ways, -1)
    total = 0.0
    for t in range(tasks):
        logits = []
        for image in images[t]:
            z = fewshot_backbone.embed(data.shape, x, image[None])[0]
            logits.append(heads[t, :, :-1] @ z + heads[t, :, -1])
        total = total + torch.nn.functional.cross_entropy(torch.stack(logits), labels)
        if part == "g":
            total = total + data.ridge * heads[t].square().sum()
    return total if part == "g" else total / tasks


def point(problem, draw=0):
    random = np.random.default_rng(draw)
    x = problem.x0 + 0.3 * random.normal(size=problem.dim_x)
    vectors = (x, 2.0 * random.normal(size=problem.dim_y), random.normal(size=problem.dim_y))
    return tuple(torch.as_tensor(vector) for vector in vectors)


def by_autograd(data, part, x, y, v):
    x, y = x.clone().requires_grad_(), y.clone().requires_grad_()
    if part.startswith("grad"):
        value = written_again(data, part[-1], x, y)
        return torch.autograd.grad(value, x if part[5] == "x" else y, materialize_grads=True)[0]
    inner = written_again(data, "g", x, y)
    slope = (torch.autograd.grad(inner, y, create_graph=True)[0] * v).sum()
    return torch.autograd.grad(slope, x if part == "jvp" else y)[0]


def by_oracle(problem, part, x, y, v):
    out = torch.full_like(x if part in ("grad_x_f", "grad_x_g", "jvp") else y, float("nan"))
    oracle.FAMILY_CALLS[part](problem.data, x, y, *((v,) if part in ("jvp", "hvp") else ()), out)
    return out


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("options", VARIANTS, ids=str)
@pytest.mark.parametrize("as_column", [False, True])
def test_oracles_are_what_autograd_says(options, part, as_column):
    problem = make(seed=1, **options)
    for draw_ in range(2):
        x, y, v = point(problem, draw_)
        wanted = by_autograd(problem.data, part, x, y, v)
        if as_column:
            x, y, v = x[:, None], y[:, None], v[:, None]
        got = by_oracle(problem, part, x, y, v).reshape(-1)
        size = max(float(wanted.abs().max()), 1e-3)
        assert float((got - wanted).abs().max()) <= 1e-10 * size


@pytest.mark.parametrize("part", ["f", "g"])
def test_values_are_what_they_say(part):
    problem = make(shots=2)
    x, y, _ = point(problem)
    wanted = float(written_again(problem.data, part, x, y))
    assert float(oracle.FAMILY_CALLS[part](problem.data, x, y)) == pytest.approx(wanted, rel=1e-12)
    column = oracle.FAMILY_CALLS[part](problem.data, x[:, None], y[:, None])
    assert column.shape == (1,)
    assert float(column) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    "test", [of_problem.gradients, of_problem.products, of_problem.stationary, of_problem.runs]
)
def test_conforms(test):
    assert test(make(kappa=4.0, blocks=3, width=2, tasks=1)) == ""


def test_grad_phi_is_the_gradient_of_phi():
    problem = make(kappa=6.0, seed=2)
    random = np.random.default_rng(0)
    x = problem.x0 + 0.1 * random.normal(size=problem.dim_x)
    along = random.normal(size=problem.dim_x)
    rise = problem.phi(x + 1e-5 * along) - problem.phi(x - 1e-5 * along)
    assert problem.grad_phi(x) @ along == pytest.approx(float(rise) / 2e-5, rel=1e-5)


@pytest.mark.parametrize("kappa", [1.5, 4.0, 300.0])
def test_constants_bound_the_heads_curvature_wherever_the_backbone_is(kappa):
    problem = make(kappa=kappa, seed=1, shots=2)
    c = problem.constants
    assert c.kappa == pytest.approx(kappa, rel=1e-12)
    assert c.mu == 2.0 * problem.data.ridge
    for draw_ in range(4):
        x, y, _ = point(problem, draw_)
        x, y = 10.0**draw_ * x.numpy(), 0.1**draw_ * y.numpy()
        spectrum = np.linalg.eigvalsh(of_problem.matrices(problem, x, y)[0])
        assert c.mu * (1 - 1e-9) <= spectrum[0]
        assert spectrum[-1] <= c.L * (1 + 1e-9)
        slope = by_oracle(problem, "grad_y_f", torch.as_tensor(x), torch.as_tensor(y), None)
        assert float(slope.norm()) <= c.M
        there = problem.y_star(x)
        assert np.linalg.norm(there) <= c.distance
        other = np.linalg.norm(y - there)
        H = [of_problem.matrices(problem, x, at)[0] for at in (y, there)]
        assert np.linalg.norm(H[0] - H[1], 2) <= c.rho * other


def test_the_curvature_bound_is_nearly_attained():
    """All support images alike and y = 0: classes 1/2, 1/2 have curvature 1/2."""
    problem = make(kappa=20.0)
    alike = np.repeat(problem.data.support[:, :1], problem.data.support.shape[1], axis=1)
    problem = dataclasses.replace(problem, data=problem.data._replace(support=alike))
    H = of_problem.matrices(problem, problem.x0, problem.y0)[0]
    assert np.linalg.eigvalsh(H)[-1] == pytest.approx(problem.constants.L, rel=1e-4)


def test_the_hessian_is_block_diagonal_over_tasks():
    problem = make(tasks=3)
    x, y, _ = point(problem)
    H = of_problem.matrices(problem, x.numpy(), y.numpy())[0]
    block = problem.dim_y // 3
    for i in range(3):
        for j in range(3):
            part = H[i * block : (i + 1) * block, j * block : (j + 1) * block]
            assert (np.abs(part).max() > 0.0) == (i == j)


def test_a_point_changed_in_place_is_a_new_point():
    problem = make()
    x, y, v = point(problem)
    x = x.clone()
    by_oracle(problem, "jvp", x, y, v)
    x += 0.5
    wanted = by_autograd(problem.data, "jvp", x, y, v)
    torch.testing.assert_close(by_oracle(problem, "jvp", x, y, v), wanted, rtol=1e-10, atol=1e-12)


def test_another_meta_batch_at_the_same_x_is_a_new_point():
    problem = make()
    x, y, v = point(problem)
    for part in PARTS:
        by_oracle(problem, part, x, y, v)
    images = problems.datasets.images.load("omniglot", "train").images
    support, query = pick(images, draw(0, 5, *images.shape[:2], Sizes(2, 2, 1, 1)))
    data = fewshot.meta_batch(problem.data, support, query)
    other = dataclasses.replace(problem, data=data)
    for part in PARTS:
        wanted = by_autograd(data, part, x, y, v)
        torch.testing.assert_close(by_oracle(other, part, x, y, v), wanted, rtol=1e-10, atol=1e-12)


def test_the_forward_pass_is_done_once_a_point(monkeypatch):
    problem = make()
    x, y, v = point(problem)
    passes = []
    embed = fewshot_backbone.embed
    monkeypatch.setattr(fewshot_backbone, "embed", lambda *a: passes.append(len(a[2])) or embed(*a))
    for part in (*PARTS, *PARTS):
        by_oracle(problem, part, x, y, v)
    assert passes == [4, 4]  # the query images' pass, and the support images'


def test_images_of_a_task_do_not_mix():
    """No statistics of a batch: what is said of an image does not depend on the others."""
    problem = make(shots=2)
    x = torch.as_tensor(problem.x0)
    images = torch.as_tensor(problem.data.support).flatten(0, 1)
    together = fewshot_backbone.embed(problem.data.shape, x, images)
    for i in (0, 3):
        alone = fewshot_backbone.embed(problem.data.shape, x, images[i : i + 1])
        torch.testing.assert_close(alone[0], together[i], rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(
    ("shape", "count", "parameters"),
    [
        (Shape(1, 28, 28, 32, 4), 32, 9 * 32 + 3 * 9 * 32**2 + 4 * 64),
        (Shape(3, 84, 84, 32, 4), 800, 27 * 32 + 3 * 9 * 32**2 + 4 * 64),
        (Shape(3, 32, 32, 64, 4), 256, 27 * 64 + 3 * 9 * 64**2 + 4 * 128),
    ],
)
def test_backbones_have_the_usual_sizes(shape, count, parameters):
    assert fewshot_backbone.features(shape) == count
    assert fewshot_backbone.dimension(shape) == parameters
    x = torch.as_tensor(fewshot_backbone.start(shape, np.random.default_rng(0)))
    images = torch.rand(2, shape.channels, shape.height, shape.width, dtype=torch.float64)
    features = fewshot_backbone.embed(shape, x, images)
    assert features.shape == (2, count)
    torch.testing.assert_close(
        features.norm(dim=1), torch.full((2,), 4.0).double(), rtol=1e-3, atol=0
    )


def test_a_blank_image_has_features():
    shape = Shape(1, 28, 28, 4, 4)
    x = torch.as_tensor(fewshot_backbone.start(shape, np.random.default_rng(0))).requires_grad_()
    features = fewshot_backbone.embed(shape, x, torch.zeros(1, 1, 28, 28, dtype=torch.float64))
    (gradient,) = torch.autograd.grad(features.sum(), x)
    assert bool(torch.isfinite(features).all() and torch.isfinite(gradient).all())


def test_right_answers_are_counted():
    scores = torch.tensor([[[3.0, 1.0], [0.0, 2.0], [0.0, 2.0], [5.0, 1.0]]])
    assert fewshot_head.correct(scores).tolist() == [[True, False, True, False]]


def test_an_initial_head_is_read_by_neither_function():
    base = make()
    problem = fewshot.with_initial_head(base)
    assert problem.dim_x == base.dim_x + base.dim_y // 2
    x, y, v = point(problem)
    for part in PARTS:
        got, wanted = (by_oracle(p, part, x[: p.dim_x], y, v) for p in (problem, base))
        torch.testing.assert_close(got[: len(wanted)], wanted, rtol=1e-12, atol=1e-14)
        assert not got[len(wanted) :].any()


def test_several_instances_at_once_are_refused():
    solver = get("aid_bio")
    instances = [make(kappa=4.0), make(kappa=4.0)]
    params = params_for(solver, instances[0], "theory", {}, 1e-2)
    with pytest.raises(
        InputError, match="fewshot: expected one instance at a time, got a batch of 2"
    ):
        TorchSession(instances, solver, params).advance(1)


def test_without_kappa_the_ridge_is_the_one_given():
    assert make().data.ridge == fewshot.RIDGE
    assert make().kappa == pytest.approx(43.5)
    assert make(ridge=0.5).constants.mu == 1.0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kappa": 4.0, "ridge": 0.1}, "ridge: kappa = 4.0 sets it, got 0.1, too"),
        ({"ridge": 0}, "ridge: expected a finite number > 0, got 0"),
        ({"ways": 1}, "ways: expected an integer >= 2, got 1"),
        ({"ways": 100}, "ways: expected at most 11"),
        ({"queries": 9}, "expected at most 4, the images of a class, got 10"),
        ({"blocks": 5}, "blocks: 5 halvings need images of at least 32 x 32, got 28 x 28"),
        ({"dataset": "cifar"}, "no dataset 'cifar'"),
        ({"dataset": "fc100"}, "no data 'fc100, train split'"),
        ({"kappa": 0.5}, "kappa: expected a finite number > 1, got 0.5"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(InputError, match=message):
        make(**arguments)
