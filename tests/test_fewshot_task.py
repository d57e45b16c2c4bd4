"""The few-shot experiment: its tasks, methods, and what they are judged by."""

import dataclasses

import numpy as np
import pytest
import torch

from bilevel_core import solvers
from bilevel_core.experiments import anil, fewshot_evaluation, fewshot_task, maml
from bilevel_core.experiments.fewshot_task import FULL, QUICK, Settings, task
from bilevel_core.oracle import SLOTS, Oracle, make_work
from problems import fewshot_backbone
from problems.datasets.images import load
from problems.episodes import Sizes, draw, pick
from problems.fewshot_data import Kept

SMALL = Settings(
    ways=2,
    queries=1,
    tasks=2,
    width=3,
    inner_steps=3,
    linear_steps=2,
    maml_steps=2,
    exam_episodes=5,
    exam_queries=2,
)
METHODS = ("aid_bio", "ba", "itd_bio", "fo_itd_bio", "anil", "maml")


def point_of(method):
    """The middle of its grid."""
    return {name: values[len(values) // 2] for name, values in method.grid.items()}


def walked(made, name, steps, start=None, first=0):
    """The state after so many outer steps of a method, and the ledger of calls."""
    method = made.method(name)
    solver = solvers.get(method.solver)
    params = solvers.make_params(solver, method.at(point_of(method)))
    x, y = (torch.as_tensor(v)[:, None] for v in (made.problem.x0, made.problem.y0))
    state = solver.init(x, y) if start is None else start
    ledger = np.zeros((2, len(SLOTS)), np.int64)
    oracle = Oracle(made.problem.data, ledger, None, None, make_work(x, y))
    for k in range(first, first + steps):
        data, state = made.refresh(oracle.data, state, k)
        oracle = oracle._replace(data=data)
        with torch.no_grad():
            state = solver.step(oracle, params, state)
    return state, ledger[0], params, solver


@pytest.fixture(scope="module")
def made():
    return task(SMALL, 0)


def test_the_task_has_all_methods_on_one_backbone(made):
    assert tuple(method.name for method in made.methods) == METHODS
    assert made.engine == "torch"
    assert made.objective in made.evaluate(walked(made, "ba", 1)[0])
    grids = [method.grid for method in made.methods if method.name != "maml"]
    assert all(grid == grids[0] for grid in grids)
    assert made.method("maml").grid["beta"] == grids[0]["beta"]


@pytest.mark.parametrize("name", METHODS)
def test_every_method_moves_at_its_declared_cost(made, name):
    state, calls, params, solver = walked(made, name, 3)
    declared = np.sum([solver.cost_per_step(params, k) for k in range(3)], axis=0)
    np.testing.assert_array_equal(calls, declared)
    moved = state.x[:, 0].numpy() - made.problem.x0
    head = made.problem.dim_y // SMALL.tasks
    assert np.isfinite(moved).all()
    assert np.abs(moved[:-head]).max() > 0.0
    assert (np.abs(moved[-head:]).max() > 0.0) == (name in ("anil", "maml"))
    metrics = made.evaluate(state)
    assert list(metrics) == [
        "validation_loss",
        "validation_accuracy",
        "test_loss",
        "test_accuracy",
    ]
    assert all(np.isfinite(value) for value in metrics.values())


@pytest.mark.parametrize("name", METHODS)
def test_a_run_goes_on_from_its_state_as_if_nothing_was(made, name):
    whole = walked(made, name, 4)[0]
    half = walked(made, name, 2)[0]
    again = task(SMALL, 0)
    rest = walked(again, name, 2, start=half, first=2)[0]
    for a, b in zip(whole, rest, strict=True):
        assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b


def test_refreshing_draws_the_tasks_of_the_step_and_starts_heads_anew(made):
    state = walked(made, "aid_bio", 1)[0]
    assert state.y.any()
    assert state.v.any()
    data, fresh = made.refresh(made.problem.data, state, 5)
    assert not fresh.y.any()
    assert not fresh.v.any()
    assert fresh.k == state.k
    assert torch.equal(fresh.x, state.x)
    images = load("omniglot", "train").images
    sizes = Sizes(SMALL.tasks, SMALL.ways, SMALL.shots, SMALL.queries)
    support, _ = pick(images, draw(0, 5, images.shape[0], images.shape[1], sizes))
    np.testing.assert_array_equal(data.support[1, 1, 0], support[1, 1, 0, :, :, 0] / 255.0)
    other = task(SMALL, 1).refresh(made.problem.data, state, 5)[0]
    assert not np.array_equal(data.support, other.support)


def test_a_refreshed_meta_batch_stays_in_its_library(made):
    data, state = made.problem.data, walked(made, "ba", 1)[0]
    tensors = data._replace(
        support=torch.as_tensor(data.support), query=torch.as_tensor(data.query)
    )
    assert isinstance(made.refresh(data, state, 1)[0].support, np.ndarray)
    assert isinstance(made.refresh(tensors, state, 1)[0].query, torch.Tensor)


def test_methods_are_judged_on_the_same_episodes_whatever_the_seed(made):
    one, other = (task(SMALL, seed).evaluate.args[0] for seed in (0, 3))
    for split in ("validation", "test"):
        for a, b in zip(one[split], other[split], strict=True):
            assert torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b
    assert not torch.equal(one["validation"].images[0], one["test"].images[0])


def scores_of(shape, backbone, head, images):
    """Logits, by the definition of a head."""
    z = fewshot_backbone.embed(shape, backbone, images)
    return z @ head[:, :-1].T + head[:, -1]


def entropies_of(logits):
    labels = torch.arange(logits.shape[1]).repeat_interleave(len(logits) // logits.shape[1])
    return torch.nn.functional.cross_entropy(logits, labels, reduction="none")


@pytest.mark.parametrize("method", [anil, maml])
def test_learned_starts_are_judged_after_their_own_steps(made, method):
    exams, shape, ridge = made.evaluate.args
    exam, split = exams["validation"], fewshot_backbone.dimension(shape)
    x = torch.as_tensor(made.problem.x0)
    x = x + 0.2 * torch.as_tensor(np.random.default_rng(0).normal(size=len(x)))
    logits = []
    for support, query in zip(exam.support, exam.query, strict=True):
        backbone, head = x[:split], x[split:].view(exam.ways, -1)
        for _ in range(2):
            backbone, head = (v.detach().requires_grad_() for v in (backbone, head))
            scores = scores_of(shape, backbone, head, exam.images[support].double())
            slopes = torch.autograd.grad(entropies_of(scores).mean(), (backbone, head))
            head = head - 0.5 * slopes[1]
            backbone = backbone - 0.5 * slopes[0] if method is maml else backbone
        logits.append(scores_of(shape, backbone, head, exam.images[query].double()))
    got = fewshot_evaluation.sit(exam, shape, ridge, method.State(x.numpy(), 0.5, 2))
    wanted = float(torch.cat([entropies_of(scores) for scores in logits]).detach().mean())
    assert got.loss == pytest.approx(wanted, rel=1e-4)


def test_the_others_are_judged_by_the_inner_problems_solution(made):
    """Their validation loss is Phi of the exam's tasks."""
    exams, shape, _ = made.evaluate.args
    exam = exams["validation"]
    images = exam.images.double().numpy()
    data = made.problem.data._replace(
        support=images[exam.support], query=images[exam.query], kept=Kept()
    )
    tasks = len(exam.support)
    phi = dataclasses.replace(
        made.problem, data=data, y0=np.zeros(made.problem.dim_y // SMALL.tasks * tasks)
    ).phi
    x = made.problem.x0 + 0.2 * np.random.default_rng(0).normal(size=made.problem.dim_x)
    got = fewshot_evaluation.sit(exam, shape, SMALL.ridge, solvers.get("ba").init(x, None))
    assert got.loss == pytest.approx(float(phi(x)), rel=1e-4)


def test_accuracy_is_the_share_of_right_answers():
    logits = torch.tensor([[[2.0, 1.0], [0.0, 1.0]], [[2.0, 1.0], [3.0, 1.0]]])
    assert fewshot_evaluation._graded(logits).accuracy == 0.75


@pytest.mark.parametrize("method", [anil, maml])
def test_before_their_first_step_all_methods_are_judged_alike(made, method):
    x0, y0 = made.problem.x0, made.problem.y0
    wanted = made.evaluate(solvers.get("ba").init(x0, y0))
    assert made.evaluate(method.init(x0, y0)) == wanted


def test_columns_are_judged_as_vectors(made):
    x0, y0 = made.problem.x0, made.problem.y0
    ba = solvers.get("ba")
    assert made.evaluate(ba.init(x0[:, None], y0[:, None])) == made.evaluate(ba.init(x0, y0))


@pytest.mark.parametrize("settings", [QUICK, FULL])
def test_profiles_can_be_written_down(settings):
    values = dataclasses.asdict(settings)
    assert Settings(**values) == settings
    assert all(isinstance(value, str | int | float | tuple) for value in values.values())


def test_training_and_exam_classes_are_disjoint():
    names = [set(load("omniglot", split).names) for split in ("train", "validation", "test")]
    assert not names[0] & names[1]
    assert not names[0] & names[2]
    assert not names[1] & names[2]
    assert fewshot_task.EXAM_SEEDS["validation"] != fewshot_task.EXAM_SEEDS["test"]


@pytest.mark.slow
def test_learning_shows_on_real_omniglot(real_data):
    """Twenty outer steps of AID-BiO on real characters: well above chance, and above the start."""
    if not (real_data / "omniglot").is_dir():
        pytest.skip("no Omniglot among the real data")
    made = task(dataclasses.replace(QUICK, width=8, shots=5, exam_episodes=20), 0)
    start = made.evaluate(solvers.get("ba").init(made.problem.x0, made.problem.y0))
    end = made.evaluate(walked(made, "aid_bio", 20)[0])
    assert end["validation_loss"] < start["validation_loss"] - 0.1
    assert end["validation_accuracy"] > 0.5
