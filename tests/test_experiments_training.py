"""Training runs: exact budgets, a clock that sees outer steps only, and resuming to the bit."""

import numpy as np
import pytest

import problems
from bilevel_core import solvers
from bilevel_core.engines.steps import CompiledSteps, Stretch
from bilevel_core.engines.torch_steps import TorchSteps
from bilevel_core.errors import InputError
from bilevel_core.experiments import checkpoint
from bilevel_core.experiments.budget import Budget
from bilevel_core.experiments.task import Task
from bilevel_core.experiments.training import Keep, train
from bilevel_core.oracle import SLOTS

EXACT = {
    "aid_bio": {"alpha": 0.5, "beta": 0.1, "D": 2, "N": 2, "first_D": 3, "first_N": 3},
    "aid_bio_cold_v": {"alpha": 0.5, "beta": 0.1, "D": 2, "N": 2, "first_D": 3},
    "aid_bio_cold_y": {"alpha": 0.5, "beta": 0.1, "D": 2, "N": 2, "first_N": 3},
    "aid_fp": {"alpha": 0.5, "beta": 0.1, "eta": 0.5, "D": 2, "N": 2, "first_D": 3},
    "ba": {"alpha": 0.5, "beta": 0.1, "N": 2},
    "fo_itd_bio": {"alpha": 0.5, "beta": 0.1, "D": 2},
    "hoag": {
        "alpha": 0.5, "beta": 0.1, "tolerance": 0.1, "decrease": 1.5, "floor": 1e-9, "mu": 0.3,
        "most": 20,
    },
    "itd_bio": {"alpha": 0.5, "beta": 0.1, "D": 2},
}  # fmt: skip
RANDOM = {
    "bsa": {"alpha": 0.5, "offset": 6.0, "beta": 0.05, "eta": 0.5, "b": 3},
    "stocbio": {
        "alpha": 0.5, "beta": 0.05, "eta": 0.5, "D": 2, "Q": 2, "S": 5, "B": 3, "D_f": 4, "D_g": 4,
        "first_D": 3, "shrink": 0.7,
    },
    "stocbio_single_batch": {
        "alpha": 0.5, "beta": 0.05, "eta": 0.5, "D": 2, "Q": 2, "S": 5, "S_h": 3, "D_f": 4,
        "D_g": 4, "first_D": 3,
    },
    "ttsa": {"alpha": 0.5, "beta": 0.05, "eta": 0.5, "b": 3},
}  # fmt: skip
GAUSSIAN = {"noise": "gaussian", "sigma": 0.2}
SHUFFLED = {"noise": "finite_sum", "sigma": 0.2, "sampling": "shuffled"}


def plain(**options):
    return problems.make("hard", kappa=3.0, seed=1, **options)


def measure(state):
    return {"x": float(state.x.sum()), "y": float(state.y.sum()) if "y" in state._fields else 0.0}


def make_task(problem=None, engine="torch", evaluate=measure, **more):
    return Task("test", problem or plain(), engine, evaluate, "x", (), **more)


def run(task, name="itd_bio", budget=Budget("calls", 100), points=4, params=None, **more):  # noqa: B008
    solver = solvers.get(name)
    given = params or (EXACT | RANDOM)[name]
    return train(task, solver, solvers.make_params(solver, given), 3, budget, points, **more)


def without_seconds(training):
    points = [{k: v for k, v in p.items() if k != "seconds"} for p in training.curve]
    total = {k: v for k, v in training.total.items() if k != "seconds"}
    return training.status, training.reason, total, points


class StoppedError(Exception):
    pass


def stopped_and_resumed(task, name, folder, at):
    """The run, stopped after its evaluation number `at`, then taken up from disk."""
    path, seen = folder / f"{at}.npz", 0

    def keep(after):
        own = checkpoint.keep_in(path, "run", "code", period=0.0)

        def save(arrays, progress):
            own.save(arrays, progress)
            nonlocal seen
            seen += 1
            if seen == after:
                raise StoppedError

        return Keep(own.load, save)

    with pytest.raises(StoppedError):
        run(task, name, keep=keep(at))
    assert path.exists()
    return run(task, name, keep=keep(-1))


CASES = [
    *((name, {}) for name in EXACT),
    *((name, GAUSSIAN) for name in ("bsa", "ttsa")),
    *((name, SHUFFLED) for name in ("stocbio", "stocbio_single_batch")),
]


def test_every_built_in_solver_is_resumed_below():
    assert {name for name, _ in CASES} == set(solvers.BUILT_IN)


# Compiled, one of each kind: exact, from generators, and from shuffled epochs.
ON_ENGINES = [("torch", *case) for case in CASES] + [
    ("compiled", "aid_bio", {}), ("compiled", "ttsa", GAUSSIAN), ("compiled", "stocbio", SHUFFLED),
]  # fmt: skip


@pytest.mark.parametrize(
    ("engine", "name", "noise"), ON_ENGINES, ids=[f"{case[1]}-{case[0]}" for case in ON_ENGINES]
)
def test_resumed_to_the_bit(engine, name, noise, tmp_path):
    task = make_task(plain(**noise), engine)
    whole = run(task, name)
    assert whole.status == "ok"
    assert len(whole.curve) == 5
    for at in (1, 3):
        resumed = stopped_and_resumed(task, name, tmp_path, at)
        assert without_seconds(resumed) == without_seconds(whole)


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_steps_are_the_solvers_own(engine):
    task, solver = make_task(engine=engine), solvers.get("aid_bio")
    params = solvers.make_params(solver, EXACT["aid_bio"])
    kinds = {"compiled": CompiledSteps, "torch": TorchSteps}
    steps = kinds[engine](task.problem, solver, params)
    steps.advance(Stretch(np.zeros((2, len(SLOTS)), np.int64), 1, 7))
    from bilevel_core.reference import private_oracle

    state = solver.init(task.problem.x0, task.problem.y0)
    oracle = private_oracle(task.problem)
    for _ in range(7):
        state = solver.step(oracle, params, state)
    assert steps.outer == 7
    assert np.array_equal(steps.ledger(), oracle.ledger)
    for own, other in zip(steps.state()[:3], state[:3], strict=True):
        np.testing.assert_allclose(own, other, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_a_budget_of_calls_ends_with_the_first_step_that_reaches_it(engine):
    # ITD with D = 2: 2 gradients of f and 6 of the others, 8 calls a step.
    training = run(make_task(engine=engine), budget=Budget("calls", 65), points=2)
    assert training.total["outer"] == 9
    assert training.total["reached"] == 72
    assert [point["outer"] for point in training.curve] == [0, 5, 9]
    assert training.curve[-1]["calls"] == training.total["calls"]


def test_samples_of_exact_calls_cost_the_sum_that_they_read():
    sizes = {"grad_y_g": 10, "jvp": 10, "hvp": 10, "grad_x_f": 5, "grad_y_f": 5}
    task = make_task(samples_of=sizes)
    training = run(task, budget=Budget("samples", 141), points=1)
    assert training.total["outer"] == 3
    assert training.total["spent"] == 3 * 70
    assert training.total["samples"]["grad_y_g"] == 3 * 20


def test_samples_of_batches_cost_what_was_drawn():
    # stocBiO: D S + 2 D_f + D_g + batches of Hessians (6, 5), and a first step of one more S.
    task = make_task(plain(**SHUFFLED), samples_of={"grad_y_g": 1000})
    training = run(task, "stocbio", budget=Budget("samples", 34), points=1)
    assert training.total["outer"] == 1
    assert training.total["spent"] == 15 + 8 + 4 + 11


def test_max_outer_censors_and_is_looked_at_evenly():
    training = run(make_task(), budget=Budget("calls", 1e9, 10), points=5)
    assert (training.status, training.reason) == ("censored", "max_outer = 10 reached")
    assert [point["outer"] for point in training.curve] == [0, 2, 4, 6, 8, 10]


class FakeClock:
    """A second for each reading; what lies between two readings is whatever moves it."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        self.now += 1.0
        return self.now


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_evaluation_and_refresh_are_neither_timed_nor_counted(engine):
    clock = FakeClock()

    def slow(state):
        clock.now += 1e6
        return measure(state)

    def slow_refresh(data, state, k):
        clock.now += 1e6
        return data, state

    task = make_task(engine=engine, evaluate=slow, refresh=slow_refresh)
    training = run(task, budget=Budget("calls", 80), points=5, clock=clock)
    assert training.total["seconds"] == 10.0  # two readings a step, ten steps
    assert training.total["reached"] == 80


def test_a_budget_of_seconds_is_spent_by_the_clock():
    training = run(make_task(), budget=Budget("seconds", 5.5), points=2, clock=FakeClock())
    assert training.status == "ok"
    assert training.total["seconds"] == 6.0
    assert [point["seconds"] for point in training.curve] == [0.0, 3.0, 6.0]


@pytest.mark.parametrize("engine", ["compiled", "torch"])
def test_divergence_ends_a_run_in_a_status(engine):
    params = {**EXACT["itd_bio"], "alpha": 1e30}
    training = run(make_task(engine=engine), budget=Budget("calls", 4000), params=params)
    assert training.status == "diverged"
    assert training.reason.startswith("x or y is not finite after")
    assert training.total["outer"] < 100
    assert len(training.curve) == 1


@pytest.mark.parametrize(
    ("engine", "family", "kind"), [("compiled", "hard", float), ("torch", "quadratic", np.ndarray)]
)
def test_refreshed_data_is_resumed_to_the_bit(engine, family, kind, tmp_path):
    """Changes that add up: each step's data is made from the last one's."""
    problem = problems.make(family, kappa=3.0, seed=1)
    parts = problem.data._asdict().items()
    field = next(name for name, value in parts if isinstance(value, kind))

    def refresh(data, state, k):
        return data._replace(**{field: getattr(data, field) * (1.0 + 0.01 * k)}), state

    task = make_task(problem, engine, refresh=refresh)
    whole = run(task)
    assert whole.curve[-1]["metrics"] != run(make_task(problem, engine)).curve[-1]["metrics"]
    resumed = stopped_and_resumed(task, "itd_bio", tmp_path, 2)
    assert without_seconds(resumed) == without_seconds(whole)


def test_a_checkpoint_of_another_run_or_half_written_is_none(tmp_path):
    path = tmp_path / "run.npz"
    checkpoint.write(path, {"x": np.arange(3)}, {"run": "a", "code": "b", "curve": []})
    arrays, progress = checkpoint.keep_in(path, "a", "b").load()
    assert arrays["x"].tolist() == [0, 1, 2]
    assert progress["curve"] == []
    assert checkpoint.keep_in(path, "other", "b").load() is None
    assert checkpoint.keep_in(path, "a", "other").load() is None
    path.write_bytes(path.read_bytes()[:100])
    assert checkpoint.keep_in(path, "a", "b").load() is None


def test_a_checkpoint_that_does_not_fit_its_run_is_none():
    whole = run(make_task())
    stored = {"outer": np.array(5), "seconds": np.array(0.0), "ledger": np.zeros((2, 6))}
    wrong = Keep(lambda: (stored, {"curve": []}), lambda arrays, progress: None)
    assert without_seconds(run(make_task(), keep=wrong)) == without_seconds(whole)


def test_a_checkpoint_never_holds_an_object(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        checkpoint.write(tmp_path / "run.npz", {"x": np.array([object()])}, {})


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        (Budget("sample", 1), "did you mean 'samples'"),
        (Budget("calls", 0), "amount: expected a finite number > 0, got 0"),
        (Budget("calls", 1, 0), "max_outer: expected an integer >= 1, got 0"),
    ],
)
def test_a_budget_that_is_not_allowed(budget, message):
    with pytest.raises(InputError, match=message):
        run(make_task(), budget=budget)


def test_unknown_slot():
    with pytest.raises(InputError, match="did you mean 'hvp'"):
        run(make_task(samples_of={"hvpp": 3}))


def test_metrics_that_are_not_finite_are_none():
    training = run(make_task(evaluate=lambda state: {"x": float("inf")}))
    assert training.curve[0]["metrics"] == {"x": None}


def test_a_share_of_a_budget_scales_both_limits():
    assert Budget("samples", 1001, 10).share(0.25) == Budget("samples", 250.0, 2)
