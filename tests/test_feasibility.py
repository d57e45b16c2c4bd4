"""Budgets: what is too dear is shown and not run; a larger one adds runs and repeats none."""

import dataclasses
import importlib
from collections import Counter
from pathlib import Path

import pytest

from bilevel_core.cli import main
from bilevel_core.record import RunConfig
from bilevel_core.sweep import plan, store
from bilevel_core.sweep.cost_model import Prediction
from bilevel_core.sweep.feasibility import MOST_SAMPLES, Cell, divide
from bilevel_core.sweep.forecast import forecaster
from bilevel_core.sweep.keys import key
from bilevel_core.sweep.progress import compact
from bilevel_core.sweep.runner import sweep
from bilevel_core.sweep.specification import cells, expand, parse
from bilevel_core.sweep.speed_model import here

CONFIG = RunConfig(problem="hard", kappa=4.0, solver="aid_bio", eps=(0.5, 0.1, 0.03))
INSTANCES = tuple(dataclasses.replace(CONFIG, seed=seed) for seed in (0, 1))

UNPREDICTABLE = """
from bilevel_core.solvers import register_solver
from bilevel_core.solvers.aid_bio import Params, State, init, step, theory

def cost_per_step(params, k):
    raise ValueError("nobody knows")

@register_solver("unpredictable")
def step(oracle, params, state, aid_bio_step=step):
    return aid_bio_step(oracle, params, state)
"""


def asked(solver="itd_bio", **changes):
    """Two instances of one cell: two eps, which are passes of their own where it is ITD-BiO."""
    grid = {"problem": "hard", "solvers": [solver], "kappa": [4.0], "eps": [0.5, 0.1]}
    return parse({"name": "t", "grid": [grid | {"seeds": [0, 1]} | changes]})


def calls(solver="itd_bio"):
    """Predicted oracle calls of the cell's dearest instance, by eps."""
    forecast = forecaster()
    found = [forecast(config).predictions for config in expand(asked(solver))]
    return {each[0].eps: max(p.calls for p in each) for each in zip(*found, strict=True)}


def between(solver="itd_bio"):
    """A budget that allows the larger eps only."""
    low, high = sorted(calls(solver).values())
    return (low * high) ** 0.5


def statuses(directory):
    """Status of every (eps, seed) of the average criterion; fails where one has two."""
    table = store.frame(directory)
    table = table[table["criterion"] == "average"]
    found = {(row.eps, row.seed): row.status for row in table.itertuples()}
    assert len(found) == len(table)
    return found


@pytest.fixture
def executions(monkeypatch):
    """How often each run was executed in this process, by key."""
    run_module = importlib.import_module("bilevel_core.run")
    original, counted = run_module.execute, Counter()

    def execute(config, progress, tune=None):
        counted[key(config)] += 1
        return original(config, progress)

    monkeypatch.setattr(run_module, "execute", execute)
    return counted


# Dividing one cell


def predictions(calls_of, samples=0.0, shared=True):
    """A function that predicts calls_of[seed][i] for the i-th eps."""

    def predict(config):
        return tuple(
            Prediction(eps, 0 if shared else eps, {}, 1.0, calls, samples, None)
            for eps, calls in zip(config.eps, calls_of[config.seed], strict=True)
        )

    return predict


def test_eps_above_the_budget_are_infeasible_and_the_others_one_run():
    predict = predictions({0: (1e2, 1e4, 1e6), 1: (1e2, 1e4, 1e6)})
    runs, infeasible = divide(Cell(INSTANCES, 1e5), predict)
    assert [(run.seed, run.eps) for run in runs] == [(0, (0.5, 0.1)), (1, (0.5, 0.1))]
    assert [(each.config.seed, each.config.eps) for each in infeasible] == [
        (0, (0.03,)),
        (1, (0.03,)),
    ]
    assert {each.reason for each in infeasible} == {
        "predicted 1e6 oracle calls, above the budget of 1e5"
    }


def test_instances_stand_or_fall_together():
    predict = predictions({0: (1e2, 1e3, 1e4), 1: (1e2, 1e6, 1e7)})
    runs, infeasible = divide(Cell(INSTANCES, 1e5), predict)
    assert [run.eps for run in runs] == [(0.5,), (0.5,)]
    assert {each.prediction.calls for each in infeasible} == {1e6, 1e7}
    assert len(infeasible) == 4


def test_each_set_of_parameters_is_a_run():
    predict = predictions({0: (1e2, 1e3, 1e4)}, shared=False)
    assert [run.eps for run in divide(Cell(INSTANCES[:1], 1e5), predict).runs] == [
        (0.5,),
        (0.1,),
        (0.03,),
    ]


def test_without_a_budget_or_a_prediction_everything_is_one_run():
    predict = predictions({0: (1e2, 1e3, 1e4)}, shared=False)
    assert divide(Cell(INSTANCES[:1], None), predict) == ([CONFIG], [])
    assert divide(Cell(INSTANCES, 1.0), lambda config: ()) == (list(INSTANCES), [])


def test_samples_that_no_ledger_holds_are_infeasible():
    predict = predictions({0: (1e2, 1e3, 1e4)}, samples=2 * MOST_SAMPLES)
    runs, infeasible = divide(Cell(INSTANCES[:1], 1e5), predict)
    assert runs == []
    assert "predicted 9.22e18 samples, more than the ledger holds" in infeasible[0].reason


# Sweeps


def test_infeasible_cells_are_stored_as_rows_with_their_cost(tmp_path, executions):
    summary = sweep(asked(budget=between()), tmp_path)
    assert (summary.computed, summary.statuses) == (2, {"ok": 2, "infeasible": 2})
    assert str(summary).endswith("0 failed, 2 infeasible")
    assert executions.total() == 2
    table = store.frame(tmp_path)
    refused = table[table["status"] == "infeasible"]
    assert set(refused["eps"]) == {0.1}
    assert set(refused["predicted_calls"]) == {calls()[0.1]}
    assert refused["hv"].isna().all()
    assert refused["outer_bound"].notna().all()
    assert refused["reason"].str.startswith(f"predicted {compact(calls()[0.1])} oracle").all()


def test_second_sweep_writes_nothing(tmp_path, executions):
    sweep(asked(budget=between()), tmp_path)
    before = {path: path.stat().st_mtime_ns for path in store.paths(tmp_path)}
    again = sweep(asked(budget=between()), tmp_path)
    assert (again.computed, again.skipped, again.statuses["infeasible"]) == (0, 2, 2)
    assert {path: path.stat().st_mtime_ns for path in store.paths(tmp_path)} == before
    assert executions.total() == 2


def test_reason_follows_the_budget(tmp_path):
    for budget in (between(), 0.9 * between()):
        sweep(asked(budget=budget), tmp_path)
    table = store.frame(tmp_path)
    reasons = set(table.loc[table["status"] == "infeasible", "reason"])
    assert len(reasons) == 1
    assert reasons.pop().endswith(f"above the budget of {compact(0.9 * between())}")


@pytest.mark.parametrize("solver", ["itd_bio", "aid_bio"])
def test_larger_budget_adds_what_is_missing(tmp_path, executions, solver):
    budget = between(solver)
    sweep(asked(solver, budget=budget), tmp_path)
    assert Counter(statuses(tmp_path).values()) == {"ok": 2, "infeasible": 2}
    summary = sweep(asked(solver, budget=1e3 * budget), tmp_path)
    assert (summary.computed, summary.skipped) == (2, 2)
    assert (set(executions.values()), len(executions)) == ({1}, 4)
    assert set(statuses(tmp_path).values()) == {"ok"}
    assert sweep(asked(solver, budget=1e3 * budget), tmp_path).computed == 0


@pytest.mark.parametrize("solver", ["itd_bio", "aid_bio"])
@pytest.mark.parametrize("larger", [{}, {"budget": 1e9}])
def test_what_is_stored_stands_under_a_smaller_budget(tmp_path, executions, solver, larger):
    sweep(asked(solver, **larger), tmp_path)
    made = executions.total()
    summary = sweep(asked(solver, budget=1.0, eps=[0.5, 0.1, 1e-3]), tmp_path)
    assert (summary.computed, summary.statuses) == (0, {"ok": made, "infeasible": 2})
    assert executions.total() == made
    assert Counter(statuses(tmp_path).values()) == {"ok": 4, "infeasible": 2}


def test_single_eps_that_is_stored_stands_between_infeasible_ones(tmp_path, executions):
    sweep(asked(eps=[0.1]), tmp_path)
    summary = sweep(asked(budget=between()), tmp_path)
    assert (summary.computed, summary.skipped, summary.statuses) == (2, 2, {"ok": 4})
    assert set(executions.values()) == {1}


def test_budget_that_grows_step_by_step_measures_the_same(tmp_path):
    specification = {"eps": [0.5, 0.2, 0.1]}
    for budget in (1e3, 1e4, 3e4, 1e5, 1e9):
        sweep(asked("aid_bio", budget=budget, **specification), tmp_path / "grown")
    sweep(asked("aid_bio", **specification), tmp_path / "whole")
    columns = ["criterion", "eps", "seed", "status", "outer", "gc_f", "gc_g", "jv", "hv"]
    grown, whole = (store.frame(tmp_path / name)[columns] for name in ("grown", "whole"))
    assert len(store.paths(tmp_path / "grown")) > len(store.paths(tmp_path / "whole"))
    assert grown.equals(whole)


def test_without_the_budget_nothing_infeasible_is_left(tmp_path):
    sweep(asked(budget=between()), tmp_path)
    assert sweep(asked(), tmp_path).statuses == {"ok": 2}
    assert "infeasible" not in set(store.frame(tmp_path)["status"])


def test_same_run_in_two_grids_has_the_larger_budget():
    first, second = asked(budget=1.0).grid[0], asked(budget=1e9).grid[0]
    for grids in ((first, second), (second, first)):
        both = parse({"name": "t", "grid": [grid.model_dump() for grid in grids]})
        todo = plan.make(Path("nowhere"), cells(both), forecaster())
        assert (len(todo.pending), todo.infeasible) == (4, [])


def test_solver_that_predicts_nothing_is_run(tmp_path):
    plugin = tmp_path / "unpredictable.py"
    plugin.write_text(UNPREDICTABLE)
    specification = asked(f"{plugin}:unpredictable", budget=1.0, engine="torch", eps=[0.5])
    assert sweep(specification, tmp_path / "out").statuses == {"ok": 2}


# What is said


def test_predicted_time_and_infeasible_cells_are_said_first(tmp_path, capsys):
    sweep(asked(budget=between()), tmp_path)
    budget = compact(between())
    first, *_ = capsys.readouterr().err.splitlines()
    assert first.startswith("2 runs to make (0 stored), predicted time about ")
    assert first.endswith(
        f"with 1 process; 1 cell is infeasible (predicted calls above the budget of {budget})"
    )


def test_predicted_time_is_shared_by_processes_but_no_shorter_than_one_run():
    todo = plan.make(Path("nowhere"), cells(asked(eps=[1e-4], max_outer=10**9)), forecaster())
    longest = max(todo.seconds.values())
    together = sum(todo.seconds.values()) + here().compilation
    assert todo.duration(1) == pytest.approx(together)
    assert todo.duration(2) == max(longest, todo.duration(1) / 2)
    assert todo.duration(1000) == longest


def test_dry_run_prints_costs_and_makes_nothing(tmp_path, capsys):
    specification = tmp_path / "spec.toml"
    specification.write_text(
        f'name = "t"\n[[grid]]\nproblem = "hard"\nsolvers = ["itd_bio"]\nkappa = [4]\n'
        f"eps = [0.5, 0.1]\nseeds = [0, 1]\nbudget = {between()}\n"
    )
    out = tmp_path / "out"
    with pytest.raises(SystemExit) as ended:
        main(["sweep", str(specification), "--out", str(out), "--jobs", "3", "--dry-run"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    cheap, dear = (compact(calls()[eps]) for eps in (0.5, 0.1))
    for part in ("ITD-BiO", f" {cheap} ", f" {dear} infeasible ", "2 runs to make (0 stored)"):
        assert part in said
    assert "with 2 processes; 1 cell is infeasible" in said
    assert not out.exists()


@pytest.mark.parametrize(
    ("number", "words"), [(540.0, "540"), (1e9, "1e9"), (3.24e12, "3.24e12"), (0.5, "0.5")]
)
def test_numbers_in_few_characters(number, words):
    assert compact(number) == words
