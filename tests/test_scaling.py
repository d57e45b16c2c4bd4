"""What is said of worker processes and predictions is what files and processes show."""

import dataclasses
import os
import sys
import tomllib
from pathlib import Path

import pytest

from benchmarks import scaling
from benchmarks.instrument import predictions, processes, stores
from benchmarks.instrument.predictions import Told
from bilevel_core.record import RunConfig
from bilevel_core.run import execute
from bilevel_core.sweep import plan, store
from bilevel_core.sweep.feasibility import Cell
from bilevel_core.sweep.forecast import forecaster
from bilevel_core.sweep.keys import key
from bilevel_core.sweep.specification import expand, load, parse

CONFIG = RunConfig(problem="hard", kappa=4.0, solver="aid_bio", eps=(0.5,))
GRID = {"problem": "hard", "solvers": ["aid_bio"], "kappa": [4.0, 6.0], "eps": [0.5, 0.3]}


def cell(kappa, solver="aid_bio"):
    own = dataclasses.replace(CONFIG, kappa=kappa, solver=solver)
    return Cell(tuple(dataclasses.replace(own, seed=seed) for seed in range(2)), None)


@pytest.fixture
def made(tmp_path):
    """Three cells of two runs, written a second apart: two runs that compile, then the others."""
    asked = [cell(4.0), cell(6.0), cell(4.0, "itd_bio")]
    order = plan.make(tmp_path / "nothing", asked, forecaster()).pending
    record = execute(CONFIG)
    stores.fill(tmp_path, (stores.variant(record, config) for config in order))
    for second, config in enumerate(order):
        os.utime(store.path_of(tmp_path, key(config)), (second, second))
    return tmp_path, asked


def test_a_run_took_from_the_file_before_to_its_own(made):
    took = predictions.seconds_between(made[0])
    assert list(took.values()) == [1.0] * 5


def test_cells_are_compared_without_the_runs_that_compile(made):
    told = {one.cell: one for one in predictions.compare(*made)}
    assert sorted(one.actual for one in told.values()) == [1.0, 1.0, 2.0]
    forecast = forecaster()
    large = told["aid_bio on hard, theory, kappa 6"]
    expected = sum(forecast(config).seconds for config in made[1][1].configs)
    assert large.predicted == pytest.approx(expected)


def test_the_worst_cell_is_the_furthest_off_either_way():
    told = [Told("a", 1.0, 1.0), Told("b", 3.0, 1.0), Told("c", 1.0, 5.0), Told("d", 1.9, 1.0)]
    found = predictions.summary(told)
    assert (found["cells"], found["share_within_2"], found["worst"]["cell"]) == (4, 0.5, "c")
    assert found["median"] == pytest.approx(1.45)
    assert found["all_together"] == pytest.approx(6.9 / 8.0)
    assert [one["cell"] for one in found["every"]] == ["c", "a", "d", "b"]


def test_the_warm_up_has_one_run_of_each_solver_and_family():
    wanted = load(scaling.SPECIFICATION)
    small = parse(tomllib.loads(scaling._least(wanted)))
    runs = expand(small)
    code = {(config.solver, config.problem, str(config.options)) for config in expand(wanted)}
    assert {(config.solver, config.problem, str(config.options)) for config in runs} == code
    assert {config.max_outer for config in runs} == {20}
    assert len(runs) == sum(len(grid.solvers) for grid in wanted.grid)


def test_a_sweep_that_goes_wrong_is_an_error_with_what_it_said(tmp_path):
    with pytest.raises(RuntimeError, match=r"exited with 2: .*no file"):
        processes.sweep(tmp_path / "nowhere.toml", tmp_path / "out", 1)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers through /proc")
def test_workers_of_a_sweep_are_seen(tmp_path):
    path = tmp_path / "spec.toml"
    lines = [f"{name} = {value!r}" for name, value in (GRID | {"seeds": [0, 1]}).items()]
    path.write_text("\n".join(['name = "t"', "[[grid]]", *lines]))
    found = processes.sweep(path, tmp_path / "out", 2)
    assert len(store.paths(tmp_path / "out")) == 4
    assert len(found.workers) == 2
    assert 0 < sum(found.workers) < found.cpu


def test_the_command_writes_numbers_and_words(tmp_path, monkeypatch):
    told = predictions.summary([Told("a on b", 1.0, 2.5), Told("c on d", 1.0, 1.0)])
    found = {
        "runs": 7, "jobs": 2, "seconds": {"1": 60.0, "2": 32.0},
        "cpu_seconds": {"1": 58.0, "2": 60.9}, "speed_up": 1.875,
        "efficiency": 0.9375, "due": 0.85, "busy": [0.95, 0.9], "predictions": told,
    }  # fmt: skip
    monkeypatch.setattr(scaling, "measure", lambda specification, jobs: found)
    monkeypatch.setattr(sys, "argv", ["scaling.py", str(tmp_path / "scaling.json")])
    scaling.main()
    assert '"efficiency": 0.9375' in (tmp_path / "scaling.json").read_text()
    words = (tmp_path / "scaling.md").read_text()
    for part in (
        "speed-up of 1.88, 94% of 2 (due: 85%)",
        "busy 95%, 90%",
        "1.05 times",
        "worst: a on b",
    ):
        assert part in words
