"""Sweeps: nothing is computed twice, nothing is lost, and the executor does not matter."""

import dataclasses
import importlib
import inspect
import os
import signal
import subprocess
import sys
import time
import warnings
from collections import Counter
from pathlib import Path

import pytest

from bilevel_core.errors import InputError
from bilevel_core.sweep import keys, lock, plan, progress, store, workers
from bilevel_core.sweep.forecast import forecaster
from bilevel_core.sweep.merge import outcome
from bilevel_core.sweep.runner import sweep
from bilevel_core.sweep.specification import cells, load, parse

run_module = importlib.import_module("bilevel_core.run")

TEXT = """
name = "t"
[[grid]]
problem = "hard"
solvers = ["aid_bio"]
kappa = [4, 6, 8, 10]
eps = [0.3, 0.1]
seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
"""
RUNS = 40

BROKEN = """
from bilevel_core.solvers import register_solver
from bilevel_core.solvers.aid_bio import Params, State, init, cost_per_step, theory

@register_solver("broken")
def step(oracle, params, state):
    raise ValueError("it is broken")
"""

DEADLY = """
import os
from bilevel_core.solvers import register_solver
from bilevel_core.solvers.aid_bio import Params, State, cost_per_step, theory
from bilevel_core.solvers.aid_bio import step as aid_bio_step

def init(x0, y0):
    os._exit(3)

@register_solver("deadly")
def step(oracle, params, state):
    return aid_bio_step(oracle, params, state)
"""


@pytest.fixture(scope="module")
def specification(tmp_path_factory):
    path = tmp_path_factory.mktemp("specification") / "spec.toml"
    path.write_text(TEXT)
    return path


@pytest.fixture(scope="module")
def reference(specification, tmp_path_factory):
    """The store of an uninterrupted sweep in this process."""
    out = tmp_path_factory.mktemp("reference")
    summary = sweep(load(specification), out)
    assert (summary.computed, summary.skipped, summary.statuses) == (RUNS, 0, {"ok": RUNS})
    return out


@pytest.fixture
def executions(monkeypatch):
    """How often each run was executed in this process, by key."""
    counted = Counter()

    def execute(config, progress, tune=None):
        counted[keys.key(config)] += 1
        return original(config, progress)

    original = run_module.execute
    monkeypatch.setattr(run_module, "execute", execute)
    return counted


def outcomes(directory):
    """What every run measured, by key; fails on any file that is not intact."""
    found = {path.stem: store.read(path) for path in store.paths(directory)}
    damaged = [record for record in found.values() if isinstance(record, store.Damaged)]
    assert not damaged
    return {name: outcome(record.to_dict()) for name, record in found.items()}


def small(**changes):
    """Four quick runs, as a specification."""
    grid = {"problem": "hard", "solvers": ["aid_bio"], "kappa": [4.0, 5.0], "eps": [0.5]}
    return parse({"name": "small", "grid": [grid | {"seeds": [0, 1]} | changes]})


def test_second_sweep_computes_nothing(tmp_path, executions):
    assert sweep(small(), tmp_path).computed == 4
    again = sweep(small(), tmp_path)
    assert (again.computed, again.skipped, again.statuses) == (0, 4, {"ok": 4})
    assert set(executions.values()) == {1}
    assert len(executions) == 4


def test_wider_sweep_computes_only_what_is_new(tmp_path, executions):
    sweep(small(), tmp_path)
    assert sweep(small(seeds=[0, 1, 2]), tmp_path).computed == 2
    assert set(executions.values()) == {1}


def test_damaged_files_are_named_and_computed_again(tmp_path, executions, capsys):
    sweep(small(), tmp_path)
    intact, truncated, edited, swapped = store.paths(tmp_path)
    truncated.write_bytes(truncated.read_bytes()[:100])
    edited.write_text(edited.read_text().replace('"outer":', '"outer":1', 1))
    swapped.write_bytes(intact.read_bytes())
    before = intact.stat().st_mtime_ns
    assert sweep(small(), tmp_path).computed == 3
    said = capsys.readouterr().err
    for path in (truncated, edited, swapped):
        assert f"computing again {path}: " in said
    assert str(intact) not in said
    assert intact.stat().st_mtime_ns == before
    assert len(outcomes(tmp_path)) == 4
    assert sweep(small(), tmp_path).computed == 0


def test_runs_of_other_code_are_named_and_computed_again(tmp_path, capsys):
    sweep(small(), tmp_path)
    record = next(store.records(tmp_path))
    store.write(tmp_path, dataclasses.replace(record, code="0" * 32))
    assert sweep(small(), tmp_path).computed == 1
    assert "1 runs of aid_bio on hard: their code has changed since" in capsys.readouterr().err
    assert next(store.records(tmp_path)).code == record.code


def test_leftovers_of_killed_writes_are_removed(tmp_path):
    sweep(small(), tmp_path)
    leftover = store.paths(tmp_path)[0].parent / ".x.json.another-host.1.tmp"
    leftover.touch()
    os.utime(leftover, (1, 1))
    sweep(small(), tmp_path)
    assert not leftover.exists()


def test_failed_runs_are_reported_and_tried_again(tmp_path):
    plugin = tmp_path / "broken.py"
    plugin.write_text(BROKEN)
    specification = small(solvers=["aid_bio", f"{plugin}:broken"], kappa=[4.0], engine="torch")
    for computed in (4, 2):
        summary = sweep(specification, tmp_path / "out")
        assert (summary.computed, summary.statuses) == (computed, {"ok": 2, "failed": 2})
        assert {failure.reason for failure in summary.failures} == {
            "ValueError: it is broken (broken.py, line 7)"
        }
    table = store.frame(tmp_path / "out")
    assert table.loc[table["solver"] != "aid_bio", "hv"].isna().all()


def test_record_that_cannot_be_stored_is_a_failed_run(tmp_path, monkeypatch):
    original = run_module.execute

    def with_nan(config, progress, tune=None):
        return dataclasses.replace(original(config, progress), seconds=float("nan"))

    monkeypatch.setattr(run_module, "execute", with_nan)
    summary = sweep(small(kappa=[4.0], seeds=[0]), tmp_path)
    assert summary.statuses == {"failed": 1}
    assert "cannot be stored" in summary.failures[0].reason


def test_censored_runs_are_results(tmp_path):
    summary = sweep(small(max_outer=3, eps=[1e-6]), tmp_path)
    assert (summary.statuses, summary.failures) == ({"censored": 4}, [])
    assert sweep(small(max_outer=3, eps=[1e-6]), tmp_path).skipped == 4


def test_ctrl_c_waits_until_the_run_says_that_it_may_stop(tmp_path, monkeypatch):
    reached = []

    def execute(config, progress, tune=None):
        os.kill(os.getpid(), signal.SIGINT)
        time.sleep(0.01)
        reached.append("after the signal")
        progress(1)
        reached.append("after the safe point")

    monkeypatch.setattr(run_module, "execute", execute)
    with pytest.raises(KeyboardInterrupt):
        sweep(small(), tmp_path)
    assert reached == ["after the signal"]


def test_run_that_ends_before_it_may_stop_is_stored(tmp_path, monkeypatch):
    original = run_module.execute

    def execute(config, progress, tune=None):
        record = original(config, progress)
        os.kill(os.getpid(), signal.SIGINT)
        return record

    monkeypatch.setattr(run_module, "execute", execute)
    with pytest.raises(KeyboardInterrupt):
        sweep(small(), tmp_path)
    assert len(outcomes(tmp_path)) == 1


def test_one_small_run_of_each_code_comes_first_then_the_longest():
    asked = cells(small(kappa=[4.0, 64.0, 16.0], seeds=[0], solvers=["aid_bio", "ba"]))
    ordered = plan.make(Path("nowhere"), asked, forecaster()).pending
    assert {config.solver for config in ordered[:2]} == {"aid_bio", "ba"}
    assert [config.kappa for config in ordered] == [4.0, 4.0, 64.0, 64.0, 16.0, 16.0]


def test_two_sweeps_in_one_directory_are_refused(tmp_path):
    with lock.exclusive(tmp_path), pytest.raises(InputError, match=f"process {os.getpid()}"):
        sweep(small(), tmp_path)
    sweep(small(kappa=[4.0], seeds=[0]), tmp_path)


def test_bad_arguments_are_bad_input(tmp_path):
    with pytest.raises(InputError, match="jobs: expected a whole number >= 1, got 0"):
        sweep(small(), tmp_path, jobs=0)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(InputError, match="not a directory"):
        sweep(small(), file)


def test_progress_lines_come_at_most_every_period_and_count_no_compilation(capsys):
    times = iter([0.0, 100.0, 110.0, 131.0, 135.0])
    with progress._lines(4, 40.0, clock=lambda: next(times)) as advance:
        for work in (0.0, 10.0, 10.0, 20.0):
            advance(work)
    assert capsys.readouterr().err == "1/4 runs, compiling\n3/4 runs, about 31 s left\n"


@pytest.mark.parametrize(
    ("seconds", "words"), [(5, "5 s"), (100, "2 min"), (3600, "60 min"), (7500, "2 h 5 min")]
)
def test_durations_in_words(seconds, words):
    assert progress.duration(seconds) == words


def test_workers_measure_the_same_as_this_process(specification, reference, tmp_path):
    summary = sweep(load(specification), tmp_path, jobs=2)
    assert (summary.computed, summary.statuses) == (RUNS, {"ok": RUNS})
    assert outcomes(tmp_path) == outcomes(reference)


def test_renewal_of_a_worker_is_no_warning(recwarn):
    from joblib.externals.loky import process_executor

    told = "A worker stopped while some jobs were given to the "
    assert f'"{told}"' in inspect.getsource(process_executor)
    with workers.quiet_renewal():
        warnings.warn(told, UserWarning, stacklevel=1)
        warnings.warn("anything else", UserWarning, stacklevel=1)
    assert [str(warning.message) for warning in recwarn] == ["anything else"]


def test_outcome_leaves_out_only_circumstances(reference):
    record = next(store.records(reference)).to_dict()
    assert record.keys() - outcome(record).keys() == {"seconds", "environment"}


# From here on sweeps run in processes of their own, which are then hurt.


def start(specification, out, jobs):
    arguments = ["sweep", str(specification), "--out", str(out), "--jobs", str(jobs)]
    return subprocess.Popen(
        [sys.executable, "-m", "bilevel_core", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd=Path(__file__).parent.parent,
    )


def wait_for_files(process, out, number):
    deadline = time.monotonic() + 120
    while len(store.paths(out)) < number:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline
        time.sleep(0.002)


def processes(pid):
    """Worker processes that a process has started (Linux)."""
    threads = Path(f"/proc/{pid}/task").glob("*/children")
    found = [child for thread in threads for child in thread.read_text().split()]
    return [int(c) for c in found if b"popen_loky" in Path(f"/proc/{c}/cmdline").read_bytes()]


def ignores_ctrl_c(pid):
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    mask = next(line.split()[1] for line in lines if line.startswith("SigIgn"))
    return bool(int(mask, 16) & 1 << (signal.SIGINT - 1))


def resume(specification, out, stored):
    """Finish an interrupted sweep; what was stored stays as it is, byte for byte."""
    before = {path: path.read_bytes() for path in store.paths(out)}
    summary = sweep(load(specification), out)
    assert summary.skipped >= stored
    assert (summary.computed + summary.skipped, summary.statuses) == (RUNS, {"ok": RUNS})
    assert all(path.read_bytes() == content for path, content in before.items())
    assert not store.being_written(out)


@pytest.mark.parametrize("jobs", [1, 2])
def test_kill_9_loses_at_most_the_runs_in_flight(specification, reference, tmp_path, jobs):
    process = start(specification, tmp_path, jobs)
    wait_for_files(process, tmp_path, 5)
    process.kill()
    process.communicate(timeout=30)  # ends when the last orphan has closed the pipes
    time.sleep(3 * workers.WATCH)  # orphaned workers end by themselves
    stored = len(outcomes(tmp_path))
    assert 5 <= stored < RUNS
    time.sleep(2 * workers.WATCH)
    assert len(store.paths(tmp_path)) == stored
    resume(specification, tmp_path, stored)
    assert outcomes(tmp_path) == outcomes(reference)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds workers through /proc")
def test_killed_worker_is_replaced(specification, reference, tmp_path):
    process = start(specification, tmp_path, 2)
    wait_for_files(process, tmp_path, 5)
    first, *_ = found = processes(process.pid)
    assert len(found) == 2
    assert all(ignores_ctrl_c(pid) for pid in found)
    os.kill(first, signal.SIGKILL)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert "a worker died {SIGKILL(-9)} under aid_bio on hard, kappa " in err
    assert "; going on with a new one" in err
    assert f"{RUNS} computed" in out
    assert outcomes(tmp_path) == outcomes(reference)


def test_runs_that_kill_every_worker_are_named_after_the_others_are_stored(tmp_path):
    (tmp_path / "deadly.py").write_text(DEADLY)
    solvers = ["aid_bio", f"{tmp_path}/deadly.py:deadly"]
    grid = TEXT.replace('["aid_bio"]', str(solvers)).replace("[4, 6, 8, 10]", "[4]")
    (tmp_path / "spec.toml").write_text(grid.replace("[0, 1, 2, 3, 4, 5, 6, 7, 8, 9]", "[0, 1]"))
    process = start(tmp_path / "spec.toml", tmp_path / "out", 2)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 1
    last = err.splitlines()[-1]
    assert last.startswith("error: every worker that took it died: ")
    assert last.count("deadly on hard, kappa 4, seed ") == last.count(" {EXIT(3)}; ") == 2
    assert last.endswith("; the same command resumes")
    assert len(outcomes(tmp_path / "out")) == 2
    assert not store.being_written(tmp_path / "out")


@pytest.mark.parametrize(
    ("jobs", "number", "send"),
    [
        (1, signal.SIGINT, os.kill),
        (2, signal.SIGINT, os.kill),
        (2, signal.SIGINT, os.killpg),
        (1, signal.SIGTERM, os.kill),
        (2, signal.SIGTERM, os.killpg),
    ],
)
def test_ctrl_c_and_sigterm_say_how_to_resume(
    specification, reference, tmp_path, jobs, number, send
):
    """A terminal, or a batch system, sends to every process of the group, `kill` to one."""
    process = start(specification, tmp_path, jobs)
    wait_for_files(process, tmp_path, 5)
    send(process.pid, number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert jobs == 1 or "not finished: aid_bio on hard, kappa " in err
    assert f"runs are stored in {tmp_path}; the same command resumes" in err
    assert "Traceback" not in err
    assert not store.being_written(tmp_path)
    resume(specification, tmp_path, len(outcomes(tmp_path)))
    assert outcomes(tmp_path) == outcomes(reference)
